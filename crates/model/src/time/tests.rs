use super::*;

#[test]
fn seconds_are_rounded_to_milliseconds() {
    let millis = |seconds: f64| Timestamp::from_unix_seconds(seconds).map(Timestamp::unix_millis);
    assert_eq!(millis(1_800_000_000.123_4), Some(1_800_000_000_123));
    assert_eq!(millis(-1.5), Some(-1500));
    assert_eq!(Timestamp::from_unix_millis(1500).unix_seconds(), 1.5);
}

#[test]
fn times_far_from_the_epoch_are_rejected() {
    for seconds in [3.2e12, -3.2e12, f64::INFINITY, f64::NAN] {
        assert_eq!(Timestamp::from_unix_seconds(seconds), None, "{seconds}");
    }
    for seconds in [3.1e12, -3.1e12] {
        assert_eq!(Timestamp::from_unix_seconds(seconds).map(Timestamp::unix_seconds), Some(seconds));
    }
}

#[test]
fn differences_and_sums_do_not_overflow() {
    let at = Timestamp::from_unix_millis;
    assert_eq!(at(2500).saturating_duration_since(at(1000)), Duration::from_millis(1500));
    assert_eq!(at(1000).saturating_duration_since(at(2500)), Duration::ZERO);
    assert_eq!(at(1000).saturating_add(Duration::from_millis(1500)), at(2500));
    assert_eq!(at(2500).saturating_sub(Duration::from_millis(1500)), at(1000));
    assert_eq!(at(1000).saturating_add(Duration::MAX), at(i64::MAX));
    assert_eq!(at(-1000).saturating_sub(Duration::MAX), at(i64::MIN));
}
