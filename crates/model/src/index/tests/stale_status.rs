//! Statuses of the old image after the image was changed.

use super::*;

#[test]
fn a_stale_status_is_dropped_once_another_one_shows() {
    let mut story = IndexScenario::new();
    let fails = |pod: PodFacts| pod.waiting("ErrImagePull", "pull QPS exceeded");
    let patched = pod("web").image("nginx:1.27");
    story.apply(1, &fails(pod("web").image("nginx:nope"))).apply(20, &fails(patched.clone()));
    // The pull of the new image fails with the error text of the old one.
    story.apply(21, &patched.clone().container_creating()).apply(23, &fails(patched));
    assert_eq!(story.failing(), ["web/app nginx:1.27 ErrImagePull since 23 observed, 1 attempts"]);
}

#[test]
fn a_stale_status_found_by_a_list_opens_nothing() {
    let mut story = IndexScenario::unlisted(IndexConfig::default(), &[WatchScope::Cluster]);
    story.relist_all(0, &[pod("web").image("nginx:1.27").waiting("ErrImagePull", &not_found("nginx:nope"))]);
    check(&mut story, &[], &[]);
}

#[test]
fn a_stale_status_that_names_no_image_opens_nothing() {
    let mut story = IndexScenario::new();
    story.apply(1, &pod("web").image("nginx:nope").waiting("ErrImagePull", "pull QPS exceeded"));
    let patched = pod("web").image("nginx:1.27");
    story.apply(20, &patched.clone().waiting("ErrImagePull", "pull QPS exceeded"));
    story.apply(22, &patched.running_since(22));
    check(&mut story, &[BEGUN[0], BEGUN[1], "20 web/app image_changed after 19 s"], &[]);
}

#[test]
fn a_stale_status_after_a_patch_opens_nothing() {
    let (mut story, _) = failing_pod();
    let patched = pod("web").image("nginx:1.27");
    // As in the recording recover-patch: two events after the patch still have the status of the old image.
    story.apply(20, &patched.clone().waiting("ErrImagePull", &not_found("nginx:nope")));
    story.apply(21, &patched.clone().waiting("ImagePullBackOff", &back_off("nginx:nope")));
    story.apply(22, &patched.running_since(22));
    check(&mut story, &[BEGUN[0], BEGUN[1], "20 web/app image_changed after 19 s"], &[]);
}

#[test]
fn a_patch_to_another_bad_image_begins_a_new_failure_when_its_own_status_shows() {
    let (mut story, _) = failing_pod();
    let patched = pod("web").image("nginx:worse");
    story.apply(20, &patched.clone().waiting("ErrImagePull", &not_found("nginx:nope")));
    story.apply(21, &patched.clone().err_image_pull());
    check(
        &mut story,
        &[BEGUN[0], BEGUN[1], "20 web/app image_changed after 19 s", "21 web/app started", "21 web/app attempted"],
        &["web/app nginx:worse ErrImagePull since 21 observed, 1 attempts"],
    );
}
