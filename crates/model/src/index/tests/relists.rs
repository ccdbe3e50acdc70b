//! Relists: what a list that begins anew says about what was known.

use super::*;

#[test]
fn a_pod_that_a_relist_omits_was_deleted() {
    let (mut story, web) = web_fails();
    let other = pod("other").image("busybox:nope");
    story.apply(2, &other.clone().err_image_pull());
    story.relist_all(30, &[other.err_image_pull()]);
    assert_eq!(story.lines.last().unwrap(), "30 web/app pod_deleted after about 29 s");
    assert_eq!(story.failing(), ["other/app busybox:nope ErrImagePull since 2 observed, 1 attempts"]);
    // Once.
    let before = story.lines.len();
    story.delete(31, &web.err_image_pull().deleting());
    assert_eq!(story.lines.len(), before);
}

#[test]
fn a_relist_of_one_namespace_leaves_the_pods_of_others_alone() {
    let scopes = ["shop", "bank"].map(|namespace| Scope::Namespace(namespace.to_owned()));
    let mut story = Story::with(Settings::default(), &scopes);
    let web = pod("web").image("nginx:nope").err_image_pull();
    let vault = pod("vault").in_namespace("bank").image("vault:nope").err_image_pull();
    story.apply(1, &web).apply(2, &vault);
    story.relist(10, &scopes[0], &[]);
    assert_eq!(story.lines.last().unwrap(), "10 web/app pod_deleted after about 9 s");
    assert_eq!(story.failing(), ["vault/app vault:nope ErrImagePull since 2 observed, 1 attempts"]);
    story.relist(20, &scopes[1], &[vault]);
    assert_eq!(story.lines.len(), 5);
}

#[test]
fn there_is_no_view_until_every_scope_was_listed_once() {
    let scopes = ["shop", "bank"].map(|namespace| Scope::Namespace(namespace.to_owned()));
    let mut story = Story::unlisted(Settings::default(), &scopes);
    assert!(story.index.snapshot().is_none());
    story.relist(1, &scopes[0], &[pod("web").image("nginx:nope").err_image_pull()]);
    assert!(story.index.snapshot().is_none());
    story.relist(2, &scopes[1], &[]);
    assert!(story.index.snapshot().is_some());
    story.index.reset_begin(&scopes[0]);
    assert!(story.index.snapshot().is_some());
}

#[test]
fn a_scope_that_cannot_be_listed_holds_back_no_other() {
    let scopes = ["shop", "bank"].map(|namespace| Scope::Namespace(namespace.to_owned()));
    let mut story = Story::unlisted(Settings::default(), &scopes);
    let fail = |story: &mut Story, scope| story.index.watch_mut(scope).unwrap().fail("forbidden".to_owned());
    fail(&mut story, &scopes[0]);
    fail(&mut story, &scopes[1]);
    assert!(story.index.snapshot().is_none(), "nothing was listed");
    story.relist(1, &scopes[0], &[pod("web").image("nginx:nope").err_image_pull()]);
    assert_eq!(story.failing().len(), 1);
    // A view does not go away when the rest of it comes.
    story.index.reset_begin(&scopes[1]);
    story.index.watch_mut(&scopes[1]).unwrap().respond(Timestamp::default());
    assert_eq!(story.failing().len(), 1);
}

#[test]
fn while_a_relist_goes_on_nothing_has_vanished() {
    let (mut story, _) = web_fails();
    story.index.reset_begin(&Scope::Cluster);
    assert_eq!(story.failing(), STILL);
}

#[test]
fn a_failure_that_goes_on_across_a_relist_is_the_same() {
    let (mut story, web) = web_fails();
    story.relist_all(20, &[web.err_image_pull()]);
    check(&mut story, &BEGUN, &STILL);
}

#[test]
fn an_interval_with_a_gap_in_it_is_not_measured() {
    let (mut story, web) = web_fails();
    story.relist_all(40, &[web.clone().image_pull_back_off()]);
    story.apply(55, &web.clone().err_image_pull());
    assert!(!story.lines.iter().any(|line| line.contains("backed off")), "{:?}", story.lines);
    // The next one is.
    story.apply(68, &web.clone().image_pull_back_off()).apply(105, &web.err_image_pull());
    assert_eq!(
        story.lines.last_chunk(),
        Some(&["105 web/app backed off 50 s", "105 web/app attempted"].map(str::to_owned))
    );
}

#[test]
fn an_end_that_a_relist_shows_was_when_the_container_started() {
    let (mut story, web) = web_fails();
    story.relist_all(20, &[web.runs_since(15)]);
    check(&mut story, &[BEGUN[0], BEGUN[1], "20 web/app recovered after 14 s"], &[]);
}

#[test]
fn an_end_of_which_no_status_has_the_time_is_not_measured() {
    // The first two have it by a clock that is not ours.
    let ends: [fn(PodFacts) -> PodFacts; 3] =
        [|web| web.runs_since(0), |web| web.runs_since(21), |web| web.terminated("Completed", 15)];
    for end in ends {
        let (mut story, web) = web_fails();
        story.relist_all(20, &[end(web)]);
        check(&mut story, &[BEGUN[0], BEGUN[1], "20 web/app recovered after about 19 s"], &[]);
    }
    let (mut story, _) = web_fails();
    story.relist_all(20, &[pod("web").image("nginx:1").creating()]);
    check(&mut story, &[BEGUN[0], BEGUN[1], "20 web/app image_changed after about 19 s"], &[]);
}

#[test]
fn what_happened_while_the_watch_was_interrupted_is_found_and_not_observed() {
    let (mut story, web) = web_fails();
    let other = pod("other").sandbox_ready(-499).image("nginx:nope");
    story.resume_after_gap(200);
    story.apply(200, &web.clone().runs_since(17)).apply(201, &other.clone().err_image_pull());
    assert_eq!(story.lines[2], "200 web/app recovered after 16 s");
    assert_eq!(story.failing(), ["other/app nginx:nope ErrImagePull since 1 pod_condition, 1 attempts"]);
    story.apply(202, &other.clone().deleting());
    assert_eq!(story.lines.last().unwrap(), "202 other/app pod_deleted after about 201 s");
    // From here on it is watched again.
    story.sync(210).apply(211, &web.clone().err_image_pull().restarted(1, 205)).apply(230, &web.runs_since(229));
    assert_eq!(story.lines.last().unwrap(), "230 web/app recovered after 19 s");
}

#[test]
fn nobody_knows_what_became_of_a_pod_that_a_list_omits_where_finished_pods_are_hidden() {
    let settings = Settings { finished_pods_hidden: true, ..Settings::default() };
    let mut story = Story::with(settings, &[Scope::Cluster]);
    let web = pod("web").image("nginx:nope").err_image_pull();
    story.apply(1, &web).relist_all(30, &[]);
    assert_eq!(story.lines.last().unwrap(), "30 web/app unknown after about 29 s");
    // A watch tells: what leaves it without having been deleted has finished.
    story.apply(31, &web).delete(40, &web);
    assert_eq!(story.lines.last().unwrap(), "40 web/app pod_finished after 9 s");
}

#[test]
fn nobody_knows_what_became_of_a_pod_that_leaves_a_watch_by_labels() {
    for finished_pods_hidden in [true, false] {
        let settings = Settings { finished_pods_hidden, pods_selected_by_label: true, ..Settings::default() };
        let mut story = Story::with(settings, &[Scope::Cluster]);
        let web = pod("web").image("nginx:nope").err_image_pull();
        story.apply(1, &web).delete(2, &web).apply(3, &web).relist_all(5, &[]);
        story.apply(6, &web).delete(7, &web.clone().deleting());
        let ends: Vec<_> = story.lines.iter().filter(|line| line.contains(" after ")).collect();
        let expected =
            ["2 web/app unknown after 1 s", "5 web/app unknown after about 2 s", "7 web/app pod_deleted after 1 s"];
        assert_eq!(ends, expected);
    }
}

#[test]
fn a_failure_found_by_the_first_list_began_when_the_pod_says() {
    let mut story = Story::unlisted(Settings::default(), &[Scope::Cluster]);
    let web = pod("web").scheduled(-500).sandbox_ready(-499).image("nginx:nope").image_pull_back_off();
    story.relist_all(0, &[web]);
    check(
        &mut story,
        &["0 web/app started"],
        &["web/app nginx:nope ImagePullBackOff since -499 pod_condition, 0 attempts"],
    );
}

#[test]
fn a_failure_found_by_a_relist_began_after_the_view_was_last_complete() {
    let mut story = Story::new();
    let web = pod("web").scheduled(-500).sandbox_ready(-499).image("nginx:nope");
    // The last word before the gap, of another pod.
    story.apply(100, &pod("other").image("busybox").runs());
    story.relist_all(400, &[web.image_pull_back_off()]);
    assert_eq!(story.failing(), ["web/app nginx:nope ImagePullBackOff since 100 pod_condition, 0 attempts"]);
}

#[test]
fn each_scope_has_a_last_complete_view_of_its_own() {
    let scopes = ["shop", "bank"].map(|namespace| Scope::Namespace(namespace.to_owned()));
    let mut story = Story::with(Settings::default(), &scopes);
    story.apply(100, &pod("vault").in_namespace("bank").image("vault").runs());
    let web = pod("web").sandbox_ready(-499).image("nginx:nope").image_pull_back_off();
    story.relist(400, &scopes[0], &[web]);
    assert_eq!(story.failing(), ["web/app nginx:nope ImagePullBackOff since 0 pod_condition, 0 attempts"]);
}

#[test]
fn a_failure_found_after_a_gap_lasted_about_so_long() {
    let mut story = Story::new();
    let web = pod("web").sandbox_ready(50).image("nginx:nope");
    story.relist_all(400, &[web.clone().image_pull_back_off()]);
    story.apply(500, &web.runs_since(499));
    assert_eq!(story.lines, ["400 web/app started", "500 web/app recovered after about 450 s"]);
}
