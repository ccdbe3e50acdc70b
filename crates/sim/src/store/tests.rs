//! Checks revisions, history and its end.

use serde_json::json;

use super::*;

fn pod(name: &str, phase: &str) -> Value {
    json!({ "metadata": { "namespace": "a", "name": name, "resourceVersion": "999" }, "status": { "phase": phase } })
}

fn phases_at(store: &Store, revision: u64) -> Vec<(String, String)> {
    let pods = store.objects_at(Resource::Pods, revision).unwrap();
    pods.into_iter().map(|((_, name), pod)| (name, pod["status"]["phase"].as_str().unwrap().to_owned())).collect()
}

#[test]
fn each_change_gets_the_next_revision_regardless_of_the_pod() {
    let mut store = Store::default();
    let first = store.put(pod("x", "Pending"));
    let second = store.put(pod("x", "Running"));
    assert_eq!(second, first + 1);
    assert_eq!(
        store.objects_at(Resource::Pods, second).unwrap().values().next().unwrap()["metadata"]["resourceVersion"],
        second.to_string()
    );
    assert!(store.delete("a", "x"));
    assert_eq!(store.revision(), second + 1);
    assert!(!store.delete("a", "x"));
    assert_eq!(store.revision(), second + 1, "nothing happened");
}

#[test]
fn past_states_are_available_within_the_history() {
    let mut store = Store::default();
    let one = store.put(pod("x", "Pending"));
    let two = store.put(pod("y", "Pending"));
    store.put(pod("x", "Running"));
    store.delete("a", "y");
    let text = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs.iter().map(|(name, phase)| ((*name).to_owned(), (*phase).to_owned())).collect()
    };
    assert_eq!(phases_at(&store, one), text(&[("x", "Pending")]));
    assert_eq!(phases_at(&store, two), text(&[("x", "Pending"), ("y", "Pending")]));
    assert_eq!(phases_at(&store, store.revision()), text(&[("x", "Running")]));
    assert_eq!(store.changes_after(two).unwrap().count(), 2);
}

#[test]
fn a_full_history_drops_the_oldest_change() {
    let mut store = Store::with_history_capacity(2);
    let revisions: Vec<u64> = (0..4).map(|n| store.put(pod(&format!("p{n}"), "Pending"))).collect();
    assert_eq!(
        store.changes_after(revisions[0]).err(),
        Some(ResourceVersionTooOld { asked: revisions[0], oldest: revisions[1] })
    );
    assert_eq!(store.changes_after(revisions[1]).unwrap().count(), 2);
    assert_eq!(store.len(), 4);
}

#[test]
fn compaction_leaves_only_the_present() {
    let mut store = Store::default();
    let old = store.put(pod("x", "Pending"));
    let now = store.put(pod("x", "Running"));
    store.compact();
    assert!(store.changes_after(old).is_err());
    assert_eq!(store.changes_after(now).unwrap().count(), 0);
    assert!(!store.is_empty());
}

#[test]
fn pods_and_events_share_the_revision_but_not_their_names() {
    let mut store = Store::default();
    let event = |count: u64| json!({ "kind": "Event", "metadata": { "namespace": "a", "name": "x" }, "count": count });
    let first = store.put(pod("x", "Pending"));
    assert_eq!(store.put(event(1)), first + 1);
    assert_eq!(store.put(event(2)), first + 2);
    assert_eq!((store.len(), store.events_len()), (1, 1));
    let counts = |store: &Store, revision: u64| -> Vec<u64> {
        let events = store.objects_at(Resource::Events, revision).unwrap();
        events.values().map(|event| event["count"].as_u64().unwrap()).collect()
    };
    assert_eq!(
        (counts(&store, first), counts(&store, first + 1), counts(&store, first + 2)),
        (vec![], vec![1], vec![2])
    );
    assert!(store.delete("a", "x") && !store.delete("a", "x"));
    assert!(store.delete_event("a", "x") && !store.delete_event("a", "x"));
    assert_eq!(store.revision(), first + 4);
    assert_eq!(phases_at(&store, first + 3), []);
    assert_eq!(counts(&store, first + 3), [2]);
}
