//! Lists that lead nowhere.

use super::*;
use crate::cluster::informer::flight::{BLIND_LIMIT, INITIAL_LIMIT};
use crate::cluster::informer::listing::UNPACED_PAGES;

/// One that lists in pages.
fn listing() -> Lab {
    let mut lab = Lab::new();
    lab.ask();
    lab.end(End::Refused(status(422)));
    lab.told();
    lab
}

/// Answers a page that begins with this pod.
fn answer(lab: &mut Lab, uid: &str, token: &str) {
    lab.answered();
    lab.informer.listed(Ok(pod_of(uid)));
    let page = PageMetadata { resource_version: "100".to_owned(), continue_token: token.to_owned(), item_count: 1 };
    lab.informer.paged(page, lab.now);
}

#[test]
fn pages_that_repeat_themselves_are_a_fault_however_long_the_cycle() {
    for (lead, cycle) in [(0, 1), (1, 1), (0, 2), (3, 7), (40, 100)] {
        let mut lab = listing();
        let (begun, before) = (lab.now, lab.requests);
        let mut number = 0;
        while !lab.told().contains(&"decode") {
            let pod = if number < lead { number } else { lead + (number - lead) % cycle };
            assert!(matches!(lab.ask(), Ask::List { .. }));
            answer(&mut lab, &format!("pod-{pod}"), &format!("token-{number}"));
            number += 1;
        }
        let pages = lab.requests - before;
        assert!(pages <= 3 * (lead + cycle) + 2, "{pages} pages of a cycle of {cycle} after {lead}");
        assert!(lab.since(begun) < Duration::from_secs(1));
        assert_eq!(lab.ask(), page(""), "it begins anew");
    }
}

#[test]
fn a_list_without_end_is_reported_within_two_minutes_and_then_read_slowly() {
    let mut lab = listing();
    lab.ask();
    let begun = lab.now;
    answer(&mut lab, "first", "more");
    for number in 1..UNPACED_PAGES {
        assert!(matches!(lab.ask(), Ask::List { .. }));
        answer(&mut lab, &format!("pod-{number}"), "more");
    }
    assert_eq!(lab.now, begun, "so large a cluster is listed without a pause");
    let mut reported = None;
    while lab.since(begun) < Duration::from_secs(1000) {
        lab.ask();
        let uid = lab.requests.to_string();
        answer(&mut lab, &uid, "more");
        if lab.told().contains(&"timeout") {
            reported = reported.or_else(|| Some(lab.since(begun)));
        }
    }
    let asked = lab.requests - usize::try_from(UNPACED_PAGES).expect("it is small");
    assert!((900..=1005).contains(&asked), "{asked} requests in 1000 s");
    assert!(reported.is_some_and(|after| after <= Duration::from_secs(120)), "{reported:?}");
}

#[test]
fn initial_events_without_end_are_reported_within_two_minutes_and_then_given_up() {
    for word in [added as fn(&str) -> WatchEvent, |version| bookmark(version, false)] {
        let mut lab = Lab::new();
        assert_eq!(lab.ask(), Ask::WatchList);
        lab.answered();
        let mut reports = Vec::new();
        while lab.informer.deadline().is_some() {
            lab.pass(10);
            while lab.informer.deadline().is_some_and(|deadline| deadline <= lab.now) {
                if !lab.informer.is_patient(lab.now) {
                    lab.end(End::Late);
                }
            }
            if lab.told().contains(&"timeout") {
                reports.push(lab.now);
            }
            if lab.informer.deadline().is_some() {
                assert!(lab.word(word("1")));
            }
        }
        assert_eq!(reports.first(), Some(&BLIND_LIMIT));
        assert_eq!(reports.last(), Some(&INITIAL_LIMIT));
        assert!(reports.windows(2).all(|pair| pair[1] <= pair[0] + Duration::from_secs(120)), "{reports:?}");
    }
}

#[test]
fn a_list_that_goes_on_is_reported_and_not_given_up() {
    let mut lab = listing();
    for number in 0..20 {
        lab.ask();
        lab.pass(20);
        answer(&mut lab, &number.to_string(), "more");
    }
    let reports = lab.told().iter().filter(|said| **said == "timeout").count();
    assert_eq!(reports, 3, "one for each 110 s of 400");
    lab.ask();
    answer(&mut lab, "last", "");
    assert_eq!(lab.told().last(), Some(&"ends"));
}
