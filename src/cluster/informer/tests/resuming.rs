//! The version check before a watch resumes.

use super::*;

#[test]
fn a_server_behind_the_known_version_is_relisted_at_once() {
    for end in [connection_error(), ResponseEnd::Complete, ResponseEnd::ErrorStatus(status(503))] {
        let mut test = TestInformer::synced();
        test.watch_event(bookmark("100", false));
        test.end_response(end);
        test.event_names();
        let begun = test.now;
        assert_eq!(test.send_once(), ResourceRequest::VersionCheck);
        test.start_response();
        test.page(1, "99", "more");
        assert_eq!(test.event_names(), ["rewound"], "and no event that marks the view as current");
        assert_eq!(test.send_next(), ResourceRequest::WatchList);
        assert!(test.since(begun) <= Duration::from_secs(3), "{:?}", test.since(begun));
    }
}

#[test]
fn a_version_check_precedes_each_watch_and_emits_no_event() {
    let mut test = TestInformer::synced();
    for _ in 0..3 {
        test.advance(100);
        test.watch_event(bookmark("100", false));
        test.end_response(ResponseEnd::Complete);
        test.event_names();
        let begun = test.now;
        assert_eq!(test.send_once(), ResourceRequest::VersionCheck);
        test.start_response();
        test.page(1, "100", "");
        assert_eq!(test.event_names(), [""; 0]);
        assert_eq!(test.send_once(), watch("100"));
        assert_eq!(test.now, begun, "and holds nothing up");
        test.start_response();
        test.event_names();
    }
}

#[test]
fn no_version_check_follows_a_list() {
    let mut test = TestInformer::synced();
    assert!(!test.watch_event(WatchEvent::Error(status(410))));
    test.informer.watch_list = WatchListSupport::Unsupported;
    assert_eq!(test.send_next(), page(""));
    test.start_response();
    test.page(1, "200", "");
    assert_eq!(test.send_once(), watch("200"));
}

#[test]
fn a_rejected_version_check_does_not_prevent_the_watch() {
    for code in [400, 403, 404, 405, 422] {
        let mut test = TestInformer::synced();
        test.end_response(connection_error());
        test.event_names();
        assert_eq!(test.send_once(), ResourceRequest::VersionCheck);
        test.end_response(ResponseEnd::ErrorStatus(status(code)));
        assert_eq!(test.event_names(), [""; 0], "{code}");
        assert_eq!(test.send_once(), watch("100"), "{code}");
    }
}

#[test]
fn a_failed_version_check_is_reported_and_retried() {
    for end in [
        connection_error(),
        ResponseEnd::ErrorStatus(status(401)),
        ResponseEnd::ErrorStatus(status(429)),
        ResponseEnd::TimedOut,
        ResponseEnd::Complete,
    ] {
        let mut test = TestInformer::synced();
        test.end_response(connection_error());
        test.event_names();
        assert_eq!(test.send_once(), ResourceRequest::VersionCheck);
        test.end_response(end.clone());
        assert_eq!(test.event_names().len(), 1, "{end:?}");
        assert_eq!(test.send_once(), ResourceRequest::VersionCheck, "{end:?}");
    }
}
