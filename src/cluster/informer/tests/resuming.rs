//! What is asked before a watch is resumed.

use super::*;

#[test]
fn a_server_that_is_behind_the_position_is_listed_at_once() {
    for end in [broken(), End::Complete, End::Refused(status(503))] {
        let mut lab = Lab::current();
        lab.word(bookmark("100", false));
        lab.end(end);
        lab.told();
        let begun = lab.now;
        assert_eq!(lab.ask_once(), Ask::Check);
        lab.answered();
        lab.page(1, "99", "more");
        assert_eq!(lab.told(), ["rewound"], "and no word of a view that is kept up");
        assert_eq!(lab.ask(), Ask::WatchList);
        assert!(lab.since(begun) <= Duration::from_secs(3), "{:?}", lab.since(begun));
    }
}

#[test]
fn a_check_tells_nobody_anything_and_is_made_for_each_watch() {
    let mut lab = Lab::current();
    for _ in 0..3 {
        lab.pass(100);
        lab.word(bookmark("100", false));
        lab.end(End::Complete);
        lab.told();
        let begun = lab.now;
        assert_eq!(lab.ask_once(), Ask::Check);
        lab.answered();
        lab.page(1, "100", "");
        assert_eq!(lab.told(), [""; 0]);
        assert_eq!(lab.ask_once(), watch("100"));
        assert_eq!(lab.now, begun, "and holds nothing up");
        lab.answered();
        lab.told();
    }
}

#[test]
fn after_a_list_nothing_is_to_be_checked() {
    let mut lab = Lab::current();
    assert!(!lab.word(WatchEvent::Error(status(410))));
    lab.informer.watch_list = WatchList::Refused;
    assert_eq!(lab.ask(), page(""));
    lab.answered();
    lab.page(1, "200", "");
    assert_eq!(lab.ask_once(), watch("200"));
}

#[test]
fn what_cannot_be_checked_is_watched_all_the_same() {
    for code in [400, 403, 404, 405, 422] {
        let mut lab = Lab::current();
        lab.end(broken());
        lab.told();
        assert_eq!(lab.ask_once(), Ask::Check);
        lab.end(End::Refused(status(code)));
        assert_eq!(lab.told(), [""; 0], "{code}");
        assert_eq!(lab.ask_once(), watch("100"), "{code}");
    }
}

#[test]
fn a_check_that_fails_is_a_fault_and_is_made_again() {
    for end in [broken(), End::Refused(status(401)), End::Refused(status(429)), End::Late, End::Complete] {
        let mut lab = Lab::current();
        lab.end(broken());
        lab.told();
        assert_eq!(lab.ask_once(), Ask::Check);
        lab.end(end.clone());
        assert_eq!(lab.told().len(), 1, "{end:?}");
        assert_eq!(lab.ask_once(), Ask::Check, "{end:?}");
    }
}
