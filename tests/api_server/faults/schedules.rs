//! Random schedules of faults and changes. The same seed plays the same schedule:
//! `FAULT_SEED=17 tests/run random_schedules` plays one, `FAULT_SCHEDULES=10000` that many.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use image_pull_sim::api::{Disconnect, ErrorResponse, Faults, ResponseFault, Verb};
use tokio::time::sleep;

use super::lab::{Lab, run};

/// Default number of schedules.
const SCHEDULES: u64 = 300;
/// The pods of a cluster.
const PODS: u64 = 12;

/// A random number generator: splitmix64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        let index = self.below(choices.len() as u64);
        choices[usize::try_from(index).expect("there are few choices")]
    }

    fn is_heads(&mut self) -> bool {
        self.below(2) == 0
    }

    fn drop(&mut self) -> Disconnect {
        self.one_of(&[Disconnect::Clean, Disconnect::Abrupt, Disconnect::Reset, Disconnect::Silent])
    }

    fn verb(&mut self) -> Verb {
        self.one_of(&[Verb::List, Verb::Continue, Verb::Watch, Verb::WatchList])
    }

    fn refusal(&mut self) -> ErrorResponse {
        let retry_after_seconds = u32::try_from(self.below(20)).expect("it is small");
        self.one_of(&[
            ErrorResponse::Unauthorized,
            ErrorResponse::Forbidden,
            ErrorResponse::Gone,
            ErrorResponse::TooManyRequests { retry_after_seconds },
            ErrorResponse::InternalError,
            ErrorResponse::Unavailable,
            ErrorResponse::Timeout,
        ])
    }

    fn fault(&mut self) -> ResponseFault {
        let (seed, after) = (self.below(1000), usize::try_from(self.below(3000)).expect("it is small"));
        match self.below(6) {
            0 => ResponseFault::NeverRespond,
            1 => ResponseFault::Noise { seed },
            2 => ResponseFault::Slow { piece: 1 + after % 200, delay: Duration::from_secs(1 + seed % 30) },
            3 => ResponseFault::MediaType("text/plain"),
            4 => ResponseFault::Reject(self.refusal()),
            _ => ResponseFault::Cut { after, how: self.drop() },
        }
    }
}

/// The truth: which pods there are, which life of each, and whether it fails.
#[derive(Default)]
struct Truth(BTreeMap<u64, (u64, bool)>);

impl Truth {
    fn failing(&self) -> BTreeSet<String> {
        let failing = self.0.iter().filter(|(_, (_, fails))| *fails);
        failing.map(|(pod, (life, _))| format!("pod-{pod}-{life}")).collect()
    }

    /// Changes a pod: it begins to fail or recovers, is deleted, finishes, or is replaced by another one of its name.
    fn change(&mut self, lab: &Lab, dice: &mut Dice) {
        let pod = dice.below(PODS);
        let name = format!("pod-{pod}");
        let (life, _) = self.0.get(&pod).copied().unwrap_or((0, false));
        match dice.below(8) {
            0 => {
                lab.store.delete("shop", &name);
                // The next one of the name is another pod.
                self.0.insert(pod, (life + 1, false));
            }
            1 => {
                lab.store.delete("shop", &name);
                lab.put(&name, life + 1, true);
                self.0.insert(pod, (life + 1, true));
            }
            choice => {
                let fails = choice < 6;
                lab.put(&name, life, fails);
                self.0.insert(pod, (life, fails));
            }
        }
    }
}

fn go_wrong(lab: &Lab, dice: &mut Dice) {
    let faults = &lab.faults;
    let on = dice.is_heads();
    match dice.below(19) {
        0..=2 => faults.disconnect_watches(dice.drop()),
        3 | 4 => faults.send_watch_error(dice.refusal()),
        5 | 6 => faults.fail_next(dice.verb(), dice.fault(), 1 + u32::try_from(dice.below(3)).expect("it is small")),
        7 => lab.store.compact(),
        8 => faults.inject_bytes(dice.one_of(&[&b"\xff\xff\xff\xff"[..], b"\0\0\0\x05hello", b"{]\n", b"\n", b"\0"])),
        9 => faults.never_respond(on),
        10 => faults.close_new_watches(on),
        // Slower, and a list of all pods could take longer than a test may wait for it.
        11 => faults.delay_bodies(on.then(|| Duration::from_secs(1 + dice.below(12)))),
        12 => faults.suppress_bookmarks(on),
        13 => faults.never_complete_watch_list(on),
        14 => faults.reject_watch_list(on),
        15 => faults.disable_protobuf(on),
        16 => faults.repeat_pages(on),
        17 => faults.list_endless_pods(on),
        // No swapped events: they are undetectable if the connection breaks between the two.
        _ if dice.is_heads() => faults.omit_resource_versions(on),
        _ => faults.repeat_events(on),
    }
}

fn go_well(lab: &Lab) {
    let faults = &lab.faults;
    faults.clear();
    for habit in [
        Faults::never_respond,
        Faults::close_new_watches,
        Faults::suppress_bookmarks,
        Faults::never_complete_watch_list,
        Faults::reject_watch_list,
        Faults::disable_protobuf,
        Faults::omit_resource_versions,
        Faults::repeat_events,
        Faults::repeat_pages,
        Faults::list_endless_pods,
    ] {
        habit(faults, false);
    }
    faults.delay_bodies(None);
}

/// Plays a schedule; returns what is wrong at its end.
async fn play(seed: u64) -> Result<(), String> {
    let mut dice = Dice(seed);
    let lab = Lab::new(seed);
    let mut truth = Truth::default();
    for _ in 0..dice.below(PODS) {
        truth.change(&lab, &mut dice);
    }
    for _ in 0..5 + dice.below(30) {
        match dice.below(3) {
            0 => truth.change(&lab, &mut dice),
            1 => go_wrong(&lab, &mut dice),
            _ => sleep(Duration::from_millis(dice.below(40_000))).await,
        }
    }
    if dice.below(10) == 0 {
        // From a backup that is as old as the schedule: everything since is undone. A real server is restarted then.
        let backup = lab.store.snapshot();
        let then = truth.failing();
        truth.change(&lab, &mut dice);
        sleep(Duration::from_millis(dice.below(40_000))).await;
        lab.store.restore(backup);
        lab.faults.disconnect_watches(Disconnect::Abrupt);
        go_well(&lab);
        lab.settle(&then).await?;
    } else {
        go_well(&lab);
        lab.settle(&truth.failing()).await?;
    }
    // A list is followed by a watch at once, so each may count twice.
    let most = 5 + lab.age().as_secs() + lab.faults.requests().list;
    if lab.requests() > most {
        return Err(format!("{} requests in {:?}", lab.requests(), lab.age()));
    }
    Ok(())
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn random_schedules_of_faults_leave_no_trace() {
    let seeds = match number("FAULT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FAULT_SCHEDULES").unwrap_or(SCHEDULES),
    };
    for seed in seeds {
        if let Err(why) = run(play(seed)) {
            panic!("play it again with FAULT_SEED={seed} tests/run random_schedules\n{why}");
        }
    }
}
