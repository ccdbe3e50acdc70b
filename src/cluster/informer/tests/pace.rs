//! How often a server is asked, whatever it does.

use super::*;
use crate::cluster::informer::pace::{LONGEST_PAUSE, SPACING};

#[test]
fn a_wish_to_be_left_alone_is_respected_within_reason() {
    for (wish, least, most) in [(7, 7, 7), (100_000, 60, 60), (0, 0, 1)] {
        let mut lab = Lab::current();
        lab.pass(100);
        let wish = Some(Duration::from_secs(wish));
        assert!(!lab.word(WatchEvent::Error(ApiStatus { retry_after: wish, ..status(429) })));
        let before = lab.now;
        lab.ask();
        let waited = lab.since(before).as_secs_f64();
        assert!((f64::from(least)..=f64::from(most)).contains(&waited), "{waited}");
    }
}

/// How a server answers.
type Server = Box<dyn FnMut(&mut Lab, &Ask)>;

/// Plays a server for an hour and returns how many requests it got.
fn requests_in_an_hour(mut answer: impl FnMut(&mut Lab, &Ask)) -> usize {
    let mut lab = Lab::current();
    let end = lab.now + Duration::from_secs(3600);
    lab.end(End::Complete);
    let before = lab.requests;
    while lab.now < end {
        let ask = lab.ask_once();
        answer(&mut lab, &ask);
        lab.told();
    }
    lab.requests - before
}

#[test]
fn a_server_that_closes_each_watch_at_once_is_read_in_lists() {
    let mut lists = 0;
    let requests = requests_in_an_hour(|lab, ask| {
        lab.answered();
        if matches!(ask, Ask::List { .. } | Ask::Check) {
            lists += usize::from(*ask != Ask::Check);
            lab.page(1, "100", "");
        } else {
            lab.end(End::Complete);
        }
    });
    assert!((100..1000).contains(&requests), "{requests}");
    assert!(lists > 60, "the view is kept up all the same: {lists}");
}

#[test]
fn no_server_is_asked_more_than_once_a_second() {
    let one = |lab: &mut Lab, ask: &Ask| {
        lab.answered();
        if *ask == Ask::Check {
            lab.page(1, "100", "");
        } else {
            lab.word(bookmark("100", false));
            lab.end(End::Complete);
        }
    };
    let refused = |code| move |lab: &mut Lab, _: &Ask| lab.end(End::Refused(status(code)));
    let mut pages = 0;
    let servers: [(&str, Server, std::ops::Range<usize>); 9] = [
        ("refuses connections", Box::new(|lab, _| lab.end(broken())), 100..400),
        (
            "never answers",
            Box::new(|lab, _| {
                lab.wait_in_vain();
            }),
            60..130,
        ),
        (
            "falls silent",
            Box::new(|lab, _| {
                lab.answered();
                lab.wait_in_vain();
            }),
            30..130,
        ),
        ("says 500", Box::new(refused(500)), 100..400),
        // What cannot be checked is watched at once, so each attempt takes two requests.
        ("says 403", Box::new(refused(403)), 100..600),
        ("says 410", Box::new(refused(410)), 100..400),
        ("closes after a word", Box::new(one), 100..3603),
        ("repeats a page", Box::new(repeats), 100..800),
        (
            "lists empty pages",
            Box::new(move |lab, _| {
                lab.answered();
                pages += 1;
                lab.page(0, "100", &format!("page-{pages}"));
            }),
            100..3603,
        ),
    ];
    for (server, answer, expected) in servers {
        let requests = requests_in_an_hour(answer);
        assert!(expected.contains(&requests), "a server that {server}: {requests} requests");
    }
}

/// A server without watch lists, on which page after page is the same.
fn repeats(lab: &mut Lab, ask: &Ask) {
    if !matches!(ask, Ask::List { .. }) {
        return lab.end(End::Refused(status(if *ask == Ask::WatchList { 422 } else { 410 })));
    }
    lab.answered();
    lab.informer.listed(Ok(pod()));
    let page = PageMetadata { resource_version: "100".to_owned(), continue_token: "more".to_owned(), item_count: 1 };
    lab.informer.paged(page, lab.now);
}

#[test]
fn pauses_grow_to_a_limit_and_progress_ends_them() {
    let mut lab = Lab::current();
    lab.end(broken());
    let mut longest = Duration::ZERO;
    for _ in 0..200 {
        let before = lab.now;
        lab.ask();
        longest = longest.max(lab.since(before));
        lab.end(broken());
    }
    assert!((LONGEST_PAUSE / 2..=LONGEST_PAUSE).contains(&longest), "{longest:?}");
    lab.ask();
    lab.answered();
    assert!(lab.word(change(PodChange::Modified, "101")));
    lab.pass(100);
    lab.end(broken());
    let before = lab.now;
    lab.ask();
    assert!(lab.since(before) <= SPACING);
}

#[test]
fn empty_pages_without_end_are_no_reason_to_hurry() {
    let mut lab = Lab::new();
    lab.ask();
    lab.end(End::Refused(status(422)));
    let before = lab.now;
    for _ in 0..10 {
        lab.ask();
        lab.answered();
        lab.page(0, "100", "more");
    }
    assert!(lab.since(before) >= 9 * SPACING);
}
