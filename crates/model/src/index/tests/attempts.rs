//! The times of the last and the next attempt.

use super::*;
use crate::scenario::seconds_since_start;

/// The last and the next attempt of the only failure.
fn attempts(story: &mut IndexScenario) -> (Option<f64>, Option<f64>) {
    let snapshot = story.index.snapshot().expect("it was listed");
    let (_, _, failure) = snapshot.failures().next().expect("it fails");
    (failure.last_attempt().map(seconds_since_start), failure.next_attempt().map(seconds_since_start))
}

#[test]
fn a_failure_found_in_its_back_off_has_no_known_attempt() {
    let mut story = IndexScenario::new();
    let web = pod("web").image("nginx:nope");
    story.apply(1, &web.clone().image_pull_back_off());
    assert_eq!(attempts(&mut story), (None, None));
    // The number of earlier attempts, and with it the wait, is unknown.
    story.apply(30, &web.err_image_pull());
    assert_eq!(attempts(&mut story), (Some(30.0), None));
}

#[test]
fn an_attempt_long_after_the_last_run_may_not_be_the_first() {
    for (ended, next) in [(-28, Some(18.0)), (-29, None)] {
        let mut story = IndexScenario::new();
        story.apply(1, &pod("web").image("nginx:nope").restarted(0, ended).err_image_pull());
        assert_eq!(attempts(&mut story), (Some(1.0), next), "{ended}");
    }
}

#[test]
fn no_attempt_is_expected_while_the_status_shows_another_error_than_a_failed_pull() {
    let (mut story, web) = failing_pod();
    // After the first attempt, at 1, the kubelet waits for 10 s, and the next sync comes 7 s later.
    assert_eq!(attempts(&mut story), (Some(1.0), Some(18.0)));
    story.apply(13, &web.clone().image_pull_back_off());
    assert_eq!(attempts(&mut story), (Some(1.0), Some(18.0)));
    for reason in ["ErrImageNeverPull", "ImageInspectError", "InvalidImageName"] {
        story.apply(14, &web.clone().waiting(reason, ""));
        assert_eq!(attempts(&mut story), (Some(1.0), None), "{reason}");
    }
    story.apply(15, &web.image_pull_back_off());
    assert_eq!(attempts(&mut story), (Some(1.0), Some(18.0)));
}

#[test]
fn a_first_attempt_that_is_shown_too_long_hides_a_second_one() {
    for (shown_until, next) in [(13, 18.0), (25, 39.0)] {
        let (mut story, web) = failing_pod();
        story.apply(shown_until, &web.image_pull_back_off());
        assert_eq!(attempts(&mut story), (Some(1.0), Some(next)), "{shown_until}");
    }
}

#[test]
fn a_failed_attempt_that_replaces_another_one_hides_none() {
    let (mut story, web) = failing_pod();
    story.apply(28, &web.waiting("RegistryUnavailable", ""));
    // It failed a sync before, at 15. The kubelet waits for 20 s then.
    assert_eq!(attempts(&mut story), (Some(28.0), Some(42.0)));
}
