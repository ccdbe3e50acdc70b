//! Events: the same requests as for pods, with selectors, faults and rights of their own.

use k8s_pb::{
    api::core::v1::EventList,
    apimachinery::pkg::{apis::meta::v1::WatchEvent, runtime::Unknown},
};
use prost::Message as _;

use super::*;

const EVENTS: &str = "/api/v1/events";
const KUBELET_EVENTS: &str = "involvedObject.kind%3DPod%2Csource%3Dkubelet%2Creason%21%3DCreated%2Creason%21%3DStarted";

fn event(name: &str, reason: &str, count: u64) -> Value {
    json!({
        "kind": "Event", "apiVersion": "v1", "metadata": { "namespace": "shop", "name": name, "uid": format!("uid-{name}") },
        "involvedObject": { "kind": "Pod", "namespace": "shop", "name": "a", "uid": "u", "fieldPath": "spec.containers{c}" },
        "reason": reason, "message": "m", "source": { "component": "kubelet", "host": "node-1" },
        "firstTimestamp": "2026-11-23T21:22:57Z", "lastTimestamp": "2026-11-23T21:22:58Z", "count": count,
        "type": "Normal", "eventTime": null, "reportingComponent": "kubelet", "reportingInstance": "node-1",
    })
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn pods_and_events_have_lists_and_watches_of_their_own() {
    let (server, store) = serve(Duration::from_millis(20)).await;
    let first = store.put(pod("a", "Pending"));
    let mut watch =
        Connection::open(&server, &format!("{EVENTS}?watch=1&allowWatchBookmarks=true&resourceVersion={first}")).await;
    let pulling = store.put(event("a.1", "Pulling", 1));
    store.put(pod("b", "Pending"));
    let again = store.put(event("a.1", "Pulling", 2));
    assert_eq!(summary(&watch.event().await.unwrap()), ("ADDED".into(), "a.1".into(), pulling));
    assert_eq!(summary(&watch.event().await.unwrap()), ("MODIFIED".into(), "a.1".into(), again));
    let bookmark = watch.event().await.unwrap();
    assert_eq!(summary(&bookmark), ("BOOKMARK".into(), String::new(), again));
    assert_eq!(bookmark["object"]["kind"], "Event");
    store.delete_event("shop", "a.1");
    let mut deleted = watch.event().await.unwrap();
    while deleted["type"] == "BOOKMARK" {
        deleted = watch.event().await.unwrap();
    }
    assert_eq!(summary(&deleted), ("DELETED".into(), "a.1".into(), again + 1));
    assert_eq!(deleted["object"]["count"], 2);
    let listed = get(&server, "/api/v1/pods").await.body;
    assert_eq!((names(&listed), &listed["kind"]), (vec!["a", "b"], &json!("PodList")));
    assert_eq!(names(&get(&server, EVENTS).await.body).len(), 0);
    let faults = server.faults();
    assert_eq!((faults.requests().list, faults.requests().watch, faults.open_watches()), (1, 0, 0));
    assert_eq!((faults.events().requests().list, faults.events().requests().watch), (1, 1));
    assert_eq!((faults.events().open_watches(), faults.requests().other), (1, 0));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn events_are_listed_in_pages_and_by_watch_list() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    for name in ["a.1", "a.2", "a.3"] {
        store.put(event(name, "Pulling", 1));
    }
    let first = get(&server, &format!("{EVENTS}?limit=2")).await.body;
    assert_eq!((names(&first), &first["kind"]), (vec!["a.1", "a.2"], &json!("EventList")));
    let token = first["metadata"]["continue"].as_str().unwrap();
    let last = get(&server, &format!("/api/v1/namespaces/shop/events?limit=2&continue={token}")).await.body;
    assert_eq!(names(&last), ["a.3"]);
    assert_eq!(names(&get(&server, "/api/v1/namespaces/other/events").await.body).len(), 0);
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = Connection::open(&server, &format!("{EVENTS}?{query}")).await;
    for name in ["a.1", "a.2", "a.3"] {
        assert_eq!(summary(&watch.event().await.unwrap()).1, name);
    }
    let bookmark = watch.event().await.unwrap();
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn selectors_of_events_compare_their_fields() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    for reason in ["Pulling", "Pulled", "Created", "Started"] {
        store.put(event(reason, reason, 1));
    }
    let mut scheduled = event("scheduled", "Scheduled", 1);
    scheduled["source"] = json!({ "component": "default-scheduler" });
    store.put(scheduled);
    let mut node = event("node", "Pulled", 1);
    node["involvedObject"] = json!({ "kind": "Node", "name": "node-1" });
    store.put(node);
    for (selector, expected) in [
        (KUBELET_EVENTS, vec!["Pulled", "Pulling"]),
        ("reason=Pulled", vec!["Pulled", "node"]),
        ("source!=kubelet", vec!["scheduled"]),
        ("involvedObject.kind=Node", vec!["node"]),
        ("involvedObject.name=a,reason==Created", vec!["Created"]),
        ("involvedObject.uid=other", vec![]),
        ("type=Normal,metadata.name=node", vec!["node"]),
    ] {
        let path = format!("{EVENTS}?fieldSelector={selector}");
        assert_eq!(names(&get(&server, &path).await.body), expected, "{selector}");
    }
    let unknown = get(&server, &format!("{EVENTS}?fieldSelector=status.phase=Failed")).await;
    assert_eq!((unknown.status, &unknown.body["message"]), (400, &json!("field label not supported: status.phase")));
    assert_eq!(get(&server, "/api/v1/pods?fieldSelector=reason=Pulled").await.status, 400);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn events_are_encoded_as_protobuf() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    store.put(event("a.1", "Pulling", 3));
    let protobuf = "Accept: application/vnd.kubernetes.protobuf\r\n";
    let list = get_with(&server, EVENTS, protobuf).await.bytes;
    let raw = |bytes: &[u8]| Unknown::decode(bytes.strip_prefix(b"k8s\0").unwrap()).unwrap().raw.unwrap();
    let list = EventList::decode(&*raw(&list)).unwrap();
    assert_eq!((list.items.len(), list.items[0].reason(), list.items[0].count()), (1, "Pulling", 3));
    let mut watch = Connection::send_with(&server, &format!("{EVENTS}?watch=1&resourceVersion=1"), protobuf).await;
    assert_eq!(watch.head().await, Some(200));
    let frame = WatchEvent::decode(&*watch.frame().await.unwrap()).unwrap();
    let added = k8s_pb::api::core::v1::Event::decode(&*raw(frame.object.unwrap().raw())).unwrap();
    assert_eq!((frame.r#type.as_deref(), added.involved_object.unwrap().name()), (Some("ADDED"), "a"));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn faults_hit_one_resource() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    let events = server.faults().events();
    events.reject_next(Verb::List, ErrorResponse::Forbidden, 1);
    assert_eq!(get(&server, "/api/v1/pods").await.status, 200);
    let refused = get(&server, EVENTS).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body["message"].as_str().unwrap().contains("cannot list resource \"events\""));
    events.never_respond(true);
    let mut hanging = Connection::send(&server, EVENTS).await;
    until(|| events.requests().list == 2).await;
    assert_eq!(get(&server, "/api/v1/pods").await.status, 200);
    assert!(time::timeout(Duration::from_millis(20), hanging.head()).await.is_err());
    events.never_respond(false);
    let mut pods = Connection::open(&server, "/api/v1/pods?watch=1&resourceVersion=1").await;
    let mut watch = Connection::open(&server, &format!("{EVENTS}?watch=1&resourceVersion=1")).await;
    until(|| events.open_watches() == 1 && server.faults().open_watches() == 1).await;
    events.send_watch_error(ErrorResponse::Gone);
    assert_eq!(watch.event().await.unwrap()["object"]["code"], 410);
    assert_eq!(watch.event().await, Err(End::Clean));
    store.put(pod("a", "Pending"));
    assert_eq!(summary(&pods.event().await.unwrap()).1, "a");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn rights_are_granted_per_resource() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    let rule = |resource: &str, verbs: &[&str]| json!([{ "apiGroups": [""], "resources": [resource], "verbs": verbs }]);
    server.access().grant("t", "exporter", None, &rule("pods", &["list", "watch"]));
    let token = "Authorization: Bearer t\r\n";
    assert_eq!(get_with(&server, "/api/v1/pods", token).await.status, 200);
    for (path, verb) in [(EVENTS.to_owned(), "list"), (format!("{EVENTS}?watch=1"), "watch")] {
        let refused = get_with(&server, &path, token).await;
        let expected = format!(
            "events is forbidden: User \"exporter\" cannot {verb} resource \"events\" in API group \"\" at the cluster scope"
        );
        assert_eq!((refused.status, refused.body["message"].as_str()), (403, Some(&*expected)));
    }
    server.access().grant("t", "exporter", Some("shop"), &rule("events", &["list"]));
    assert_eq!(get_with(&server, "/api/v1/namespaces/shop/events", token).await.status, 200);
    assert_eq!(get_with(&server, EVENTS, token).await.status, 403);
    server.shutdown().await.unwrap();
}
