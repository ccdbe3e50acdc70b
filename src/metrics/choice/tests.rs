use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use image_pull_model::facts::{ContainerFacts, ImageFacts, Owner, PodFacts, Scope, State};
use image_pull_model::image::PullPolicy;
use image_pull_model::index::{Index, Settings};
use image_pull_model::time::Timestamp;

/// A cluster, and the choice of what is shown of it.
struct Cluster {
    index: Index,
    choice: Choice,
    max: usize,
    seconds: i64,
}

impl Cluster {
    fn new(max: usize) -> Self {
        let mut index = Index::new(Settings::default(), &[Scope::Cluster]);
        index.reset_begin(&Scope::Cluster);
        drop(index.reset_end(&Scope::Cluster, at(0)));
        Self { index, choice: Choice::default(), max, seconds: 0 }
    }

    /// Lets a pod of a StatefulSet fail with so many containers.
    fn fails(&mut self, namespace: &str, workload: &str, pod: &str, containers: usize) {
        self.seconds += 1;
        let mut facts = named(namespace, pod);
        facts.owner = Owner { kind: "StatefulSet".to_owned(), name: workload.to_owned(), ..Owner::default() };
        facts.containers = (0..containers).map(|number| failing(&format!("{pod}-{number}"))).collect();
        drop(self.index.apply(&facts, at(self.seconds)));
    }

    fn gone(&mut self, namespace: &str, pod: &str) {
        drop(self.index.delete(&named(namespace, pod), at(self.seconds)));
    }

    /// What a scrape shows: the names of the containers, which begin with that of their pod.
    fn shown(&mut self) -> BTreeSet<String> {
        let snapshot = self.index.snapshot().unwrap();
        let failing: Vec<Failing<'_>> = snapshot.failures().collect();
        let shown = self.choice.choose(&failing, self.max);
        assert!(shown.is_empty() || shown.iter().filter(|is_shown| **is_shown).count() <= self.max);
        let places = (0..failing.len()).filter(|place| shown.is_empty() || shown[*place]);
        places.map(|place| failing[place].1.name.to_string()).collect()
    }
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis((1_800_000_000 + seconds) * 1000)
}

fn named(namespace: &str, pod: &str) -> PodFacts {
    let id = PodId { namespace: namespace.to_owned(), name: pod.to_owned(), uid: pod.to_owned() };
    PodFacts { id, ..PodFacts::default() }
}

fn failing(name: &str) -> ContainerFacts {
    ContainerFacts {
        name: name.to_owned(),
        kind: ContainerKind::App,
        images: vec![ImageFacts::new("nginx:nope", PullPolicy::Always)],
        restarts: 0,
        state: State::Waiting { reason: "ErrImagePull".to_owned(), message: String::new() },
        last_run_ended: None,
        has_run_image: false,
    }
}

fn of(shown: &BTreeSet<String>, pod: &str) -> usize {
    shown.iter().filter(|name| name.starts_with(pod)).count()
}

#[test]
fn all_are_shown_up_to_the_limit() {
    let mut cluster = Cluster::new(100);
    cluster.fails("shop", "web", "web-0", 100);
    assert_eq!(cluster.shown().len(), 100);
    cluster.fails("shop", "web", "web-1", 1);
    assert_eq!((cluster.shown().len(), of(&cluster.shown(), "web-1")), (100, 0), "the oldest come first");
}

#[test]
fn ten_large_pods_hide_no_failure_that_comes_later() {
    let mut cluster = Cluster::new(100);
    for number in 0..10 {
        cluster.fails("hostile", "large", &format!("large-{number}"), 100);
    }
    assert_eq!(cluster.shown().len(), 100);
    cluster.fails("shop", "web", "web-0", 3);
    cluster.fails("hostile", "small", "small-0", 2);
    let shown = cluster.shown();
    assert_eq!((of(&shown, "web-0"), of(&shown, "small-0"), shown.len()), (3, 2, 100));
}

#[test]
fn namespaces_then_workloads_have_even_shares() {
    let mut cluster = Cluster::new(19);
    cluster.fails("a", "one", "a-one", 50);
    cluster.fails("a", "two", "a-two", 4);
    cluster.fails("b", "one", "b-one", 7);
    let shown = cluster.shown();
    assert_eq!((of(&shown, "a-one"), of(&shown, "a-two"), of(&shown, "b-one")), (8, 4, 7));
    cluster.fails("b", "two", "b-two", 50);
    let shown = cluster.shown();
    assert_eq!((of(&shown, "a-one"), of(&shown, "a-two")), (6, 4));
    assert_eq!((of(&shown, "b-one"), of(&shown, "b-two")), (5, 4));
}

#[test]
fn series_do_not_come_and_go_while_others_begin_and_end() {
    let mut cluster = Cluster::new(200);
    cluster.fails("a", "large", "large-0", 300);
    cluster.shown();
    // Eight others begin and end again and again: within the reserve, so the large one is cut once.
    let mut before = None;
    for round in 0..20 {
        for number in 0..8 {
            cluster.fails("b", "web", &format!("web-{number}"), 1);
        }
        let shown = cluster.shown();
        assert_eq!((of(&shown, "web-"), of(&shown, "large-")), (8, 192), "round {round}");
        for number in 0..8 {
            cluster.gone("b", &format!("web-{number}"));
        }
        let large: BTreeSet<String> = cluster.shown();
        assert_eq!(before.get_or_insert_with(|| large.clone()), &large, "round {round}");
    }
    // Nor when the number of failures moves about the limit.
    let mut cluster = Cluster::new(200);
    cluster.fails("a", "large", "large-0", 195);
    cluster.fails("b", "web", "web-0", 8);
    let before = cluster.shown();
    assert_eq!(before.len(), 200);
    for _ in 0..20 {
        cluster.gone("b", "web-0");
        assert_eq!(of(&cluster.shown(), "large-"), of(&before, "large-"));
        cluster.fails("b", "web", "web-0", 8);
        assert_eq!(cluster.shown(), before);
    }
}

proptest! {
    #[test]
    fn shares_are_even_and_use_every_place(sizes in prop::collection::vec(0..40_usize, 0..12), places in 0..300_usize) {
        let shared = shares(&sizes, places);
        prop_assert_eq!(shared.iter().sum::<usize>(), places.min(sizes.iter().sum()));
        let largest = shared.iter().copied().max().unwrap_or_default();
        for (size, share) in sizes.iter().zip(&shared) {
            prop_assert!(share <= size && (share == size || share + 1 >= largest), "{sizes:?} {places}: {shared:?}");
        }
        for (less, more) in shared.iter().zip(shares(&sizes, places + 1)) {
            prop_assert!(*less <= more, "{sizes:?} {places}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever fails is shown, up to an even share: no other namespace can take that away.
    #[test]
    fn every_namespace_has_its_share_whatever_the_others_do(
        pods in prop::collection::vec((0..4_usize, 0..3_usize, 1..12_usize), 1..20)
    ) {
        let mut cluster = Cluster::new(40);
        let mut failing = [0; 4];
        for (number, (namespace, workload, containers)) in pods.into_iter().enumerate() {
            let name = format!("ns{namespace}-{number}");
            cluster.fails(&format!("ns{namespace}"), &format!("workload-{workload}"), &name, containers);
            failing[namespace] += containers;
            let shown = cluster.shown();
            let involved = failing.iter().filter(|failing| **failing > 0).count();
            for (namespace, failing) in failing.iter().enumerate() {
                // Less the reserve of two.
                let share = (38 / involved).min(*failing);
                prop_assert!(of(&shown, &format!("ns{namespace}-")) >= share, "{shown:?}");
            }
            prop_assert!(shown.len() >= 38.min(failing.iter().sum()));
        }
    }
}
