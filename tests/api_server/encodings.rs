//! A pod says the same in JSON and in protobuf: every recorded one, every one of the demo, and lists of them.

use std::fs;

use bytes::Bytes;
use image_pull_exporter::cluster::codec::{Encoding, WatchEvent};
use image_pull_exporter::cluster::frames::{Frame, FrameReader};
use image_pull_exporter::cluster::pod_object::PodObject;
use image_pull_sim::api::protobuf;
use image_pull_sim::cluster::Cluster;
use image_pull_sim::script::Script;
use image_pull_sim::{DEMO, SimTime};
use serde_json::{Value, json};

/// Watch events: what happened, and the pod.
fn recorded() -> Vec<(String, Value)> {
    let mut events = Vec::new();
    for file in fs::read_dir("tests/fixtures/traces").expect("there are recordings") {
        let path = file.expect("it can be read").path();
        if !path.to_string_lossy().ends_with(".pods.jsonl") {
            continue;
        }
        let text = fs::read_to_string(path).expect("it is text");
        for line in text.lines() {
            let record: Value = serde_json::from_str(line).expect("a record is JSON");
            events.push((record["type"].as_str().expect("it has a type").to_owned(), record["object"].clone()));
        }
    }
    assert!(events.len() > 400, "{} events", events.len());
    events
}

fn simulated() -> Vec<(String, Value)> {
    let script = Script::parse(DEMO).expect("the demo is a script");
    let mut cluster = Cluster::new(script, 1, "2026-11-23T21:00:00Z".parse().expect("a date"));
    let events = cluster.step(SimTime::from_millis(40 * 60 * 1000));
    assert!(events.len() > 400, "{} events", events.len());
    events.into_iter().map(|event| (event.change.as_str().to_owned(), event.pod)).collect()
}

fn read(encoding: Encoding, stream: Vec<u8>) -> Vec<WatchEvent> {
    let mut frames = FrameReader::new(encoding.framing());
    frames.push(stream.into());
    let mut words = Vec::new();
    while let Some(frame) = frames.next_frame().expect("it is in step") {
        let Frame::Complete(frame) = frame else { panic!("no pod is too large") };
        words.push(match encoding.decode_event(&frame).expect("it is an event") {
            WatchEvent::Pod { change, version, pod } => WatchEvent::Pod { change, version, pod: pod.map(read_whole) },
            other => other,
        });
    }
    words
}

/// Decodes a pod completely, and checks that the partial decoding had equal values.
fn read_whole(partial: PodObject) -> PodObject {
    let (id, waits) = (partial.id().clone(), partial.has_waiting_container());
    let pod = PodObject::from(partial.into_facts().expect("it is a pod"));
    assert_eq!((pod.id(), pod.has_waiting_container()), (&id, waits));
    pod
}

#[test]
fn an_event_says_the_same_in_both_encodings() {
    for (kind, pod) in recorded().into_iter().chain(simulated()) {
        let line = format!("{}\n", json!({ "type": kind, "object": pod }));
        let from_json = read(Encoding::Json, line.into_bytes());
        assert!(matches!(&*from_json, [WatchEvent::Pod { pod: Ok(_), .. }]), "{from_json:?}");
        assert_eq!(read(Encoding::Protobuf, protobuf::event(&kind, &protobuf::object(&pod))), from_json);
    }
}

#[test]
fn a_list_says_the_same_in_both_encodings() {
    let pods: Vec<Value> = recorded().into_iter().chain(simulated()).map(|(_, pod)| pod).collect();
    let metadata = json!({ "resourceVersion": "900", "continue": "more" });
    let text = json!({ "kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": pods }).to_string();
    let binary = protobuf::pod_list(&metadata, pods.iter().map(protobuf::pod));
    let read = |encoding: Encoding, body: Bytes| {
        let (mut items, mut facts) = (encoding.decode_list(body).expect("it is a list"), Vec::new());
        while let Some(pod) = items.next_pod().expect("it is an item") {
            facts.push(read_whole(pod.expect("it is a pod")));
        }
        (items.into_page_metadata().expect("it is a page"), facts)
    };
    let (page, facts) = read(Encoding::Json, text.into());
    assert_eq!(
        (page.item_count, page.resource_version.as_str(), page.continue_token.as_str()),
        (pods.len(), "900", "more")
    );
    assert_eq!(read(Encoding::Protobuf, binary.into()), (page, facts));
}
