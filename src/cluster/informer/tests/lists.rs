//! Lists that lead nowhere.

use super::*;
use crate::cluster::informer::in_flight::{INITIAL_EVENTS_TIMEOUT, STALE_LIMIT};
use crate::cluster::informer::paged_list::MAX_IMMEDIATE_PAGES;

/// One that lists in pages.
fn listing() -> TestInformer {
    let mut lab = TestInformer::new();
    lab.send_next();
    lab.end_response(ResponseEnd::ErrorStatus(status(422)));
    lab.event_names();
    lab
}

/// Answers a page that begins with this pod.
fn answer(lab: &mut TestInformer, uid: &str, token: &str) {
    lab.start_response();
    lab.informer.on_list_item(Ok(pod_with_uid(uid)));
    let page = PageMetadata { resource_version: "100".to_owned(), continue_token: token.to_owned(), item_count: 1 };
    lab.informer.on_page_end(page, lab.now);
}

#[test]
fn repeated_pages_are_a_failure_for_any_cycle_length() {
    for (lead, cycle) in [(0, 1), (1, 1), (0, 2), (3, 7), (40, 100)] {
        let mut lab = listing();
        let (begun, before) = (lab.now, lab.requests);
        let mut number = 0;
        while !lab.event_names().contains(&"decode") {
            let pod = if number < lead { number } else { lead + (number - lead) % cycle };
            assert!(matches!(lab.send_next(), PodRequest::List { .. }));
            answer(&mut lab, &format!("pod-{pod}"), &format!("token-{number}"));
            number += 1;
        }
        let pages = lab.requests - before;
        assert!(pages <= 3 * (lead + cycle) + 2, "{pages} pages of a cycle of {cycle} after {lead}");
        assert!(lab.since(begun) < Duration::from_secs(1));
        assert_eq!(lab.send_next(), page(""), "it begins anew");
    }
}

#[test]
fn an_endless_list_is_reported_within_two_minutes_and_rate_limited() {
    let mut lab = listing();
    lab.send_next();
    let begun = lab.now;
    answer(&mut lab, "first", "more");
    for number in 1..MAX_IMMEDIATE_PAGES {
        assert!(matches!(lab.send_next(), PodRequest::List { .. }));
        answer(&mut lab, &format!("pod-{number}"), "more");
    }
    assert_eq!(lab.now, begun, "so large a cluster is listed without a pause");
    let mut reported = None;
    while lab.since(begun) < Duration::from_secs(1000) {
        lab.send_next();
        let uid = lab.requests.to_string();
        answer(&mut lab, &uid, "more");
        if lab.event_names().contains(&"timeout") {
            reported = reported.or_else(|| Some(lab.since(begun)));
        }
    }
    let asked = lab.requests - usize::try_from(MAX_IMMEDIATE_PAGES).expect("it is small");
    assert!((900..=1005).contains(&asked), "{asked} requests in 1000 s");
    assert!(reported.is_some_and(|after| after <= Duration::from_secs(120)), "{reported:?}");
}

#[test]
fn endless_initial_events_are_reported_within_two_minutes_and_time_out() {
    for word in [added as fn(&str) -> WatchEvent, |version| bookmark(version, false)] {
        let mut lab = TestInformer::new();
        assert_eq!(lab.send_next(), PodRequest::WatchList);
        lab.start_response();
        let mut reports = Vec::new();
        while lab.informer.deadline().is_some() {
            lab.advance(10);
            while lab.informer.deadline().is_some_and(|deadline| deadline <= lab.now) {
                if !lab.informer.on_deadline(lab.now) {
                    lab.end_response(ResponseEnd::TimedOut);
                }
            }
            if lab.event_names().contains(&"timeout") {
                reports.push(lab.now);
            }
            if lab.informer.deadline().is_some() {
                assert!(lab.watch_event(word("1")));
            }
        }
        assert_eq!(reports.first(), Some(&STALE_LIMIT));
        assert_eq!(reports.last(), Some(&INITIAL_EVENTS_TIMEOUT));
        assert!(reports.windows(2).all(|pair| pair[1] <= pair[0] + Duration::from_secs(120)), "{reports:?}");
    }
}

#[test]
fn a_slow_list_is_reported_and_continues() {
    let mut lab = listing();
    for number in 0..20 {
        lab.send_next();
        lab.advance(20);
        answer(&mut lab, &number.to_string(), "more");
    }
    let reports = lab.event_names().iter().filter(|said| **said == "timeout").count();
    assert_eq!(reports, 3, "one for each 110 s of 400");
    lab.send_next();
    answer(&mut lab, "last", "");
    assert_eq!(lab.event_names().last(), Some(&"ends"));
}
