mod attempts;
mod causes;
mod clock;
mod event_scenario;
mod events;
mod healthy_pods;
mod image_volumes;
mod inferences;
mod messages;
mod partial;
mod properties;
mod relists;
mod runs;
mod stale_status;
mod stuck_status;
mod wait_properties;
mod waits;

use super::*;
use crate::facts::{ContainerFacts, ContainerKind, PodPhase, StateFacts};
use crate::failure::Failure;
use crate::failure_event::{FailureEvent, FailureOutcome};
use crate::scenario::{IndexScenario, at, back_off, not_found, pod};
use crate::snapshot::TrackedContainer;

/// A scenario with the pod `web`, whose container `app` shows its first failed attempt at 1.
fn failing_pod() -> (IndexScenario, PodFacts) {
    let mut story = IndexScenario::new();
    let web = pod("web").image("nginx:nope");
    story.apply(0, &web.clone().container_creating()).apply(1, &web.clone().err_image_pull());
    (story, web)
}

fn check(story: &mut IndexScenario, happened: &[&str], failing: &[&str]) {
    assert_eq!(story.log, happened);
    assert_eq!(story.failing(), failing);
}

const BEGUN: [&str; 2] = ["1 web/app started", "1 web/app attempted"];
const STILL: [&str; 1] = ["web/app nginx:nope ErrImagePull since 1 observed, 1 attempts"];

/// Checks that the failure of [`failing_pod`] continues after the next status.
fn check_continues(next: impl FnOnce(PodFacts) -> PodFacts) {
    let (mut story, web) = failing_pod();
    story.apply(20, &next(web));
    assert_eq!(story.log, BEGUN, "nothing happened");
    let failing = story.failing();
    assert_eq!(failing.len(), 1, "{failing:?}");
    assert!(failing[0].ends_with("since 1 observed, 1 attempts"), "{failing:?}");
}

/// Checks that the failure of [`failing_pod`] ends with `outcome` after the next status, and that no failure starts.
fn check_ends(outcome: &str, next: impl FnOnce(PodFacts) -> PodFacts) {
    let (mut story, web) = failing_pod();
    let next = next(web);
    story.apply(20, &next);
    let lines: Vec<&String> = story.log.iter().filter(|line| !line.contains("backed off")).collect();
    let end = format!("20 web/app {outcome} after 19 s");
    assert_eq!(lines, [BEGUN[0], BEGUN[1], end.as_str()], "{next:?}");
    assert_eq!(story.failing(), [""; 0]);
    // A repeated status has no effect.
    let before = story.log.len();
    story.apply(21, &next);
    assert_eq!(story.log.len(), before, "{:?}", story.log);
}

#[test]
fn attempts_and_back_off_alternate_within_one_failure() {
    let (mut story, web) = failing_pod();
    let (err, back_off) = (web.clone().err_image_pull(), web.image_pull_back_off());
    story.apply(14, &back_off).apply(28, &err).apply(41, &back_off).apply(55, &err).apply(68, &back_off);
    check(
        &mut story,
        &[
            "1 web/app started",
            "1 web/app attempted",
            "28 web/app backed off 27 s",
            "28 web/app attempted",
            "55 web/app backed off 27 s",
            "55 web/app attempted",
        ],
        &["web/app nginx:nope ImagePullBackOff since 1 observed, 3 attempts"],
    );
}

#[test]
fn every_image_reason_begins_a_failure() {
    for (reason, attempts) in [
        ("ErrImagePull", 1),
        ("ImagePullBackOff", 0),
        ("ErrImageNeverPull", 0),
        ("InvalidImageName", 0),
        ("ImageInspectError", 0),
        ("RegistryUnavailable", 1),
        ("SignatureValidationFailed", 1),
    ] {
        let mut story = IndexScenario::new();
        story.apply(1, &pod("web").image("nginx:nope").waiting(reason, ""));
        let failing = format!("web/app nginx:nope {reason} since 1 observed, {attempts} attempts");
        assert_eq!(story.failing(), [failing]);
    }
    let mut story = IndexScenario::new();
    story.apply(1, &pod("web").image("nginx").waiting("illegal base64 data", "illegal base64 data"));
    assert_eq!(story.failing(), ["web/app nginx Other since 1 observed, 0 attempts"]);
}

#[test]
fn other_reasons_begin_none() {
    for reason in [
        "ContainerCreating",
        "PodInitializing",
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "RunContainerError",
        "",
    ] {
        let mut story = IndexScenario::new();
        story.apply(1, &pod("web").image("nginx").waiting(reason, "some text"));
        check(&mut story, &[], &[]);
    }
}

#[test]
fn alternating_reasons_leave_the_failure_open() {
    check_continues(PodFacts::image_pull_back_off);
    check_continues(|web| web.waiting("ImagePullBackOff", "Back-off pulling image \"nginx:nope\""));
    check_continues(|web| {
        web.waiting("ImageInspectError", "Failed to inspect image \"\": rpc error: code = Unavailable")
    });
    check_continues(|web| {
        web.waiting("ErrImageNeverPull", "Container image \"nginx:nope\" is not present with pull policy of Never")
    });
    check_continues(PodFacts::container_creating);
    check_continues(|web| web.waiting("PodInitializing", ""));
    check_continues(|web| web.waiting("CrashLoopBackOff", "back-off 1m20s restarting failed container=app"));
    let (mut story, web) = failing_pod();
    story.apply(20, &web.waiting("UnknownReason", "an unknown message"));
    assert_eq!(story.failing(), STILL);
}

#[test]
fn a_changed_message_is_not_an_attempt() {
    check_continues(|web| web.waiting("ErrImagePull", "read tcp 127.0.0.1:43990->127.0.0.1:6801: connection reset"));
}

#[test]
fn another_attempt_reason_is_another_attempt() {
    let (mut story, web) = failing_pod();
    story.apply(
        28,
        &web.waiting("RegistryUnavailable", "image pull failed for nginx:nope because the registry is unavailable: x"),
    );
    assert_eq!(story.failing(), ["web/app nginx:nope RegistryUnavailable since 1 observed, 2 attempts"]);
}

#[test]
fn an_unreported_state_leaves_the_failure_open() {
    check_continues(|web| web);
    let (mut story, _) = failing_pod();
    story.apply(20, &pod("web"));
    assert!(story.log.len() <= 3, "a pod without any status ends a failure at most as unknown: {:?}", story.log);
}

#[test]
fn any_state_after_the_pull_ends_the_failure_as_recovered() {
    check_ends("recovered", |web| web.running_since(20));
    check_ends("recovered", |web| web.terminated("Completed", 19));
    check_ends("recovered", |web| web.terminated("Error", 19));
    check_ends("recovered", |web| web.waiting("CreateContainerConfigError", "secret \"nope\" not found"));
    check_ends("recovered", |web| web.waiting("CreateContainerError", "ImageVolumeMountFailed: x"));
    check_ends("recovered", |web| web.waiting("RunContainerError", "x"));
}

#[test]
fn another_image_in_the_spec_ends_the_failure_as_image_changed() {
    let renamed = |image: &str| pod("web").image(image);
    check_ends("image_changed", |_| {
        renamed("nginx:1.27").err_image_pull().waiting("ErrImagePull", &not_found("nginx:nope"))
    });
    check_ends("image_changed", |_| renamed("nginx:1.27").waiting("ImagePullBackOff", &back_off("nginx:nope")));
    check_ends("image_changed", |_| renamed("nginx:1.27").container_creating());
    check_ends("image_changed", |_| renamed("nginx:1.27").running_since(20));
}

#[test]
fn a_pod_that_is_deleted_ends_it_as_pod_deleted() {
    check_ends("pod_deleted", |web| web.err_image_pull().deleting());
    check_ends("pod_deleted", |web| web.container_creating().deleting());
    check_ends("pod_deleted", |web| web.image_pull_back_off().deleting().finished());
    check_ends("pod_deleted", |web| web.terminated("ContainerStatusUnknown", 20).deleting().finished());
}

#[test]
fn a_finished_pod_ends_it_as_pod_finished() {
    check_ends("pod_finished", |web| web.image_pull_back_off().finished());
    check_ends("pod_finished", |web| web.terminated("ContainerStatusUnknown", 20).finished());
}

#[test]
fn a_pod_that_leaves_the_watch_ends_its_failure_once() {
    for (hidden, deleting, finished, outcome) in [
        (false, true, false, "pod_deleted"),
        (false, false, false, "pod_deleted"),
        (false, true, true, "pod_deleted"),
        (false, false, true, "pod_finished"),
        // In the recordings every deleted pod has a deletionTimestamp in its DELETED event. This pod left the selector.
        (true, false, false, "pod_finished"),
        (true, false, true, "pod_finished"),
        (true, true, false, "pod_deleted"),
    ] {
        let mut story = IndexScenario::with(
            IndexConfig { excludes_finished_pods: hidden, ..IndexConfig::default() },
            &[WatchScope::Cluster],
        );
        let web = pod("web").image("nginx:nope").err_image_pull();
        story.apply(1, &web);
        let mut last = web.clone();
        last.is_deleting = deleting;
        last.phase = if finished { PodPhase::Finished } else { PodPhase::Active };
        story.delete(5, &last).delete(6, &last);
        let end = format!("5 web/app {outcome} after 4 s");
        check(&mut story, &[BEGUN[0], BEGUN[1], &end], &[]);
    }
}

#[test]
fn an_expanded_image_name_is_the_same_image() {
    for (image, named) in [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27-nope", "docker.io/library/nginx:1.27-nope"),
        ("127.0.0.1:5000/notag", "127.0.0.1:5000/notag:latest"),
    ] {
        let mut story = IndexScenario::new();
        story.apply(1, &pod("web").image(image).waiting("ErrImagePull", &not_found(named)));
        let failing = format!("web/app {image} ErrImagePull since 1 observed, 1 attempts");
        assert_eq!(story.failing(), [failing]);
    }
}

#[test]
fn the_image_of_another_volume_has_its_own_back_off() {
    let mut story = IndexScenario::new();
    let web = pod("web").image("nginx").image_volume("data:nope").image_volume("more:nope");
    let fails = |image: &str| web.clone().waiting("ErrImagePull", &not_found(image));
    story.apply(1, &fails("data:nope")).apply(30, &web.clone().waiting("ImagePullBackOff", &back_off("data:nope")));
    story.apply(45, &fails("more:nope"));
    assert!(!story.log.iter().any(|line| line.contains("backed off")), "{:?}", story.log);
}

#[test]
fn a_failure_continues_across_crash_loop_back_off() {
    let mut story = IndexScenario::new();
    let web = pod("web").image("nginx:nope");
    let restarting = |pod: PodFacts| pod.restarted(0, 31);
    story.apply(6, &web.clone().running_since(5));
    story.apply(31, &web.clone().terminated("Error", 31));
    story.apply(46, &restarting(web.clone().err_image_pull()));
    story.apply(71, &restarting(web.clone().image_pull_back_off()));
    story.apply(
        123,
        &restarting(web.clone().waiting("CrashLoopBackOff", "back-off 1m20s restarting failed container=app")),
    );
    story.apply(136, &restarting(web.clone().err_image_pull()));
    story.apply(
        199,
        &restarting(web.clone().waiting("CrashLoopBackOff", "back-off 2m40s restarting failed container=app")),
    );
    story.apply(214, &restarting(web.clone().image_pull_back_off()));
    check(
        &mut story,
        &["46 web/app started", "46 web/app attempted", "136 web/app attempted"],
        &["web/app nginx:nope ImagePullBackOff since 46 observed, 2 attempts"],
    );
    // The pull succeeds, and the second run starts.
    story.apply(400, &web.running_since(400).restarted(1, 31));
    assert_eq!(story.log.last().unwrap(), "400 web/app recovered after 354 s");
}

#[test]
fn the_previous_run_shown_after_a_kubelet_restart_does_not_end_the_failure() {
    let mut story = IndexScenario::new();
    let web = pod("web").image("nginx:nope");
    story.apply(46, &web.clone().err_image_pull().restarted(0, 31));
    let old_run = web.clone().terminated("Error", 31).restarted(0, 10);
    story.apply(60, &old_run).apply(61, &old_run);
    story.apply(75, &web.err_image_pull().restarted(0, 31));
    assert_eq!(story.log, ["46 web/app started", "46 web/app attempted", "75 web/app attempted"]);
}

#[test]
fn a_restarted_container_that_gets_its_image_ends_its_last_interval() {
    let mut story = IndexScenario::new();
    let web = pod("web").image("nginx:nope");
    story.apply(46, &web.clone().err_image_pull().restarted(0, 31));
    story.apply(60, &web.clone().image_pull_back_off().restarted(0, 31));
    story.apply(61, &web.running_since(61).restarted(1, 31));
    assert_eq!(story.log[2..], ["61 web/app backed off 15 s", "61 web/app recovered after 15 s"]);
}

#[test]
fn two_containers_with_one_image_are_two_failures_and_one_shows_the_attempts() {
    let mut story = IndexScenario::new();
    let pod = |first: fn(PodFacts) -> PodFacts| {
        let one = first(pod("web").container("one", ContainerKind::App, "nginx:nope"));
        one.container("two", ContainerKind::App, "nginx:nope").image_pull_back_off()
    };
    story.apply(5, &pod(PodFacts::err_image_pull)).apply(16, &pod(PodFacts::image_pull_back_off));
    story.apply(30, &pod(PodFacts::err_image_pull));
    check(
        &mut story,
        &[
            "5 web/one started",
            "5 web/one attempted",
            "5 web/two started",
            "30 web/one backed off 25 s",
            "30 web/one attempted",
        ],
        &[
            "web/one nginx:nope ErrImagePull since 5 observed, 2 attempts",
            "web/two nginx:nope ImagePullBackOff since 5 observed, 0 attempts",
        ],
    );
}

#[test]
fn the_failure_of_an_image_volume_names_the_volume_s_image_and_policy() {
    let mut story = IndexScenario::new();
    let web = pod("web").image("nginx").image_volume("model:nope");
    story.apply(1, &web.clone().waiting("ErrImagePull", &not_found("model:nope")));
    story.apply(14, &web.clone().waiting("ImagePullBackOff", &back_off("model:nope")));
    assert_eq!(story.failing(), ["web/app model:nope ImagePullBackOff since 1 observed, 1 attempts"]);
    let snapshot = story.index.snapshot().unwrap();
    let (_, _, failure) = snapshot.failures().next().unwrap();
    assert_eq!(failure.policy.as_str(), "Always");
    story.apply(40, &web.running_since(40));
    assert!(story.log.last().unwrap().starts_with("40 web/app recovered"));
}

#[test]
fn another_image_volume_ends_the_failure_of_the_old_one() {
    let mut story = IndexScenario::new();
    story.apply(
        1,
        &pod("web").image("nginx").image_volume("model:nope").waiting("ErrImagePull", &not_found("model:nope")),
    );
    story.apply(
        20,
        &pod("web").image("nginx").image_volume("model:1").waiting("ErrImagePull", &not_found("model:nope")),
    );
    check(&mut story, &[BEGUN[0], BEGUN[1], "20 web/app image_changed after 19 s"], &[]);
}

#[test]
fn a_container_s_own_image_that_fails_after_its_image_volume_s_is_the_same_failure() {
    let mut story = IndexScenario::new();
    let web = pod("web").image("nginx:nope").image_volume("model:nope");
    story.apply(1, &web.clone().waiting("ErrImagePull", &not_found("model:nope")));
    story.apply(40, &web.waiting("ErrImagePull", &not_found("nginx:nope")));
    assert_eq!(story.log.iter().filter(|line| line.ends_with("started")).count(), 1);
    assert!(
        story.failing()[0].starts_with("web/app nginx:nope ErrImagePull since 1 observed"),
        "{:?}",
        story.failing()
    );
}

#[test]
fn containers_of_one_name_and_different_kinds_are_different() {
    let mut story = IndexScenario::new();
    let pod = pod("web")
        .container("app", ContainerKind::Init, "init:nope")
        .err_image_pull()
        .container("app", ContainerKind::App, "nginx:nope")
        .err_image_pull();
    story.apply(1, &pod);
    assert_eq!(story.failing().len(), 2);
}

#[test]
fn the_second_container_of_a_name_is_left_out() {
    let mut story = IndexScenario::new();
    let pod = pod("web").image("nginx:nope").err_image_pull().image("busybox:nope").err_image_pull();
    story.apply(1, &pod);
    check(&mut story, &["1 web/app started", "1 web/app attempted", "1 web duplicate"], &STILL);
}

#[test]
fn a_pod_recreated_with_its_name_is_another_pod() {
    let (mut story, _) = failing_pod();
    let again = pod("web").with_uid("another").image("nginx:nope").err_image_pull();
    story.apply(2, &again);
    assert_eq!(story.failing().len(), 2);
    story.delete(3, &pod("web").image("nginx:nope").deleting());
    assert_eq!(story.failing(), ["web/app nginx:nope ErrImagePull since 2 observed, 1 attempts"]);
}

#[test]
fn a_container_removed_from_the_pod_ends_its_failure() {
    let mut story = IndexScenario::new();
    story.apply(
        1,
        &pod("web")
            .image("nginx")
            .running()
            .container("debug", ContainerKind::Ephemeral, "busybox:nope")
            .err_image_pull(),
    );
    story.apply(20, &pod("web").image("nginx").running());
    assert_eq!(story.log.last().unwrap(), "20 web/debug unknown after 19 s");
    assert_eq!(story.failing(), [""; 0]);
}

#[test]
fn a_deleting_or_finished_pod_opens_no_failure() {
    for pod in [
        pod("web").image("nginx:nope").err_image_pull().deleting(),
        pod("web").image("nginx:nope").image_pull_back_off().finished(),
    ] {
        let mut story = IndexScenario::new();
        story.apply(1, &pod).relist_all(2, std::slice::from_ref(&pod));
        check(&mut story, &[], &[]);
        // kube-state-metrics ignores the phase.
        assert_eq!(story.mirrored().len(), 1);
    }
}

#[test]
fn mirrored_reasons_follow_the_configuration() {
    let pod = || {
        pod("web")
            .container("init", ContainerKind::Init, "a")
            .waiting("PodInitializing", "")
            .container("bad", ContainerKind::App, "b")
            .waiting("ErrImagePull", "")
            .container("free", ContainerKind::App, "c")
            .waiting("two\nlines", "two\nlines")
            .container("empty", ContainerKind::App, "d")
            .waiting("", "")
            .container("new", ContainerKind::App, "e")
            .waiting("Tomorrow", "x")
            .container("fine", ContainerKind::App, "f")
            .running()
            .container("debug", ContainerKind::Ephemeral, "g")
            .waiting("ErrImagePull", "")
    };
    for (mirror, expected) in [
        (MirroredReasons::Image, &["web/bad ErrImagePull", "web/free Other"][..]),
        (
            MirroredReasons::All,
            &[
                "web/init PodInitializing",
                "web/bad ErrImagePull",
                "web/free two\nlines",
                "web/empty ",
                "web/new Tomorrow",
            ],
        ),
        (MirroredReasons::None, &[]),
    ] {
        let mut story = IndexScenario::mirroring(mirror);
        story.apply(1, &pod());
        assert_eq!(story.mirrored(), expected, "{mirror:?}");
    }
}

#[test]
fn a_stale_status_is_mirrored_all_the_same() {
    let (mut story, _) = failing_pod();
    story.apply(20, &pod("web").image("nginx:1.27").waiting("ImagePullBackOff", &back_off("nginx:nope")));
    assert_eq!(story.mirrored(), ["web/app ImagePullBackOff"]);
}

#[test]
fn an_unknown_reason_is_reported() {
    let mut story = IndexScenario::new();
    story.apply(1, &pod("web").image("nginx").waiting("Tomorrow", "x"));
    assert_eq!(story.log, ["1 unknown reason Tomorrow"]);
}
