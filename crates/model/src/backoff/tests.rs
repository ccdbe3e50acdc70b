use super::*;
use crate::fixture::{at, seconds};

/// When a container that cannot get its image shows its failed attempts, and when the kubelet really makes the next
/// one: the medians of a thousand simulated runs and of 42 recorded containers.
const ONSETS_AND_NEXT: [(i64, f64); 8] =
    [(1, 15.0), (28, 42.0), (55, 92.0), (105, 181.0), (194, 348.0), (361, 655.0), (668, 962.0), (975, 1269.0)];

/// How far the kubelet's sync can put an attempt off.
const SYNC: f64 = 10.0;

/// A back-off of which every attempt so far was watched, each shown for 13 s.
fn watched(onsets: &[i64]) -> BackOff {
    let mut backoff = BackOff::fresh();
    for onset in onsets {
        let _ = backoff.attempt_shows(at(*onset), true);
        backoff.attempt_hides(at(onset + 13));
    }
    backoff
}

fn interval(backoff: &mut BackOff, now: i64) -> Option<f64> {
    backoff.attempt_shows(at(now), true).map(|interval| interval.as_secs_f64())
}

fn next(backoff: &BackOff) -> Option<f64> {
    backoff.next_attempt().map(seconds)
}

#[test]
fn the_next_attempt_follows_the_ladder_up_to_the_cap() {
    let mut backoff = BackOff::fresh();
    assert_eq!(next(&backoff), None);
    for (onset, expected) in ONSETS_AND_NEXT {
        let _ = backoff.attempt_shows(at(onset), true);
        let estimate = next(&backoff).unwrap();
        assert!((estimate - expected).abs() <= SYNC, "{estimate} for {expected} after the onset at {onset}");
        backoff.attempt_hides(at(onset + 13));
        assert_eq!(next(&backoff), Some(estimate), "the end of the display changes nothing");
    }
}

#[test]
fn an_interval_lasts_from_onset_to_onset() {
    let mut backoff = BackOff::fresh();
    let intervals: Vec<Option<f64>> = ONSETS_AND_NEXT.iter().map(|(onset, _)| interval(&mut backoff, *onset)).collect();
    let expected = [None, Some(27.0), Some(27.0), Some(50.0), Some(89.0), Some(167.0), Some(307.0), Some(307.0)];
    assert_eq!(intervals, expected);
}

#[test]
fn an_interval_with_an_end_that_was_not_watched_is_not_measured() {
    let mut backoff = BackOff::found();
    assert_eq!(backoff.attempt_shows(at(0), false), None);
    assert_eq!(interval(&mut backoff, 50), None);
    assert_eq!(interval(&mut backoff, 139), Some(89.0));
    assert_eq!(backoff.attempt_shows(at(300), false), None);
    assert_eq!(interval(&mut backoff, 607), None);
}

#[test]
fn an_interval_that_something_disturbed_is_not_measured_and_the_one_after_it_is() {
    let disturbances: [fn(&mut BackOff); 3] = [BackOff::disturbed, BackOff::restarted, BackOff::unwatched];
    for disturb in disturbances {
        let mut backoff = watched(&[1, 28]);
        disturb(&mut backoff);
        assert_eq!(interval(&mut backoff, 55), None);
        assert_eq!(interval(&mut backoff, 105), Some(50.0));
    }
}

#[test]
fn a_kubelet_restart_begins_the_ladder_anew() {
    let mut backoff = watched(&[1, 28, 55, 105]);
    backoff.restarted();
    let _ = backoff.attempt_shows(at(140), true);
    let estimate = next(&backoff).unwrap();
    assert!((estimate - 154.0).abs() <= SYNC, "{estimate}");
}

#[test]
fn two_attempts_that_show_as_one_count_as_two_steps_and_measure_nothing() {
    // As in the recording ephemeral-bad: ErrImagePull from 23 to 49, and again from 64, 104, 197 on.
    let mut backoff = BackOff::fresh();
    assert_eq!(interval(&mut backoff, 23), None);
    backoff.attempt_hides(at(49));
    assert_eq!(interval(&mut backoff, 64), None, "one of its ends is hidden");
    backoff.attempt_hides(at(75));
    assert_eq!(interval(&mut backoff, 104), Some(40.0));
    let estimate = next(&backoff).unwrap();
    assert!((estimate - (197.0 - 13.5)).abs() <= SYNC, "{estimate}: the fourth attempt is followed by 80 s");
}

#[test]
fn an_attempt_is_shown_for_at_most_16_s_and_two_for_at_least_22_s() {
    for (shown, merged) in [(11, false), (16, false), (22, true), (30, true)] {
        let mut backoff = BackOff::fresh();
        let _ = backoff.attempt_shows(at(0), true);
        backoff.attempt_hides(at(shown));
        assert_eq!(interval(&mut backoff, 40).is_none(), merged, "shown for {shown} s");
    }
}

#[test]
fn a_failure_more_than_600_s_after_the_last_begins_the_ladder_anew() {
    for (gap, wait) in [(600, 300.0), (601, 10.0)] {
        let mut backoff = watched(&[1, 28, 55, 105, 194, 361]);
        let _ = backoff.attempt_shows(at(361 + gap), true);
        let after = next(&backoff).unwrap() - (361 + gap) as f64;
        assert!((after - wait).abs() <= 15.0, "{after} s after a gap of {gap} s");
    }
}

#[test]
fn nothing_is_said_of_the_next_attempt_of_an_image_that_was_found_failing_until_an_interval_tells() {
    let mut backoff = BackOff::found();
    let _ = backoff.attempt_shows(at(0), false);
    assert_eq!(next(&backoff), None);
    let _ = backoff.attempt_shows(at(50), true);
    assert_eq!(next(&backoff), None, "the interval began before anybody watched");
    // 89 s are the fourth wait, so 160 s follow.
    let _ = backoff.attempt_shows(at(139), true);
    let estimate = next(&backoff).unwrap();
    assert!((estimate - 293.0).abs() <= SYNC, "{estimate}");
}

#[test]
fn the_first_two_steps_cannot_be_told_apart() {
    let mut backoff = BackOff::found();
    let _ = backoff.attempt_shows(at(0), true);
    let _ = backoff.attempt_shows(at(27), true);
    assert_eq!(next(&backoff), None);
}

#[test]
fn the_last_interval_before_a_recovery_is_as_long_as_the_kubelet_s() {
    // As in the recording recover-push: onsets at 3.4 and 32, running at 43.5; the attempts were at 3, 19 and 43.5.
    let backoff = watched(&[3, 32]);
    let last = backoff.recovered(at(43)).unwrap().as_secs_f64();
    assert!((20.0..=35.0).contains(&last), "{last} s is no second step");
    // The first attempt shows at once.
    assert_eq!(watched(&[3]).recovered(at(19)), Some(Duration::from_secs(16)));
}

#[test]
fn a_recovery_after_a_disturbed_wait_measures_nothing() {
    let mut backoff = watched(&[3, 32]);
    backoff.disturbed();
    assert_eq!(backoff.recovered(at(43)), None);
    assert_eq!(BackOff::fresh().recovered(at(43)), None);
    assert_eq!(BackOff::found().recovered(at(43)), None);
}

#[test]
fn a_clock_that_was_set_back_makes_no_negative_interval() {
    let mut backoff = watched(&[100]);
    assert!(interval(&mut backoff, 50).is_none_or(|interval| interval >= 0.0));
    assert!(backoff.recovered(at(10)).is_none_or(|interval| interval.is_zero()));
}
