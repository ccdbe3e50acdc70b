//! How often a server is asked, whatever it does.

use super::*;
use crate::cluster::informer::backoff::{MAX_BACKOFF, REQUEST_INTERVAL};

#[test]
fn retry_after_is_honored_up_to_a_limit() {
    for (wish, least, most) in [(7, 7, 7), (100_000, 60, 60), (0, 0, 1)] {
        let mut lab = TestInformer::synced();
        lab.advance(100);
        let wish = Some(Duration::from_secs(wish));
        assert!(!lab.watch_event(WatchEvent::Error(ApiStatus { retry_after: wish, ..status(429) })));
        let before = lab.now;
        lab.send_next();
        let waited = lab.since(before).as_secs_f64();
        assert!((f64::from(least)..=f64::from(most)).contains(&waited), "{waited}");
    }
}

/// How a server answers.
type Server = Box<dyn FnMut(&mut TestInformer, &PodRequest)>;

/// Plays a server for an hour and returns how many requests it got.
fn requests_in_an_hour(mut answer: impl FnMut(&mut TestInformer, &PodRequest)) -> usize {
    let mut lab = TestInformer::synced();
    let end = lab.now + Duration::from_secs(3600);
    lab.end_response(ResponseEnd::Complete);
    let before = lab.requests;
    while lab.now < end {
        let ask = lab.send_once();
        answer(&mut lab, &ask);
        lab.event_names();
    }
    lab.requests - before
}

#[test]
fn a_server_that_closes_every_watch_is_listed() {
    let mut lists = 0;
    let requests = requests_in_an_hour(|lab, ask| {
        lab.start_response();
        if matches!(ask, PodRequest::List { .. } | PodRequest::VersionCheck) {
            lists += usize::from(*ask != PodRequest::VersionCheck);
            lab.page(1, "100", "");
        } else {
            lab.end_response(ResponseEnd::Complete);
        }
    });
    assert!((100..1000).contains(&requests), "{requests}");
    assert!(lists > 60, "the view is kept up all the same: {lists}");
}

#[test]
fn no_server_gets_more_than_one_request_a_second() {
    let one = |lab: &mut TestInformer, ask: &PodRequest| {
        lab.start_response();
        if *ask == PodRequest::VersionCheck {
            lab.page(1, "100", "");
        } else {
            lab.watch_event(bookmark("100", false));
            lab.end_response(ResponseEnd::Complete);
        }
    };
    let refused =
        |code| move |lab: &mut TestInformer, _: &PodRequest| lab.end_response(ResponseEnd::ErrorStatus(status(code)));
    let mut pages = 0;
    let servers: [(&str, Server, std::ops::Range<usize>); 9] = [
        ("refuses connections", Box::new(|lab, _| lab.end_response(connection_error())), 100..400),
        (
            "never answers",
            Box::new(|lab, _| {
                lab.wait_for_deadline();
            }),
            60..130,
        ),
        (
            "falls silent",
            Box::new(|lab, _| {
                lab.start_response();
                lab.wait_for_deadline();
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
                lab.start_response();
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
fn repeats(lab: &mut TestInformer, ask: &PodRequest) {
    if !matches!(ask, PodRequest::List { .. }) {
        return lab.end_response(ResponseEnd::ErrorStatus(status(if *ask == PodRequest::WatchList {
            422
        } else {
            410
        })));
    }
    lab.start_response();
    lab.informer.on_list_item(Ok(pod()));
    let page = PageMetadata { resource_version: "100".to_owned(), continue_token: "more".to_owned(), item_count: 1 };
    lab.informer.on_page_end(page, lab.now);
}

#[test]
fn back_off_grows_to_a_limit_and_progress_resets_it() {
    let mut lab = TestInformer::synced();
    lab.end_response(connection_error());
    let mut longest = Duration::ZERO;
    for _ in 0..200 {
        let before = lab.now;
        lab.send_next();
        longest = longest.max(lab.since(before));
        lab.end_response(connection_error());
    }
    assert!((MAX_BACKOFF / 2..=MAX_BACKOFF).contains(&longest), "{longest:?}");
    lab.send_next();
    lab.start_response();
    assert!(lab.watch_event(change(PodChange::Modified, "101")));
    lab.advance(100);
    lab.end_response(connection_error());
    let before = lab.now;
    lab.send_next();
    assert!(lab.since(before) <= REQUEST_INTERVAL);
}

#[test]
fn endless_empty_pages_are_rate_limited() {
    let mut lab = TestInformer::new();
    lab.send_next();
    lab.end_response(ResponseEnd::ErrorStatus(status(422)));
    let before = lab.now;
    for _ in 0..10 {
        lab.send_next();
        lab.start_response();
        lab.page(0, "100", "more");
    }
    assert!(lab.since(before) >= 9 * REQUEST_INTERVAL);
}
