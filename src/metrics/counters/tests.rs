mod limits;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::pairs::{MAX_IDLE, MIN_IDLE_TO_EVICT};
use super::*;
use image_pull_model::cause::Cause;
use image_pull_model::effect::PullResult;
use image_pull_model::facts::PodId;

const MINUTE: Duration = Duration::from_mins(1);

/// Counters with a clock.
struct TestCounters {
    inner: Counters,
    now: Timestamp,
}

impl TestCounters {
    fn new(registries: usize, pairs: usize) -> Self {
        let now = Timestamp::from_unix_millis(1_800_000_000_000);
        Self { inner: Counters::new(now, CounterLimits { max_registries: registries, max_pairs: pairs }), now }
    }

    fn advance(&mut self, time: Duration) -> &mut Self {
        self.now = self.now.saturating_add(time);
        self
    }

    fn record(&mut self, namespace: &str, registry: &str, event: &FailureEvent) -> &mut Self {
        let id = PodId { namespace: namespace.to_owned(), name: "web".to_owned(), uid: "web-uid".to_owned() };
        let subject = FailureSubject { pod: Arc::new(id), container: "app".to_owned(), registry: registry.to_owned() };
        self.inner.record_failure_event(&subject, event, self.now);
        self
    }

    fn start_failure(&mut self, namespace: &str, registry: &str) -> &mut Self {
        self.record(namespace, registry, &FailureEvent::Started)
    }

    fn end_failure(&mut self, namespace: &str, registry: &str) -> &mut Self {
        self.record(namespace, registry, &ended_event())
    }

    /// Returns the exposed number of started failures by namespace and registry.
    fn exposed_pairs(&self) -> Vec<(String, String, u64)> {
        let counted = self.inner.snapshot(self.now);
        let row = |(namespace, registry, pair): &PairRow<'_>| {
            ((*namespace).to_owned(), (*registry).to_owned(), pair.started.value)
        };
        counted.exposed_pairs().iter().map(row).collect()
    }

    /// Returns the exposed registries.
    fn exposed_registries(&self) -> Vec<String> {
        let counted = self.inner.snapshot(self.now);
        counted.exposed_registries().iter().map(|(registry, _)| (*registry).to_owned()).collect()
    }

    /// Returns every counter in memory: started failures and start time, by namespace and registry.
    fn all_pairs(&self) -> HashMap<(String, String), (u64, Timestamp)> {
        let namespaces = self.inner.pairs.namespaces();
        let pairs = namespaces.iter().flat_map(|(namespace, pairs)| pairs.iter().map(move |pair| (namespace, pair)));
        pairs
            .map(|(namespace, (registry, pair))| {
                ((namespace.to_string(), registry.to_string()), (pair.started.value, pair.start))
            })
            .collect()
    }
}

fn ended_event() -> FailureEvent {
    let (outcome, at) = (FailureOutcome::PodDeleted, Timestamp::default());
    FailureEvent::Ended { outcome, at, duration: MINUTE, is_exact: true }
}

fn row(namespace: &str, registry: &str, started: u64) -> (String, String, u64) {
    (namespace.to_owned(), registry.to_owned(), started)
}

#[test]
fn an_idle_pair_is_hidden_after_a_day_and_resumes_with_its_values() {
    let mut counters = TestCounters::new(9, 9);
    counters
        .start_failure("ci-1", "docker.io")
        .start_failure("shop", "docker.io")
        .advance(MINUTE)
        .end_failure("ci-1", "docker.io");
    let start = counters.all_pairs()[&("ci-1".to_owned(), "docker.io".to_owned())].1;
    counters.advance(MAX_IDLE.saturating_sub(MINUTE));
    assert_eq!(counters.exposed_pairs(), [row("ci-1", "docker.io", 1), row("shop", "docker.io", 1)]);
    counters.advance(MINUTE);
    assert_eq!(counters.exposed_pairs(), [row("shop", "docker.io", 1)], "counters of an open failure are exposed");
    counters.start_failure("ci-1", "docker.io");
    assert_eq!(counters.exposed_pairs()[0], row("ci-1", "docker.io", 2), "increase() includes the event");
    assert_eq!(counters.all_pairs()[&("ci-1".to_owned(), "docker.io".to_owned())].1, start);
}

#[test]
fn pairs_beyond_the_limit_are_counted_as_other_until_there_is_room() {
    let mut counters = TestCounters::new(9, 4);
    for namespace in ["a", "b", "c", "d", "e", "f"] {
        counters.start_failure(namespace, "docker.io").end_failure(namespace, "docker.io");
    }
    let four: Vec<_> = ["a", "b", "c", "d"].iter().map(|namespace| row(namespace, "docker.io", 1)).collect();
    let other = row(OTHER_NAMESPACE, "docker.io", 2);
    assert_eq!(counters.exposed_pairs(), [std::slice::from_ref(&other), &*four].concat());
    assert_eq!(
        counters.inner.exporter.series(ExporterCounter::NamespacesBeyondCap).next(),
        Some(("", 4)),
        "two starts and two ends"
    );
    counters
        .advance(MIN_IDLE_TO_EVICT.saturating_sub(MINUTE))
        .start_failure("a", "docker.io")
        .advance(MINUTE)
        .start_failure("e", "docker.io");
    let now = [row("a", "docker.io", 2), row("e", "docker.io", 1)];
    assert_eq!(counters.exposed_pairs(), now, "pairs that were idle for an hour are evicted");
    counters.end_failure("a", "docker.io").end_failure("e", "docker.io");
    for number in 0..1000 {
        counters
            .start_failure(&format!("ns-{number}"), "docker.io")
            .end_failure(&format!("ns-{number}"), "docker.io")
            .advance(MIN_IDLE_TO_EVICT);
        assert!(counters.exposed_pairs().len() <= 5 && counters.inner.pairs.len() <= 10, "{number}");
    }
}

#[test]
fn ended_failures_are_counted_by_outcome() {
    let mut counters = TestCounters::new(9, 9);
    for (number, outcome) in FailureOutcome::ALL.iter().enumerate() {
        for _ in 0..=number {
            let ended = FailureEvent::Ended { outcome: *outcome, at: counters.now, duration: MINUTE, is_exact: true };
            counters.start_failure("shop", "docker.io").record("shop", "docker.io", &ended);
        }
    }
    let counted = counters.inner.snapshot(counters.now);
    let [(_, _, pair)] = &*counted.exposed_pairs() else { panic!("one pair") };
    assert_eq!(pair.ended.each_ref().map(|count| count.value), [1, 2, 3, 4, 5]);
    // The durations of the failures have a histogram for each outcome.
    let [(_, histograms)] = &*counted.exposed_registries() else { panic!("one registry") };
    let durations = histograms.failure_durations.each_ref().map(|histogram| {
        let metrics = encode_histograms(&[(Vec::new(), histogram.as_ref().unwrap())]).unwrap();
        metrics[0].histogram.as_ref().unwrap().sample_count
    });
    assert_eq!(durations, [1, 2, 3, 4, 5]);
}

#[test]
fn a_namespace_with_many_registries_uses_at_most_half_of_all_pairs() {
    let mut counters = TestCounters::new(1000, 100);
    for number in 0..1000 {
        counters.start_failure("hostile", &format!("{number}.example"));
    }
    let own_pairs = |counters: &TestCounters, namespace: &str| {
        counters.exposed_pairs().iter().filter(|row| row.0 == namespace).count()
    };
    assert_eq!(own_pairs(&counters, "hostile"), 50);
    for number in 0..50 {
        counters.start_failure(&format!("shop-{number}"), "docker.io");
        assert_eq!(own_pairs(&counters, &format!("shop-{number}")), 1);
    }
}

#[test]
fn invented_registries_cannot_hold_the_label_of_a_used_registry() {
    let mut counters = TestCounters::new(100, 1000);
    for number in 0..300 {
        counters.start_failure("hostile", &format!("{number}.example"));
    }
    assert_eq!(counters.exposed_registries().len(), 101, "a hundred registries and `other`");
    counters.start_failure("shop", "docker.io");
    assert!(counters.exposed_registries().contains(&"docker.io".to_owned()));
    assert!(counters.exposed_pairs().contains(&row("shop", "docker.io", 1)));
    // A registry with failures in two namespaces has a higher weight than one with failures in one.
    let mut counters = TestCounters::new(2, 1000);
    counters.start_failure("a", "a.example").start_failure("b", "b.example").start_failure("c", "docker.io");
    assert!(!counters.exposed_registries().contains(&"docker.io".to_owned()));
    counters.start_failure("d", "docker.io");
    assert!(counters.exposed_registries().contains(&"docker.io".to_owned()));
}

#[test]
fn labels_of_idle_registries_are_released() {
    let mut counters = TestCounters::new(2, 1000);
    counters
        .start_failure("a", "a.example")
        .start_failure("a", "b.example")
        .end_failure("a", "a.example")
        .end_failure("a", "b.example");
    assert_eq!(counters.exposed_registries(), ["a.example", "b.example"]);
    counters.start_failure("shop", "docker.io");
    assert_eq!(
        counters.exposed_registries(),
        ["a.example", "b.example", "docker.io"],
        "a replaced registry keeps its series"
    );
    counters.advance(MAX_IDLE);
    assert_eq!(counters.exposed_registries(), ["docker.io"]);
    for number in 0..1000 {
        counters
            .start_failure("a", &format!("{number}.example"))
            .end_failure("a", &format!("{number}.example"))
            .advance(MINUTE * 10);
        assert!(counters.inner.registries.len() <= 4, "{number}");
    }
    assert!(counters.exposed_registries().contains(&"docker.io".to_owned()), "a failure is open");
}

#[test]
fn a_snapshot_does_not_change_with_later_events() {
    let mut counters = TestCounters::new(9, 999);
    for number in 0..500 {
        counters.start_failure(&format!("ns-{number}"), "docker.io");
    }
    let copy = counters.inner.snapshot(counters.now);
    counters.start_failure("ns-7", "docker.io").record(
        "ns-7",
        "docker.io",
        &FailureEvent::AttemptFailed(Cause::Timeout),
    );
    let of = |counted: &CountersSnapshot| {
        let pairs = counted.exposed_pairs();
        let (_, _, pair) = pairs.iter().find(|(namespace, ..)| *namespace == "ns-7").unwrap();
        (pair.started.value, pair.attempts.len())
    };
    assert_eq!((of(&copy), of(&counters.inner.snapshot(counters.now))), ((1, 0), (2, 1)));
}

#[test]
fn the_pulls_of_an_event_are_counted_as_often_as_its_count_grew() {
    let mut test = TestCounters::new(10, 10);
    let pulled = PullResult::Pulled {
        duration: Duration::from_millis(1500),
        queued: Some(Duration::from_secs(40)),
        size: Some(5_000_000),
    };
    let old = PullResult::Pulled { duration: Duration::from_secs(1), queued: None, size: None };
    for (result, count) in [(pulled, 2), (old, 1), (PullResult::Failed, 3)] {
        let pod = Arc::new(PodId::default());
        let subject = FailureSubject { pod, container: "app".to_owned(), registry: "r.example".to_owned() };
        test.inner.record_pull(&PullReport { subject, result, count }, test.now);
    }
    let snapshot = test.inner.snapshot(test.now);
    let (registry, histograms) = snapshot.exposed_registries()[0];
    let pulls = histograms.pulls.as_ref().unwrap();
    assert_eq!((registry, pulls.pulled.value, pulls.failed.value), ("r.example", 3, 3));
    let sums = [&pulls.durations, &pulls.queue_durations, &pulls.sizes].map(|histogram| {
        let metrics = encode_histograms(&[(Vec::new(), histogram)]).unwrap();
        let histogram = metrics[0].histogram.as_ref().unwrap();
        (histogram.sample_count, histogram.sample_sum)
    });
    assert_eq!(sums, [(3, 4.0), (2, 80.0), (2, 10_000_000.0)]);
    assert!(histograms.backoff_durations.is_none(), "a registry without failures has no back-off");
}

#[test]
fn registry_usage_holds_open_failures_only() {
    let mut counters = TestCounters::new(9, 9);
    for number in 0..100 {
        counters.start_failure(&format!("ns-{}", number % 7), &format!("{}.example", number % 11));
    }
    for number in 0..100 {
        counters.end_failure(&format!("ns-{}", number % 7), &format!("{}.example", number % 11));
    }
    assert_eq!((counters.inner.usage.len(), counters.inner.usage.weight_of("3.example")), (0, 0));
}

proptest! {
    /// Every event is counted once, no series decreases while its start time is unchanged, and memory and series are
    /// bounded.
    #[test]
    fn every_event_is_counted_once_in_bounded_memory(
        events in prop::collection::vec((0..9_usize, 0..9_usize, any::<bool>(), 0..6_u32), 1..400)
    ) {
        let (registries, pairs) = (3, 6);
        let mut counters = TestCounters::new(registries, pairs);
        let mut open: HashMap<(usize, usize), u32> = HashMap::new();
        for (namespace, registry, begins, pause) in events {
            counters.advance(MINUTE * 4_u32.pow(pause) / 4);
            let before = counters.all_pairs();
            let (name, host) = (format!("ns-{namespace}"), format!("{registry}.example"));
            let failing = open.entry((namespace, registry)).or_default();
            if begins {
                *failing += 1;
                counters.start_failure(&name, &host);
            } else if *failing > 0 {
                *failing -= 1;
                counters.end_failure(&name, &host);
            } else {
                continue;
            }
            let after = counters.all_pairs();
            let mut counted = 0;
            for (series, (value, start)) in &after {
                match before.get(series) {
                    Some((old, same_start)) if start == same_start => {
                        prop_assert!(value >= old, "{series:?} decreases");
                        counted += value - old;
                    }
                    _ => counted += value,
                }
            }
            prop_assert_eq!(counted, u64::from(begins), "{:?}\n{:?}", before, after);
            let shown = counters.exposed_pairs();
            let own_pairs = shown.iter().filter(|row| row.0 != OTHER_NAMESPACE).count();
            prop_assert!(own_pairs <= pairs && shown.len() <= pairs + 2 * registries + 2, "{shown:?}");
            prop_assert!(counters.exposed_registries().len() <= 2 * registries + 1);
            prop_assert!(counters.inner.registries.len() <= 2 * registries);
            let own_in_memory = after.keys().filter(|(namespace, _)| namespace != OTHER_NAMESPACE).count();
            prop_assert!((own_in_memory..=after.len()).contains(&counters.inner.pairs.len()));
            prop_assert!(counters.inner.pairs.len() <= 2 * pairs + 4 * registries + 4, "{}", counters.inner.pairs.len());
        }
    }
}
