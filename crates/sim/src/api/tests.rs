//! Tests of the server with a client over a socket.

mod client;
mod events;
mod faults;
mod lists;
mod negotiation;
mod watches;

use std::time::Duration;

use serde_json::{Value, json};
use tokio::{net::TcpListener, time};

use super::*;
use client::{Connection, End, get, get_with};

/// Longer than anything here may take; a test that waits for it has failed.
const MAX_WAIT: Duration = Duration::from_secs(10);

async fn serve(bookmark_every: Duration) -> (ApiServer, SharedStore) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let store = SharedStore::default();
    let server = ApiServer::start(listener, store.clone(), bookmark_every).unwrap();
    (server, store)
}

fn pod(name: &str, phase: &str) -> Value {
    json!({
        "kind": "Pod", "apiVersion": "v1", "metadata": { "namespace": "shop", "name": name },
        "spec": { "nodeName": "node-1" }, "status": { "phase": phase },
    })
}

/// Polls until a condition holds.
async fn until(mut condition: impl FnMut() -> bool) {
    time::timeout(MAX_WAIT, async {
        while !condition() {
            time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
    .expect("the condition never held");
}

/// Returns type, name and resourceVersion of an event.
fn summary(event: &Value) -> (String, String, u64) {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    (text("/type"), text("/object/metadata/name"), text("/object/metadata/resourceVersion").parse().unwrap_or(0))
}

#[tokio::test]
async fn the_rest_of_an_api_server_is_there_as_far_as_needed() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    assert_eq!(get(&server, "/version").await.body["gitVersion"], "v1.36.2");
    assert_eq!(get(&server, "/api").await.body["versions"], json!(["v1"]));
    assert_eq!(get(&server, "/apis").await.body["kind"], "APIGroupList");
    assert_eq!(get(&server, "/livez").await.status, 200);
    assert_eq!(get(&server, "/api/v1/nodes").await.body["reason"], "NotFound");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn shutdown_ends_open_watches_and_hanging_requests() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    let mut watch = Connection::open(&server, "/api/v1/pods?watch=1").await;
    store.put(pod("a", "Pending"));
    assert_eq!(summary(&watch.event().await.unwrap()).1, "a");
    server.faults().never_respond(true);
    let mut hanging = Connection::send(&server, "/api/v1/pods").await;
    until(|| server.faults().requests().list == 1).await;
    time::timeout(MAX_WAIT, server.shutdown()).await.expect("it hangs").unwrap();
    assert_eq!(watch.event().await, Err(End::Clean));
    assert_eq!(hanging.head().await, Some(503));
}

#[tokio::test]
async fn a_cluster_is_driven_into_the_store_by_the_clock_it_is_given() {
    use super::super::{cluster::Cluster, script::Script};
    let script = Script::parse("-60s pod a/b container c image=d\n1h delete a/b force=true").unwrap();
    let mut cluster = Cluster::new(script, 1, "2026-11-23T21:22:48Z".parse().unwrap());
    let store = SharedStore::default();
    advance_cluster(&mut cluster, &store, super::super::SimTime::ZERO);
    assert_eq!(store.lock().len(), 1);
    let began = time::Instant::now();
    let clock = move || {
        let seconds = began.elapsed().as_secs_f64() * 3_600_000.0;
        super::super::SimTime::ZERO + Duration::from_secs_f64(seconds)
    };
    let mut driven = JoinSet::new();
    driven.spawn(run_cluster(cluster, store.clone(), clock, 3_600_000.0));
    until(|| store.lock().is_empty()).await;
}
