//! Checks the ladder and its ends.

use super::*;

fn at(seconds: i64) -> SimTime {
    SimTime::from_millis(seconds * 1000)
}

/// Fails at each of these seconds and returns the waits in seconds.
fn waits(failures: &[i64]) -> Vec<u64> {
    let mut back_off = BackOff::default();
    failures
        .iter()
        .map(|second| {
            back_off.record_failure("pod_image", at(*second), at(*second));
            back_off.wait_since_update(&"pod_image", at(*second)).unwrap().as_secs()
        })
        .collect()
}

#[test]
fn waits_double_up_to_five_minutes() {
    assert_eq!(waits(&[0, 12, 40, 90, 180, 350, 655, 960]), [10, 20, 40, 80, 160, 300, 300, 300]);
}

#[test]
fn a_failure_more_than_ten_minutes_after_the_last_begins_again() {
    assert_eq!(waits(&[0, 600]), [10, 20]);
    assert_eq!(waits(&[0, 601]), [10, 10]);
}

#[test]
fn the_window_is_open_at_its_last_moment() {
    let mut back_off = BackOff::default();
    back_off.record_failure("x", at(0), at(0));
    assert!(back_off.wait_since_update(&"x", SimTime::from_millis(9_999)).is_some());
    assert!(back_off.wait_since_update(&"x", at(10)).is_none());
}

#[test]
fn a_success_removes_only_expired_entries() {
    let mut back_off = BackOff::default();
    back_off.record_failure("x", at(0), at(0));
    back_off.collect_garbage(at(600));
    back_off.record_failure("x", at(600), at(600));
    assert!(back_off.wait_since_update(&"x", at(619)).is_some(), "20 s: the series goes on");
    back_off.collect_garbage(at(1_201));
    back_off.record_failure("x", at(1_201), at(1_201));
    assert!(back_off.wait_since_update(&"x", at(1_212)).is_none(), "10 s: a new series");
}

#[test]
fn a_restart_counts_from_the_end_of_the_run() {
    let mut back_off = BackOff::default();
    assert!(back_off.wait_since_event(&"x", at(0), at(1)).is_none(), "the first restart is at once");
    back_off.record_failure("x", at(0), at(1));
    assert!(back_off.wait_since_event(&"x", at(5), at(14)).is_some());
    assert!(back_off.wait_since_event(&"x", at(5), at(15)).is_none());
}
