//! Checks counts, combined messages and the spam filter against the rules of client-go.

use super::*;

fn key(severity: Severity, message: &str) -> EventKey {
    EventKey { pod: PodId(1), field_path: None, severity, reason: "Failed", message: message.to_owned() }
}

fn at(seconds: i64) -> SimTime {
    SimTime::from_millis(seconds * 1000)
}

/// Sends an event. Returns message and count of what goes out.
fn send(correlator: &mut EventCorrelator, event: EventKey, seconds: i64) -> Option<(String, u64)> {
    let sent = correlator.correlate(event, || format!("p.{seconds}"), at(seconds))?;
    Some((sent.message, sent.count))
}

#[test]
fn an_event_keeps_its_name_and_first_time() {
    let mut correlator = EventCorrelator::default();
    let mut sent = |seconds| correlator.correlate(key(Severity::Normal, "m"), || format!("p.{seconds}"), at(seconds));
    let first = sent(1).unwrap();
    assert_eq!(first, CorrelatedEvent { name: "p.1".into(), message: "m".into(), count: 1, first: at(1) });
    assert_eq!(sent(5).unwrap(), CorrelatedEvent { count: 2, ..first });
}

#[test]
fn the_spam_filter_allows_25_and_then_one_in_five_minutes_for_each_type() {
    let mut correlator = EventCorrelator::default();
    for second in 0..40 {
        let sent = send(&mut correlator, key(Severity::Warning, "m"), second);
        assert_eq!(sent.is_some(), second < 25, "{second}");
    }
    assert!(send(&mut correlator, key(Severity::Normal, "m"), 40).is_some(), "another type");
    let sent: Vec<(i64, u64)> = (41..1_000)
        .filter_map(|second| Some((second, send(&mut correlator, key(Severity::Warning, "m"), second)?.1)))
        .collect();
    assert_eq!(sent, [(300, 300), (600, 600), (900, 900)], "dropped events are counted");
}

#[test]
fn the_tenth_message_of_a_reason_is_combined() {
    let mut correlator = EventCorrelator::default();
    for n in 1..10 {
        assert_eq!(send(&mut correlator, key(Severity::Warning, &format!("m{n}")), n), Some((format!("m{n}"), 1)));
    }
    let combined = |n: i64| format!("(combined from similar events): m{n}");
    assert_eq!(send(&mut correlator, key(Severity::Warning, "m10"), 10), Some((combined(10), 1)));
    assert_eq!(send(&mut correlator, key(Severity::Warning, "m11"), 11), Some((combined(11), 2)));
    let much_later = 11 + 601;
    assert_eq!(send(&mut correlator, key(Severity::Warning, "m12"), much_later), Some(("m12".into(), 1)));
}

#[test]
fn the_caches_are_bounded() {
    let mut correlator = EventCorrelator::default();
    for n in 0..2 * CACHE_CAPACITY as u64 {
        let event = EventKey { pod: PodId(n), ..key(Severity::Normal, "m") };
        correlator.correlate(event, || n.to_string(), at(1));
    }
    assert_eq!(correlator.similar.entries.len(), CACHE_CAPACITY);
    assert_eq!(correlator.observed.entries.len(), CACHE_CAPACITY);
    assert_eq!(correlator.spam.entries.len(), CACHE_CAPACITY);
}
