//! Answers that do not come, or too slowly.

use super::*;
use crate::cluster::informer::flight::{EVENT_LIMIT, HEAD_LIMIT, IDLE_LIMIT, PAGE_LIMIT};

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
    assert!(lab.word(change(Change::Modified, "101")));
    lab.informer.is_left_with(false, lab.now);
    assert_eq!(lab.informer.deadline(), Some(lab.now + IDLE_LIMIT));
    lab.informer.is_left_with(true, lab.now);
    assert_eq!(lab.informer.deadline(), Some(lab.now + EVENT_LIMIT));
}
