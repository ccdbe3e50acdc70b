//! What is asked before a watch is resumed.

use super::*;

#[test]
fn a_server_behind_the_known_version_is_relisted_at_once() {
    for end in [connection_error(), ResponseEnd::Complete, ResponseEnd::ErrorStatus(status(503))] {
        let mut lab = TestInformer::synced();
        lab.watch_event(bookmark("100", false));
        lab.end_response(end);
        lab.event_names();
        let begun = lab.now;
        assert_eq!(lab.send_once(), PodRequest::VersionCheck);
        lab.start_response();
        lab.page(1, "99", "more");
        assert_eq!(lab.event_names(), ["rewound"], "and no word of a view that is kept up");
        assert_eq!(lab.send_next(), PodRequest::WatchList);
        assert!(lab.since(begun) <= Duration::from_secs(3), "{:?}", lab.since(begun));
    }
}

#[test]
fn a_version_check_precedes_each_watch_and_emits_no_event() {
    let mut lab = TestInformer::synced();
    for _ in 0..3 {
        lab.advance(100);
        lab.watch_event(bookmark("100", false));
        lab.end_response(ResponseEnd::Complete);
        lab.event_names();
        let begun = lab.now;
        assert_eq!(lab.send_once(), PodRequest::VersionCheck);
        lab.start_response();
        lab.page(1, "100", "");
        assert_eq!(lab.event_names(), [""; 0]);
        assert_eq!(lab.send_once(), watch("100"));
        assert_eq!(lab.now, begun, "and holds nothing up");
        lab.start_response();
        lab.event_names();
    }
}

#[test]
fn no_version_check_follows_a_list() {
    let mut lab = TestInformer::synced();
    assert!(!lab.watch_event(WatchEvent::Error(status(410))));
    lab.informer.watch_list = WatchListSupport::Unsupported;
    assert_eq!(lab.send_next(), page(""));
    lab.start_response();
    lab.page(1, "200", "");
    assert_eq!(lab.send_once(), watch("200"));
}

#[test]
fn a_rejected_version_check_does_not_prevent_the_watch() {
    for code in [400, 403, 404, 405, 422] {
        let mut lab = TestInformer::synced();
        lab.end_response(connection_error());
        lab.event_names();
        assert_eq!(lab.send_once(), PodRequest::VersionCheck);
        lab.end_response(ResponseEnd::ErrorStatus(status(code)));
        assert_eq!(lab.event_names(), [""; 0], "{code}");
        assert_eq!(lab.send_once(), watch("100"), "{code}");
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
        let mut lab = TestInformer::synced();
        lab.end_response(connection_error());
        lab.event_names();
        assert_eq!(lab.send_once(), PodRequest::VersionCheck);
        lab.end_response(end.clone());
        assert_eq!(lab.event_names().len(), 1, "{end:?}");
        assert_eq!(lab.send_once(), PodRequest::VersionCheck, "{end:?}");
    }
}
