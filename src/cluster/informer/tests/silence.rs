//! Answers that do not come, or too slowly.

use super::*;
use crate::cluster::informer::flight::{
    BLIND_LIMIT, EVENT_LIMIT, HEAD_LIMIT, IDLE_LIMIT, PAGE_LIMIT, QUIET_LIMIT, SHORTEST_LIFE,
};

#[test]
fn a_quiet_watch_without_bookmarks_is_renewed_from_its_position() {
    let mut lab = Lab::current();
    for _ in 0..100 {
        assert_eq!(lab.wait_in_vain(), QUIET_LIMIT);
        assert_eq!(lab.told(), ["restart: ended"]);
        assert_eq!(lab.ask(), watch("100"));
        lab.answered();
        assert_eq!(lab.told(), ["resumed"]);
    }
}

#[test]
fn a_quiet_watch_that_nobody_renews_is_reported_within_two_minutes() {
    let mut lab = Lab::current();
    let begun = lab.now;
    lab.wait_in_vain();
    assert_eq!(lab.ask_once(), Ask::Check);
    lab.wait_in_vain();
    assert_eq!(lab.told(), ["restart: ended", "timeout"]);
    assert!(lab.since(begun) <= BLIND_LIMIT, "{:?}", lab.since(begun));
    // The same where the check is answered, and slowly, and the watch is not.
    let mut lab = Lab::current();
    let begun = lab.now;
    lab.wait_in_vain();
    assert_eq!(lab.ask_once(), Ask::Check);
    lab.pass(29);
    lab.answered();
    lab.page(1, "1000", "");
    assert_eq!(lab.ask(), watch("100"));
    lab.wait_in_vain();
    assert_eq!(lab.told(), ["restart: ended", "timeout"]);
    assert_eq!(lab.since(begun), BLIND_LIMIT);
}

#[test]
fn after_a_list_nobody_knows_whether_bookmarks_come() {
    let mut lab = Lab::current();
    assert!(lab.word(bookmark("100", false)));
    lab.told();
    // A server that stops sending them costs one list.
    lab.wait_in_vain();
    assert_eq!(lab.told(), ["timeout"]);
    assert_eq!(lab.ask(), Ask::WatchList);
    lab.answered();
    assert!(lab.word(bookmark("100", true)));
    assert_eq!(lab.wait_in_vain(), QUIET_LIMIT);
    assert_eq!(lab.told(), ["begins", "ends", "restart: ended"]);
}

#[test]
fn a_watch_that_ends_after_a_while_without_an_event_is_no_fault() {
    let mut lab = Lab::current();
    lab.end(End::Complete);
    lab.told();
    for (seconds, told) in [(SHORTEST_LIFE.as_secs(), "restart: ended"), (SHORTEST_LIFE.as_secs() - 1, "closed")] {
        assert_eq!(lab.ask(), watch("100"));
        lab.answered();
        lab.pass(seconds);
        lab.end(End::Complete);
        assert_eq!(lab.told().last(), Some(&told));
    }
}

#[test]
fn a_silent_watch_is_given_up_and_everything_is_listed_anew() {
    let mut lab = Lab::current();
    lab.pass(60);
    assert!(lab.word(bookmark("100", false)));
    assert_eq!(lab.wait_in_vain(), IDLE_LIMIT);
    assert_eq!(lab.told(), ["synced", "timeout"]);
    assert_eq!(lab.ask(), Ask::WatchList);
}

#[test]
fn a_server_that_never_answers_is_given_up_and_asked_again() {
    let mut lab = Lab::current();
    lab.end(broken());
    assert_eq!(lab.ask(), watch("100"));
    assert_eq!(lab.wait_in_vain(), HEAD_LIMIT);
    assert_eq!(lab.told(), ["connection", "timeout"]);
    assert_eq!(lab.ask(), watch("100"), "the position may still be good");
}

#[test]
fn a_page_that_trickles_is_given_up() {
    let mut lab = Lab::new();
    lab.ask();
    lab.end(End::Refused(status(422)));
    lab.ask();
    lab.answered();
    let began = lab.now;
    while lab.informer.deadline().expect("a page is under way") > lab.now + Duration::from_secs(20) {
        lab.pass(20);
        lab.informer.received(lab.now);
    }
    lab.wait_in_vain();
    assert_eq!(lab.since(began), PAGE_LIMIT);
}

#[test]
fn an_event_that_trickles_is_given_up() {
    let mut lab = Lab::current();
    lab.pass(60);
    lab.informer.is_left_with(true, lab.now);
    lab.pass(EVENT_LIMIT.as_secs() - 1);
    lab.informer.is_left_with(true, lab.now);
    assert_eq!(lab.wait_in_vain(), Duration::from_secs(1));
    assert_eq!(lab.told(), ["timeout"]);
    assert_eq!(lab.ask(), Ask::WatchList);
}

#[test]
fn an_event_that_came_whole_is_none_that_trickles() {
    let mut lab = Lab::current();
    lab.informer.is_left_with(true, lab.now);
    lab.pass(10);
    assert!(lab.word(change(PodChange::Modified, "101")));
    lab.informer.is_left_with(false, lab.now);
    assert_eq!(lab.informer.deadline(), Some(lab.now + QUIET_LIMIT));
    lab.informer.is_left_with(true, lab.now);
    assert_eq!(lab.informer.deadline(), Some(lab.now + EVENT_LIMIT));
}
