use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use image_pull_model::facts::{ContainerFacts, ImageFacts, PodFacts, PodOwner, StateFacts, WatchScope};
use image_pull_model::image::PullPolicy;
use image_pull_model::index::{Index, IndexConfig};
use image_pull_model::time::Timestamp;

/// A cluster with a limited number of series.
struct Cluster {
    index: Index,
    limiter: SeriesLimiter,
    max: usize,
    seconds: i64,
}

impl Cluster {
    fn new(max: usize) -> Self {
        let mut index = Index::new(IndexConfig::default(), &[WatchScope::Cluster]);
        index.begin_relist(&WatchScope::Cluster);
        drop(index.end_relist(&WatchScope::Cluster, timestamp(0)));
        Self { index, limiter: SeriesLimiter::default(), max, seconds: 0 }
    }

    /// Adds a failing pod of a StatefulSet with this number of containers.
    fn add_failing_pod(&mut self, namespace: &str, workload: &str, pod: &str, containers: usize) {
        self.seconds += 1;
        let mut facts = pod_named(namespace, pod);
        facts.owner = PodOwner { kind: "StatefulSet".to_owned(), name: workload.to_owned(), ..PodOwner::default() };
        facts.containers = (0..containers).map(|number| failing_container(&format!("{pod}-{number}"))).collect();
        drop(self.index.apply(&facts, timestamp(self.seconds)));
    }

    fn delete_pod(&mut self, namespace: &str, pod: &str) {
        drop(self.index.delete(&pod_named(namespace, pod), timestamp(self.seconds)));
    }

    /// Returns the names of the selected containers. Each begins with the name of its pod.
    fn selected_containers(&mut self) -> BTreeSet<String> {
        let snapshot = self.index.snapshot().unwrap();
        let failing: Vec<FailureRef<'_>> = snapshot.failures().collect();
        let shown = self.limiter.select(&failing, self.max);
        assert!(shown.is_empty() || shown.iter().filter(|is_shown| **is_shown).count() <= self.max);
        let places = (0..failing.len()).filter(|place| shown.is_empty() || shown[*place]);
        places.map(|place| failing[place].1.name.to_string()).collect()
    }
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis((1_800_000_000 + seconds) * 1000)
}

fn pod_named(namespace: &str, pod: &str) -> PodFacts {
    let id = PodId { namespace: namespace.to_owned(), name: pod.to_owned(), uid: pod.to_owned() };
    PodFacts { id, ..PodFacts::default() }
}

fn failing_container(name: &str) -> ContainerFacts {
    ContainerFacts {
        name: name.to_owned(),
        kind: ContainerKind::App,
        images: vec![ImageFacts::new("nginx:nope", PullPolicy::Always)],
        restart_count: 0,
        state: StateFacts::Waiting { reason: "ErrImagePull".to_owned(), message: String::new() },
        last_finished_at: None,
        has_started: false,
        has_run_image: false,
    }
}

fn count_of_pod(shown: &BTreeSet<String>, pod: &str) -> usize {
    shown.iter().filter(|name| name.starts_with(pod)).count()
}

#[test]
fn all_containers_are_selected_up_to_the_limit() {
    let mut cluster = Cluster::new(100);
    cluster.add_failing_pod("shop", "web", "web-0", 100);
    assert_eq!(cluster.selected_containers().len(), 100);
    cluster.add_failing_pod("shop", "web", "web-1", 1);
    assert_eq!(
        (cluster.selected_containers().len(), count_of_pod(&cluster.selected_containers(), "web-1")),
        (100, 0),
        "the oldest failures are selected first"
    );
}

#[test]
fn all_containers_are_selected_again_once_few_fail() {
    let mut cluster = Cluster::new(100);
    cluster.add_failing_pod("shop", "web", "web-0", 90);
    cluster.add_failing_pod("shop", "web", "web-1", 20);
    assert_eq!(cluster.selected_containers().len(), 100);
    cluster.delete_pod("shop", "web-1");
    assert_eq!(cluster.selected_containers().len(), 90);
    // The reserve is free too.
    cluster.add_failing_pod("bank", "vault", "vault-0", 8);
    assert_eq!(cluster.selected_containers().len(), 98);
    assert!(cluster.limiter.selected.lock().unwrap().is_none(), "no selection is kept");
}

#[test]
fn ten_large_pods_do_not_hide_later_failures() {
    let mut cluster = Cluster::new(100);
    for number in 0..10 {
        cluster.add_failing_pod("hostile", "large", &format!("large-{number}"), 100);
    }
    assert_eq!(cluster.selected_containers().len(), 100);
    cluster.add_failing_pod("shop", "web", "web-0", 3);
    cluster.add_failing_pod("hostile", "small", "small-0", 2);
    let shown = cluster.selected_containers();
    assert_eq!((count_of_pod(&shown, "web-0"), count_of_pod(&shown, "small-0"), shown.len()), (3, 2, 100));
}

#[test]
fn series_are_shared_evenly_among_namespaces_then_workloads() {
    let mut cluster = Cluster::new(19);
    cluster.add_failing_pod("a", "one", "a-one", 50);
    cluster.add_failing_pod("a", "two", "a-two", 4);
    cluster.add_failing_pod("b", "one", "b-one", 7);
    let shown = cluster.selected_containers();
    assert_eq!(
        (count_of_pod(&shown, "a-one"), count_of_pod(&shown, "a-two"), count_of_pod(&shown, "b-one")),
        (8, 4, 7)
    );
    cluster.add_failing_pod("b", "two", "b-two", 50);
    let shown = cluster.selected_containers();
    assert_eq!((count_of_pod(&shown, "a-one"), count_of_pod(&shown, "a-two")), (6, 4));
    assert_eq!((count_of_pod(&shown, "b-one"), count_of_pod(&shown, "b-two")), (5, 4));
}

#[test]
fn selected_series_are_stable_while_other_failures_come_and_go() {
    let mut cluster = Cluster::new(200);
    cluster.add_failing_pod("a", "large", "large-0", 300);
    cluster.selected_containers();
    // Eight other failures start and stop repeatedly within the reserve. The large workload is truncated once.
    let mut before = None;
    for round in 0..20 {
        for number in 0..8 {
            cluster.add_failing_pod("b", "web", &format!("web-{number}"), 1);
        }
        let shown = cluster.selected_containers();
        assert_eq!((count_of_pod(&shown, "web-"), count_of_pod(&shown, "large-")), (8, 192), "round {round}");
        for number in 0..8 {
            cluster.delete_pod("b", &format!("web-{number}"));
        }
        let large: BTreeSet<String> = cluster.selected_containers();
        assert_eq!(before.get_or_insert_with(|| large.clone()), &large, "round {round}");
    }
    // The same holds when the number of failures varies around the limit.
    let mut cluster = Cluster::new(200);
    cluster.add_failing_pod("a", "large", "large-0", 195);
    cluster.add_failing_pod("b", "web", "web-0", 8);
    let before = cluster.selected_containers();
    assert_eq!(before.len(), 200);
    for _ in 0..20 {
        cluster.delete_pod("b", "web-0");
        assert_eq!(count_of_pod(&cluster.selected_containers(), "large-"), count_of_pod(&before, "large-"));
        cluster.add_failing_pod("b", "web", "web-0", 8);
        assert_eq!(cluster.selected_containers(), before);
    }
}

proptest! {
    #[test]
    fn fair_shares_are_even_and_use_the_whole_limit(sizes in prop::collection::vec(0..40_usize, 0..12), places in 0..300_usize) {
        let shared = fair_shares(&sizes, places);
        prop_assert_eq!(shared.iter().sum::<usize>(), places.min(sizes.iter().sum()));
        let largest = shared.iter().copied().max().unwrap_or_default();
        for (size, share) in sizes.iter().zip(&shared) {
            prop_assert!(share <= size && (share == size || share + 1 >= largest), "{sizes:?} {places}: {shared:?}");
        }
        for (less, more) in shared.iter().zip(fair_shares(&sizes, places + 1)) {
            prop_assert!(*less <= more, "{sizes:?} {places}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Each namespace has series up to its fair share, independent of other namespaces.
    #[test]
    fn every_namespace_keeps_its_fair_share(
        pods in prop::collection::vec((0..4_usize, 0..3_usize, 1..12_usize), 1..20)
    ) {
        let mut cluster = Cluster::new(40);
        let mut failing = [0; 4];
        for (number, (namespace, workload, containers)) in pods.into_iter().enumerate() {
            let name = format!("ns{namespace}-{number}");
            cluster.add_failing_pod(&format!("ns{namespace}"), &format!("workload-{workload}"), &name, containers);
            failing[namespace] += containers;
            let shown = cluster.selected_containers();
            let involved = failing.iter().filter(|failing| **failing > 0).count();
            for (namespace, failing) in failing.iter().enumerate() {
                // The limit less the reserve of two.
                let share = (38 / involved).min(*failing);
                prop_assert!(count_of_pod(&shown, &format!("ns{namespace}-")) >= share, "{shown:?}");
            }
            prop_assert!(shown.len() >= 38.min(failing.iter().sum()));
        }
    }
}
