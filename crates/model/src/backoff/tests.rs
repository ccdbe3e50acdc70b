use super::*;
use crate::scenario::{at, seconds_since_start};

/// Recorded onsets of the failed attempts of a container, and the times at which the kubelet made the next
/// attempt. Medians of a thousand simulated runs and of 42 recorded containers.
const ONSETS_AND_NEXT: [(i64, f64); 8] =
    [(1, 15.0), (28, 42.0), (55, 92.0), (105, 181.0), (194, 348.0), (361, 655.0), (668, 962.0), (975, 1269.0)];

/// Maximum delay of an attempt by the kubelet's sync.
const SYNC: f64 = 10.0;

/// A back-off whose attempts were all observed. The status showed each for 13 s.
fn watched(onsets: &[i64]) -> ImageBackOff {
    let mut backoff = ImageBackOff::initial();
    for onset in onsets {
        let _ = backoff.on_attempt(at(*onset), true);
        backoff.on_attempt_hidden(at(onset + 13));
    }
    backoff
}

fn interval(backoff: &mut ImageBackOff, now: i64) -> Option<f64> {
    backoff.on_attempt(at(now), true).map(|interval| interval.as_secs_f64())
}

fn next(backoff: &ImageBackOff) -> Option<f64> {
    backoff.next_attempt().map(seconds_since_start)
}

#[test]
fn the_next_attempt_follows_the_back_off_up_to_the_maximum() {
    let mut backoff = ImageBackOff::initial();
    assert_eq!(next(&backoff), None);
    for (onset, expected) in ONSETS_AND_NEXT {
        let _ = backoff.on_attempt(at(onset), true);
        let estimate = next(&backoff).unwrap();
        assert!((estimate - expected).abs() <= SYNC, "{estimate} for {expected} after the onset at {onset}");
        backoff.on_attempt_hidden(at(onset + 13));
        assert_eq!(next(&backoff), Some(estimate), "the end of the display changes nothing");
    }
}

#[test]
fn an_interval_lasts_from_onset_to_onset() {
    let mut backoff = ImageBackOff::initial();
    let intervals: Vec<Option<f64>> = ONSETS_AND_NEXT.iter().map(|(onset, _)| interval(&mut backoff, *onset)).collect();
    let expected = [None, Some(27.0), Some(27.0), Some(50.0), Some(89.0), Some(167.0), Some(307.0), Some(307.0)];
    assert_eq!(intervals, expected);
}

#[test]
fn an_interval_with_an_end_that_was_not_watched_is_not_measured() {
    let mut backoff = ImageBackOff::unknown();
    assert_eq!(backoff.on_attempt(at(0), false), None);
    assert_eq!(interval(&mut backoff, 50), None);
    assert_eq!(interval(&mut backoff, 139), Some(89.0));
    assert_eq!(backoff.on_attempt(at(300), false), None);
    assert_eq!(interval(&mut backoff, 607), None);
}

#[test]
fn an_invalidated_interval_is_not_measured_and_the_next_one_is() {
    let disturbances: [fn(&mut ImageBackOff); 3] =
        [ImageBackOff::invalidate_interval, ImageBackOff::on_kubelet_restart, ImageBackOff::on_watch_gap];
    for disturb in disturbances {
        let mut backoff = watched(&[1, 28]);
        disturb(&mut backoff);
        assert_eq!(interval(&mut backoff, 55), None);
        assert_eq!(interval(&mut backoff, 105), Some(50.0));
    }
}

#[test]
fn a_kubelet_restart_resets_the_back_off() {
    let mut backoff = watched(&[1, 28, 55, 105]);
    backoff.on_kubelet_restart();
    let _ = backoff.on_attempt(at(140), true);
    let estimate = next(&backoff).unwrap();
    assert!((estimate - 154.0).abs() <= SYNC, "{estimate}");
}

#[test]
fn two_attempts_that_show_as_one_count_as_two_steps_and_measure_nothing() {
    // As in the recording ephemeral-bad: ErrImagePull from 23 to 49, and again from 64, 104, 197 on.
    let mut backoff = ImageBackOff::initial();
    assert_eq!(interval(&mut backoff, 23), None);
    backoff.on_attempt_hidden(at(49));
    assert_eq!(interval(&mut backoff, 64), None, "one of its ends is hidden");
    backoff.on_attempt_hidden(at(75));
    assert_eq!(interval(&mut backoff, 104), Some(40.0));
    let estimate = next(&backoff).unwrap();
    assert!((estimate - (197.0 - 13.5)).abs() <= SYNC, "{estimate}: the fourth attempt is followed by 80 s");
}

#[test]
fn an_attempt_is_shown_for_at_most_16_s_and_two_for_at_least_22_s() {
    for (shown, merged) in [(11, false), (16, false), (22, true), (30, true)] {
        let mut backoff = ImageBackOff::initial();
        let _ = backoff.on_attempt(at(0), true);
        backoff.on_attempt_hidden(at(shown));
        assert_eq!(interval(&mut backoff, 40).is_none(), merged, "shown for {shown} s");
    }
}

#[test]
fn a_failure_more_than_600_s_after_the_last_resets_the_back_off() {
    for (gap, wait) in [(600, 300.0), (601, 10.0)] {
        let mut backoff = watched(&[1, 28, 55, 105, 194, 361]);
        let _ = backoff.on_attempt(at(361 + gap), true);
        let after = next(&backoff).unwrap() - (361 + gap) as f64;
        assert!((after - wait).abs() <= 15.0, "{after} s after a gap of {gap} s");
    }
}

#[test]
fn the_next_attempt_of_a_found_failure_is_unknown_until_an_interval_is_measured() {
    let mut backoff = ImageBackOff::unknown();
    let _ = backoff.on_attempt(at(0), false);
    assert_eq!(next(&backoff), None);
    let _ = backoff.on_attempt(at(50), true);
    assert_eq!(next(&backoff), None, "the interval began before anybody watched");
    // An interval of 89 s contains the fourth wait, so the next wait is 160 s.
    let _ = backoff.on_attempt(at(139), true);
    let estimate = next(&backoff).unwrap();
    assert!((estimate - 293.0).abs() <= SYNC, "{estimate}");
}

#[test]
fn the_first_two_steps_are_ambiguous() {
    let mut backoff = ImageBackOff::unknown();
    let _ = backoff.on_attempt(at(0), true);
    let _ = backoff.on_attempt(at(27), true);
    assert_eq!(next(&backoff), None);
}

#[test]
fn the_last_interval_before_a_recovery_is_as_long_as_the_kubelet_s() {
    // As in the recording recover-push: onsets at 3.4 and 32, running at 43.5; the attempts were at 3, 19 and 43.5.
    let backoff = watched(&[3, 32]);
    let last = backoff.interval_until_recovery(at(43)).unwrap().as_secs_f64();
    assert!((20.0..=35.0).contains(&last), "{last} s is no second step");
    // The status shows the first attempt at once.
    assert_eq!(watched(&[3]).interval_until_recovery(at(19)), Some(Duration::from_secs(16)));
}

#[test]
fn a_recovery_after_an_invalidated_interval_measures_nothing() {
    let mut backoff = watched(&[3, 32]);
    backoff.invalidate_interval();
    assert_eq!(backoff.interval_until_recovery(at(43)), None);
    assert_eq!(ImageBackOff::initial().interval_until_recovery(at(43)), None);
    assert_eq!(ImageBackOff::unknown().interval_until_recovery(at(43)), None);
}

#[test]
fn a_clock_that_was_set_back_makes_no_negative_interval() {
    let mut backoff = watched(&[100]);
    assert!(interval(&mut backoff, 50).is_none_or(|interval| interval >= 0.0));
    assert!(backoff.interval_until_recovery(at(10)).is_none_or(|interval| interval.is_zero()));
}
