//! Relists: effects on the pods that the index already has.

use super::*;

#[test]
fn a_pod_that_a_relist_omits_was_deleted() {
    let (mut story, web) = failing_pod();
    let other = pod("other").image("busybox:nope");
    story.apply(2, &other.clone().err_image_pull());
    story.relist_all(30, &[other.err_image_pull()]);
    assert_eq!(story.log.last().unwrap(), "30 web/app pod_deleted after about 29 s");
    assert_eq!(story.failing(), ["other/app busybox:nope ErrImagePull since 2 observed, 1 attempts"]);
    // Only the first relist ends it.
    let before = story.log.len();
    story.delete(31, &web.err_image_pull().deleting());
    assert_eq!(story.log.len(), before);
}

#[test]
fn a_relist_of_one_namespace_leaves_the_pods_of_others_alone() {
    let scopes = ["shop", "bank"].map(|namespace| WatchScope::Namespace(namespace.to_owned()));
    let mut story = IndexScenario::with(IndexConfig::default(), &scopes);
    let web = pod("web").image("nginx:nope").err_image_pull();
    let vault = pod("vault").in_namespace("bank").image("vault:nope").err_image_pull();
    story.apply(1, &web).apply(2, &vault);
    story.relist(10, &scopes[0], &[]);
    assert_eq!(story.log.last().unwrap(), "10 web/app pod_deleted after about 9 s");
    assert_eq!(story.failing(), ["vault/app vault:nope ErrImagePull since 2 observed, 1 attempts"]);
    story.relist(20, &scopes[1], &[vault]);
    assert_eq!(story.log.len(), 5);
}

#[test]
fn there_is_no_snapshot_until_every_scope_was_listed_once() {
    let scopes = ["shop", "bank"].map(|namespace| WatchScope::Namespace(namespace.to_owned()));
    let mut story = IndexScenario::unlisted(IndexConfig::default(), &scopes);
    assert!(story.index.snapshot().is_none());
    story.relist(1, &scopes[0], &[pod("web").image("nginx:nope").err_image_pull()]);
    assert!(story.index.snapshot().is_none());
    story.relist(2, &scopes[1], &[]);
    assert!(story.index.snapshot().is_some());
    story.index.begin_relist(&scopes[0]);
    assert!(story.index.snapshot().is_some());
}

#[test]
fn a_scope_that_cannot_be_listed_does_not_delay_the_others() {
    let scopes = ["shop", "bank"].map(|namespace| WatchScope::Namespace(namespace.to_owned()));
    let mut story = IndexScenario::unlisted(IndexConfig::default(), &scopes);
    let fail =
        |story: &mut IndexScenario, scope| story.index.watch_mut(scope).unwrap().record_error("forbidden".to_owned());
    fail(&mut story, &scopes[0]);
    fail(&mut story, &scopes[1]);
    assert!(story.index.snapshot().is_none(), "nothing was listed");
    story.relist(1, &scopes[0], &[pod("web").image("nginx:nope").err_image_pull()]);
    assert_eq!(story.failing().len(), 1);
    // The snapshot stays available when the other scopes are listed.
    story.index.begin_relist(&scopes[1]);
    story.index.watch_mut(&scopes[1]).unwrap().record_response(Timestamp::default());
    assert_eq!(story.failing().len(), 1);
}

#[test]
fn a_relist_under_way_removes_no_pod() {
    let (mut story, _) = failing_pod();
    story.index.begin_relist(&WatchScope::Cluster);
    assert_eq!(story.failing(), STILL);
}

#[test]
fn a_failure_continues_across_a_relist() {
    let (mut story, web) = failing_pod();
    story.relist_all(20, &[web.err_image_pull()]);
    check(&mut story, &BEGUN, &STILL);
}

#[test]
fn an_interval_with_a_gap_in_it_is_not_measured() {
    let (mut story, web) = failing_pod();
    story.relist_all(40, &[web.clone().image_pull_back_off()]);
    story.apply(55, &web.clone().err_image_pull());
    assert!(!story.log.iter().any(|line| line.contains("backed off")), "{:?}", story.log);
    // The next interval is measured.
    story.apply(68, &web.clone().image_pull_back_off()).apply(105, &web.err_image_pull());
    assert_eq!(
        story.log.last_chunk(),
        Some(&["105 web/app backed off 50 s", "105 web/app attempted"].map(str::to_owned))
    );
}

#[test]
fn an_end_found_by_a_relist_is_when_the_container_started() {
    let (mut story, web) = failing_pod();
    story.relist_all(20, &[web.running_since(15)]);
    check(&mut story, &[BEGUN[0], BEGUN[1], "20 web/app recovered after 14 s"], &[]);
}

#[test]
fn an_end_without_a_time_in_the_status_is_not_measured() {
    // The first two times are before the failure or in the future, from another clock.
    let ends: [fn(PodFacts) -> PodFacts; 3] =
        [|web| web.running_since(0), |web| web.running_since(21), |web| web.terminated("Completed", 15)];
    for end in ends {
        let (mut story, web) = failing_pod();
        story.relist_all(20, &[end(web)]);
        check(&mut story, &[BEGUN[0], BEGUN[1], "20 web/app recovered after about 19 s"], &[]);
    }
    let (mut story, _) = failing_pod();
    story.relist_all(20, &[pod("web").image("nginx:1").container_creating()]);
    check(&mut story, &[BEGUN[0], BEGUN[1], "20 web/app image_changed after about 19 s"], &[]);
}

#[test]
fn changes_during_an_interruption_are_found_not_observed() {
    let (mut story, web) = failing_pod();
    let other = pod("other").sandbox_ready(-499).image("nginx:nope");
    story.record_gap(200);
    story.apply(200, &web.clone().running_since(17)).apply(201, &other.clone().err_image_pull());
    assert_eq!(story.log[2], "200 web/app recovered after 16 s");
    assert_eq!(story.failing(), ["other/app nginx:nope ErrImagePull since 1 pod_condition, 1 attempts"]);
    story.apply(202, &other.clone().deleting());
    assert_eq!(story.log.last().unwrap(), "202 other/app pod_deleted after about 201 s");
    // From here on changes are observed again.
    story
        .record_sync(210)
        .apply(211, &web.clone().err_image_pull().restarted(1, 205))
        .apply(230, &web.running_since(229));
    assert_eq!(story.log.last().unwrap(), "230 web/app recovered after 19 s");
}

#[test]
fn a_missing_pod_ends_as_unknown_where_finished_pods_are_excluded() {
    let settings = IndexConfig { excludes_finished_pods: true, ..IndexConfig::default() };
    let mut story = IndexScenario::with(settings, &[WatchScope::Cluster]);
    let web = pod("web").image("nginx:nope").err_image_pull();
    story.apply(1, &web).relist_all(30, &[]);
    assert_eq!(story.log.last().unwrap(), "30 web/app unknown after about 29 s");
    // A DELETED event without a deletion means that the pod finished.
    story.apply(31, &web).delete(40, &web);
    assert_eq!(story.log.last().unwrap(), "40 web/app pod_finished after 9 s");
}

#[test]
fn a_pod_that_leaves_a_watch_by_labels_ends_as_unknown() {
    for finished_pods_hidden in [true, false] {
        let settings = IndexConfig {
            excludes_finished_pods: finished_pods_hidden,
            selects_by_label: true,
            ..IndexConfig::default()
        };
        let mut story = IndexScenario::with(settings, &[WatchScope::Cluster]);
        let web = pod("web").image("nginx:nope").err_image_pull();
        story.apply(1, &web).delete(2, &web).apply(3, &web).relist_all(5, &[]);
        story.apply(6, &web).delete(7, &web.clone().deleting());
        let ends: Vec<_> = story.log.iter().filter(|line| line.contains(" after ")).collect();
        let expected =
            ["2 web/app unknown after 1 s", "5 web/app unknown after about 2 s", "7 web/app pod_deleted after 1 s"];
        assert_eq!(ends, expected);
    }
}

#[test]
fn a_failure_found_by_the_first_list_starts_at_the_time_in_the_pod() {
    let mut story = IndexScenario::unlisted(IndexConfig::default(), &[WatchScope::Cluster]);
    let web = pod("web").scheduled(-500).sandbox_ready(-499).image("nginx:nope").image_pull_back_off();
    story.relist_all(0, &[web]);
    check(
        &mut story,
        &["0 web/app started"],
        &["web/app nginx:nope ImagePullBackOff since -499 pod_condition, 0 attempts"],
    );
}

#[test]
fn a_failure_found_by_a_relist_starts_after_the_last_complete_view() {
    let mut story = IndexScenario::new();
    let web = pod("web").scheduled(-500).sandbox_ready(-499).image("nginx:nope");
    // The last event before the gap, from another pod.
    story.apply(100, &pod("other").image("busybox").running());
    story.relist_all(400, &[web.image_pull_back_off()]);
    assert_eq!(story.failing(), ["web/app nginx:nope ImagePullBackOff since 100 pod_condition, 0 attempts"]);
}

#[test]
fn each_scope_has_a_last_complete_view_of_its_own() {
    let scopes = ["shop", "bank"].map(|namespace| WatchScope::Namespace(namespace.to_owned()));
    let mut story = IndexScenario::with(IndexConfig::default(), &scopes);
    story.apply(100, &pod("vault").in_namespace("bank").image("vault").running());
    let web = pod("web").sandbox_ready(-499).image("nginx:nope").image_pull_back_off();
    story.relist(400, &scopes[0], &[web]);
    assert_eq!(story.failing(), ["web/app nginx:nope ImagePullBackOff since 0 pod_condition, 0 attempts"]);
}

#[test]
fn a_failure_found_after_a_gap_has_an_inexact_duration() {
    let mut story = IndexScenario::new();
    let web = pod("web").sandbox_ready(50).image("nginx:nope");
    story.relist_all(400, &[web.clone().image_pull_back_off()]);
    story.apply(500, &web.running_since(499));
    assert_eq!(story.log, ["400 web/app started", "500 web/app recovered after about 450 s"]);
}

#[test]
fn a_pod_that_existed_before_the_watch_has_an_estimated_start() {
    let mut story = IndexScenario::new();
    let web = pod("web").sandbox_ready(-499).image("nginx:nope").image_pull_back_off();
    let effects = story.index.apply_initial(&web, at(10));
    assert!(matches!(&effects[0], IndexEffect::Failure { event: FailureEvent::Started, .. }), "{effects:?}");
    assert_eq!(story.failing(), ["web/app nginx:nope ImagePullBackOff since -499 pod_condition, 0 attempts"]);
}

#[test]
fn each_scope_has_a_watch_of_its_own() {
    let scopes = ["shop", "bank"].map(|namespace| WatchScope::Namespace(namespace.to_owned()));
    let story = IndexScenario::unlisted(IndexConfig::default(), &scopes);
    let watched: Vec<&WatchScope> = story.index.watches().iter().map(WatchState::scope).collect();
    assert_eq!(watched, [&scopes[0], &scopes[1]]);
}
