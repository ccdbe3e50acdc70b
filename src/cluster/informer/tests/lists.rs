//! Endless and repeating lists.

use super::*;
use crate::cluster::informer::in_flight::{INITIAL_EVENTS_TIMEOUT, STALE_LIMIT};
use crate::cluster::informer::paged_list::MAX_IMMEDIATE_PAGES;

/// Returns an informer that lists in pages.
fn paged_listing() -> TestInformer {
    let mut test = TestInformer::new();
    test.send_next();
    test.end_response(ResponseEnd::ErrorStatus(status(422)));
    test.event_names();
    test
}

/// Responds with a page that begins with this pod.
fn respond(test: &mut TestInformer, uid: &str, token: &str) {
    test.start_response();
    test.informer.on_list_item(Ok(pod_with_uid(uid)));
    let page = PageMetadata { resource_version: "100".to_owned(), continue_token: token.to_owned(), item_count: 1 };
    test.informer.on_page_end(page, test.now);
}

#[test]
fn repeated_pages_are_a_failure_for_any_cycle_length() {
    for (lead, cycle) in [(0, 1), (1, 1), (0, 2), (3, 7), (40, 100)] {
        let mut test = paged_listing();
        let (begun, before) = (test.now, test.requests);
        let mut number = 0;
        while !test.event_names().contains(&"decode") {
            let pod = if number < lead { number } else { lead + (number - lead) % cycle };
            assert!(matches!(test.send_next(), ResourceRequest::List { .. }));
            respond(&mut test, &format!("pod-{pod}"), &format!("token-{number}"));
            number += 1;
        }
        let pages = test.requests - before;
        assert!(pages <= 3 * (lead + cycle) + 2, "{pages} pages of a cycle of {cycle} after {lead}");
        assert!(test.since(begun) < Duration::from_secs(1));
        assert_eq!(test.send_next(), page(""), "it begins anew");
    }
}

#[test]
fn an_endless_list_is_reported_within_two_minutes_and_rate_limited() {
    let mut test = paged_listing();
    test.send_next();
    let begun = test.now;
    respond(&mut test, "first", "more");
    for number in 1..MAX_IMMEDIATE_PAGES {
        assert!(matches!(test.send_next(), ResourceRequest::List { .. }));
        respond(&mut test, &format!("pod-{number}"), "more");
    }
    assert_eq!(test.now, begun, "so large a cluster is listed without a pause");
    let mut reported = None;
    while test.since(begun) < Duration::from_secs(1000) {
        test.send_next();
        let uid = test.requests.to_string();
        respond(&mut test, &uid, "more");
        if test.event_names().contains(&"timeout") {
            reported = reported.or_else(|| Some(test.since(begun)));
        }
    }
    let asked = test.requests - usize::try_from(MAX_IMMEDIATE_PAGES).expect("it is small");
    assert!((900..=1005).contains(&asked), "{asked} requests in 1000 s");
    assert!(reported.is_some_and(|after| after <= Duration::from_secs(120)), "{reported:?}");
}

#[test]
fn endless_initial_events_are_reported_within_two_minutes_and_time_out() {
    for word in [added as fn(&str) -> WatchEvent, |version| bookmark(version, false)] {
        let mut test = TestInformer::new();
        assert_eq!(test.send_next(), ResourceRequest::WatchList);
        test.start_response();
        let mut reports = Vec::new();
        while test.informer.deadline().is_some() {
            test.advance(10);
            while test.informer.deadline().is_some_and(|deadline| deadline <= test.now) {
                if !test.informer.on_deadline(test.now) {
                    test.end_response(ResponseEnd::TimedOut);
                }
            }
            if test.event_names().contains(&"timeout") {
                reports.push(test.now);
            }
            if test.informer.deadline().is_some() {
                assert!(test.watch_event(word("1")));
            }
        }
        assert_eq!(reports.first(), Some(&STALE_LIMIT));
        assert_eq!(reports.last(), Some(&INITIAL_EVENTS_TIMEOUT));
        assert!(reports.windows(2).all(|pair| pair[1] <= pair[0] + Duration::from_secs(120)), "{reports:?}");
    }
}

#[test]
fn a_slow_list_is_reported_and_continues() {
    let mut test = paged_listing();
    for number in 0..20 {
        test.send_next();
        test.advance(20);
        respond(&mut test, &number.to_string(), "more");
    }
    let reports = test.event_names().iter().filter(|said| **said == "timeout").count();
    assert_eq!(reports, 3, "one for each 110 s of 400");
    test.send_next();
    respond(&mut test, "last", "");
    assert_eq!(test.event_names().last(), Some(&"ends"));
}
