//! Proves that the simulated kubelet behaves like the recorded one, and that a simulation can be repeated.

mod demo;
mod endings;
mod kubelet_events;
mod picture;
mod pulls;
mod recordings;
mod timing;

use jiff::Timestamp;

use super::super::resource::Resource;
use super::*;
use picture::Picture;

/// Seeds to try: enough that a wrong rule meets a timing that shows it.
const SEEDS: u64 = 25;

fn cluster(script: &str, seed: u64) -> Cluster {
    let epoch: Timestamp = "2026-11-23T21:22:48Z".parse().unwrap();
    Cluster::new(Script::parse(script).unwrap(), seed, epoch)
}

/// Runs a script for a number of seconds. Returns the watch events of pods.
fn play(script: &str, seed: u64, seconds: i64) -> Vec<WatchEvent> {
    of(Resource::Pods, cluster(script, seed).step(SimTime::from_millis(seconds * 1000)))
}

fn of(resource: Resource, events: Vec<WatchEvent>) -> Vec<WatchEvent> {
    events.into_iter().filter(|event| event.resource() == resource).collect()
}

/// Returns when container `app` of the only pod begins to wait for `reason` for the `nth` time, in milliseconds.
fn onset(script: &str, seed: u64, reason: &str, nth: usize) -> i64 {
    onsets(&play(script, seed, 1_200), reason)[nth - 1]
}

/// Returns when `app` begins to wait for `reason`, each time, in milliseconds.
fn onsets(events: &[WatchEvent], reason: &str) -> Vec<i64> {
    let mut onsets = Vec::new();
    let mut waits = false;
    for event in events {
        let waited =
            std::mem::replace(&mut waits, Picture::of(event.change.as_str(), &event.object).waits("app", reason));
        if waits && !waited {
            onsets.push(event.at.as_millis());
        }
    }
    onsets
}

#[test]
fn the_same_seed_gives_the_same_events_and_another_seed_others() {
    let events = play(super::super::DEMO, 7, -900);
    assert_eq!(events, play(super::super::DEMO, 7, -900));
    assert_ne!(events, play(super::super::DEMO, 8, -900));
}

#[test]
fn the_size_of_the_steps_makes_no_difference() {
    let script = super::super::DEMO;
    let at_once = play(script, 7, -900);
    let mut bit_by_bit = cluster(script, 7);
    let mut events = Vec::new();
    while let Some(next) = bit_by_bit.next_wakeup().filter(|next| *next <= SimTime::from_millis(-900_000)) {
        events.extend(of(Resource::Pods, bit_by_bit.step(next)));
    }
    assert_eq!(events, at_once);
}

#[test]
fn resource_versions_rise_and_pods_are_what_the_last_events_said() {
    let mut cluster = cluster(super::super::DEMO, 7);
    let events = cluster.step(SimTime::from_millis(1_200_000));
    let versions: Vec<u64> = events
        .iter()
        .map(|event| event.object.pointer("/metadata/resourceVersion").unwrap().as_str().unwrap().parse().unwrap())
        .collect();
    assert!(versions.is_sorted_by(|a, b| a < b));
    let mut last = BTreeMap::new();
    for event in of(Resource::Pods, events) {
        let uid = event.object.pointer("/metadata/uid").unwrap().to_string();
        match event.change {
            EventType::Deleted => last.remove(&uid),
            EventType::Added | EventType::Modified => last.insert(uid, event.object),
        };
    }
    let pods: BTreeMap<String, Value> =
        cluster.pods().map(|pod| (pod.pointer("/metadata/uid").unwrap().to_string(), pod)).collect();
    assert_eq!(pods, last);
}

#[test]
fn a_pod_that_names_its_owner_has_what_an_api_server_gives_it() {
    let script =
        "0s pod shop/web-7d9f8c6b5d-* owner=ReplicaSet/web-7d9f8c6b5d replicas=2 node=a,b container web image=x";
    let events = play(script, 1, 0);
    let pods: Vec<&Value> =
        events.iter().filter(|event| event.change == EventType::Added).map(|event| &event.object).collect();
    let field = |pod: &Value, pointer: &str| pod.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    assert_eq!(pods.len(), 2);
    for (pod, node) in pods.iter().zip(["a", "b"]) {
        let suffix = field(pod, "/metadata/name").strip_prefix("web-7d9f8c6b5d-").unwrap().to_owned();
        assert_eq!(suffix.len(), 5);
        assert_eq!(field(pod, "/spec/nodeName"), node);
        assert_eq!(field(pod, "/metadata/labels/pod-template-hash"), "7d9f8c6b5d");
        assert_eq!(field(pod, "/metadata/ownerReferences/0/kind"), "ReplicaSet");
        assert_eq!(field(pod, "/metadata/creationTimestamp"), "2026-11-23T21:22:48Z");
        assert_eq!(field(pod, "/spec/containers/0/imagePullPolicy"), "Always");
    }
    assert_eq!(field(pods[0], "/metadata/ownerReferences/0/uid"), field(pods[1], "/metadata/ownerReferences/0/uid"));
    assert_ne!(field(pods[0], "/metadata/uid"), field(pods[1], "/metadata/uid"));
}
