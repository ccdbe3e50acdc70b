//! When the present cause of a failure began.

use super::*;
use crate::scenario::{at, seconds_since_start};

const REFUSED: &str = "dial tcp 10.0.0.1:443: connect: connection refused";
const TIMEOUT: &str = "dial tcp 10.0.0.1:443: i/o timeout";
const DENIED: &str = "failed with status code [manifests 1.0]: 401 Unauthorized";
const NO_RUNTIME: &str = "Failed to inspect image \"\": rpc error: code = Unavailable desc = connection error: desc = \
                          \"transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: no such file or directory\"";

fn attempt(text: &str) -> PodFacts {
    pod("web").image("reg.example/web:1").waiting("ErrImagePull", text)
}

fn wait(text: &str) -> PodFacts {
    let text = format!("Back-off pulling image \"reg.example/web:1\": ErrImagePull: {text}");
    pod("web").image("reg.example/web:1").waiting("ImagePullBackOff", &text)
}

fn bare_wait() -> PodFacts {
    pod("web").image("reg.example/web:1").waiting("ImagePullBackOff", "Back-off pulling image \"reg.example/web:1\"")
}

/// Attempts every 300 s from 0 on, each with a wait of its text: the cause of the last one, and since when.
#[track_caller]
fn check_attempts(texts: &[&str], cause: &str, since: i64) {
    let mut story = IndexScenario::new();
    for (time, text) in (0..).step_by(300).zip(texts) {
        story.apply(time, &attempt(text)).apply(time + 13, &wait(text));
    }
    check_cause(&mut story, cause, since);
}

#[track_caller]
fn check_cause(story: &mut IndexScenario, cause: &str, since: i64) {
    assert_eq!(cause_of(story), (cause.to_owned(), since, true));
}

/// The cause of the one failure, since when, and whether it was seen to begin.
fn cause_of(story: &mut IndexScenario) -> (String, i64, bool) {
    let snapshot = story.index.snapshot().unwrap();
    let (_, _, failure) = snapshot.failures().next().unwrap();
    #[expect(clippy::cast_possible_truncation, reason = "a story is short")]
    let since = seconds_since_start(failure.own_cause_start.at) as i64;
    (failure.own_cause.as_str().to_owned(), since, failure.own_cause_start.is_observed)
}

#[test]
fn a_cause_begins_with_the_failure_and_lasts_through_attempts_and_waits() {
    check_attempts(&[REFUSED, REFUSED, REFUSED], "connection_failed", 0);
    let mut story = IndexScenario::new();
    let tag = not_found("reg.example/web:1");
    story.apply(0, &attempt(&tag)).apply(13, &wait(&tag)).apply(300, &attempt(REFUSED)).apply(313, &wait(REFUSED));
    check_cause(&mut story, "connection_failed", 300);
    let snapshot = story.index.snapshot().unwrap();
    let (_, _, failure) = snapshot.failures().next().unwrap();
    let now = at(400);
    assert_eq!((failure.age(now).as_secs(), failure.cause_age(now).as_secs()), (400, 100));
}

#[test]
fn a_cause_that_returns_after_one_or_two_attempts_keeps_its_start() {
    check_attempts(&[REFUSED, TIMEOUT, REFUSED], "connection_failed", 0);
    check_attempts(&[REFUSED, TIMEOUT, TIMEOUT, REFUSED], "connection_failed", 0);
    check_attempts(&[REFUSED, TIMEOUT, DENIED, REFUSED], "connection_failed", 0);
    // Alternating causes each keep their own start.
    check_attempts(&[REFUSED, TIMEOUT, REFUSED, TIMEOUT], "timeout", 300);
    check_attempts(&[REFUSED, TIMEOUT, REFUSED, TIMEOUT, REFUSED, REFUSED, REFUSED], "connection_failed", 0);
    check_attempts(&[TIMEOUT, DENIED, REFUSED, TIMEOUT, DENIED, REFUSED], "connection_failed", 600);
}

#[test]
fn a_cause_that_returns_after_three_attempts_has_a_new_start() {
    check_attempts(&[REFUSED, TIMEOUT, TIMEOUT, TIMEOUT, REFUSED], "connection_failed", 1200);
    check_attempts(&[REFUSED, TIMEOUT, DENIED, TIMEOUT, REFUSED], "connection_failed", 1200);
    check_attempts(&[REFUSED, TIMEOUT, REFUSED, REFUSED, REFUSED, TIMEOUT], "timeout", 1500);
}

#[test]
fn an_error_outside_an_attempt_is_a_cause_of_its_own_and_interrupts_none() {
    let tag = not_found("reg.example/web:1");
    for waits in [wait(&tag), bare_wait()] {
        let mut story = IndexScenario::new();
        let inspect = pod("web").image("reg.example/web:1").waiting("ImageInspectError", NO_RUNTIME);
        story.apply(0, &attempt(&tag)).apply(13, &waits).apply(100, &inspect);
        check_cause(&mut story, "node_storage_error", 100);
        story.apply(112, &waits);
        check_cause(&mut story, "image_not_found", 0);
    }
}

/// The back-off of a kubelet before 1.32, without an error text.
#[test]
fn a_bare_back_off_keeps_no_cause_of_an_unobserved_attempt() {
    let mut story = IndexScenario::new();
    let inspect = pod("web").image("reg.example/web:1").waiting("ImageInspectError", NO_RUNTIME);
    story.apply(0, &inspect).apply(12, &bare_wait());
    check_cause(&mut story, "unknown", 12);
}

#[test]
fn another_image_of_the_container_has_causes_of_its_own() {
    let web = pod("web").image("reg.example/web:1").image_volume("reg.example/model:1");
    let fails = |image: &str| web.clone().waiting("ErrImagePull", &not_found(image));
    let mut story = IndexScenario::new();
    story.apply(0, &fails("reg.example/model:1")).apply(60, &fails("reg.example/web:1"));
    check_cause(&mut story, "image_not_found", 60);
}

#[test]
fn an_unobserved_cause_starts_when_it_is_found() {
    let mut story = IndexScenario::new();
    story.relist_all(100, &[attempt(REFUSED).scheduled(10)]);
    assert_eq!(cause_of(&mut story), ("connection_failed".to_owned(), 100, false));
    // The earlier cause was found at the same time.
    story.relist_all(200, &[wait(REFUSED)]);
    assert_eq!(cause_of(&mut story), ("connection_failed".to_owned(), 100, false));
    story.relist_all(300, &[wait(TIMEOUT)]);
    assert_eq!(cause_of(&mut story), ("timeout".to_owned(), 300, false));
    story.apply(400, &attempt(DENIED));
    assert_eq!(cause_of(&mut story), ("unauthorized".to_owned(), 400, true));
    story.apply(700, &attempt(REFUSED));
    assert_eq!(cause_of(&mut story), ("connection_failed".to_owned(), 100, false), "it returns");
}

#[test]
fn another_reason_with_the_same_text_can_change_the_cause() {
    let mut story = IndexScenario::new();
    for (time, reason, cause) in
        [(0, "RegistryUnavailable", "registry_unavailable"), (100, "ImageInspectError", "node_storage_error")]
    {
        story.apply(time, &pod("web").image("reg.example/web:1").waiting(reason, "unavailable"));
        check_cause(&mut story, cause, time);
    }
}
