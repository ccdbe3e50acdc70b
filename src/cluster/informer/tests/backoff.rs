//! The request rate for servers that fail in different ways.

use super::*;
use crate::cluster::informer::backoff::{MAX_BACKOFF, REQUEST_INTERVAL};

#[test]
fn retry_after_is_honored_up_to_a_limit() {
    for (retry_after, least, most) in [(7, 7, 7), (100_000, 60, 60), (0, 0, 1)] {
        let mut test = TestInformer::synced();
        test.advance(100);
        let retry_after = Some(Duration::from_secs(retry_after));
        assert!(!test.watch_event(WatchEvent::Error(ApiStatus { retry_after, ..status(429) })));
        let before = test.now;
        test.send_next();
        let waited = test.since(before).as_secs_f64();
        assert!((f64::from(least)..=f64::from(most)).contains(&waited), "{waited}");
    }
}

/// The behavior of a server.
type Server = Box<dyn FnMut(&mut TestInformer, &ResourceRequest)>;

/// Simulates a server for an hour and returns the number of its requests.
fn requests_in_an_hour(mut respond: impl FnMut(&mut TestInformer, &ResourceRequest)) -> usize {
    let mut test = TestInformer::synced();
    let end = test.now + Duration::from_secs(3600);
    test.end_response(ResponseEnd::Complete);
    let before = test.requests;
    while test.now < end {
        let request = test.send_once();
        respond(&mut test, &request);
        test.event_names();
    }
    test.requests - before
}

#[test]
fn a_server_that_closes_every_watch_is_listed() {
    let mut lists = 0;
    let requests = requests_in_an_hour(|test, request| {
        test.start_response();
        if matches!(request, ResourceRequest::List { .. } | ResourceRequest::VersionCheck) {
            lists += usize::from(*request != ResourceRequest::VersionCheck);
            test.page(1, "100", "");
        } else {
            test.end_response(ResponseEnd::Complete);
        }
    });
    assert!((100..1000).contains(&requests), "{requests}");
    assert!(lists > 60, "the view is kept up all the same: {lists}");
}

#[test]
fn no_server_gets_more_than_one_request_a_second() {
    let one = |test: &mut TestInformer, request: &ResourceRequest| {
        test.start_response();
        if *request == ResourceRequest::VersionCheck {
            test.page(1, "100", "");
        } else {
            test.watch_event(bookmark("100", false));
            test.end_response(ResponseEnd::Complete);
        }
    };
    let refused = |code| {
        move |test: &mut TestInformer, _: &ResourceRequest| test.end_response(ResponseEnd::ErrorStatus(status(code)))
    };
    let mut pages = 0;
    let servers: [(&str, Server, std::ops::Range<usize>); 9] = [
        ("refuses connections", Box::new(|test, _| test.end_response(connection_error())), 100..400),
        (
            "never answers",
            Box::new(|test, _| {
                test.wait_for_deadline();
            }),
            60..130,
        ),
        (
            "falls silent",
            Box::new(|test, _| {
                test.start_response();
                test.wait_for_deadline();
            }),
            30..130,
        ),
        ("returns 500", Box::new(refused(500)), 100..400),
        // A rejected version check is followed by a watch, so each attempt takes two requests.
        ("returns 403", Box::new(refused(403)), 100..600),
        ("returns 410", Box::new(refused(410)), 100..400),
        ("closes after one event", Box::new(one), 100..3603),
        ("repeats a page", Box::new(repeats), 100..800),
        (
            "lists empty pages",
            Box::new(move |test, _| {
                test.start_response();
                pages += 1;
                test.page(0, "100", &format!("page-{pages}"));
            }),
            100..3603,
        ),
    ];
    for (server, respond, expected) in servers {
        let requests = requests_in_an_hour(respond);
        assert!(expected.contains(&requests), "a server that {server}: {requests} requests");
    }
}

/// Simulates a server without WatchList that repeats one page.
fn repeats(test: &mut TestInformer, request: &ResourceRequest) {
    if !matches!(request, ResourceRequest::List { .. }) {
        return test.end_response(ResponseEnd::ErrorStatus(status(if *request == ResourceRequest::WatchList {
            422
        } else {
            410
        })));
    }
    test.start_response();
    test.informer.on_list_item(Ok(pod()));
    let page = PageMetadata { resource_version: "100".to_owned(), continue_token: "more".to_owned(), item_count: 1 };
    test.informer.on_page_end(page, test.now);
}

#[test]
fn back_off_grows_to_a_limit_and_progress_resets_it() {
    let mut test = TestInformer::synced();
    test.end_response(connection_error());
    let mut longest = Duration::ZERO;
    for _ in 0..200 {
        let before = test.now;
        test.send_next();
        longest = longest.max(test.since(before));
        test.end_response(connection_error());
    }
    assert!((MAX_BACKOFF / 2..=MAX_BACKOFF).contains(&longest), "{longest:?}");
    test.send_next();
    test.start_response();
    assert!(test.watch_event(change(ObjectChange::Modified, "101")));
    test.advance(100);
    test.end_response(connection_error());
    let before = test.now;
    test.send_next();
    assert!(test.since(before) <= REQUEST_INTERVAL);
}

#[test]
fn endless_empty_pages_are_rate_limited() {
    let mut test = TestInformer::new();
    test.send_next();
    test.end_response(ResponseEnd::ErrorStatus(status(422)));
    let before = test.now;
    for _ in 0..10 {
        test.send_next();
        test.start_response();
        test.page(0, "100", "more");
    }
    assert!(test.since(before) >= 9 * REQUEST_INTERVAL);
}
