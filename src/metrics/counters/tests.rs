use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::pairs::{EXPOSED, HELD};
use super::*;
use image_pull_model::cause::Cause;
use image_pull_model::effect::Effect;
use image_pull_model::facts::{ContainerFacts, ContainerKind, ImageFacts, PodFacts, PodId, Scope, State};
use image_pull_model::image::PullPolicy;
use image_pull_model::index::{Index, Settings};

const MINUTE: Duration = Duration::from_mins(1);

/// Counters, and the time.
struct Told {
    counters: Counters,
    now: Timestamp,
}

impl Told {
    fn new(registries: usize, pairs: usize) -> Self {
        let now = Timestamp::from_unix_millis(1_800_000_000_000);
        Self { counters: Counters::new(now, Limits { registries, pairs }, &["ended"]), now }
    }

    fn pass(&mut self, time: Duration) -> &mut Self {
        self.now = self.now.after(time);
        self
    }

    fn event(&mut self, namespace: &str, registry: &str, event: &FailureEvent) -> &mut Self {
        let id = PodId { namespace: namespace.to_owned(), name: "web".to_owned(), uid: "web-uid".to_owned() };
        let subject = Subject { pod: Arc::new(id), container: "app".to_owned(), registry: registry.to_owned() };
        self.counters.failure(&subject, event, self.now);
        self
    }

    fn begins(&mut self, namespace: &str, registry: &str) -> &mut Self {
        self.event(namespace, registry, &FailureEvent::Started)
    }

    fn ends(&mut self, namespace: &str, registry: &str) -> &mut Self {
        self.event(namespace, registry, &ended())
    }

    /// What is exposed: failures that began, by namespace and registry.
    fn shown(&self) -> Vec<(String, String, u64)> {
        let counted = self.counters.counted(self.now);
        let row = |(namespace, registry, pair): &PairRow<'_>| {
            ((*namespace).to_owned(), (*registry).to_owned(), pair.started.value)
        };
        counted.pairs().iter().map(row).collect()
    }

    /// The registries that are exposed.
    fn registries(&self) -> Vec<String> {
        let counted = self.counters.counted(self.now);
        counted.registries().iter().map(|(registry, _)| (*registry).to_owned()).collect()
    }

    /// Every counter in memory: namespace, registry, failures that began, since when that is counted.
    fn all(&self) -> HashMap<(String, String), (u64, Timestamp)> {
        let namespaces = self.counters.pairs.namespaces();
        let pairs = namespaces.iter().flat_map(|(namespace, pairs)| pairs.iter().map(move |pair| (namespace, pair)));
        pairs
            .map(|(namespace, (registry, pair))| {
                ((namespace.to_string(), registry.to_string()), (pair.started.value, pair.start))
            })
            .collect()
    }
}

fn ended() -> FailureEvent {
    let mut index = Index::new(Settings::default(), &[Scope::Cluster]);
    let container = ContainerFacts {
        name: "app".to_owned(),
        kind: ContainerKind::App,
        images: vec![ImageFacts::new("nginx", PullPolicy::Always)],
        restarts: 0,
        state: State::Waiting { reason: "ErrImagePull".to_owned(), message: String::new() },
        last_run_ended: None,
        has_run_image: false,
    };
    let pod = PodFacts { containers: vec![container], ..PodFacts::default() };
    drop(index.apply(&pod, Timestamp::default()));
    let effects = index.delete(&pod, Timestamp::default());
    let Some(Effect::Failure(_, FailureEvent::Ended { at, pod, .. })) = effects.into_iter().next() else {
        panic!("the failure ends with its pod")
    };
    FailureEvent::Ended { outcome: Outcome::PodDeleted, at, lasted: MINUTE, exact: true, pod }
}

fn row(namespace: &str, registry: &str, started: u64) -> (String, String, u64) {
    (namespace.to_owned(), registry.to_owned(), started)
}

#[test]
fn a_namespace_that_is_gone_is_dropped_after_a_day_and_continues_where_it_was() {
    let mut told = Told::new(9, 9);
    told.begins("ci-1", "docker.io").begins("shop", "docker.io").pass(MINUTE).ends("ci-1", "docker.io");
    let start = told.all()[&("ci-1".to_owned(), "docker.io".to_owned())].1;
    told.pass(EXPOSED.saturating_sub(MINUTE));
    assert_eq!(told.shown(), [row("ci-1", "docker.io", 1), row("shop", "docker.io", 1)]);
    told.pass(MINUTE);
    assert_eq!(told.shown(), [row("shop", "docker.io", 1)], "an open failure keeps its counters");
    told.begins("ci-1", "docker.io");
    assert_eq!(told.shown()[0], row("ci-1", "docker.io", 2), "as increase() has to see it");
    assert_eq!(told.all()[&("ci-1".to_owned(), "docker.io".to_owned())].1, start);
}

#[test]
fn pairs_beyond_the_limit_are_counted_as_other_until_there_is_room() {
    let mut told = Told::new(9, 4);
    for namespace in ["a", "b", "c", "d", "e", "f"] {
        told.begins(namespace, "docker.io").ends(namespace, "docker.io");
    }
    let four: Vec<_> = ["a", "b", "c", "d"].iter().map(|namespace| row(namespace, "docker.io", 1)).collect();
    let other = row(OTHER_NAMESPACE, "docker.io", 2);
    assert_eq!(told.shown(), [std::slice::from_ref(&other), &*four].concat());
    assert_eq!(told.counters.own.namespaces_beyond_cap, 4, "two began and two ended");
    told.pass(HELD.saturating_sub(MINUTE)).begins("a", "docker.io").pass(MINUTE).begins("e", "docker.io");
    let now = [row("a", "docker.io", 2), row("e", "docker.io", 1)];
    assert_eq!(told.shown(), now, "those that were idle for an hour make room");
    told.ends("a", "docker.io").ends("e", "docker.io");
    for number in 0..1000 {
        told.begins(&format!("ns-{number}"), "docker.io").ends(&format!("ns-{number}"), "docker.io").pass(HELD);
        assert!(told.shown().len() <= 5 && told.counters.pairs.len() <= 10, "{number}");
    }
}

#[test]
fn a_namespace_of_many_registries_leaves_half_of_all_pairs_to_others() {
    let mut told = Told::new(1000, 100);
    for number in 0..1000 {
        told.begins("hostile", &format!("{number}.example"));
    }
    let own = |told: &Told, namespace: &str| told.shown().iter().filter(|row| row.0 == namespace).count();
    assert_eq!(own(&told, "hostile"), 50);
    for number in 0..50 {
        told.begins(&format!("shop-{number}"), "docker.io");
        assert_eq!(own(&told, &format!("shop-{number}")), 1);
    }
}

#[test]
fn invented_registries_cannot_keep_the_name_of_a_used_one() {
    let mut told = Told::new(100, 1000);
    for number in 0..300 {
        told.begins("hostile", &format!("{number}.example"));
    }
    assert_eq!(told.registries().len(), 101, "a hundred and the others");
    told.begins("shop", "docker.io");
    assert!(told.registries().contains(&"docker.io".to_owned()));
    assert!(told.shown().contains(&row("shop", "docker.io", 1)));
    // What fails in more namespaces is used more than what fails in one.
    let mut told = Told::new(2, 1000);
    told.begins("a", "a.example").begins("b", "b.example").begins("c", "docker.io");
    assert!(!told.registries().contains(&"docker.io".to_owned()));
    told.begins("d", "docker.io");
    assert!(told.registries().contains(&"docker.io".to_owned()));
}

#[test]
fn names_that_are_not_used_are_released() {
    let mut told = Told::new(2, 1000);
    told.begins("a", "a.example").begins("a", "b.example").ends("a", "a.example").ends("a", "b.example");
    assert_eq!(told.registries(), ["a.example", "b.example"]);
    told.begins("shop", "docker.io");
    assert_eq!(told.registries(), ["a.example", "b.example", "docker.io"], "one has no name any more, but its series");
    told.pass(EXPOSED);
    assert_eq!(told.registries(), ["docker.io"]);
    for number in 0..1000 {
        told.begins("a", &format!("{number}.example")).ends("a", &format!("{number}.example")).pass(MINUTE * 10);
        assert!(told.counters.registries.len() <= 4, "{number}");
    }
    assert!(told.registries().contains(&"docker.io".to_owned()), "a failure is open");
}

#[test]
fn a_copy_does_not_change_and_shares_what_others_did_not_change() {
    let mut told = Told::new(9, 999);
    for number in 0..500 {
        told.begins(&format!("ns-{number}"), "docker.io");
    }
    let copy = told.counters.counted(told.now);
    told.begins("ns-7", "docker.io").event("ns-7", "docker.io", &FailureEvent::Attempted(Cause::Timeout));
    let of = |counted: &Counted| {
        let pairs = counted.pairs();
        let (_, _, pair) = pairs.iter().find(|(namespace, ..)| *namespace == "ns-7").unwrap();
        (pair.started.value, pair.attempts.len())
    };
    assert_eq!((of(&copy), of(&told.counters.counted(told.now))), ((1, 0), (2, 1)));
}

#[test]
fn open_failures_are_all_that_uses_remembers() {
    let mut told = Told::new(9, 9);
    for number in 0..100 {
        told.begins(&format!("ns-{}", number % 7), &format!("{}.example", number % 11));
    }
    for number in 0..100 {
        told.ends(&format!("ns-{}", number % 7), &format!("{}.example", number % 11));
    }
    assert_eq!((told.counters.uses.len(), told.counters.uses.of("3.example")), (0, 0));
}

proptest! {
    /// Whatever happens: every event is counted once, no series goes back while it counts from the same start, and
    /// memory and series are bounded.
    #[test]
    fn every_event_is_counted_once_in_bounded_memory(
        events in prop::collection::vec((0..9_usize, 0..9_usize, any::<bool>(), 0..6_u32), 1..400)
    ) {
        let (registries, pairs) = (3, 6);
        let mut told = Told::new(registries, pairs);
        let mut open: HashMap<(usize, usize), u32> = HashMap::new();
        for (namespace, registry, begins, pause) in events {
            told.pass(MINUTE * 4_u32.pow(pause) / 4);
            let before = told.all();
            let (name, host) = (format!("ns-{namespace}"), format!("{registry}.example"));
            let failing = open.entry((namespace, registry)).or_default();
            if begins {
                *failing += 1;
                told.begins(&name, &host);
            } else if *failing > 0 {
                *failing -= 1;
                told.ends(&name, &host);
            } else {
                continue;
            }
            let after = told.all();
            let mut counted = 0;
            for (series, (value, start)) in &after {
                match before.get(series) {
                    Some((old, same_start)) if start == same_start => {
                        prop_assert!(value >= old, "{series:?} goes back");
                        counted += value - old;
                    }
                    _ => counted += value,
                }
            }
            prop_assert_eq!(counted, u64::from(begins), "{:?}\n{:?}", before, after);
            let shown = told.shown();
            let own = shown.iter().filter(|row| row.0 != OTHER_NAMESPACE).count();
            prop_assert!(own <= pairs && shown.len() <= pairs + 2 * registries + 2, "{shown:?}");
            prop_assert!(told.registries().len() <= 2 * registries + 1);
            prop_assert!(told.counters.registries.len() <= 2 * registries);
            prop_assert!(told.counters.pairs.len() <= 2 * pairs + 4 * registries + 4, "{}", told.counters.pairs.len());
        }
    }
}
