//! Negotiation of encodings and compression.

use std::io::Read;

use k8s_pb::{
    api::core::v1::PodList,
    apimachinery::pkg::{
        apis::meta::v1::{Status, WatchEvent},
        runtime::Unknown,
    },
};
use prost::Message;

use super::*;

const PODS: &str = "/api/v1/pods";
const JSON: &str = "content-type: application/json\r\n";
const PROTOBUF: &str = "content-type: application/vnd.kubernetes.protobuf\r\n";

/// Takes the envelope away.
fn message<M: Message + Default>(bytes: &[u8]) -> M {
    let unknown = Unknown::decode(bytes.strip_prefix(b"k8s\0").expect("magic")).unwrap();
    M::decode(unknown.raw()).unwrap()
}

#[tokio::test]
async fn a_list_has_the_preferred_encoding() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    store.put(pod("a", "Pending"));
    let cases = [
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/vnd.kubernetes.protobuf", PROTOBUF),
        // client-go's, for types that have it.
        ("application/vnd.kubernetes.protobuf,application/json", PROTOBUF),
        ("application/vnd.kubernetes.protobuf;stream=watch,application/json;stream=watch", PROTOBUF),
        ("application/vnd.kubernetes.protobuf;q=0.5, application/json", JSON),
        ("application/json;q=0.5, application/vnd.kubernetes.protobuf;type=watch", PROTOBUF),
        // kubectl's.
        (
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
            JSON,
        ),
        ("application/cbor, application/json", JSON),
    ];
    for (accept, content_type) in cases {
        let answer = get_with(&server, PODS, &format!("Accept: {accept}\r\n")).await;
        assert_eq!((answer.status, answer.headers.contains(content_type)), (200, true), "{accept}: {}", answer.headers);
        let names = if content_type == JSON {
            answer.body["items"][0]["metadata"]["name"].as_str().unwrap().to_owned()
        } else {
            message::<PodList>(&answer.bytes).items[0].metadata.as_ref().unwrap().name().to_owned()
        };
        assert_eq!(names, "a");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_server_without_protobuf_returns_json_or_406() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    server.faults().disable_protobuf(true);
    let both = "Accept: application/vnd.kubernetes.protobuf,application/json\r\n";
    assert!(get_with(&server, PODS, both).await.headers.contains(JSON));
    let only = "Accept: application/vnd.kubernetes.protobuf\r\n";
    for path in [PODS, "/api/v1/pods?watch=1"] {
        let answer = get_with(&server, path, only).await;
        assert_eq!((answer.status, &answer.body["reason"]), (406, &json!("NotAcceptable")), "in JSON");
    }
    server.faults().disable_protobuf(false);
    assert!(get_with(&server, PODS, only).await.headers.contains(PROTOBUF));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_error_has_the_accepted_encoding() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    server.faults().reject_next(Verb::List, ErrorResponse::Forbidden, 1);
    let answer = get_with(&server, PODS, "Accept: application/vnd.kubernetes.protobuf\r\n").await;
    assert_eq!((answer.status, answer.headers.contains(PROTOBUF)), (403, true));
    let status: Status = message(&answer.bytes);
    assert_eq!((status.code(), status.reason()), (403, "Forbidden"));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_watch_has_equal_events_in_protobuf_and_json() {
    let (server, store) = serve(Duration::from_millis(20)).await;
    store.put(pod("a", "Pending"));
    let path = "/api/v1/pods?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let accept = "Accept: application/vnd.kubernetes.protobuf;stream=watch\r\n";
    let mut watch = Connection::send_with(&server, path, accept).await;
    assert_eq!(watch.head().await, Some(200));
    assert_eq!(watch.header("content-type").as_deref(), Some("application/vnd.kubernetes.protobuf;stream=watch"));
    let mut next = async || {
        let event = WatchEvent::decode(&*watch.frame().await.unwrap()).unwrap();
        let object = event.object.as_ref().unwrap().raw().to_vec();
        (event.r#type().to_owned(), object)
    };
    let name = |object: &[u8]| message::<k8s_pb::api::core::v1::Pod>(object).metadata.unwrap();
    let (kind, object) = next().await;
    assert_eq!((&*kind, name(&object).name()), ("ADDED", "a"));
    let (kind, object) = next().await;
    assert_eq!((&*kind, name(&object).resource_version()), ("BOOKMARK", "2"));
    assert_eq!(name(&object).annotations["k8s.io/initial-events-end"], "true");
    let (kind, object) = next().await;
    assert_eq!((&*kind, name(&object).annotations.len()), ("BOOKMARK", 0));
    server.faults().send_watch_error(ErrorResponse::Gone);
    let mut last = next().await;
    while last.0 == "BOOKMARK" {
        last = next().await;
    }
    assert_eq!((&*last.0, message::<Status>(&last.1).code()), ("ERROR", 410));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_large_list_is_compressed_for_those_who_take_it() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    store.put(pod("a", "Pending"));
    let gzip = "Accept-Encoding: deflate, gzip\r\n";
    assert!(!get_with(&server, PODS, gzip).await.headers.contains("content-encoding"), "it is small");
    for n in 0..1_100 {
        store.put(pod(&format!("p{n}"), "Pending"));
    }
    let plain = get_with(&server, PODS, "Accept-Encoding: identity\r\n").await;
    assert!(!plain.headers.contains("content-encoding"));
    let small = get_with(&server, PODS, gzip).await;
    for header in ["content-encoding: gzip\r\n", "vary: accept-encoding\r\n"] {
        assert!(small.headers.contains(header), "{}", small.headers);
    }
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&*small.bytes).read_to_end(&mut bytes).unwrap();
    assert!(bytes == plain.bytes, "nothing is lost");
    assert!(small.bytes.len() * 3 < bytes.len(), "{} of {}", small.bytes.len(), bytes.len());
    server.shutdown().await.unwrap();
}
