//! Containers that wait without an error, according to the pods alone.

use std::time::Duration;

use super::*;
use crate::clock_step::ClockStep;

/// The pod `web` at 0: bound to a node, its sandbox is not ready.
fn starting() -> PodFacts {
    pod("web").scheduled(0).sandbox_missing().image("nginx:1").container_creating()
}

/// The pod `web` once its sandbox is ready, at `seconds`.
fn pending(seconds: i64) -> PodFacts {
    let mut web = starting().sandbox_ready(seconds);
    web.is_sandbox_missing = false;
    web
}

/// A scenario in which `web` is pending since 3.
fn pending_pod() -> IndexScenario {
    let mut story = IndexScenario::new();
    story.apply(1, &starting()).apply(3, &pending(3));
    story
}

const PENDING: [&str; 1] = ["web/app nginx:1 pending sandbox_ready since 3"];

fn check_waits(story: &mut IndexScenario, log: &[&str], waiting: &[&str]) {
    assert_eq!(story.log, log);
    assert_eq!(story.waiting(), waiting);
    let snapshot = story.index.snapshot().unwrap();
    assert!(!snapshot.containers().any(|(_, container)| container.wait.is_some() && container.failure.is_some()));
}

#[test]
fn a_pod_that_starts_is_starting_then_pending_then_gone() {
    let mut story = IndexScenario::new();
    story.apply(0, &pod("web").image("nginx:1"));
    story.apply(1, &starting());
    check_waits(&mut story, &[], &["web/app nginx:1 starting since 0"]);
    story.apply(3, &pending(3)).apply(4, &pending(3));
    check_waits(&mut story, &["3 web/app pending"], &PENDING);
    story.apply(10, &pending(3).running_since(9));
    check_waits(&mut story, &["3 web/app pending", "10 web/app pending ended: started after 7 s"], &[]);
    assert!(story.index.snapshot().unwrap().pods.is_empty());
}

#[test]
fn every_state_after_the_pull_ends_a_stretch_as_started() {
    let ends: [fn(PodFacts) -> PodFacts; 6] = [
        |web| web.running_since(9),
        |web| web.terminated("Completed", 9),
        |web| web.waiting("CrashLoopBackOff", "back-off 10s"),
        |web| web.waiting("CreateContainerConfigError", "secret \"nope\" not found"),
        |web| web.waiting("RunContainerError", "x"),
        |web| web.waiting("", ""),
    ];
    for end in ends {
        let mut story = pending_pod();
        story.apply(10, &end(pending(3)));
        check_waits(&mut story, &["3 web/app pending", "10 web/app pending ended: started after 7 s"], &[]);
    }
}

#[test]
fn a_failed_pull_ends_the_stretch_and_keeps_its_start() {
    let mut story = pending_pod();
    story.apply(8, &pending(3).err_image_pull());
    check_waits(
        &mut story,
        &["3 web/app pending", "8 web/app pending ended: failed after 5 s", "8 web/app started", "8 web/app attempted"],
        &[],
    );
    let snapshot = story.index.snapshot().unwrap();
    let (_, _, failure) = snapshot.failures().next().unwrap();
    assert_eq!((failure.pending_since, failure.start.at), (Some(at(3)), at(8)));
    // The kubelet restarts: the failure continues and nothing is pending.
    story.apply(60, &pending(3)).apply(75, &pending(3).image_pull_back_off());
    assert_eq!((story.waiting(), story.failing().len(), story.log.len()), (vec![], 1, 4));
    story.apply(90, &pending(3).running_since(90));
    assert_eq!(story.log.last().unwrap(), "90 web/app recovered after 82 s");
}

#[test]
fn a_failure_after_a_start_alone_has_no_pending_stretch() {
    let mut story = IndexScenario::new();
    story.apply(1, &starting()).apply(8, &pending(7).err_image_pull());
    check_waits(&mut story, &["8 web/app started", "8 web/app attempted"], &[]);
    assert_eq!(story.index.snapshot().unwrap().failures().next().unwrap().2.pending_since, None);
}

#[test]
fn a_pod_that_goes_ends_the_stretch() {
    let deleted = "10 web/app pending ended: pod_deleted after 7 s";
    let unknown = "10 web/app pending ended: unknown after 7 s";
    for (last, end) in [
        (pending(3).deleting(), deleted),
        (pending(3).finished(), unknown),
        (pending(3).deleting().finished(), deleted),
        (pending(3).running().deleting(), deleted),
    ] {
        let mut story = pending_pod();
        story.apply(10, &last).apply(11, &last);
        check_waits(&mut story, &["3 web/app pending", end], &[]);
        let mut story = pending_pod();
        story.delete(10, &last).delete(11, &last);
        check_waits(&mut story, &["3 web/app pending", end], &[]);
    }
    let mut story = pending_pod();
    story.delete(10, &pending(3));
    check_waits(&mut story, &["3 web/app pending", deleted], &[]);
    let mut story = pending_pod();
    story.relist_all(10, &[]);
    check_waits(&mut story, &["3 web/app pending", "10 web/app pending ended: pod_deleted after about 7 s"], &[]);
}

#[test]
fn a_pod_that_is_missing_or_left_the_selection_ends_the_stretch_as_unknown() {
    let hidden = IndexConfig { excludes_finished_pods: true, ..IndexConfig::default() };
    let mut story = IndexScenario::with(hidden.clone(), &[WatchScope::Cluster]);
    story.apply(1, &starting()).apply(3, &pending(3)).delete(10, &pending(3));
    assert_eq!(story.log.last().unwrap(), "10 web/app pending ended: unknown after 7 s");
    let mut story = IndexScenario::with(hidden, &[WatchScope::Cluster]);
    story.apply(1, &starting()).apply(3, &pending(3)).relist_all(10, &[]);
    assert_eq!(story.log.last().unwrap(), "10 web/app pending ended: unknown after about 7 s");
}

#[test]
fn a_pod_without_a_node_or_that_goes_does_not_wait() {
    let mut unbound = pending(3);
    unbound.node.clear();
    for web in [unbound, pending(3).deleting(), pending(3).finished(), starting().deleting()] {
        let mut story = IndexScenario::new();
        story.apply(5, &web);
        check_waits(&mut story, &[], &[]);
        assert!(story.index.snapshot().unwrap().pods.is_empty());
    }
}

#[test]
fn a_virtual_kubelet_without_statuses_leaves_the_first_container_starting() {
    let mut story = IndexScenario::new();
    let web = pod("web").container("init", ContainerKind::Init, "init:1").image("nginx:1");
    let mut web = web.scheduled(2);
    story.apply(500, &web);
    // The watch is current, so the pod cannot have waited for longer.
    assert_eq!(story.waiting(), ["web/init init:1 starting since 500"]);
    web.phase = PodPhase::Running;
    story.apply(600, &web);
    check_waits(&mut story, &[], &[]);
    let mut story = IndexScenario::unlisted(IndexConfig::default(), &[WatchScope::Cluster]);
    web.phase = PodPhase::Active;
    story.relist_all(500, &[web]);
    assert_eq!(story.waiting(), ["web/init init:1 starting since 2"]);
}

#[test]
fn the_start_of_a_pod_is_the_best_field() {
    let mut web = pod("web").image("nginx:1").container_creating();
    web.sandbox_ready = None;
    for (created, started, scheduled, since) in [
        (Some(10), Some(12), Some(11), 11),
        (Some(10), Some(12), None, 12),
        (Some(10), None, None, 10),
        (None, None, None, 20),
        (None, None, Some(99), 20),
    ] {
        (web.created, web.started, web.scheduled) = (created.map(at), started.map(at), scheduled.map(at));
        let mut story = IndexScenario::unlisted(IndexConfig::default(), &[WatchScope::Cluster]);
        story.relist_all(20, std::slice::from_ref(&web));
        assert_eq!(story.waiting(), [format!("web/app nginx:1 starting since {since}")]);
    }
}

#[test]
fn containers_wait_one_after_the_other() {
    let of = |init: fn(PodFacts) -> PodFacts, one: fn(PodFacts) -> PodFacts, two: fn(PodFacts) -> PodFacts| {
        let web = pod("web").scheduled(0).sandbox_ready(2);
        let web = init(web.container("init", ContainerKind::Init, "init:1"));
        let web = one(web.container("one", ContainerKind::App, "one:1"));
        two(web.container("two", ContainerKind::App, "two:1"))
    };
    let waits = |pod: PodFacts| pod.waiting("PodInitializing", "");
    let mut story = IndexScenario::new();
    story.apply(2, &of(waits, waits, waits));
    assert_eq!(story.waiting(), ["web/init init:1 pending sandbox_ready since 2"]);
    story.apply(5, &of(|pod| pod.running_since(5), waits, waits));
    assert_eq!(story.waiting(), [""; 0], "an init container that runs holds up the others");
    story.apply(9, &of(|pod| pod.terminated("Completed", 8), waits, waits));
    assert_eq!(story.waiting(), ["web/one one:1 pending previous_container since 8"]);
    story.apply(20, &of(|pod| pod.terminated("Completed", 8), |pod| pod.running_since(19), waits));
    assert_eq!(story.waiting(), ["web/two two:1 pending previous_container since 19"]);
    story
        .apply(30, &of(|pod| pod.terminated("Completed", 8), |pod| pod.running_since(19), |pod| pod.running_since(30)));
    check_waits(
        &mut story,
        &[
            "2 web/init pending",
            "5 web/init pending ended: started after 3 s",
            "9 web/one pending",
            "20 web/one pending ended: started after 11 s",
            "20 web/two pending",
            "30 web/two pending ended: started after 10 s",
        ],
        &[],
    );
}

#[test]
fn a_failed_init_container_holds_up_the_others() {
    for init in ["Error", "OOMKilled", "ContainerStatusUnknown"] {
        let mut story = IndexScenario::new();
        let web = pod("web").scheduled(0).sandbox_ready(2).container("init", ContainerKind::Init, "init:1");
        story.apply(9, &web.terminated(init, 8).image("nginx:1").waiting("PodInitializing", ""));
        check_waits(&mut story, &[], &[]);
    }
}

#[test]
fn a_sidecar_has_to_start_before_the_next_container_waits() {
    let of = |mesh: fn(PodFacts) -> PodFacts| {
        let web = pod("web").scheduled(0).sandbox_ready(2).container("mesh", ContainerKind::Sidecar, "mesh:1");
        mesh(web).image("nginx:1").waiting("PodInitializing", "")
    };
    let mut story = IndexScenario::new();
    story.apply(3, &of(|pod| pod.waiting("PodInitializing", "")));
    assert_eq!(story.waiting(), ["web/mesh mesh:1 pending sandbox_ready since 2"]);
    story.apply(5, &of(|pod| pod.running_since(4)));
    assert_eq!(story.waiting(), [""; 0], "its startup probe has not passed");
    story.apply(8, &of(|pod| pod.running_since(4).has_started()));
    assert_eq!(story.waiting(), ["web/app nginx:1 pending previous_container since 4"]);
    // A sidecar that stopped holds up the others until the pod was initialized once.
    story.apply(9, &of(|pod| pod.waiting("CrashLoopBackOff", "back-off")));
    assert_eq!(story.waiting(), [""; 0]);
    story.apply(10, &of(|pod| pod.waiting("CrashLoopBackOff", "back-off").initialized(4)));
    assert_eq!(story.waiting(), ["web/app nginx:1 pending sandbox_ready since 2"]);
}

#[test]
fn a_slow_startup_probe_is_not_part_of_the_wait() {
    let mut story = IndexScenario::new();
    let web = pod("web").scheduled(0).sandbox_ready(2).container("mesh", ContainerKind::Sidecar, "mesh:1");
    story.apply(700, &web.running_since(4).has_started().image("nginx:1").waiting("PodInitializing", ""));
    assert_eq!(story.waiting(), ["web/app nginx:1 pending previous_container since 700"]);
}

#[test]
fn a_container_behind_a_failing_one_does_not_wait() {
    let mut story = IndexScenario::new();
    let web = pod("web").scheduled(0).sandbox_ready(2).container("init", ContainerKind::Init, "init:nope");
    let of = |init: fn(PodFacts) -> PodFacts| init(web.clone()).image("nginx:1").waiting("PodInitializing", "");
    story.apply(3, &of(PodFacts::err_image_pull));
    assert_eq!((story.waiting(), story.failing().len()), (vec![], 1));
    // The kubelet restarts.
    story.apply(30, &of(|pod| pod.waiting("PodInitializing", "")));
    assert_eq!((story.waiting(), story.failing().len()), (vec![], 1));
}

#[test]
fn a_lost_sandbox_ends_the_stretch() {
    let mut story = pending_pod();
    story.apply(50, &starting());
    check_waits(
        &mut story,
        &["3 web/app pending", "50 web/app pending ended: unknown after 47 s"],
        &["web/app nginx:1 starting since 50"],
    );
    story.apply(60, &pending(59));
    assert_eq!(story.waiting(), ["web/app nginx:1 pending sandbox_ready since 59"]);
    // Both changes at once.
    story.apply(90, &pending(88));
    assert_eq!(story.log[3..], ["90 web/app pending ended: unknown after 30 s", "90 web/app pending"]);
    assert_eq!(story.waiting(), ["web/app nginx:1 pending sandbox_ready since 88"]);
}

#[test]
fn init_containers_that_run_again_end_the_stretch_of_a_later_container() {
    let mut story = IndexScenario::new();
    let web = pod("web").scheduled(0).sandbox_ready(2).container("init", ContainerKind::Init, "init:1");
    story.apply(9, &web.clone().terminated("Completed", 8).image("nginx:1").waiting("PodInitializing", ""));
    let mut again = web.sandbox_ready(50).waiting("PodInitializing", "").restarted(1, 8);
    again = again.image("nginx:1").waiting("PodInitializing", "");
    story.apply(51, &again);
    check_waits(
        &mut story,
        &["9 web/app pending", "51 web/app pending ended: unknown after 42 s", "51 web/init pending"],
        &["web/init init:1 pending sandbox_ready since 51"],
    );
}

#[test]
fn another_image_in_the_spec_ends_the_stretch() {
    let mut story = pending_pod();
    let patched = |seconds| pod("web").scheduled(0).sandbox_ready(seconds).image("nginx:2");
    story.apply(20, &patched(3).container_creating());
    check_waits(
        &mut story,
        &["3 web/app pending", "20 web/app pending ended: unknown after 17 s", "20 web/app pending"],
        &["web/app nginx:2 pending sandbox_ready since 20"],
    );
    let mut story = pending_pod();
    story.apply(20, &patched(3).running());
    assert_eq!(story.log.last().unwrap(), "20 web/app pending ended: unknown after 17 s");
}

#[test]
fn a_container_with_a_stale_status_does_not_wait() {
    let mut story = IndexScenario::new();
    let web = pod("web").scheduled(0).sandbox_ready(0);
    let stale = |image: &str| web.clone().image(image).waiting("ErrImagePull", "pull QPS exceeded");
    story.apply(1, &stale("nginx:nope")).apply(20, &stale("nginx:1"));
    assert_eq!(story.waiting(), [""; 0]);
    story.apply(25, &web.image("nginx:1").container_creating());
    assert_eq!(story.waiting(), ["web/app nginx:1 pending sandbox_ready since 25"]);
}

#[test]
fn a_removed_container_ends_the_stretch() {
    let mut story = IndexScenario::new();
    let web = pod("web").image("nginx:1").running_since(1);
    story.apply(5, &web.clone().container("debug", ContainerKind::Ephemeral, "busybox:1").container_creating());
    story.apply(9, &web);
    check_waits(&mut story, &["5 web/debug pending", "9 web/debug pending ended: unknown after 4 s"], &[]);
}

#[test]
fn ephemeral_containers_wait_independently_since_they_were_found() {
    let mut story = IndexScenario::new();
    let web = pod("web").scheduled(0).sandbox_ready(1).image("nginx:1").running_since(1);
    let one = |pod: PodFacts| pod.container("one", ContainerKind::Ephemeral, "one:1");
    let two = |pod: PodFacts| pod.container("two", ContainerKind::Ephemeral, "two:1");
    story.apply(500, &two(one(web.clone()).container_creating()).container_creating());
    assert_eq!(story.waiting(), ["web/one one:1 pending sandbox_ready since 500"]);
    story.apply(510, &two(one(web.clone()).err_image_pull()).container_creating());
    assert_eq!(story.waiting(), ["web/two two:1 pending sandbox_ready since 510"], "the kubelet goes on to the next");
    // Kubelets before 1.29 write no condition.
    let mut story = IndexScenario::new();
    let mut older = one(web).container_creating();
    older.sandbox_ready = None;
    story.apply(520, &older);
    assert_eq!(story.waiting(), ["web/one one:1 pending previous_container since 520"]);
    // With a container of the pod's own that waits.
    let mut story = IndexScenario::new();
    story.apply(5, &two(pending(3)).container_creating());
    let waiting = ["web/app nginx:1 pending sandbox_ready since 3", "web/two two:1 pending sandbox_ready since 5"];
    assert_eq!(story.waiting(), waiting);
}

#[test]
fn a_container_that_ran_before_waits_since_it_was_seen_to() {
    let again = |ended: i64| pending(3).restarted(1, ended);
    let mut story = IndexScenario::new();
    story.apply(9000, &again(8990));
    assert_eq!(story.waiting(), ["web/app nginx:1 pending sandbox_ready since 9000"]);
    // Found by the first list: not before the end of the last run.
    let mut story = IndexScenario::unlisted(IndexConfig::default(), &[WatchScope::Cluster]);
    story.relist_all(9000, &[again(8990)]);
    assert_eq!(story.waiting(), ["web/app nginx:1 pending sandbox_ready since 8990"]);
    // Found after a gap: not before it.
    let mut story = IndexScenario::new();
    story.record_sync(8000).relist_all(9000, &[again(100)]);
    assert_eq!(story.waiting(), ["web/app nginx:1 pending sandbox_ready since 8000"]);
}

#[test]
fn a_pod_that_is_shown_as_pending_long_after_its_start_waits_since_then() {
    // The kubelet restarts while the container has a configuration error.
    let mut story = IndexScenario::new();
    story.apply(900, &pending(3).waiting("CreateContainerConfigError", "x")).apply(1000, &pending(3));
    check_waits(&mut story, &["1000 web/app pending"], &["web/app nginx:1 pending sandbox_ready since 1000"]);
}

#[test]
fn durations_of_found_stretches_are_not_exact() {
    let mut story = IndexScenario::unlisted(IndexConfig::default(), &[WatchScope::Cluster]);
    story.relist_all(100, &[pending(3)]);
    story.apply(110, &pending(3).running_since(110));
    check_waits(&mut story, &["100 web/app pending", "110 web/app pending ended: started after about 107 s"], &[]);
    // The end is found after a gap.
    let mut story = pending_pod();
    story.record_gap(50).apply(60, &pending(3).running_since(55));
    assert_eq!(story.log.last().unwrap(), "60 web/app pending ended: started after about 57 s");
    // The start was shown late, and the duration is that between the observations.
    let mut story = IndexScenario::new();
    story.apply(1, &starting()).apply(8, &pending(3)).apply(20, &pending(3).running_since(20));
    assert_eq!(story.log, ["8 web/app pending", "20 web/app pending ended: started after 12 s"]);
}

#[test]
fn a_relist_and_a_partial_pod_keep_the_stretch() {
    let mut story = pending_pod();
    story.relist_all(20, &[pending(3)]);
    check_waits(&mut story, &["3 web/app pending"], &PENDING);
    story.index.begin_relist(&WatchScope::Cluster);
    story.index.keep_partial(&WatchScope::Cluster, &pending(3).id);
    assert_eq!(story.index.end_relist(&WatchScope::Cluster, at(30)), []);
    assert_eq!(story.waiting(), PENDING);
    assert_eq!(story.index.delete_partial(&pending(3).id, at(40)).len(), 1);
    assert_eq!(story.waiting(), [""; 0]);
}

#[test]
fn no_wait_begins_in_the_future() {
    let mut story = IndexScenario::new();
    story.apply(1, &starting()).apply(3, &pending(50));
    assert_eq!(story.waiting(), ["web/app nginx:1 pending sandbox_ready since 3"]);
    story.apply(9, &pending(50));
    assert_eq!((story.waiting().len(), story.log.len()), (1, 1), "the same stretch");
    // The clock is set back.
    story.index.on_clock_step(ClockStep { now: at(-97), set_back_by: Duration::from_secs(100) });
    assert_eq!(story.waiting(), ["web/app nginx:1 pending sandbox_ready since -97"]);
    story.apply(-90, &pending(50).running());
    assert_eq!(story.log.last().unwrap(), "-90 web/app pending ended: started after about 7 s");
}

#[test]
fn mirrored_waiting_reasons_do_not_change_waits() {
    for mirror in [MirroredReasons::All, MirroredReasons::Image, MirroredReasons::None] {
        let mut story = IndexScenario::mirroring(mirror);
        story.apply(1, &starting()).apply(3, &pending(3));
        assert_eq!(story.waiting(), PENDING);
        story.apply(9, &pending(3).running_since(9));
        check_waits(&mut story, &["3 web/app pending", "9 web/app pending ended: started after 6 s"], &[]);
        assert!(story.index.snapshot().unwrap().pods.is_empty());
    }
}

#[test]
fn waits_are_counted_by_stage_and_age() {
    let mut story = pending_pod();
    story.apply(10, &pod("api").scheduled(10).image("api:1").container_creating());
    let snapshot = story.index.snapshot().unwrap();
    let counts = |after: u64, now: i64| {
        let counts = snapshot.count_waits(Duration::from_secs(after), at(now));
        (counts.pending_overdue, counts.pending_young, counts.starting_overdue, counts.starting_young)
    };
    assert_eq!(counts(120, 100), (0, 1, 0, 1));
    assert_eq!(counts(120, 124), (1, 0, 0, 1));
    assert_eq!(counts(120, 131), (1, 0, 1, 0));
    assert_eq!(counts(0, 10_000), (0, 1, 0, 1));
    assert_eq!(snapshot.overdue_waits(Duration::from_secs(120), at(124)).count(), 1);
    assert_eq!(snapshot.overdue_waits(Duration::ZERO, at(9999)).count(), 0);
}

#[test]
fn a_starting_pod_takes_a_few_hundred_bytes() {
    use crate::image_wait::ImageWait;
    // Names of nodes, owners, accounts, containers and images are shared. Each allocation has 16 bytes of its own, and an Arc
    // two counters.
    let (allocation, arc) = (16, 16);
    let id = size_of::<PodId>() + 3 * allocation + "shop".len() + "web-7d9f8b6c5-x2x4q".len() + 36;
    let pod = size_of::<TrackedPod>() + size_of::<TrackedContainer>() + size_of::<ImageWait>() + 3 * allocation;
    let entry = size_of::<Arc<PodId>>() + size_of::<IndexEntry>();
    let bytes = id + pod + entry + 2 * (allocation + arc);
    assert!(bytes <= 640, "{bytes} bytes: id {id}, pod {pod}, entry {entry}");
    let snapshot = pending_pod().index.snapshot().unwrap();
    assert_eq!(snapshot.pods[0].containers.capacity(), 1);
}
