//! Reads what is written with the official types, and compares with the JSON it was written from.

mod debug;

use k8s_pb::{
    api::core::v1::{Event, EventList, Pod, PodList},
    apimachinery::pkg::{
        apis::meta::v1::{Status, WatchEvent},
        runtime::Unknown,
    },
};
use prost::Message as _;
use serde_json::json;

use super::super::super::{DEMO, Resource, SimTime, cluster::Cluster, script::Script};
use super::*;

/// Takes magic and envelope away, and checks them.
fn opened(bytes: &[u8], kind: &str) -> Vec<u8> {
    let unknown = Unknown::decode(bytes.strip_prefix(b"k8s\0").expect("magic")).unwrap();
    let type_meta = unknown.type_meta.unwrap();
    assert_eq!((type_meta.api_version(), type_meta.kind()), ("v1", kind));
    assert_eq!((unknown.content_encoding.as_deref(), unknown.content_type.as_deref()), (Some(""), Some("")));
    unknown.raw.unwrap()
}

/// Decodes a pod and checks that the type has a field for every byte of it.
fn decoded(bytes: &[u8]) -> Pod {
    let pod = Pod::decode(bytes).unwrap();
    assert_eq!(pod.encoded_len(), bytes.len(), "nothing unknown was dropped");
    pod
}

/// Checks that a pod says the same in both encodings.
#[track_caller]
fn check(pod: &Value) {
    let bytes = opened(&object(pod), "Pod");
    let mut json = pod.clone();
    for name in ["kind", "apiVersion"] {
        json.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(debug::tree(&decoded(&bytes)), debug::without_defaults(json));
}

/// Checks that an Event says the same in both encodings.
#[track_caller]
fn check_event(event: &Value) {
    let bytes = opened(&object(event), "Event");
    let decoded = Event::decode(&*bytes).unwrap();
    assert_eq!(decoded.encoded_len(), bytes.len(), "nothing unknown was dropped");
    let mut json = event.clone();
    for name in ["kind", "apiVersion"] {
        json.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(debug::tree(&decoded), debug::without_defaults(json));
}

/// Reads the recordings of `pods` or of `events`.
fn recordings(of: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/traces")).unwrap() {
        let path = file.unwrap().path();
        if !path.to_string_lossy().ends_with(&format!(".{of}.jsonl")) {
            continue;
        }
        for line in std::fs::read_to_string(path).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            found.push((line["type"].as_str().unwrap().to_owned(), line["object"].clone()));
        }
    }
    assert!(found.len() > 100, "the recordings are there");
    found
}

#[test]
fn every_recorded_pod_says_the_same_in_protobuf() {
    for (_, pod) in recordings("pods") {
        check(&pod);
    }
}

#[test]
fn every_recorded_event_says_the_same_in_protobuf() {
    let events = recordings("events");
    for (_, event) in &events {
        check_event(event);
    }
    let items: Vec<Value> = events.into_iter().take(3).map(|(_, event)| event).collect();
    let list = event_list(&json!({ "resourceVersion": "7" }), items.iter().map(core_event));
    assert_eq!(EventList::decode(&*opened(&list, "EventList")).unwrap().items.len(), 3);
}

#[test]
fn fields_of_other_events_round_trip_through_protobuf() {
    check_event(&json!({
        "kind": "Event", "apiVersion": "v1", "metadata": { "name": "web.1", "namespace": "shop" },
        "involvedObject": { "kind": "Pod", "namespace": "shop", "name": "web", "uid": "u", "apiVersion": "v1", "resourceVersion": "7", "fieldPath": "spec.containers{web}" },
        "related": { "kind": "Node", "name": "node-1" }, "reason": "Scheduled", "message": "m", "source": {}, "type": "Normal",
        "eventTime": "2026-11-23T21:22:48.123456Z", "series": { "count": 2, "lastObservedTime": "2026-11-23T21:22:49.5Z" },
        "action": "Binding", "reportingComponent": "default-scheduler", "reportingInstance": "default-scheduler-1", "count": 2_147_483_647,
    }));
}

#[test]
fn every_simulated_object_says_the_same_in_protobuf() {
    let mut cluster = Cluster::new(Script::parse(DEMO).unwrap(), 1, "2026-11-23T21:22:48Z".parse().unwrap());
    let events = cluster.step(SimTime::ZERO);
    assert!(events.len() > 500, "much happens, {}", events.len());
    // Enough of each kind, in an instant.
    for event in events.into_iter().step_by(5) {
        match event.resource() {
            Resource::Pods => check(&event.object),
            Resource::Events => check_event(&event.object),
        }
    }
}

#[test]
fn further_fields_of_real_pods_round_trip_through_protobuf() {
    let probe = json!({
        "httpGet": { "path": "/healthz", "port": "http", "scheme": "HTTP" }, "initialDelaySeconds": 3, "timeoutSeconds": 1,
        "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
    });
    let resources =
        json!({ "limits": { "cpu": "1", "memory": "512Mi" }, "requests": { "cpu": "250m", "memory": "256Mi" } });
    let projected = json!([
        { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
        { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
        { "downwardAPI": { "items": [{ "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } }] } },
    ]);
    check(&json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "name": "web-7d4b9c6f5d-x2x7k", "generateName": "web-7d4b9c6f5d-", "namespace": "shop", "finalizers": ["example.com/a", "example.com/b"],
            "annotations": { "b": "2", "a": "\"quoted\"\n\u{7f}\u{e9}" }, "creationTimestamp": "2026-11-23T21:22:48Z", "generation": -1,
        },
        "spec": {
            "nodeSelector": { "kubernetes.io/os": "linux" },
            "securityContext": { "runAsUser": 1000, "runAsNonRoot": true, "fsGroup": 2000, "supplementalGroups": [1, 2], "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{
                "name": "web", "image": "registry.example.com/web:1", "args": ["--port", "8080"], "command": ["/web"], "workingDir": "/srv",
                "ports": [{ "name": "http", "containerPort": 8080, "hostPort": 80, "protocol": "TCP" }],
                "env": [
                    { "name": "A", "value": "a" },
                    { "name": "B", "valueFrom": { "secretKeyRef": { "name": "s", "key": "k", "optional": true } } },
                    { "name": "C", "valueFrom": { "configMapKeyRef": { "name": "m", "key": "k" } } },
                    { "name": "D", "valueFrom": { "resourceFieldRef": { "containerName": "web", "resource": "limits.cpu", "divisor": "1m" } } },
                ],
                "envFrom": [{ "prefix": "P_", "configMapRef": { "name": "m" } }, { "secretRef": { "name": "s", "optional": false } }],
                "resources": resources, "livenessProbe": probe, "readinessProbe": { "tcpSocket": { "port": 8080 } },
                "startupProbe": { "exec": { "command": ["true"] }, "terminationGracePeriodSeconds": 5 },
                "volumeMounts": [{ "name": "v", "mountPath": "/v", "readOnly": true, "recursiveReadOnly": "Disabled", "subPath": "s" }],
                "securityContext": { "capabilities": { "drop": ["ALL"], "add": ["NET_BIND_SERVICE"] }, "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false, "runAsGroup": 3 },
            }],
            "volumes": [
                { "name": "t", "projected": { "sources": projected, "defaultMode": 420 } },
                { "name": "e", "emptyDir": { "medium": "Memory", "sizeLimit": "1Gi" } },
                { "name": "h", "hostPath": { "path": "/h", "type": "Directory" } },
                { "name": "m", "configMap": { "name": "m", "defaultMode": 420, "items": [{ "key": "k", "path": "p", "mode": 256 }] } },
                { "name": "s", "secret": { "secretName": "s", "optional": true } },
                { "name": "i", "image": { "reference": "registry.example.com/i:1", "pullPolicy": "Always" } },
            ],
        },
        "status": { "allocatedResources": { "cpu": "250m" }, "containerStatuses": [{ "name": "web", "allocatedResources": { "cpu": "1" }, "resources": resources }] },
    }));
}

#[test]
fn unset_fields_are_written_as_in_go() {
    let waiting = json!({ "reason": "ContainerCreating" });
    let pod = json!({ "status": { "containerStatuses": [{ "name": "a", "state": { "waiting": waiting }, "started": null }] } });
    let pod = decoded(&super::pod(&pod));
    let metadata = pod.metadata.unwrap();
    assert_eq!(metadata.deletion_timestamp, None, "a pointer");
    assert_eq!(metadata.generate_name.as_deref(), Some(""), "no pointer");
    assert_eq!(metadata.creation_timestamp.unwrap().seconds, None, "no time is an empty message");
    let status = &pod.status.unwrap().container_statuses[0];
    assert_eq!((status.ready, status.restart_count, status.started), (Some(false), Some(0), None));
    let waiting = status.state.as_ref().unwrap().waiting.as_ref().unwrap();
    assert_eq!(waiting.message.as_deref(), Some(""));
    assert!(status.last_state.is_some());
}

#[test]
fn a_list_has_its_metadata_and_pods_without_envelopes() {
    let metadata = json!({ "resourceVersion": "7", "continue": "c", "remainingItemCount": 3 });
    let pods: Vec<Value> = recordings("pods").into_iter().take(3).map(|(_, pod)| pod).collect();
    let bytes = opened(&pod_list(&metadata, pods.iter().map(pod)), "PodList");
    let list = PodList::decode(&*bytes).unwrap();
    let expected: Vec<Pod> = pods.iter().map(|one| decoded(&pod(one))).collect();
    assert_eq!(list.items, expected);
    let metadata = list.metadata.unwrap();
    assert_eq!((metadata.resource_version(), metadata.r#continue(), metadata.remaining_item_count()), ("7", "c", 3));
}

#[test]
fn events_are_framed_by_their_length_and_hold_objects_in_envelopes() {
    let (events, mut stream): (Vec<_>, Vec<u8>) = (recordings("pods"), Vec::new());
    for (kind, pod) in &events {
        stream.extend(event(kind, &object(pod)));
    }
    let mut rest = &*stream;
    for (kind, pod) in &events {
        let (length, after) = rest.split_first_chunk::<4>().unwrap();
        let (frame, after) = after.split_at(u32::from_be_bytes(*length) as usize);
        let event = WatchEvent::decode(frame).unwrap();
        assert_eq!(event.r#type(), kind);
        assert_eq!(event.object.unwrap().raw(), object(pod));
        rest = after;
    }
    assert!(rest.is_empty());
}

#[test]
fn a_status_is_an_object_of_its_own() {
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": "m", "reason": "Expired", "code": 410 });
    let status = Status::decode(&*opened(&object(&status), "Status")).unwrap();
    assert_eq!((status.status(), status.message(), status.reason(), status.code()), ("Failure", "m", "Expired", 410));
}

#[test]
fn values_of_a_wrong_type_are_written_as_unset() {
    let pod = json!({ "metadata": { "name": 7, "creationTimestamp": "yesterday", "labels": { "a": 1 } }, "spec": "s", "status": { "observedGeneration": "1" } });
    let pod = Pod::decode(&*super::pod(&pod)).unwrap();
    let metadata = pod.metadata.unwrap();
    assert_eq!((metadata.name.as_deref(), metadata.labels["a"].as_str()), (Some(""), ""));
    assert_eq!(metadata.creation_timestamp.unwrap().seconds, None);
    assert_eq!(pod.status.unwrap().observed_generation, Some(0));
}
