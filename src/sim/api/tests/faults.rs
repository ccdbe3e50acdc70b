//! Misbehaviour on demand.

use super::*;

const WATCH: &str = "/api/v1/pods?watch=1&resourceVersion=1";
const WATCH_LIST: &str = "/api/v1/pods?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

#[tokio::test]
async fn requests_are_refused_as_often_as_asked() {
    let (server, _) = serve(BOOKMARK_EVERY).await;
    let cases = [
        (Refusal::Unauthorized, 401, "Unauthorized"),
        (Refusal::Forbidden, 403, "Forbidden"),
        (Refusal::Gone, 410, "Expired"),
        (Refusal::TooManyRequests { retry_after_seconds: 7 }, 429, "TooManyRequests"),
        (Refusal::InternalError, 500, "InternalError"),
    ];
    for (refusal, status, reason) in cases {
        server.faults().refuse(Verb::List, refusal, 2);
        for _ in 0..2 {
            let answer = get(&server, "/api/v1/pods").await;
            assert_eq!((answer.status, answer.body["reason"].as_str()), (status, Some(reason)));
            assert_eq!(answer.headers.contains("retry-after: 7"), status == 429);
        }
        assert_eq!(get(&server, "/api/v1/pods").await.status, 200);
    }
    server.faults().refuse(Verb::Watch, Refusal::Forbidden, 1);
    assert_eq!(get(&server, "/api/v1/pods").await.status, 200, "only watches are refused");
    assert_eq!(get(&server, WATCH).await.status, 403);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn watches_are_dropped_cleanly_or_not() {
    let (server, _) = serve(BOOKMARK_EVERY).await;
    for (how, end) in [(Drop::Clean, End::Clean), (Drop::Abrupt, End::Broken)] {
        let mut watch = Connection::open(&server, WATCH).await;
        until(|| server.faults().open_watches() == 1).await;
        server.faults().drop_watches(how);
        assert_eq!(watch.event().await, Err(end));
        until(|| server.faults().open_watches() == 0).await;
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_watch_is_told_gone_at_its_beginning_or_in_the_middle() {
    let (server, store) = serve(BOOKMARK_EVERY).await;
    server.faults().gone_on_next_watch();
    assert_eq!(get(&server, WATCH).await.status, 410);
    let mut watch = Connection::open(&server, WATCH).await;
    store.put(pod("a", "Pending"));
    assert_eq!(summary(&watch.event().await.unwrap()).0, "ADDED");
    server.faults().gone_in_watches();
    let error = watch.event().await.unwrap();
    assert_eq!((&error["type"], &error["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert_eq!(watch.event().await, Err(End::Clean));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_watch_list_is_invalid_to_a_server_without_it() {
    let (server, _) = serve(BOOKMARK_EVERY).await;
    server.faults().refuse_watch_list(true);
    let answer = get(&server, WATCH_LIST).await;
    assert_eq!((answer.status, &answer.body["reason"]), (422, &json!("Invalid")));
    server.faults().refuse_watch_list(false);
    Connection::open(&server, WATCH_LIST).await;
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_black_hole_answers_nothing() {
    let (server, _) = serve(BOOKMARK_EVERY).await;
    server.faults().black_hole(true);
    let mut hanging = Connection::send(&server, "/api/v1/pods").await;
    until(|| server.faults().requests().list == 1).await;
    assert!(time::timeout(Duration::from_millis(20), hanging.head()).await.is_err());
    server.faults().black_hole(false);
    assert_eq!(get(&server, "/api/v1/pods").await.status, 200);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn watches_can_end_before_they_say_anything() {
    let (server, _) = serve(BOOKMARK_EVERY).await;
    server.faults().close_watches_at_once(true);
    let answer = get(&server, WATCH).await;
    assert_eq!((answer.status, answer.body), (200, Value::Null));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn broken_and_hostile_lines_go_out_as_they_are() {
    let (server, store) = serve(BOOKMARK_EVERY).await;
    let mut watch = Connection::open(&server, WATCH).await;
    until(|| server.faults().open_watches() == 1).await;
    server.faults().inject(b"{\"type\":\"ADDED\",\"object\":{\n");
    assert_eq!(watch.line().await.unwrap(), "{\"type\":\"ADDED\",\"object\":{\n");
    server.faults().inject_event("MODIFIED", &json!({ "kind": "Node", "metadata": { "name": 7 } }));
    assert_eq!(watch.event().await.unwrap()["object"]["kind"], "Node");
    store.put(pod("a", "Pending"));
    assert_eq!(summary(&watch.event().await.unwrap()).1, "a", "the watch goes on");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_slow_body_comes_in_pieces() {
    let (server, store) = serve(BOOKMARK_EVERY).await;
    for n in 0..100 {
        store.put(pod(&format!("p{n}"), "Pending"));
    }
    server.faults().slow_bodies(Some(Duration::from_millis(1)));
    let answer = get(&server, "/api/v1/pods").await;
    assert!(answer.headers.contains("transfer-encoding: chunked"));
    assert_eq!(answer.body["items"].as_array().unwrap().len(), 100);
    server.shutdown().await.unwrap();
}
