//! The limits of pairs and registries, to the last one.

use super::*;

/// Number of exposed pairs of this namespace.
fn pairs_of(counters: &TestCounters, namespace: &str) -> usize {
    counters.exposed_pairs().iter().filter(|row| row.0 == namespace).count()
}

#[test]
fn a_namespace_has_eight_pairs_once_half_of_the_limit_is_used() {
    let mut counters = TestCounters::new(1000, 100);
    for number in 0..60 {
        counters.start_failure(&format!("shop-{number}"), "docker.io");
    }
    for number in 0..20 {
        counters.start_failure("hostile", &format!("{number}.example"));
    }
    assert_eq!(pairs_of(&counters, "hostile"), 8);
}

#[test]
fn idle_pairs_are_evicted_after_the_clock_was_set_back() {
    let mut counters = TestCounters::new(9, 2);
    counters.start_failure("a", "docker.io").end_failure("a", "docker.io");
    counters.start_failure("b", "docker.io").end_failure("b", "docker.io");
    counters.start_failure("c", "docker.io");
    assert_eq!(pairs_of(&counters, "c"), 0, "no pair is idle");
    counters.now = counters.now.saturating_sub(3 * MIN_IDLE_TO_EVICT);
    for namespace in ["a", "b"] {
        counters.start_failure(namespace, "docker.io").end_failure(namespace, "docker.io");
    }
    counters.advance(MIN_IDLE_TO_EVICT).start_failure("d", "docker.io");
    assert_eq!(pairs_of(&counters, "d"), 1);
}

/// The namespaces with counters in memory, in order.
fn namespaces_in_memory(counters: &TestCounters) -> String {
    let mut names: Vec<String> = counters.all_pairs().into_keys().map(|(namespace, _)| namespace).collect();
    assert_eq!(names.len(), counters.inner.pairs.len());
    names.sort_unstable();
    names.concat()
}

#[test]
fn beyond_the_limit_of_evicted_pairs_the_older_half_is_discarded() {
    let mut counters = TestCounters::new(9, 4);
    let run = |counters: &mut TestCounters, namespaces: [&str; 4]| {
        for namespace in namespaces {
            counters.start_failure(namespace, "docker.io").end_failure(namespace, "docker.io").advance(MINUTE);
        }
        counters.advance(MIN_IDLE_TO_EVICT);
    };
    run(&mut counters, ["a", "b", "c", "d"]);
    run(&mut counters, ["e", "f", "g", "h"]);
    assert_eq!(namespaces_in_memory(&counters), "abcdefgh", "as many evicted pairs as admitted ones");
    counters.start_failure("i", "docker.io");
    assert_eq!(namespaces_in_memory(&counters), "fghi");
}

#[test]
fn a_registry_without_failures_loses_its_label_once_it_is_idle() {
    let mut counters = TestCounters::new(1, 9);
    let pull = |counters: &mut TestCounters, registry: &str| {
        let pod = Arc::new(PodId::default());
        let subject = FailureSubject { pod, container: "app".to_owned(), registry: registry.to_owned() };
        let report = PullReport { subject, result: PullResult::Failed, count: 1 };
        counters.inner.record_pull(&report, counters.now);
        counters.exposed_registries().concat()
    };
    assert_eq!(pull(&mut counters, "a.example"), "a.example");
    counters.advance(MIN_IDLE_TO_EVICT.saturating_sub(MINUTE));
    assert_eq!(pull(&mut counters, "b.example"), "a.exampleother", "no registry is idle");
    counters.advance(MINUTE);
    assert_eq!(pull(&mut counters, "b.example"), "a.exampleb.exampleother");
    // A registry with open failures keeps its label.
    counters.start_failure("shop", "b.example").advance(MIN_IDLE_TO_EVICT);
    assert_eq!(pull(&mut counters, "c.example"), "a.exampleb.exampleother");
}

#[test]
fn histograms_of_replaced_registries_are_kept_up_to_the_limit() {
    let mut counters = TestCounters::new(3, 99);
    let run = |counters: &mut TestCounters, registry: &str| {
        counters.start_failure("shop", registry).end_failure("shop", registry);
    };
    run(&mut counters, "a");
    counters.advance(5 * MINUTE);
    for registry in ["b", "c"] {
        run(&mut counters, registry);
    }
    counters.advance(25 * MINUTE);
    for registry in ["d", "e", "f"] {
        run(&mut counters, registry);
    }
    assert_eq!(counters.exposed_registries().concat(), "abcdef");
    counters.advance(10 * MINUTE);
    run(&mut counters, "g");
    assert_eq!(counters.exposed_registries().concat(), "abcdefother", "no replaced registry is idle");
    // The first registry has been idle for an hour, and makes room for the next one.
    counters.advance(20 * MINUTE).start_failure("shop", "g");
    assert_eq!(counters.exposed_registries().concat(), "bcdefgother");
    // Below the limit, replaced registries are kept although they are idle.
    let mut counters = TestCounters::new(3, 99);
    for registry in ["a", "b", "c", "d"] {
        run(&mut counters, registry);
    }
    counters.advance(2 * MIN_IDLE_TO_EVICT);
    for registry in ["e", "f"] {
        run(&mut counters, registry);
    }
    assert_eq!(counters.exposed_registries().concat(), "abcdef");
}

#[test]
fn counters_are_exposed_until_a_day_after_the_last_open_failure() {
    let mut counters = TestCounters::new(1, 9);
    counters.start_failure("a", "a.example").start_failure("b", "b.example").start_failure("b", "b.example");
    let exposed = [row("a", "a.example", 1), row("b", OTHER_REGISTRY, 2)];
    counters.advance(2 * MAX_IDLE);
    assert_eq!(counters.exposed_pairs(), exposed);
    counters.end_failure("b", "b.example").advance(MAX_IDLE);
    assert_eq!(counters.exposed_pairs(), exposed, "one of two failures is open");
    counters.end_failure("a", "a.example").end_failure("b", "b.example").advance(MAX_IDLE);
    assert_eq!(counters.exposed_pairs(), []);
}
