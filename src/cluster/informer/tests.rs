//! Moves the machine by hand: every story here takes no time, however long it lasts.

use super::in_flight::LIST_STALL_TIMEOUT;
use super::*;
use crate::cluster::PodEvent;
use crate::cluster::codec;
use crate::cluster::pod_object::PodObject;
use crate::cluster::wire::UndecodableReason;
use image_pull_model::facts::{PodFacts, PodId};

mod backoff;
mod lists;
mod resuming;
mod silence;

type WatchEvent = codec::WatchEvent<PodObject>;

/// An informer, and what time it is.
struct TestInformer {
    informer: Informer<PodObject>,
    now: Elapsed,
    /// Requests sent.
    requests: usize,
    /// The resourceVersion that the server is at.
    server_at: &'static str,
}

/// The names of the emitted events.
type EventNames = Vec<&'static str>;

impl TestInformer {
    fn new() -> Self {
        Self { informer: Informer::new(7), now: Elapsed::ZERO, requests: 0, server_at: "1000" }
    }

    /// One that has listed everything up to version 100, and watches.
    fn synced() -> Self {
        let mut test = Self::new();
        assert_eq!(test.send_next(), ResourceRequest::WatchList);
        test.start_response();
        assert!(test.watch_event(added("1")) && test.watch_event(bookmark("100", true)));
        assert_eq!(test.event_names(), ["begins", "listed", "ends"]);
        test
    }

    /// Waits for the next request and sends it. Responds to a version check with the version of the server and sends the
    /// request after it.
    fn send_next(&mut self) -> ResourceRequest {
        loop {
            let request = self.send_once();
            if request != ResourceRequest::VersionCheck {
                return request;
            }
            self.start_response();
            self.page(1, self.server_at, "more");
        }
    }

    fn send_once(&mut self) -> ResourceRequest {
        let (at, request) = self.informer.next_request();
        self.now = self.now.max(at);
        self.requests += 1;
        self.informer.on_request_sent(&request, self.now);
        request
    }

    fn start_response(&mut self) {
        self.informer.on_response_started(self.now);
    }

    /// Returns the time since `moment`.
    fn since(&self, moment: Elapsed) -> Duration {
        self.now.saturating_sub(moment)
    }

    fn advance(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn watch_event(&mut self, word: WatchEvent) -> bool {
        self.informer.on_watch_event(word, self.now)
    }

    fn end_response(&mut self, end: ResponseEnd) {
        self.informer.on_response_end(end, self.now);
    }

    fn page(&mut self, pods: usize, version: &str, token: &str) {
        for _ in 0..pods {
            self.informer.on_list_item(Ok(pod_with_uid(&self.requests.to_string())));
        }
        let page =
            PageMetadata { resource_version: version.to_owned(), continue_token: token.to_owned(), item_count: pods };
        self.informer.on_page_end(page, self.now);
    }

    fn event_names(&mut self) -> EventNames {
        std::iter::from_fn(|| self.informer.poll_event()).map(|event| event_name(&event)).collect()
    }

    /// Nothing more came until the deadline.
    fn wait_for_deadline(&mut self) -> Duration {
        let deadline = self.informer.deadline().expect("something is under way");
        let waited = deadline.saturating_sub(self.now);
        self.now = deadline;
        self.end_response(ResponseEnd::TimedOut);
        waited
    }
}

fn event_name(event: &PodEvent) -> &'static str {
    match event {
        PodEvent::ListStarted => "begins",
        PodEvent::Listed(_) => "listed",
        PodEvent::ListCompleted => "ends",
        PodEvent::Applied(_) => "applied",
        PodEvent::ResumedAfterGap => "resumed",
        PodEvent::Synced => "synced",
        PodEvent::AppliedInitial(_) => "found",
        PodEvent::Deleted(_) => "deleted",
        PodEvent::Progress => "heard",
        PodEvent::Undecodable(_) => "undecodable",
        PodEvent::UndecodableDeletion(_) => "undecodable deletion",
        PodEvent::WatchEnded => "restart: ended",
        PodEvent::WatchFailed(failure) => failure.cause.as_str(),
    }
}

fn pod() -> PodObject {
    pod_with_uid("u")
}

fn pod_with_uid(uid: &str) -> PodObject {
    let name = |name: &str| name.to_owned();
    PodFacts { id: PodId { namespace: name("shop"), name: name("web"), uid: name(uid) }, ..PodFacts::default() }.into()
}

fn change(change: ObjectChange, version: &str) -> WatchEvent {
    WatchEvent::Object { change, version: version.to_owned(), object: Ok(pod()) }
}

fn added(version: &str) -> WatchEvent {
    change(ObjectChange::Added, version)
}

fn bookmark(version: &str, ends_list: bool) -> WatchEvent {
    WatchEvent::Bookmark { version: version.to_owned(), ends_list }
}

fn status(code: u16) -> ApiStatus {
    ApiStatus { code, message: "no".to_owned(), retry_after: None }
}

fn watch(version: &str) -> ResourceRequest {
    ResourceRequest::Watch { resource_version: version.to_owned() }
}

fn page(token: &str) -> ResourceRequest {
    ResourceRequest::List { limit: PAGE_SIZE, continue_token: token.to_owned() }
}

fn connection_error() -> ResponseEnd {
    ResponseEnd::ConnectionError("reset".to_owned())
}

#[test]
fn a_watch_list_sends_existing_pods_and_then_changes() {
    let mut test = TestInformer::synced();
    assert!(test.watch_event(change(ObjectChange::Modified, "101")));
    assert!(test.watch_event(change(ObjectChange::Deleted, "103")));
    assert!(test.watch_event(bookmark("110", false)));
    assert_eq!(test.event_names(), ["applied", "deleted", "synced"]);
    test.advance(400);
    test.end_response(ResponseEnd::Complete);
    assert_eq!(test.event_names(), ["restart: ended"]);
    assert_eq!(test.send_next(), watch("110"));
}

#[test]
fn a_server_without_watch_list_is_listed_in_pages() {
    for code in [400, 404, 405, 422] {
        let mut test = TestInformer::new();
        assert_eq!(test.send_next(), ResourceRequest::WatchList);
        test.end_response(ResponseEnd::ErrorStatus(status(code)));
        assert_eq!(test.event_names(), ["unsupported"]);
        assert_eq!(test.send_next(), page(""));
        test.start_response();
        test.page(2, "100", "more");
        let before = test.now;
        assert_eq!(test.send_next(), page("more"));
        test.start_response();
        test.page(1, "100", "");
        assert_eq!(test.event_names(), ["begins", "listed", "listed", "listed", "ends"]);
        assert_eq!(test.send_next(), watch("100"));
        assert_eq!(test.now, before, "what goes well is not held up");
        // It stays so.
        test.end_response(ResponseEnd::ErrorStatus(status(410)));
        assert_eq!(test.send_next(), page(""));
    }
}

#[test]
fn an_endless_watch_list_falls_back_to_pages_and_is_retried_later() {
    let mut test = TestInformer::new();
    for _ in 0..2 {
        assert_eq!(test.send_next(), ResourceRequest::WatchList);
        test.start_response();
        assert!(test.watch_event(added("1")));
        assert_eq!(test.wait_for_deadline(), LIST_STALL_TIMEOUT);
        assert_eq!(test.event_names(), ["begins", "listed", "timeout"]);
    }
    assert_eq!(test.send_next(), page(""));
    test.start_response();
    test.page(1, "100", "");
    assert_eq!(test.send_next(), watch("100"));
    test.end_response(ResponseEnd::ErrorStatus(status(410)));
    assert_eq!(test.send_next(), ResourceRequest::WatchList);
    test.start_response();
    test.end_response(ResponseEnd::Complete);
    assert_eq!(test.send_next(), page(""));
}

#[test]
fn an_unreachable_server_does_not_disable_watch_lists() {
    let mut test = TestInformer::new();
    for _ in 0..5 {
        assert_eq!(test.send_next(), ResourceRequest::WatchList);
        test.end_response(connection_error());
    }
}

#[test]
fn a_broken_watch_resumes_from_its_resource_version() {
    let mut test = TestInformer::synced();
    assert!(test.watch_event(change(ObjectChange::Modified, "101")));
    test.end_response(connection_error());
    assert_eq!(test.event_names(), ["applied", "connection"]);
    assert_eq!(test.send_next(), watch("101"));
    test.start_response();
    assert_eq!(test.event_names(), ["synced"]);
    assert!(test.watch_event(change(ObjectChange::Modified, "102")));
    assert_eq!(test.event_names(), ["applied"]);
}

/// A watch that is open again after it was interrupted for longer than a short gap.
fn resumed() -> TestInformer {
    let mut test = TestInformer::synced();
    test.end_response(connection_error());
    test.advance(MAX_SHORT_GAP.as_secs() + 1);
    assert_eq!(test.send_next(), watch("100"));
    test.event_names();
    test.start_response();
    test
}

#[test]
fn after_a_long_gap_the_watch_catches_up_for_a_while() {
    let mut test = resumed();
    assert!(test.watch_event(change(ObjectChange::Modified, "101")));
    assert_eq!(test.event_names(), ["resumed", "applied"]);
    test.advance(CATCH_UP_DURATION.as_secs());
    assert!(
        test.watch_event(change(ObjectChange::Modified, "102"))
            && test.watch_event(change(ObjectChange::Modified, "103"))
    );
    assert_eq!(test.event_names(), ["synced", "applied", "applied"]);
}

#[test]
fn a_bookmark_ends_the_catching_up() {
    let mut test = resumed();
    let bookmark = WatchEvent::Bookmark { version: "101".to_owned(), ends_list: false };
    assert!(test.watch_event(bookmark) && test.watch_event(change(ObjectChange::Modified, "102")));
    test.advance(CATCH_UP_DURATION.as_secs());
    assert!(test.watch_event(change(ObjectChange::Modified, "103")));
    assert_eq!(test.event_names(), ["resumed", "synced", "applied", "applied"]);
}

#[test]
fn a_process_that_did_not_run_for_a_while_catches_up() {
    let mut test = TestInformer::synced();
    test.event_names();
    test.advance(45);
    test.informer.on_process_stalled(test.now);
    assert!(test.watch_event(change(ObjectChange::Modified, "101")));
    assert_eq!(test.event_names(), ["resumed", "applied"]);
    // While it lists, nothing is taken for observed anyway.
    let mut test = TestInformer::new();
    assert_eq!(test.send_next(), ResourceRequest::WatchList);
    test.informer.on_process_stalled(test.now);
    test.start_response();
    test.informer.on_process_stalled(test.now);
    assert_eq!(test.event_names(), ["begins"]);
}

#[test]
fn an_expired_resource_version_is_relisted() {
    for in_stream in [false, true] {
        let mut test = TestInformer::synced();
        if in_stream {
            assert!(!test.watch_event(WatchEvent::Error(status(410))), "nothing that follows is of use");
        } else {
            test.end_response(ResponseEnd::Complete);
            assert_eq!(test.send_next(), watch("100"));
            test.end_response(ResponseEnd::ErrorStatus(status(410)));
        }
        assert_eq!(test.event_names().last(), Some(&"gone"));
        assert_eq!(test.send_next(), ResourceRequest::WatchList);
    }
}

#[test]
fn an_expired_continue_token_doubles_the_page_size() {
    let mut test = TestInformer::new();
    test.send_next();
    test.end_response(ResponseEnd::ErrorStatus(status(422)));
    assert_eq!(test.send_next(), page(""));
    test.start_response();
    test.page(1, "100", "more");
    assert_eq!(test.send_next(), page("more"));
    test.end_response(ResponseEnd::ErrorStatus(status(410)));
    assert_eq!(test.send_next(), ResourceRequest::List { limit: 2 * PAGE_SIZE, continue_token: String::new() });
}

#[test]
fn an_oversized_page_halves_the_page_size() {
    let mut test = TestInformer::new();
    test.send_next();
    test.end_response(ResponseEnd::ErrorStatus(status(422)));
    test.send_next();
    test.start_response();
    test.end_response(ResponseEnd::PageTooLarge);
    assert_eq!(test.send_next(), ResourceRequest::List { limit: PAGE_SIZE / 2, continue_token: String::new() });
}

#[test]
fn a_broken_page_is_requested_again() {
    let mut test = TestInformer::new();
    test.send_next();
    test.end_response(ResponseEnd::ErrorStatus(status(422)));
    test.send_next();
    test.start_response();
    test.page(1, "100", "more");
    test.send_next();
    test.start_response();
    test.end_response(connection_error());
    assert_eq!(test.send_next(), page("more"));
    test.start_response();
    test.page(1, "100", "");
    assert_eq!(test.event_names(), ["unsupported", "begins", "listed", "connection", "listed", "ends"]);
}

#[test]
fn a_server_behind_the_known_version_is_relisted() {
    for word in [bookmark("99", false), change(ObjectChange::Modified, "7"), change(ObjectChange::Deleted, "99")] {
        let mut test = TestInformer::synced();
        assert!(!test.watch_event(word));
        assert_eq!(test.event_names(), ["rewound"]);
        assert_eq!(test.send_next(), ResourceRequest::WatchList);
    }
}

#[test]
fn a_repeated_change_is_applied_twice() {
    let mut test = TestInformer::synced();
    assert!(
        test.watch_event(change(ObjectChange::Modified, "101"))
            && test.watch_event(change(ObjectChange::Modified, "101"))
    );
    assert_eq!(test.event_names(), ["applied", "applied"]);
}

#[test]
fn versions_that_are_not_numbers_are_not_compared() {
    let mut test = TestInformer::synced();
    assert!(
        test.watch_event(change(ObjectChange::Modified, "b")) && test.watch_event(change(ObjectChange::Modified, "a"))
    );
    test.end_response(ResponseEnd::Complete);
    assert_eq!(test.send_next(), watch("a"));
}

#[test]
fn a_change_without_a_version_is_applied_and_forces_a_relist() {
    let mut test = TestInformer::synced();
    assert!(test.watch_event(change(ObjectChange::Modified, "")));
    assert_eq!(test.event_names(), ["applied"]);
    test.end_response(ResponseEnd::Complete);
    assert_eq!(test.send_next(), ResourceRequest::WatchList);
    let mut test = TestInformer::synced();
    assert!(test.watch_event(change(ObjectChange::Modified, "")) && test.watch_event(bookmark("101", false)));
    test.end_response(ResponseEnd::Complete);
    assert_eq!(test.send_next(), watch("101"));
}

#[test]
fn undecodable_objects_are_skipped_and_an_undecodable_stream_is_relisted() {
    let mut test = TestInformer::synced();
    let broken = || UndecodableObject { id: PodId::default(), problem: UndecodableReason::MissingIdentity };
    let word = |change| WatchEvent::Object { change, version: String::new(), object: Err(broken()) };
    assert!(test.watch_event(WatchEvent::Malformed(broken())));
    assert!(test.watch_event(word(ObjectChange::Modified)) && test.watch_event(word(ObjectChange::Deleted)));
    assert!(test.watch_event(change(ObjectChange::Modified, "101")));
    assert_eq!(test.event_names(), ["undecodable", "undecodable", "undecodable deletion", "applied"]);
    test.end_response(ResponseEnd::Undecodable("invalid frame length".to_owned()));
    assert_eq!(test.event_names(), ["decode"]);
    assert_eq!(test.send_next(), ResourceRequest::WatchList);
    assert!(test.informer.capabilities().protobuf);
    test.start_response();
    test.end_response(ResponseEnd::Undecodable("invalid frame length".to_owned()));
    assert!(!test.informer.capabilities().protobuf, "something between us cannot carry it");
}

#[test]
fn a_server_without_protobuf_gets_requests_for_json() {
    for code in [406, 415] {
        let mut test = TestInformer::new();
        test.send_next();
        test.end_response(ResponseEnd::ErrorStatus(status(code)));
        assert_eq!(test.event_names(), ["unsupported"]);
        assert!(!test.informer.capabilities().protobuf);
        assert_eq!(test.send_next(), ResourceRequest::WatchList);
    }
}

#[test]
fn each_error_status_has_a_cause_and_advice() {
    for (code, cause) in [
        (401, "unauthorized"),
        (403, "forbidden"),
        (429, "too_many_requests"),
        (500, "server_error"),
        (503, "server_error"),
        (418, "other"),
    ] {
        let mut test = TestInformer::synced();
        test.end_response(ResponseEnd::Complete);
        test.event_names();
        test.send_next();
        test.end_response(ResponseEnd::ErrorStatus(status(code)));
        let Some(PodEvent::WatchFailed(failure)) = test.informer.poll_event() else { panic!("it fails") };
        assert_eq!(failure.cause.as_str(), cause);
        assert!(failure.error.contains(&code.to_string()), "{}", failure.error);
        assert_eq!(failure.error.contains("grant the verbs list and watch on pods"), code == 403);
        assert_eq!(test.send_next(), watch("100"), "it goes on trying");
    }
}

#[test]
fn stream_errors_are_retried_from_the_version_and_then_relisted() {
    let mut test = TestInformer::synced();
    for _ in 0..2 {
        assert!(!test.watch_event(WatchEvent::Error(status(500))));
        assert_eq!(test.send_next(), watch("100"));
        test.start_response();
    }
    assert!(!test.watch_event(WatchEvent::Error(status(500))));
    assert_eq!(test.send_next(), ResourceRequest::WatchList);
}

#[test]
fn a_list_without_a_version_is_rejected() {
    let mut test = TestInformer::new();
    test.send_next();
    test.end_response(ResponseEnd::ErrorStatus(status(422)));
    test.send_next();
    test.start_response();
    test.event_names();
    test.page(1, "", "");
    assert_eq!(test.event_names(), ["listed", "decode"]);
    assert_eq!(test.send_next(), page(""));
}

#[test]
fn a_single_list_sends_no_watch_request() {
    let informer = Informer::<PodObject>::with_paged_list(7);
    assert_eq!(informer.next_request().1, page(""));
}

#[test]
fn a_rejected_shard_selector_is_left_out() {
    // A server without WatchList refuses that first, with 422.
    for (codes, shards, request) in [
        (&[400][..], false, ResourceRequest::WatchList),
        (&[422], true, page("")),
        (&[422, 422], false, page("")),
        (&[422, 400], false, page("")),
        (&[403], true, ResourceRequest::WatchList),
    ] {
        let mut test = TestInformer::new();
        test.informer = Informer::new(1).with_server_sharding();
        for code in codes {
            test.send_next();
            test.end_response(ResponseEnd::ErrorStatus(status(*code)));
        }
        assert_eq!((test.informer.capabilities().server_sharding, test.send_next()), (shards, request), "{codes:?}");
    }
}
