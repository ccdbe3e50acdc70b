//! Runs that no status showed while they lasted.

use super::*;

#[test]
fn a_run_known_only_by_its_end_separates_two_failures() {
    let (mut story, web) = failing_pod();
    // The first run was not observed. It does not increment the restart count.
    story.record_gap(300).apply(300, &web.clone().image_pull_back_off().restarted(0, 290));
    assert_eq!(story.log[2..], ["300 web/app recovered after about 299 s", "300 web/app started"]);
    let failing = ["web/app nginx:nope ImagePullBackOff since 290 previous_termination, 0 attempts"];
    assert_eq!(story.failing(), failing);
    // The same run does not end another failure.
    story.record_sync(301).apply(310, &web.err_image_pull().restarted(0, 290));
    assert_eq!(story.log[4..], ["310 web/app attempted"]);
}

#[test]
fn several_unobserved_runs_end_no_interval() {
    for (restarts, backed_off) in [(1, true), (2, false)] {
        let mut story = IndexScenario::new();
        let web = pod("web").image("nginx:nope").restarted(0, -5);
        story.apply(1, &web.clone().err_image_pull()).apply(15, &web.clone().image_pull_back_off());
        story.apply(30, &web.restarted(restarts, -5).running_since(30));
        let is_measured = story.log.iter().any(|line| line.contains("backed off"));
        assert_eq!(is_measured, backed_off, "{:?}", story.log);
    }
}

#[test]
fn a_possibly_missed_attempt_makes_the_next_one_unknown() {
    let next_attempt = |found_at: i64, found: fn(PodFacts) -> PodFacts| {
        let (mut story, web) = failing_pod();
        story.apply(12, &web.clone().image_pull_back_off());
        story.record_gap(found_at).apply(found_at, &found(web));
        let snapshot = story.index.snapshot().expect("it was listed");
        let next = snapshot.failures().next().and_then(|(_, _, failure)| failure.next_attempt());
        next.map(|next| next.saturating_duration_since(at(0)).as_secs())
    };
    // After the first attempt, at 1, the kubelet waits for 10 s, and the next sync comes 7 s later.
    assert_eq!(next_attempt(17, PodFacts::image_pull_back_off), Some(18), "it is still the same wait");
    assert_eq!(next_attempt(18, PodFacts::image_pull_back_off), None, "another attempt is due");
    assert_eq!(next_attempt(17, PodFacts::err_image_pull), None, "there was another attempt");
    assert_eq!(next_attempt(17, PodFacts::container_creating), None, "the kubelet was restarted");
}

#[test]
fn a_container_that_ran_in_between_has_two_failures() {
    let (mut story, web) = failing_pod();
    // The run was not observed, but the restart count was incremented.
    story.apply(300, &web.err_image_pull().restarted(1, 290));
    let lines: Vec<&str> = story.log.iter().map(String::as_str).collect();
    assert_eq!(lines[..3], [BEGUN[0], BEGUN[1], "300 web/app recovered after about 299 s"]);
    assert_eq!(lines[3..], ["300 web/app started", "300 web/app attempted"]);
    assert_eq!(story.failing(), ["web/app nginx:nope ErrImagePull since 300 observed, 1 attempts"]);
}

#[test]
fn a_higher_restart_count_alone_ends_the_failure() {
    let (mut story, web) = failing_pod();
    // The status does not contain the end of the run.
    let mut restarted = web.image_pull_back_off();
    restarted.containers[0].restart_count = 1;
    story.apply(30, &restarted);
    assert_eq!(story.log[2..], ["30 web/app recovered after about 29 s", "30 web/app started"]);
}
