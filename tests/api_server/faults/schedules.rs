//! Random schedules of faults and changes. The same seed plays the same schedule:
//! `FAULT_SEED=17 tests/run random_schedules` plays one, `FAULT_SCHEDULES=10000` that many.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use image_pull_sim::api::{Disconnect, ErrorResponse, Faults, ResponseFault, Verb};
use serde_json::json;
use tokio::time::sleep;

use super::lab::{Lab, SETTLES, run};

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

fn go_well(faults: &Faults) {
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

/// The Events that were written: the count of each by pod, kind and life, and the number of pulls in all of them.
#[derive(Default)]
struct Reported {
    counts: BTreeMap<(u64, &'static str), (u64, u64)>,
    pulls: u64,
    /// Events that count pulls.
    events: u64,
}

impl Reported {
    /// Writes an Event about a pod, which may not exist: a new one, or one more of the same. Some kinds count no pull.
    fn report(&mut self, lab: &Lab, dice: &mut Dice) {
        let pod = dice.below(PODS);
        let kind = dice.one_of(&["Pulled", "Failed", "Pulling", "Error", "Sandbox", "Secret"]);
        let (life, count) = self.counts.entry((pod, kind)).or_default();
        // A restarted kubelet counts from zero.
        if dice.below(8) == 0 {
            (*life, *count) = (*life + 1, 0);
        }
        let growth = if *count == 0 { 1 } else { 1 + dice.below(3) };
        if matches!(kind, "Pulled" | "Failed") {
            self.pulls += growth;
            self.events += u64::from(*count == 0);
        }
        *count += growth;
        let (reason, message) = match kind {
            "Pulled" => (kind, "Successfully pulled image \"r.example/app:1\" in 1.5s (2s including waiting)"),
            "Failed" => (kind, "Failed to pull image \"r.example/app:1\": r.example/app:1: not found"),
            "Pulling" => (kind, "Pulling image \"r.example/app:1\""),
            "Error" => ("Failed", "Error: ErrImagePull"),
            "Sandbox" => (
                "FailedCreatePodSandBox",
                "Failed to create pod sandbox: failed to get sandbox image \"r.example/pause:1\": not found",
            ),
            _ => ("FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets (hub); attempting"),
        };
        // A failing sandbox would be one more failure of the pod, so it is that of an earlier pod with the name.
        let uid = if kind == "Sandbox" { format!("pod-{pod}-earlier") } else { format!("pod-{pod}-0") };
        let name = format!("pod-{pod}.{kind}.{life}");
        lab.store.put(json!({
            "kind": "Event", "apiVersion": "v1",
            "metadata": { "namespace": "shop", "name": name, "uid": format!("uid-{name}") },
            "involvedObject": {
                "kind": "Pod", "namespace": "shop", "name": format!("pod-{pod}"), "uid": uid,
                "fieldPath": "spec.containers{app}",
            },
            "reason": reason, "message": message, "count": *count, "type": "Normal",
            "source": { "component": "kubelet", "host": "node-1" },
        }));
    }

    /// Checks that each Event was counted at least once, and no pull twice.
    fn check(&self, lab: &Lab) -> Result<f64, String> {
        let counted = lab.count(PULLS);
        if (self.events as f64..=self.pulls as f64).contains(&counted) {
            return Ok(counted);
        }
        Err(format!("{counted} pulls counted of {} in {} Events", self.pulls, self.events))
    }
}

/// The counter of pulls.
const PULLS: &str = "image_pulls_total{";

/// Makes the watch of Events fail in a way that loses no right.
fn disturb_events(lab: &Lab, dice: &mut Dice) {
    let faults = lab.faults.events();
    let on = dice.is_heads();
    let refusals = [
        ErrorResponse::Unauthorized,
        ErrorResponse::Gone,
        ErrorResponse::TooManyRequests { retry_after_seconds: 3 },
        ErrorResponse::InternalError,
        ErrorResponse::Unavailable,
    ];
    match dice.below(10) {
        0 | 1 => faults.disconnect_watches(dice.drop()),
        2 | 3 => faults.send_watch_error(dice.one_of(&refusals)),
        4 => faults.reject_next(dice.verb(), dice.one_of(&refusals), 2),
        5 => faults.inject_bytes(dice.one_of(&[&b"\xff\xff\xff\xff"[..], b"{]\n", b"\n", b"\0"])),
        6 => faults.suppress_bookmarks(on),
        7 => faults.reject_watch_list(on),
        8 => faults.disable_protobuf(on),
        _ => faults.repeat_events(on),
    }
}

/// Plays a schedule in which both watches fail; returns what is wrong at its end.
async fn play_with_events(seed: u64) -> Result<(), String> {
    let mut dice = Dice(seed);
    let lab = Lab::with_events(seed);
    let (mut truth, mut reported) = (Truth::default(), Reported::default());
    lab.until(SETTLES, |lab| lab.faults.events().open_watches() == 1).await?;
    for _ in 0..20 + dice.below(40) {
        match dice.below(6) {
            0 | 1 => truth.change(&lab, &mut dice),
            2 => reported.report(&lab, &mut dice),
            3 => go_wrong(&lab, &mut dice),
            4 => disturb_events(&lab, &mut dice),
            _ => sleep(Duration::from_millis(dice.below(40_000))).await,
        }
        if lab.count(PULLS) > reported.pulls as f64 {
            return Err(format!("{} pulls counted of {}", lab.count(PULLS), reported.pulls));
        }
    }
    go_well(&lab.faults);
    go_well(&lab.faults.events());
    lab.settle(&truth.failing()).await?;
    lab.until(SETTLES, |lab| reported.check(lab).is_ok())
        .await
        .map_err(|why| format!("{why}: {:?}", reported.check(&lab)))?;
    // From then on every pull counts.
    lab.until(SETTLES, |lab| lab.faults.events().open_watches() == 1).await?;
    sleep(SETTLES).await;
    let (counted, before) = (reported.check(&lab)?, reported.pulls);
    for _ in 0..20 {
        reported.report(&lab, &mut dice);
        sleep(Duration::from_secs(1)).await;
    }
    sleep(Duration::from_secs(1)).await;
    let (found, expected) = (reported.check(&lab)? - counted, (reported.pulls - before) as f64);
    if found != expected {
        return Err(format!("{found} pulls counted instead of {expected}"));
    }
    lab.settle(&truth.failing()).await.map(|_| ())
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
        go_well(&lab.faults);
        lab.settle(&then).await?;
    } else {
        go_well(&lab.faults);
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

/// The pulls that both watches report, while both of them fail: no failure is invented, and no pull counts twice.
#[test]
fn random_schedules_of_faults_with_events_count_no_pull_twice() {
    let seeds = match number("FAULT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("FAULT_SCHEDULES").unwrap_or(SCHEDULES / 3),
    };
    for seed in seeds {
        if let Err(why) = run(play_with_events(seed)) {
            panic!("play it again with FAULT_SEED={seed} tests/run random_schedules_of_faults_with_events\n{why}");
        }
    }
}
