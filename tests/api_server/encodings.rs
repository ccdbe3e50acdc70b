//! A pod or Event says the same in JSON and in protobuf: every recorded one, every one of the demo, and lists of them.

use std::fs;

use bytes::Bytes;
use image_pull_exporter::cluster::codec::{self, Encoding};
use image_pull_exporter::cluster::event_object::EventObject;
use image_pull_exporter::cluster::frames::{Frame, FrameReader};
use image_pull_exporter::cluster::pod_object::PodObject;
use image_pull_exporter::cluster::watched_object::WatchedObject;
use image_pull_sim::api::protobuf;
use image_pull_sim::cluster::Cluster;
use image_pull_sim::script::Script;
use image_pull_sim::{DEMO, Resource, SimTime};
use serde_json::{Value, json};

/// The watch events of the recordings whose names end with `suffix`: what happened, and the object.
fn recorded_as(suffix: &str) -> Vec<(String, Value)> {
    let mut events = Vec::new();
    for file in fs::read_dir("tests/fixtures/traces").expect("there are recordings") {
        let path = file.expect("it can be read").path();
        if !path.to_string_lossy().ends_with(suffix) {
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

/// Watch events of pods.
fn recorded() -> Vec<(String, Value)> {
    recorded_as(".pods.jsonl")
}

fn simulated() -> Vec<(String, Value)> {
    let script = Script::parse(DEMO).expect("the demo is a script");
    let mut cluster = Cluster::new(script, 1, "2026-11-23T21:00:00Z".parse().expect("a date"));
    let events = cluster.step(SimTime::from_millis(40 * 60 * 1000));
    assert!(events.len() > 400, "{} events", events.len());
    let pods = events.into_iter().filter(|event| event.resource() == Resource::Pods);
    pods.map(|event| (event.change.as_str().to_owned(), event.object)).collect()
}

type WatchEvent = codec::WatchEvent<PodObject>;

/// Decodes the watch events of a stream.
fn decode<O: WatchedObject>(encoding: Encoding, stream: Vec<u8>) -> Vec<codec::WatchEvent<O>> {
    let mut frames = FrameReader::new(encoding.framing());
    frames.push(stream.into());
    let mut events = Vec::new();
    while let Some(frame) = frames.next_frame().expect("it is in step") {
        let Frame::Complete(frame) = frame else { panic!("no object is too large") };
        events.push(encoding.decode_event(&frame).expect("it is an event"));
    }
    events
}

/// Decodes the pods of a stream completely.
fn read(encoding: Encoding, stream: Vec<u8>) -> Vec<WatchEvent> {
    let events = decode(encoding, stream).into_iter().map(|event| match event {
        WatchEvent::Object { change, version, object } => {
            WatchEvent::Object { change, version, object: object.map(read_whole) }
        }
        other => other,
    });
    events.collect()
}

/// Decodes a pod completely, and checks that the partial decoding had equal values.
fn read_whole(partial: PodObject) -> PodObject {
    let (id, waits) = (partial.id().clone(), partial.may_wait());
    let pod = PodObject::from(partial.into_facts().expect("it is a pod"));
    assert_eq!((pod.id(), pod.may_wait()), (&id, waits));
    pod
}

#[test]
fn an_event_says_the_same_in_both_encodings() {
    for (kind, pod) in recorded().into_iter().chain(simulated()) {
        let line = format!("{}\n", json!({ "type": kind, "object": pod }));
        let from_json = read(Encoding::Json, line.into_bytes());
        assert!(matches!(&*from_json, [WatchEvent::Object { object: Ok(_), .. }]), "{from_json:?}");
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
        while let Some(pod) = items.next_object().expect("it is an item") {
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

/// Whether a recorded Event reports something about an image, by the beginning of its message.
fn reports_image(event: &Value) -> bool {
    let (reason, message) = (event["reason"].as_str(), event["message"].as_str().unwrap_or_default());
    let message = message.trim_start_matches("(combined from similar events): ");
    let begins = [
        ("Pulling", "Pulling image "),
        ("Pulled", "Successfully pulled image "),
        ("Failed", "Failed to pull image "),
        ("FailedToRetrieveImagePullSecret", "Unable to retrieve some image pull secrets ("),
    ];
    begins.iter().any(|(of, text)| reason == Some(of) && message.starts_with(text))
        || reason == Some("FailedCreatePodSandBox") && message.contains("failed to get sandbox image")
}

#[test]
fn a_core_event_says_the_same_in_both_encodings() {
    let mut relevant = 0;
    let mut events = Vec::new();
    for (kind, event) in recorded_as(".events.jsonl") {
        let line = format!("{}\n", json!({ "type": kind, "object": event }));
        let from_json = decode::<EventObject>(Encoding::Json, line.into_bytes());
        if let [codec::WatchEvent::Object { object: Ok(object), .. }] = &*from_json {
            let is_relevant = object.facts().is_some();
            assert_eq!(is_relevant, reports_image(&event), "{event}");
            relevant += usize::from(is_relevant);
            events.push(event.clone());
        }
        assert_eq!(decode(Encoding::Protobuf, protobuf::event(&kind, &protobuf::object(&event))), from_json);
    }
    assert!(events.len() > 400 && relevant > 100 && relevant < events.len(), "{relevant} of {}", events.len());

    let metadata = json!({ "resourceVersion": "900", "continue": "more" });
    let text = json!({ "kind": "EventList", "apiVersion": "v1", "metadata": metadata, "items": events }).to_string();
    let binary = protobuf::event_list(&metadata, events.iter().map(protobuf::core_event));
    let read = |encoding: Encoding, body: Bytes| {
        let (mut items, mut objects) = (encoding.decode_list(body).expect("it is a list"), Vec::new());
        while let Some(event) = items.next_object::<EventObject>().expect("it is an item") {
            objects.push(event.expect("it is an Event"));
        }
        (items.into_page_metadata().expect("it is a page"), objects)
    };
    let from_json = read(Encoding::Json, text.into());
    assert_eq!(from_json.1.len(), events.len());
    assert_eq!(read(Encoding::Protobuf, binary.into()), from_json);
}

#[test]
fn a_pod_with_a_node_and_no_container_status_may_wait_in_both_encodings() {
    for (node, status, expected) in [
        ("node-1", json!({}), true),
        ("node-1", json!({ "phase": "Pending" }), true),
        ("node-1", json!({ "phase": "Failed" }), false),
        ("", json!({ "phase": "Pending" }), false),
        ("node-1", json!({ "containerStatuses": [{ "name": "app", "state": { "running": {} } }] }), false),
        ("", json!({ "containerStatuses": [{ "name": "app", "state": { "waiting": {} } }] }), true),
    ] {
        let pod = json!({
            "kind": "Pod", "apiVersion": "v1",
            "metadata": { "namespace": "shop", "name": "web", "uid": "u", "resourceVersion": "7" },
            "spec": { "nodeName": node, "containers": [{ "name": "app", "image": "web:1" }] },
            "status": status,
        });
        let line = format!("{}\n", json!({ "type": "ADDED", "object": pod }));
        let binary = protobuf::event("ADDED", &protobuf::object(&pod));
        for (encoding, stream) in [(Encoding::Json, line.into_bytes()), (Encoding::Protobuf, binary)] {
            let [codec::WatchEvent::Object { object: Ok(object), .. }] = &*decode::<PodObject>(encoding, stream) else {
                panic!("{pod} is a pod");
            };
            assert_eq!(object.may_wait(), expected, "{encoding:?} {pod}");
        }
    }
}
