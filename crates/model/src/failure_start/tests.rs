use super::*;
use crate::scenario::{at, pod, seconds_since_start};

const NOW: i64 = 1000;

/// Checks the start of the failure of the pod's last container, found at [`NOW`].
fn check(pod: &PodFacts, seconds_and_basis: (f64, &str)) {
    check_since(pod, false, None, seconds_and_basis);
}

fn check_since(pod: &PodFacts, of_volume: bool, not_before: Option<i64>, (expected, basis): (f64, &str)) {
    let container = pod.containers.last().unwrap();
    let since = FailureStart::estimate(pod, container, of_volume, at(NOW), not_before.map(at));
    assert_eq!((seconds_since_start(since.at), since.basis.as_str()), (expected, basis), "{pod:?}");
}

/// A pod with all timestamps.
fn pod_with_timestamps() -> PodFacts {
    let mut pod = pod("web").scheduled(10).sandbox_ready(20).initialized(30);
    pod.created = Some(at(9));
    pod.started = Some(at(11));
    pod
}

#[test]
fn the_first_container_of_a_pod_fails_since_its_sandbox_was_ready() {
    check(&pod_with_timestamps().image("nginx:nope").err_image_pull(), (20.0, "pod_condition"));
}

#[test]
fn a_container_after_init_containers_fails_since_they_finished() {
    let pod = pod_with_timestamps().container("init", ContainerKind::Init, "busybox").terminated("Completed", 29);
    check(&pod.image("nginx:nope").err_image_pull(), (30.0, "pod_condition"));
}

#[test]
fn the_first_init_container_fails_since_the_sandbox_was_ready() {
    let pod = pod_with_timestamps().container("init", ContainerKind::Init, "busybox:nope").err_image_pull();
    check(&pod, (20.0, "pod_condition"));
}

#[test]
fn a_later_init_container_fails_since_the_one_before_it_ended() {
    let pod = pod_with_timestamps()
        .container("one", ContainerKind::Init, "busybox")
        .terminated("Completed", 24)
        .container("two", ContainerKind::Init, "busybox")
        .terminated("Completed", 27)
        .container("three", ContainerKind::Init, "busybox:nope")
        .err_image_pull();
    check(&pod, (27.0, "previous_termination"));
}

#[test]
fn an_init_container_after_a_sidecar_fails_since_the_sidecar_started() {
    let pod = pod_with_timestamps()
        .container("mesh", ContainerKind::Sidecar, "mesh")
        .running_since(25)
        .container("init", ContainerKind::Init, "busybox:nope")
        .err_image_pull();
    check(&pod, (25.0, "pod_condition"));
}

#[test]
fn a_sidecar_that_comes_first_fails_since_the_sandbox_was_ready() {
    check(
        &pod_with_timestamps().container("mesh", ContainerKind::Sidecar, "mesh:nope").err_image_pull(),
        (20.0, "pod_condition"),
    );
}

#[test]
fn a_container_that_was_restarted_fails_since_its_last_run_ended() {
    for kind in [ContainerKind::App, ContainerKind::Sidecar, ContainerKind::Init, ContainerKind::Ephemeral] {
        let pod = pod_with_timestamps().container("app", kind, "nginx:nope").err_image_pull().restarted(0, 700);
        check(&pod, (700.0, "previous_termination"));
    }
}

#[test]
fn an_ephemeral_container_fails_since_the_pod_start() {
    let pod = pod_with_timestamps()
        .image("nginx")
        .running()
        .container("debug", ContainerKind::Ephemeral, "busybox:nope")
        .err_image_pull();
    check(&pod, (10.0, "pod_start"));
}

#[test]
fn an_image_volume_is_pulled_before_any_container() {
    let pod = pod_with_timestamps()
        .container("init", ContainerKind::Init, "busybox")
        .terminated("Completed", 29)
        .image("nginx")
        .image_volume("model:nope")
        .waiting("ErrImagePull", "x");
    check_since(&pod, true, None, (20.0, "pod_condition"));
}

#[test]
fn without_a_condition_the_start_is_the_pod_start() {
    let mut pod = pod_with_timestamps().image("nginx:nope").err_image_pull();
    pod.sandbox_ready = None;
    check(&pod, (10.0, "pod_start"));
    pod.scheduled = None;
    check(&pod, (11.0, "pod_start"));
    pod.started = None;
    check(&pod, (9.0, "pod_start"));
}

#[test]
fn an_unobserved_start_is_not_reported_as_observed() {
    let pod = pod("web").image("nginx:nope").err_image_pull();
    let since = FailureStart::estimate(&pod, &pod.containers[0], false, at(NOW), None);
    assert_eq!(seconds_since_start(since.at), 1000.0);
    assert_ne!(since.basis, StartBasis::Observed, "its duration would be taken for exact");
}

#[test]
fn no_failure_starts_in_the_future() {
    let pod = pod("web").sandbox_ready(1001).image("nginx:nope").err_image_pull();
    check(&pod, (1000.0, "pod_condition"));
    check_since(&pod, false, Some(1002), (1000.0, "pod_condition"));
}

#[test]
fn a_failure_starts_after_the_last_complete_view() {
    let pod = pod_with_timestamps().image("nginx:nope").err_image_pull();
    check_since(&pod, false, Some(19), (20.0, "pod_condition"));
    check_since(&pod, false, Some(21), (21.0, "pod_condition"));
    check_since(&pod, false, Some(900), (900.0, "pod_condition"));
}
