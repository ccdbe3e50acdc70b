use super::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(seconds * 1000)
}

/// A watch whose first list is complete at 10.
fn synced() -> WatchState {
    let mut watch = WatchState::new(&WatchScope::Cluster);
    watch.begin_list();
    watch.end_list(at(10));
    watch
}

#[test]
fn before_the_first_list_the_provenance_is_initial() {
    let mut watch = WatchState::new(&WatchScope::Cluster);
    watch.record_response(at(1));
    watch.record_sync(at(2));
    watch.record_gap(at(3));
    assert_eq!((watch.provenance(), watch.is_complete()), (Provenance::Initial, false));
    watch.begin_list();
    assert_eq!((watch.provenance(), watch.is_complete()), (Provenance::Initial, false));
    watch.end_list(at(4));
    assert_eq!((watch.provenance(), watch.is_complete()), (Provenance::Observed, true));
}

#[test]
fn changes_in_a_relist_happened_after_the_last_complete_view() {
    let mut watch = synced();
    watch.record_response(at(20));
    watch.record_error("no".to_owned());
    assert!(watch.is_failing() && watch.is_complete());
    watch.begin_list();
    // A page or a bookmark does not complete a list.
    watch.record_response(at(30));
    watch.record_sync(at(31));
    assert!(!watch.is_failing() && !watch.is_complete());
    assert_eq!((watch.provenance(), watch.complete_at()), (Provenance::FoundAfter(at(20)), Some(at(20))));
    watch.end_list(at(40));
    assert_eq!((watch.provenance(), watch.complete_at()), (Provenance::Observed, Some(at(40))));
}

#[test]
fn changes_after_a_gap_are_observed_from_the_next_bookmark_on() {
    let mut watch = synced();
    watch.record_response(at(20));
    watch.record_gap(at(200));
    watch.record_response(at(201));
    assert_eq!(watch.provenance(), Provenance::FoundAfter(at(20)));
    assert_eq!((watch.last_response(), watch.is_complete()), (Some(at(201)), true));
    watch.record_sync(at(202));
    assert_eq!((watch.provenance(), watch.complete_at()), (Provenance::Observed, Some(at(202))));
}

#[test]
fn the_pods_of_the_last_complete_list_are_counted() {
    let mut watch = synced();
    watch.begin_list();
    watch.count_listed_pod();
    watch.count_listed_pod();
    assert_eq!(watch.listed_pods(), 0);
    watch.end_list(at(20));
    assert_eq!(watch.listed_pods(), 2);
}

#[test]
fn a_watch_is_current_once_it_is_listed_and_while_it_does_not_fail() {
    let mut watch = WatchState::new(&WatchScope::Cluster);
    assert!(!watch.is_current() && watch.error().is_none());
    watch.begin_list();
    assert!(!watch.is_current());
    watch.end_list(at(10));
    assert!(watch.is_current());
    watch.record_error("forbidden".to_owned());
    assert_eq!((watch.is_current(), watch.error()), (false, Some("forbidden")));
    watch.record_response(at(20));
    assert_eq!((watch.is_current(), watch.error()), (true, None));
}
