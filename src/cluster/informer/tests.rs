//! Moves the machine by hand: every story here takes no time, however long it lasts.

use super::flight::STALL_LIMIT;
use super::*;
use crate::cluster::wire::Problem;
use image_pull_model::facts::{PodFacts, PodId};

mod lists;
mod pace;
mod resuming;
mod silence;

/// An informer, and what time it is.
struct Lab {
    informer: Informer,
    now: Moment,
    /// Requests sent.
    requests: usize,
    /// The resourceVersion that the server is at.
    server_at: &'static str,
}

/// What came out, in words.
type Told = Vec<&'static str>;

impl Lab {
    fn new() -> Self {
        Self { informer: Informer::new(7), now: Moment::ZERO, requests: 0, server_at: "1000" }
    }

    /// One that has listed everything up to version 100, and watches.
    fn current() -> Self {
        let mut lab = Self::new();
        assert_eq!(lab.ask(), Ask::WatchList);
        lab.answered();
        assert!(lab.word(added("1")) && lab.word(bookmark("100", true)));
        assert_eq!(lab.told(), ["begins", "listed", "ends"]);
        lab
    }

    /// Waits for the next request and sends it. A check is answered with where the server is, and the next one sent.
    fn ask(&mut self) -> Ask {
        loop {
            let ask = self.ask_once();
            if ask != Ask::Check {
                return ask;
            }
            self.answered();
            self.page(1, self.server_at, "more");
        }
    }

    fn ask_once(&mut self) -> Ask {
        let (at, ask) = self.informer.next();
        self.now = self.now.max(at);
        self.requests += 1;
        self.informer.asked(&ask, self.now);
        ask
    }

    fn answered(&mut self) {
        self.informer.answered(self.now);
    }

    /// How long ago `moment` was.
    fn since(&self, moment: Moment) -> Duration {
        self.now.saturating_sub(moment)
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn word(&mut self, word: WatchEvent) -> bool {
        self.informer.heard(word, self.now)
    }

    fn end(&mut self, end: End) {
        self.informer.ended(end, self.now);
    }

    fn page(&mut self, pods: usize, version: &str, token: &str) {
        for _ in 0..pods {
            self.informer.listed(Ok(pod_of(&self.requests.to_string())));
        }
        let page =
            PageMetadata { resource_version: version.to_owned(), continue_token: token.to_owned(), item_count: pods };
        self.informer.paged(page, self.now);
    }

    fn told(&mut self) -> Told {
        std::iter::from_fn(|| self.informer.event()).map(|event| said(&event)).collect()
    }

    /// Nothing more came until the deadline.
    fn wait_in_vain(&mut self) -> Duration {
        let deadline = self.informer.deadline().expect("something is under way");
        let waited = deadline.saturating_sub(self.now);
        self.now = deadline;
        self.end(End::Late);
        waited
    }
}

fn said(event: &PodEvent) -> &'static str {
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
    pod_of("u")
}

fn pod_of(uid: &str) -> PodObject {
    let name = |name: &str| name.to_owned();
    PodFacts { id: PodId { namespace: name("shop"), name: name("web"), uid: name(uid) }, ..PodFacts::default() }.into()
}

fn change(change: PodChange, version: &str) -> WatchEvent {
    WatchEvent::Pod { change, version: version.to_owned(), pod: Ok(pod()) }
}

fn added(version: &str) -> WatchEvent {
    change(PodChange::Added, version)
}

fn bookmark(version: &str, ends_list: bool) -> WatchEvent {
    WatchEvent::Bookmark { version: version.to_owned(), ends_list }
}

fn status(code: u16) -> ApiStatus {
    ApiStatus { code, message: "no".to_owned(), retry_after: None }
}

fn watch(version: &str) -> Ask {
    Ask::Watch { version: version.to_owned() }
}

fn page(token: &str) -> Ask {
    Ask::List { limit: PAGE_SIZE, token: token.to_owned() }
}

fn broken() -> End {
    End::Broken("reset".to_owned())
}

#[test]
fn what_there_is_comes_first_and_then_what_changes() {
    let mut lab = Lab::current();
    assert!(lab.word(change(PodChange::Modified, "101")));
    assert!(lab.word(change(PodChange::Deleted, "103")));
    assert!(lab.word(bookmark("110", false)));
    assert_eq!(lab.told(), ["applied", "deleted", "synced"]);
    lab.pass(400);
    lab.end(End::Complete);
    assert_eq!(lab.told(), ["restart: ended"]);
    assert_eq!(lab.ask(), watch("110"));
}

#[test]
fn a_server_that_knows_no_watch_list_is_listed_in_pages() {
    for code in [400, 404, 405, 422] {
        let mut lab = Lab::new();
        assert_eq!(lab.ask(), Ask::WatchList);
        lab.end(End::Refused(status(code)));
        assert_eq!(lab.told(), ["unsupported"]);
        assert_eq!(lab.ask(), page(""));
        lab.answered();
        lab.page(2, "100", "more");
        let before = lab.now;
        assert_eq!(lab.ask(), page("more"));
        lab.answered();
        lab.page(1, "100", "");
        assert_eq!(lab.told(), ["begins", "listed", "listed", "listed", "ends"]);
        assert_eq!(lab.ask(), watch("100"));
        assert_eq!(lab.now, before, "what goes well is not held up");
        // It stays so.
        lab.end(End::Refused(status(410)));
        assert_eq!(lab.ask(), page(""));
    }
}

#[test]
fn a_watch_list_that_never_ends_gives_way_to_pages_and_gets_another_chance() {
    let mut lab = Lab::new();
    for _ in 0..2 {
        assert_eq!(lab.ask(), Ask::WatchList);
        lab.answered();
        assert!(lab.word(added("1")));
        assert_eq!(lab.wait_in_vain(), STALL_LIMIT);
        assert_eq!(lab.told(), ["begins", "listed", "timeout"]);
    }
    assert_eq!(lab.ask(), page(""));
    lab.answered();
    lab.page(1, "100", "");
    assert_eq!(lab.ask(), watch("100"));
    lab.end(End::Refused(status(410)));
    assert_eq!(lab.ask(), Ask::WatchList);
    lab.answered();
    lab.end(End::Complete);
    assert_eq!(lab.ask(), page(""));
}

#[test]
fn a_server_that_cannot_be_reached_says_nothing_against_watch_lists() {
    let mut lab = Lab::new();
    for _ in 0..5 {
        assert_eq!(lab.ask(), Ask::WatchList);
        lab.end(broken());
    }
}

#[test]
fn a_watch_that_breaks_goes_on_from_where_it_was() {
    let mut lab = Lab::current();
    assert!(lab.word(change(PodChange::Modified, "101")));
    lab.end(broken());
    assert_eq!(lab.told(), ["applied", "connection"]);
    assert_eq!(lab.ask(), watch("101"));
    lab.answered();
    assert_eq!(lab.told(), ["synced"]);
    assert!(lab.word(change(PodChange::Modified, "102")));
    assert_eq!(lab.told(), ["applied"]);
}

/// A watch that is open again after it was interrupted for longer than a short gap.
fn resumed() -> Lab {
    let mut lab = Lab::current();
    lab.end(broken());
    lab.pass(SHORT_GAP.as_secs() + 1);
    assert_eq!(lab.ask(), watch("100"));
    lab.told();
    lab.answered();
    lab
}

#[test]
fn after_a_long_gap_the_watch_catches_up_for_a_while() {
    let mut lab = resumed();
    assert!(lab.word(change(PodChange::Modified, "101")));
    assert_eq!(lab.told(), ["resumed", "applied"]);
    lab.pass(CATCH_UP.as_secs());
    assert!(lab.word(change(PodChange::Modified, "102")) && lab.word(change(PodChange::Modified, "103")));
    assert_eq!(lab.told(), ["synced", "applied", "applied"]);
}

#[test]
fn a_bookmark_ends_the_catching_up() {
    let mut lab = resumed();
    let bookmark = WatchEvent::Bookmark { version: "101".to_owned(), ends_list: false };
    assert!(lab.word(bookmark) && lab.word(change(PodChange::Modified, "102")));
    lab.pass(CATCH_UP.as_secs());
    assert!(lab.word(change(PodChange::Modified, "103")));
    assert_eq!(lab.told(), ["resumed", "synced", "applied", "applied"]);
}

#[test]
fn a_process_that_did_not_run_for_a_while_catches_up() {
    let mut lab = Lab::current();
    lab.told();
    lab.pass(45);
    lab.informer.stalled(lab.now);
    assert!(lab.word(change(PodChange::Modified, "101")));
    assert_eq!(lab.told(), ["resumed", "applied"]);
    // While it lists, nothing is taken for observed anyway.
    let mut lab = Lab::new();
    assert_eq!(lab.ask(), Ask::WatchList);
    lab.informer.stalled(lab.now);
    lab.answered();
    lab.informer.stalled(lab.now);
    assert_eq!(lab.told(), ["begins"]);
}

#[test]
fn what_is_forgotten_is_listed_anew() {
    for in_stream in [false, true] {
        let mut lab = Lab::current();
        if in_stream {
            assert!(!lab.word(WatchEvent::Error(status(410))), "nothing that follows is of use");
        } else {
            lab.end(End::Complete);
            assert_eq!(lab.ask(), watch("100"));
            lab.end(End::Refused(status(410)));
        }
        assert_eq!(lab.told().last(), Some(&"gone"));
        assert_eq!(lab.ask(), Ask::WatchList);
    }
}

#[test]
fn a_list_that_takes_longer_than_the_server_remembers_is_tried_with_larger_pages() {
    let mut lab = Lab::new();
    lab.ask();
    lab.end(End::Refused(status(422)));
    assert_eq!(lab.ask(), page(""));
    lab.answered();
    lab.page(1, "100", "more");
    assert_eq!(lab.ask(), page("more"));
    lab.end(End::Refused(status(410)));
    assert_eq!(lab.ask(), Ask::List { limit: 2 * PAGE_SIZE, token: String::new() });
}

#[test]
fn a_page_that_is_too_large_is_tried_smaller() {
    let mut lab = Lab::new();
    lab.ask();
    lab.end(End::Refused(status(422)));
    lab.ask();
    lab.answered();
    lab.end(End::TooLarge);
    assert_eq!(lab.ask(), Ask::List { limit: PAGE_SIZE / 2, token: String::new() });
}

#[test]
fn a_page_that_breaks_is_asked_for_again() {
    let mut lab = Lab::new();
    lab.ask();
    lab.end(End::Refused(status(422)));
    lab.ask();
    lab.answered();
    lab.page(1, "100", "more");
    lab.ask();
    lab.answered();
    lab.end(broken());
    assert_eq!(lab.ask(), page("more"));
    lab.answered();
    lab.page(1, "100", "");
    assert_eq!(lab.told(), ["unsupported", "begins", "listed", "connection", "listed", "ends"]);
}

#[test]
fn a_server_that_went_back_is_listed_anew() {
    for word in [bookmark("99", false), change(PodChange::Modified, "7"), change(PodChange::Deleted, "99")] {
        let mut lab = Lab::current();
        assert!(!lab.word(word));
        assert_eq!(lab.told(), ["rewound"]);
        assert_eq!(lab.ask(), Ask::WatchList);
    }
}

#[test]
fn a_change_that_comes_twice_is_taken_twice_and_does_no_harm() {
    let mut lab = Lab::current();
    assert!(lab.word(change(PodChange::Modified, "101")) && lab.word(change(PodChange::Modified, "101")));
    assert_eq!(lab.told(), ["applied", "applied"]);
}

#[test]
fn versions_that_are_no_numbers_are_not_compared() {
    let mut lab = Lab::current();
    assert!(lab.word(change(PodChange::Modified, "b")) && lab.word(change(PodChange::Modified, "a")));
    lab.end(End::Complete);
    assert_eq!(lab.ask(), watch("a"));
}

#[test]
fn a_change_without_a_version_counts_and_nobody_can_go_on_from_it() {
    let mut lab = Lab::current();
    assert!(lab.word(change(PodChange::Modified, "")));
    assert_eq!(lab.told(), ["applied"]);
    lab.end(End::Complete);
    assert_eq!(lab.ask(), Ask::WatchList);
    let mut lab = Lab::current();
    assert!(lab.word(change(PodChange::Modified, "")) && lab.word(bookmark("101", false)));
    lab.end(End::Complete);
    assert_eq!(lab.ask(), watch("101"));
}

#[test]
fn broken_objects_cost_nothing_else_and_garbage_costs_the_view() {
    let mut lab = Lab::current();
    let broken = || Undecodable { id: PodId::default(), problem: Problem::Anonymous };
    let word = |change| WatchEvent::Pod { change, version: String::new(), pod: Err(broken()) };
    assert!(lab.word(WatchEvent::Malformed(broken())));
    assert!(lab.word(word(PodChange::Modified)) && lab.word(word(PodChange::Deleted)));
    assert!(lab.word(change(PodChange::Modified, "101")));
    assert_eq!(lab.told(), ["undecodable", "undecodable", "undecodable deletion", "applied"]);
    lab.end(End::Garbled("a frame of 1 byte".to_owned()));
    assert_eq!(lab.told(), ["decode"]);
    assert_eq!(lab.ask(), Ask::WatchList);
    assert!(lab.informer.words().protobuf);
    lab.answered();
    lab.end(End::Garbled("a frame of 1 byte".to_owned()));
    assert!(!lab.informer.words().protobuf, "something between us cannot carry it");
}

#[test]
fn a_server_without_protobuf_is_asked_for_json() {
    for code in [406, 415] {
        let mut lab = Lab::new();
        lab.ask();
        lab.end(End::Refused(status(code)));
        assert_eq!(lab.told(), ["unsupported"]);
        assert!(!lab.informer.words().protobuf);
        assert_eq!(lab.ask(), Ask::WatchList);
    }
}

#[test]
fn each_refusal_has_its_name_and_says_what_to_do() {
    for (code, cause) in [
        (401, "unauthorized"),
        (403, "forbidden"),
        (429, "too_many_requests"),
        (500, "server_error"),
        (503, "server_error"),
        (418, "other"),
    ] {
        let mut lab = Lab::current();
        lab.end(End::Complete);
        lab.told();
        lab.ask();
        lab.end(End::Refused(status(code)));
        let Some(PodEvent::WatchFailed(failure)) = lab.informer.event() else { panic!("it fails") };
        assert_eq!(failure.cause.as_str(), cause);
        assert!(failure.error.contains(&code.to_string()), "{}", failure.error);
        assert_eq!(failure.error.contains("grant the verbs list and watch on pods"), code == 403);
        assert_eq!(lab.ask(), watch("100"), "it goes on trying");
    }
}

#[test]
fn errors_in_the_stream_are_retried_from_the_position_until_that_is_to_blame() {
    let mut lab = Lab::current();
    for _ in 0..2 {
        assert!(!lab.word(WatchEvent::Error(status(500))));
        assert_eq!(lab.ask(), watch("100"));
        lab.answered();
    }
    assert!(!lab.word(WatchEvent::Error(status(500))));
    assert_eq!(lab.ask(), Ask::WatchList);
}

#[test]
fn a_list_without_a_version_is_none() {
    let mut lab = Lab::new();
    lab.ask();
    lab.end(End::Refused(status(422)));
    lab.ask();
    lab.answered();
    lab.told();
    lab.page(1, "", "");
    assert_eq!(lab.told(), ["listed", "decode"]);
    assert_eq!(lab.ask(), page(""));
}

#[test]
fn one_look_needs_no_watch() {
    let informer = Informer::listing(7);
    assert_eq!(informer.next().1, page(""));
}

#[test]
fn a_server_that_refuses_shards_is_asked_without() {
    // A server without WatchList refuses that first, with 422.
    for (codes, shards, ask) in [
        (&[400][..], false, Ask::WatchList),
        (&[422], true, page("")),
        (&[422, 422], false, page("")),
        (&[422, 400], false, page("")),
        (&[403], true, Ask::WatchList),
    ] {
        let mut lab = Lab::new();
        lab.informer = Informer::new(1).of_shard();
        for code in codes {
            lab.ask();
            lab.end(End::Refused(status(*code)));
        }
        assert_eq!((lab.informer.words().shards, lab.ask()), (shards, ask), "{codes:?}");
    }
}
