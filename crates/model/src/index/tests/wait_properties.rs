//! Properties of waits and Events, for random pods and Events.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;

use super::event_scenario::{pull_failed, pulled, pulling, sandbox_failed, secrets_missing};
use super::*;
use crate::image_wait::PendingEvent;
use crate::kubelet_event::EventFacts;

#[derive(Clone, Debug)]
enum Update {
    Applied(PodFacts),
    Found(PodFacts),
    Deleted(PodFacts),
    Listed(Vec<PodFacts>),
    Event(EventFacts),
}

fn state() -> impl Strategy<Value = StateFacts> {
    let waits =
        |reason: &str, message: &str| StateFacts::Waiting { reason: reason.to_owned(), message: message.to_owned() };
    select(vec![
        StateFacts::Absent,
        waits("ContainerCreating", ""),
        waits("ContainerCreating", ""),
        waits("PodInitializing", ""),
        StateFacts::Running { started_at: Some(at(3)) },
        StateFacts::Running { started_at: None },
        StateFacts::Terminated { reason: "Completed".to_owned(), finished_at: Some(at(5)) },
        StateFacts::Terminated { reason: "Error".to_owned(), finished_at: Some(at(5)) },
        waits("CrashLoopBackOff", "back-off 10s"),
        waits("CreateContainerConfigError", "x"),
        waits("ErrImagePull", &not_found("one:1")),
        waits("ErrImagePull", "pull QPS exceeded"),
        waits("ImagePullBackOff", "Back-off pulling image \"one:1\""),
        waits("Tomorrow", "x"),
    ])
}

const NAMES: [(&str, ContainerKind); 5] = [
    ("init", ContainerKind::Init),
    ("mesh", ContainerKind::Sidecar),
    ("app", ContainerKind::App),
    ("two", ContainerKind::App),
    ("debug", ContainerKind::Ephemeral),
];

prop_compose! {
    fn container(number: usize)(
        state in state(),
        image in select(vec!["one:1", "one:1", "two:1"]),
        has_volume in proptest::bool::weighted(0.1),
        has_started in any::<bool>(),
        restarts in 0..2u32,
        last_run_ended in proptest::option::weighted(0.1, -50..50i64),
    ) -> ContainerFacts {
        let (name, kind) = NAMES[number];
        let pod = pod("").container(name, kind, image);
        let pod = if has_volume { pod.image_volume("volume:1") } else { pod };
        let container = pod.containers.into_iter().next().unwrap();
        let last_finished_at = last_run_ended.map(at);
        ContainerFacts { state, has_started, restart_count: restarts, last_finished_at, ..container }
    }
}

prop_compose! {
    fn any_pod()(
        name in select(vec!["web", "api"]),
        is_bound in proptest::bool::weighted(0.95),
        is_deleting in proptest::bool::weighted(0.05),
        phase in select(vec![PodPhase::Active, PodPhase::Active, PodPhase::Active, PodPhase::Running, PodPhase::Finished]),
        sandbox in select(vec![(None, false), (None, true), (Some(-5), false), (Some(-5), false), (Some(400), false), (Some(9999), false)]),
        scheduled in proptest::option::of(-100..50i64),
        containers in (container(0), container(1), container(2), container(3), container(4)),
        shown in select(vec![0b00100, 0b00100, 0b01100, 0b00101, 0b00111, 0b10100, 0b11111]),
    ) -> PodFacts {
        let mut pod = pod(name);
        if !is_bound {
            pod.node.clear();
        }
        (pod.is_deleting, pod.phase) = (is_deleting, phase);
        (pod.sandbox_ready, pod.is_sandbox_missing) = (sandbox.0.map(at), sandbox.1);
        pod.scheduled = scheduled.map(at);
        let (init, mesh, app, two, debug) = containers;
        let all = [init, mesh, app, two, debug].into_iter().enumerate();
        pod.containers = all.filter(|(place, _)| shown >> place & 1 == 1).map(|(_, container)| container).collect();
        pod
    }
}

prop_compose! {
    fn any_event()(
        name in select(vec!["web", "api", "other"]),
        container in select(vec!["init", "mesh", "app", "app", "two", "debug", ""]),
        image in select(vec!["one:1", "one:1", "two:1", "volume:1"]),
        report in 0..7,
        count in 1..4u32,
        seconds in -900..900i64,
    ) -> EventFacts {
        let pod = pod(name);
        let event = match report {
            0 | 1 => pulling(&pod, container, image, seconds),
            2 => pulled(&pod, container, image, seconds),
            3 => pull_failed(&pod, container, image, "401 Unauthorized", seconds),
            4 | 5 => sandbox_failed(&pod, "pause:1", seconds),
            _ => secrets_missing(&pod, &["regcred"], seconds),
        };
        event.again(count, seconds)
    }
}

fn update() -> impl Strategy<Value = Update> {
    prop_oneof![
        8 => any_pod().prop_map(Update::Applied),
        1 => any_pod().prop_map(Update::Found),
        1 => any_pod().prop_map(Update::Deleted),
        1 => proptest::collection::vec(any_pod(), 0..3).prop_map(|mut pods| {
            pods.sort_by(|a, b| a.id.cmp(&b.id));
            pods.dedup_by(|a, b| a.id == b.id);
            Update::Listed(pods)
        }),
        6 => any_event().prop_map(Update::Event),
    ]
}

/// Updates, each with the seconds since the previous one. The resourceVersions of the Events grow.
fn story() -> impl Strategy<Value = Vec<(i64, Update)>> {
    let pause = select(vec![0, 1, 1, 15, 50, 700]);
    proptest::collection::vec((pause, update()), 0..40).prop_map(|mut story| {
        let events = story.iter_mut().filter_map(|(_, update)| match update {
            Update::Event(event) => Some(event),
            _ => None,
        });
        for (number, event) in (1..).zip(events) {
            event.resource_version = number;
        }
        story
    })
}

fn index() -> Index {
    let mut index = Index::new(IndexConfig::default(), &[WatchScope::Cluster]);
    index.begin_relist(&WatchScope::Cluster);
    let _ = index.end_relist(&WatchScope::Cluster, at(0));
    index.begin_event_list(&WatchScope::Cluster);
    index.end_event_list(&WatchScope::Cluster);
    index
}

fn apply(index: &mut Index, update: &Update, now: Timestamp) -> Vec<IndexEffect> {
    let mut effects = match update {
        Update::Applied(pod) => index.apply(pod, now),
        Update::Found(pod) => index.apply_initial(pod, now),
        Update::Deleted(pod) => index.delete(pod, now),
        Update::Event(event) => index.apply_event(&WatchScope::Cluster, event, now),
        Update::Listed(pods) => {
            index.begin_relist(&WatchScope::Cluster);
            let mut effects: Vec<IndexEffect> = pods.iter().flat_map(|pod| index.apply(pod, now)).collect();
            effects.extend(index.end_relist(&WatchScope::Cluster, now));
            effects
        }
    };
    effects.retain(|effect| !matches!(effect, IndexEffect::UnknownReason(_) | IndexEffect::DuplicateContainer(_)));
    effects
}

type Key = (PodId, String);

/// The open failures and pending stretches according to the effects alone.
#[derive(Default)]
struct Ledger {
    failing: BTreeSet<Key>,
    pending: BTreeSet<Key>,
}

impl Ledger {
    fn record(&mut self, effect: &IndexEffect) {
        match effect {
            IndexEffect::Failure { subject, event, .. } => {
                let key = (PodId::clone(&subject.pod), subject.container.clone());
                match event {
                    FailureEvent::Started => {
                        assert!(!self.pending.contains(&key), "a failure of a pending container");
                        assert!(self.failing.insert(key), "a second failure");
                    }
                    FailureEvent::Ended { .. } => assert!(self.failing.remove(&key), "no failure ends"),
                    _ => assert!(self.failing.contains(&key)),
                }
            }
            IndexEffect::Pending { subject, event } => {
                let key = (PodId::clone(&subject.pod), subject.container.clone());
                match event {
                    PendingEvent::Started => {
                        assert!(!self.failing.contains(&key), "a failing container is pending");
                        assert!(self.pending.insert(key), "a second stretch");
                    }
                    PendingEvent::Ended { .. } => assert!(self.pending.remove(&key), "no stretch ends"),
                }
            }
            _ => {}
        }
    }
}

/// The tracked containers of each pod and its missing secrets, except when statuses changed and the order of the containers.
fn shown(index: &mut Index) -> Vec<(PodId, Vec<String>, Vec<TrackedContainer>)> {
    let snapshot = index.snapshot().expect("the cluster was listed");
    let of_pod = |pod: &Arc<TrackedPod>| {
        let mut containers = pod.containers.clone();
        containers.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
        (PodId::clone(&pod.id), pod.missing_secrets.to_vec(), containers)
    };
    snapshot.pods.iter().map(of_pod).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn pending_stretches_and_failures_agree_with_the_snapshot(story in story()) {
        let (mut index, mut ledger, mut now) = (index(), Ledger::default(), 0);
        let mut last: BTreeMap<PodId, PodFacts> = BTreeMap::new();
        for (pause, update) in story {
            now += pause;
            for effect in apply(&mut index, &update, at(now)) {
                ledger.record(&effect);
            }
            let pods: &[PodFacts] = match &update {
                Update::Applied(pod) | Update::Found(pod) | Update::Deleted(pod) => std::slice::from_ref(pod),
                Update::Listed(pods) => pods,
                Update::Event(_) => &[],
            };
            last.extend(pods.iter().map(|pod| (pod.id.clone(), pod.clone())));
            let snapshot = index.snapshot().expect("the cluster was listed");
            let key = |pod: &TrackedPod, container: &TrackedContainer| (PodId::clone(&pod.id), container.name.to_string());
            let failing: BTreeSet<Key> = snapshot.failures().map(|(pod, container, _)| key(pod, container)).collect();
            let pending = snapshot.waits().filter(|(_, _, wait)| wait.is_pending());
            let pending: BTreeSet<Key> = pending.map(|(pod, container, _)| key(pod, container)).collect();
            prop_assert_eq!(&failing, &ledger.failing);
            prop_assert_eq!(&pending, &ledger.pending);
            for (pod, container, wait) in snapshot.waits() {
                let facts = &last[&*pod.id];
                prop_assert!(container.failure.is_none() && wait.since <= at(now));
                prop_assert!(!facts.is_deleting && facts.phase != PodPhase::Finished && !facts.node.is_empty());
                let of_order = |other: &&TrackedContainer| {
                    other.wait.is_some() && (other.kind == ContainerKind::Ephemeral) == (container.kind == ContainerKind::Ephemeral)
                };
                prop_assert_eq!(pod.containers.iter().filter(of_order).count(), 1);
            }
        }
    }

    #[test]
    fn an_update_that_is_applied_twice_has_no_further_effects(story in story()) {
        let (mut once, mut twice, mut now) = (index(), index(), 0);
        for (pause, update) in story {
            now += pause;
            let effects = apply(&mut once, &update, at(now));
            prop_assert_eq!(apply(&mut twice, &update, at(now)), effects);
            prop_assert_eq!(apply(&mut twice, &update, at(now)), []);
            prop_assert_eq!(shown(&mut once), shown(&mut twice));
        }
    }

    #[test]
    fn the_numbers_of_pulls_do_not_depend_on_the_order_of_pods_and_events(
        story in story(),
        order in proptest::collection::vec(any::<bool>(), 80),
    ) {
        let is_event = |update: &Update| matches!(update, Update::Event(_));
        let pulls = |updates: &[Update]| {
            let (mut index, mut totals) = (index(), BTreeMap::new());
            for update in updates {
                for effect in apply(&mut index, update, at(1000)) {
                    let IndexEffect::Pull(report) = effect else { continue };
                    *totals.entry(format!("{:?} {:?}", report.subject, report.result)).or_insert(0) += report.count;
                }
            }
            totals
        };
        let updates: Vec<Update> = story.into_iter().map(|(_, update)| update).collect();
        let (events, pods): (Vec<Update>, Vec<Update>) = updates.iter().cloned().partition(is_event);
        let (mut events_left, mut pods_left) = (events.iter(), pods.iter());
        let mut mixed: Vec<Update> = Vec::new();
        for is_event_next in order {
            mixed.extend(if is_event_next { events_left.next() } else { pods_left.next() }.cloned());
        }
        mixed.extend(events_left.chain(pods_left).cloned());
        let expected = pulls(&updates);
        prop_assert_eq!(pulls(&mixed), expected.clone());
        prop_assert_eq!(pulls(&events), expected);
    }
}
