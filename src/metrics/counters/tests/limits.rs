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
