use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::backoff::STATUS_LAG;
use crate::scenario::{at, back_off, not_found, pod};

/// An update of the index.
#[derive(Clone, Debug)]
enum Event {
    Applied(PodFacts),
    Found(PodFacts),
    Deleted(PodFacts),
    Listed(WatchScope, Vec<PodFacts>),
}

const NAMESPACES: [&str; 2] = ["shop", "bank"];

fn scopes() -> Vec<WatchScope> {
    NAMESPACES.map(|namespace| WatchScope::Namespace(namespace.to_owned())).to_vec()
}

/// All kinds of statuses, for two images and an image volume.
fn status() -> impl Strategy<Value = StateFacts> {
    let waits =
        |reason: &str, message: &str| StateFacts::Waiting { reason: reason.to_owned(), message: message.to_owned() };
    let mut states = vec![
        StateFacts::Absent,
        StateFacts::Running { started_at: Some(at(3)) },
        StateFacts::Terminated { reason: "Error".to_owned(), finished_at: Some(at(5)) },
        StateFacts::Terminated { reason: "ContainerStatusUnknown".to_owned(), finished_at: None },
        waits("ContainerCreating", ""),
        waits("PodInitializing", ""),
        waits("CrashLoopBackOff", "back-off 10s"),
        waits("CreateContainerConfigError", "x"),
        waits("", ""),
        waits("Tomorrow", "x"),
        waits("free text", "free text"),
        waits("ErrImageNeverPull", ""),
        waits("InvalidImageName", ""),
        waits("ImageInspectError", "Failed to inspect image \"\": x"),
        waits("RegistryUnavailable", "image pull failed for one:nope because the registry is unavailable: x"),
        waits("SignatureValidationFailed", ""),
        waits("ErrImagePull", "pull QPS exceeded"),
        waits("ImagePullBackOff", ""),
    ];
    for image in ["one:nope", "two:nope", "volume:nope"] {
        states.push(waits("ErrImagePull", &not_found(image)));
        states.push(waits("ErrImagePull", &not_found(image)));
        states.push(waits("ImagePullBackOff", &back_off(image)));
    }
    select(states)
}

prop_compose! {
    fn container(kind: ContainerKind, name: &'static str)(
        state in status(),
        image in select(vec!["one:nope", "one:nope", "two:nope"]),
        has_volume in proptest::bool::weighted(0.2),
        restarts in 0..2u32,
        last_run_ended in proptest::option::weighted(0.2, -50..50i64),
    ) -> ContainerFacts {
        let pod = pod("").container(name, kind, image);
        let pod = if has_volume { pod.image_volume("volume:nope") } else { pod };
        let container = pod.containers.into_iter().next().unwrap();
        ContainerFacts { state, restart_count: restarts, last_finished_at: last_run_ended.map(at), ..container }
    }
}

prop_compose! {
    fn any_pod()(
        name in select(vec!["web", "api"]),
        namespace in select(NAMESPACES.to_vec()),
        uid in select(vec!["1", "2"]),
        deleting in proptest::bool::weighted(0.1),
        finished in proptest::bool::weighted(0.1),
        sandbox_ready in proptest::option::of(-100..2000i64),
        scheduled in proptest::option::of(-100..2000i64),
        init in proptest::option::of(container(ContainerKind::Init, "init")),
        app in proptest::option::weighted(0.9, container(ContainerKind::App, "app")),
        debug in proptest::option::weighted(0.2, container(ContainerKind::Ephemeral, "debug")),
    ) -> PodFacts {
        let mut pod = pod(name).in_namespace(namespace).with_uid(&format!("{namespace}-{name}-{uid}"));
        pod.is_deleting = deleting;
        pod.phase = if finished { PodPhase::Finished } else { PodPhase::Active };
        pod.sandbox_ready = sandbox_ready.map(at);
        pod.scheduled = scheduled.map(at);
        pod.containers = [init, app, debug].into_iter().flatten().collect();
        pod
    }
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        10 => any_pod().prop_map(Event::Applied),
        1 => any_pod().prop_map(Event::Found),
        1 => any_pod().prop_map(Event::Deleted),
        1 => (select(scopes()), proptest::collection::vec(any_pod(), 0..4)).prop_map(|(scope, mut pods)| {
            // A list contains each pod once.
            pods.retain(|pod| scope.covers(&pod.id.namespace));
            pods.sort_by(|a, b| a.id.cmp(&b.id));
            pods.dedup_by(|a, b| a.id == b.id);
            Event::Listed(scope, pods)
        }),
    ]
}

/// Updates, each with the seconds since the previous one.
fn story() -> impl Strategy<Value = Vec<(i64, Event)>> {
    let pause = select(vec![0, 0, 1, 11, 15, 25, 50, 170, 305, 700]);
    proptest::collection::vec((pause, event()), 0..60)
}

fn index() -> Index {
    let mut index = Index::new(IndexConfig::default(), &scopes());
    for scope in scopes() {
        index.begin_relist(&scope);
        assert_eq!(index.end_relist(&scope, at(0)), []);
    }
    index
}

fn apply(index: &mut Index, event: &Event, now: Timestamp) -> Vec<IndexEffect> {
    let mut effects = match event {
        Event::Applied(pod) => index.apply(pod, now),
        Event::Found(pod) => index.apply_initial(pod, now),
        Event::Deleted(pod) => index.delete(pod, now),
        Event::Listed(scope, pods) => {
            index.begin_relist(scope);
            let mut effects: Vec<IndexEffect> = pods.iter().flat_map(|pod| index.apply(pod, now)).collect();
            effects.extend(index.end_relist(scope, now));
            effects
        }
    };
    effects.retain(|effect| matches!(effect, IndexEffect::Failure { .. }));
    effects
}

type Key = (PodId, String);

/// The state of the failures according to the effects alone.
#[derive(Default)]
struct Ledger {
    open: BTreeMap<Key, u32>,
    attempts_of_ended: u32,
    started: usize,
    ended: usize,
    attempted: u32,
}

impl Ledger {
    fn record(&mut self, effect: &IndexEffect, since: &BTreeMap<Key, Timestamp>, now: Timestamp) {
        let IndexEffect::Failure { subject, event, .. } = effect else { return };
        let key = (PodId::clone(&subject.pod), subject.container.clone());
        match event {
            FailureEvent::Started => {
                self.started += 1;
                assert_eq!(self.open.insert(key, 0), None, "a second failure of one container");
            }
            FailureEvent::Ended { at, duration: lasted, .. } => {
                self.ended += 1;
                self.attempts_of_ended += self.open.remove(&key).expect("what ends was open");
                if let Some(since) = since.get(&key) {
                    assert_eq!(*lasted, at.saturating_duration_since(*since));
                }
                assert!(*at <= now, "an end is not in the future");
            }
            FailureEvent::AttemptFailed(_) => {
                self.attempted += 1;
                *self.open.get_mut(&key).expect("only an open failure has attempts") += 1;
            }
            FailureEvent::IntervalMeasured(interval) => {
                // The first status may show an attempt that failed one sync before it.
                assert!(
                    self.open.contains_key(&key)
                        && *interval <= now.saturating_duration_since(at(0).saturating_sub(STATUS_LAG))
                );
            }
            FailureEvent::Unclassified(_) | FailureEvent::StatusChanged(..) => assert!(self.open.contains_key(&key)),
        }
    }
}

fn open_failures(index: &mut Index) -> Vec<(Key, Failure)> {
    let snapshot = index.snapshot().expect("every scope was listed");
    let failure = |(pod, container, failure): (&TrackedPod, &TrackedContainer, &Failure)| {
        ((PodId::clone(&pod.id), container.name.to_string()), failure.clone())
    };
    snapshot.failures().map(failure).collect()
}

proptest! {
    #[test]
    fn the_effects_and_the_snapshot_agree(story in story()) {
        let (mut index, mut ledger, mut now) = (index(), Ledger::default(), 0);
        for (pause, event) in story {
            now += pause;
            let since = open_failures(&mut index).into_iter().map(|(key, failure)| (key, failure.start.at)).collect();
            for effect in apply(&mut index, &event, at(now)) {
                ledger.record(&effect, &since, at(now));
            }
            let shown = open_failures(&mut index);
            let attempts: BTreeMap<Key, u32> = shown.iter().map(|(key, failure)| (key.clone(), failure.attempts)).collect();
            prop_assert_eq!(attempts.len(), shown.len(), "a container twice");
            prop_assert_eq!(&attempts, &ledger.open);
            prop_assert_eq!(ledger.started, ledger.ended + shown.len());
            prop_assert_eq!(ledger.attempted, ledger.attempts_of_ended + attempts.values().sum::<u32>());
            for (_, failure) in &shown {
                prop_assert!(failure.start.at <= at(now), "a failure that begins in the future");
                prop_assert!(failure.last_attempt().is_none_or(|last| last <= at(now)));
                prop_assert!(failure.next_attempt().is_none() || failure.last_attempt().is_some());
            }
        }
    }

    #[test]
    fn a_repeated_event_has_no_effects(story in story()) {
        let (mut once, mut twice, mut now) = (index(), index(), 0);
        for (pause, event) in story {
            now += pause;
            let effects = apply(&mut once, &event, at(now));
            prop_assert_eq!(apply(&mut twice, &event, at(now)), effects);
            prop_assert_eq!(apply(&mut twice, &event, at(now)), []);
            prop_assert_eq!(open_failures(&mut once), open_failures(&mut twice));
        }
    }

    #[test]
    fn a_relist_without_changes_has_no_effects(story in story()) {
        let (mut index, mut now, mut cluster) = (index(), 0, BTreeMap::new());
        for (pause, event) in story {
            now += pause;
            let (Event::Applied(pod) | Event::Found(pod)) = event else { continue };
            let _ = index.apply(&pod, at(now));
            cluster.insert(pod.id.clone(), pod);
        }
        let before = open_failures(&mut index).into_iter().map(|(key, failure)| (key, failure.start, failure.attempts)).collect::<Vec<_>>();
        for scope in scopes() {
            let pods = cluster.values().filter(|pod| scope.covers(&pod.id.namespace)).cloned().collect();
            prop_assert_eq!(apply(&mut index, &Event::Listed(scope, pods), at(now + 5)), []);
        }
        let after = open_failures(&mut index).into_iter().map(|(key, failure)| (key, failure.start, failure.attempts)).collect::<Vec<_>>();
        prop_assert_eq!(before, after);
    }

    #[test]
    fn empty_lists_end_all_failures(story in story()) {
        let (mut index, mut now) = (index(), 0);
        for (pause, event) in story {
            now += pause;
            let _ = apply(&mut index, &event, at(now));
        }
        let open = open_failures(&mut index).len();
        let ended: Vec<IndexEffect> = scopes().into_iter().flat_map(|scope| apply(&mut index, &Event::Listed(scope, Vec::new()), at(now))).collect();
        prop_assert_eq!(ended.len(), open);
        prop_assert!(open_failures(&mut index).is_empty());
        prop_assert!(index.snapshot().is_some_and(|snapshot| snapshot.pods.is_empty()), "nothing stays behind");
    }

    #[test]
    fn effects_and_failures_agree_while_the_clock_jumps(story in proptest::collection::vec((-5000..5000i64, event()), 0..30)) {
        let mut index = index();
        let mut open = 0_usize;
        for (now, event) in story {
            for effect in apply(&mut index, &event, at(now)) {
                match effect {
                    IndexEffect::Failure { event: FailureEvent::Started, .. } => open += 1,
                    IndexEffect::Failure { event: FailureEvent::Ended { .. }, .. } => open -= 1,
                    _ => {}
                }
            }
            prop_assert_eq!(open_failures(&mut index).len(), open);
        }
    }
}
