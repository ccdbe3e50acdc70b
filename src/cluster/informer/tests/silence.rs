//! Answers that do not come, or too slowly.

use super::*;
use crate::cluster::informer::in_flight::{
    BOOKMARK_TIMEOUT, EVENT_TIMEOUT, MIN_WATCH_LIFETIME, PAGE_TIMEOUT, QUIET_WATCH_LIMIT, RESPONSE_START_TIMEOUT,
    STALE_LIMIT,
};

#[test]
fn a_quiet_watch_without_bookmarks_is_renewed_from_its_position() {
    let mut lab = TestInformer::synced();
    for _ in 0..100 {
        assert_eq!(lab.wait_for_deadline(), QUIET_WATCH_LIMIT);
        assert_eq!(lab.event_names(), ["restart: ended"]);
        assert_eq!(lab.send_next(), watch("100"));
        lab.start_response();
        assert_eq!(lab.event_names(), ["resumed"]);
    }
}

#[test]
fn a_quiet_watch_that_cannot_be_renewed_is_reported_within_two_minutes() {
    let mut lab = TestInformer::synced();
    let begun = lab.now;
    lab.wait_for_deadline();
    assert_eq!(lab.send_once(), PodRequest::VersionCheck);
    lab.wait_for_deadline();
    assert_eq!(lab.event_names(), ["restart: ended", "timeout"]);
    assert!(lab.since(begun) <= STALE_LIMIT, "{:?}", lab.since(begun));
    // The same where the check is answered, and slowly, and the watch is not.
    let mut lab = TestInformer::synced();
    let begun = lab.now;
    lab.wait_for_deadline();
    assert_eq!(lab.send_once(), PodRequest::VersionCheck);
    lab.advance(29);
    lab.start_response();
    lab.page(1, "1000", "");
    assert_eq!(lab.send_next(), watch("100"));
    lab.wait_for_deadline();
    assert_eq!(lab.event_names(), ["restart: ended", "timeout"]);
    assert_eq!(lab.since(begun), STALE_LIMIT);
}

#[test]
fn a_list_resets_bookmark_detection() {
    let mut lab = TestInformer::synced();
    assert!(lab.watch_event(bookmark("100", false)));
    lab.event_names();
    // A server that stops sending them costs one list.
    lab.wait_for_deadline();
    assert_eq!(lab.event_names(), ["timeout"]);
    assert_eq!(lab.send_next(), PodRequest::WatchList);
    lab.start_response();
    assert!(lab.watch_event(bookmark("100", true)));
    assert_eq!(lab.wait_for_deadline(), QUIET_WATCH_LIMIT);
    assert_eq!(lab.event_names(), ["begins", "ends", "restart: ended"]);
}

#[test]
fn a_watch_that_ends_late_without_an_event_is_not_a_failure() {
    let mut lab = TestInformer::synced();
    lab.end_response(ResponseEnd::Complete);
    lab.event_names();
    for (seconds, told) in
        [(MIN_WATCH_LIFETIME.as_secs(), "restart: ended"), (MIN_WATCH_LIFETIME.as_secs() - 1, "closed")]
    {
        assert_eq!(lab.send_next(), watch("100"));
        lab.start_response();
        lab.advance(seconds);
        lab.end_response(ResponseEnd::Complete);
        assert_eq!(lab.event_names().last(), Some(&told));
    }
}

#[test]
fn a_silent_watch_times_out_and_is_relisted() {
    let mut lab = TestInformer::synced();
    lab.advance(60);
    assert!(lab.watch_event(bookmark("100", false)));
    assert_eq!(lab.wait_for_deadline(), BOOKMARK_TIMEOUT);
    assert_eq!(lab.event_names(), ["synced", "timeout"]);
    assert_eq!(lab.send_next(), PodRequest::WatchList);
}

#[test]
fn a_request_without_response_times_out_and_is_retried() {
    let mut lab = TestInformer::synced();
    lab.end_response(connection_error());
    assert_eq!(lab.send_next(), watch("100"));
    assert_eq!(lab.wait_for_deadline(), RESPONSE_START_TIMEOUT);
    assert_eq!(lab.event_names(), ["connection", "timeout"]);
    assert_eq!(lab.send_next(), watch("100"), "the position may still be good");
}

#[test]
fn a_slow_page_times_out() {
    let mut lab = TestInformer::new();
    lab.send_next();
    lab.end_response(ResponseEnd::ErrorStatus(status(422)));
    lab.send_next();
    lab.start_response();
    let began = lab.now;
    while lab.informer.deadline().expect("a page is under way") > lab.now + Duration::from_secs(20) {
        lab.advance(20);
        lab.informer.on_page_bytes(lab.now);
    }
    lab.wait_for_deadline();
    assert_eq!(lab.since(began), PAGE_TIMEOUT);
}

#[test]
fn a_slow_event_times_out() {
    let mut lab = TestInformer::synced();
    lab.advance(60);
    lab.informer.on_buffer_drained(true, lab.now);
    lab.advance(EVENT_TIMEOUT.as_secs() - 1);
    lab.informer.on_buffer_drained(true, lab.now);
    assert_eq!(lab.wait_for_deadline(), Duration::from_secs(1));
    assert_eq!(lab.event_names(), ["timeout"]);
    assert_eq!(lab.send_next(), PodRequest::WatchList);
}

#[test]
fn a_complete_event_resets_the_event_timeout() {
    let mut lab = TestInformer::synced();
    lab.informer.on_buffer_drained(true, lab.now);
    lab.advance(10);
    assert!(lab.watch_event(change(PodChange::Modified, "101")));
    lab.informer.on_buffer_drained(false, lab.now);
    assert_eq!(lab.informer.deadline(), Some(lab.now + QUIET_WATCH_LIMIT));
    lab.informer.on_buffer_drained(true, lab.now);
    assert_eq!(lab.informer.deadline(), Some(lab.now + EVENT_TIMEOUT));
}
