//! Missing and slow responses.

use super::*;
use crate::cluster::informer::in_flight::{
    BOOKMARK_TIMEOUT, EVENT_TIMEOUT, MIN_WATCH_LIFETIME, PAGE_TIMEOUT, QUIET_WATCH_LIMIT, RESPONSE_START_TIMEOUT,
    STALE_LIMIT,
};

#[test]
fn a_quiet_watch_without_bookmarks_is_renewed_from_its_version() {
    let mut test = TestInformer::synced();
    for _ in 0..100 {
        assert_eq!(test.wait_for_deadline(), QUIET_WATCH_LIMIT);
        assert_eq!(test.event_names(), ["restart: ended"]);
        assert_eq!(test.send_next(), watch("100"));
        test.start_response();
        assert_eq!(test.event_names(), ["resumed"]);
    }
}

#[test]
fn a_quiet_watch_that_cannot_be_renewed_is_reported_within_two_minutes() {
    let mut test = TestInformer::synced();
    let begun = test.now;
    test.wait_for_deadline();
    assert_eq!(test.send_once(), ResourceRequest::VersionCheck);
    test.wait_for_deadline();
    assert_eq!(test.event_names(), ["restart: ended", "timeout"]);
    assert!(test.since(begun) <= STALE_LIMIT, "{:?}", test.since(begun));
    // Also if the version check gets a slow response and the watch none.
    let mut test = TestInformer::synced();
    let begun = test.now;
    test.wait_for_deadline();
    assert_eq!(test.send_once(), ResourceRequest::VersionCheck);
    test.advance(29);
    test.start_response();
    test.page(1, "1000", "");
    assert_eq!(test.send_next(), watch("100"));
    test.wait_for_deadline();
    assert_eq!(test.event_names(), ["restart: ended", "timeout"]);
    assert_eq!(test.since(begun), STALE_LIMIT);
}

#[test]
fn a_list_resets_bookmark_detection() {
    let mut test = TestInformer::synced();
    assert!(test.watch_event(bookmark("100", false)));
    test.event_names();
    // A server that stops sending them costs one list.
    test.wait_for_deadline();
    assert_eq!(test.event_names(), ["timeout"]);
    assert_eq!(test.send_next(), ResourceRequest::WatchList);
    test.start_response();
    assert!(test.watch_event(bookmark("100", true)));
    assert_eq!(test.wait_for_deadline(), QUIET_WATCH_LIMIT);
    assert_eq!(test.event_names(), ["begins", "ends", "restart: ended"]);
}

#[test]
fn a_watch_that_ends_late_without_an_event_is_not_a_failure() {
    let mut test = TestInformer::synced();
    test.end_response(ResponseEnd::Complete);
    test.event_names();
    for (seconds, told) in
        [(MIN_WATCH_LIFETIME.as_secs(), "restart: ended"), (MIN_WATCH_LIFETIME.as_secs() - 1, "closed")]
    {
        assert_eq!(test.send_next(), watch("100"));
        test.start_response();
        test.advance(seconds);
        test.end_response(ResponseEnd::Complete);
        assert_eq!(test.event_names().last(), Some(&told));
    }
}

#[test]
fn a_silent_watch_times_out_and_is_relisted() {
    let mut test = TestInformer::synced();
    test.advance(60);
    assert!(test.watch_event(bookmark("100", false)));
    assert_eq!(test.wait_for_deadline(), BOOKMARK_TIMEOUT);
    assert_eq!(test.event_names(), ["synced", "timeout"]);
    assert_eq!(test.send_next(), ResourceRequest::WatchList);
}

#[test]
fn a_request_without_response_times_out_and_is_retried() {
    let mut test = TestInformer::synced();
    test.end_response(connection_error());
    assert_eq!(test.send_next(), watch("100"));
    assert_eq!(test.wait_for_deadline(), RESPONSE_START_TIMEOUT);
    assert_eq!(test.event_names(), ["connection", "timeout"]);
    assert_eq!(test.send_next(), watch("100"), "the position may still be good");
}

#[test]
fn a_slow_page_times_out() {
    let mut test = TestInformer::new();
    test.send_next();
    test.end_response(ResponseEnd::ErrorStatus(status(422)));
    test.send_next();
    test.start_response();
    let began = test.now;
    while test.informer.deadline().expect("a page is under way") > test.now + Duration::from_secs(20) {
        test.advance(20);
        test.informer.on_page_bytes(test.now);
    }
    test.wait_for_deadline();
    assert_eq!(test.since(began), PAGE_TIMEOUT);
}

#[test]
fn a_slow_event_times_out() {
    let mut test = TestInformer::synced();
    test.advance(60);
    test.informer.on_buffer_drained(true, test.now);
    test.advance(EVENT_TIMEOUT.as_secs() - 1);
    test.informer.on_buffer_drained(true, test.now);
    assert_eq!(test.wait_for_deadline(), Duration::from_secs(1));
    assert_eq!(test.event_names(), ["timeout"]);
    assert_eq!(test.send_next(), ResourceRequest::WatchList);
}

#[test]
fn a_complete_event_resets_the_event_timeout() {
    let mut test = TestInformer::synced();
    test.informer.on_buffer_drained(true, test.now);
    test.advance(10);
    assert!(test.watch_event(change(ObjectChange::Modified, "101")));
    test.informer.on_buffer_drained(false, test.now);
    assert_eq!(test.informer.deadline(), Some(test.now + QUIET_WATCH_LIMIT));
    test.informer.on_buffer_drained(true, test.now);
    assert_eq!(test.informer.deadline(), Some(test.now + EVENT_TIMEOUT));
}
