//! Misbehavior on demand.

use super::*;

const PODS: &str = "/api/v1/pods";
const WATCH: &str = "/api/v1/pods?watch=1&resourceVersion=1";
const WATCH_LIST: &str = "/api/v1/pods?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";

#[tokio::test]
async fn requests_are_rejected_the_given_number_of_times() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    let cases = [
        (ErrorResponse::Unauthorized, 401, "Unauthorized"),
        (ErrorResponse::Forbidden, 403, "Forbidden"),
        (ErrorResponse::Gone, 410, "Expired"),
        (ErrorResponse::TooManyRequests { retry_after_seconds: 7 }, 429, "TooManyRequests"),
        (ErrorResponse::InternalError, 500, "InternalError"),
        (ErrorResponse::Unavailable, 503, "ServiceUnavailable"),
        (ErrorResponse::Timeout, 504, "Timeout"),
    ];
    for (refusal, status, reason) in cases {
        server.faults().reject_next(Verb::List, refusal, 2);
        for _ in 0..2 {
            let answer = get(&server, "/api/v1/pods").await;
            assert_eq!((answer.status, answer.body["reason"].as_str()), (status, Some(reason)));
            assert_eq!(answer.headers.contains("retry-after: 7"), status == 429);
        }
        assert_eq!(get(&server, "/api/v1/pods").await.status, 200);
    }
    server.faults().reject_next(Verb::Watch, ErrorResponse::Forbidden, 1);
    assert_eq!(get(&server, "/api/v1/pods").await.status, 200, "only watches are refused");
    assert_eq!(get(&server, WATCH).await.status, 403);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn watches_are_dropped_cleanly_or_not() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    for (how, end) in
        [(Disconnect::Clean, End::Clean), (Disconnect::Abrupt, End::Broken), (Disconnect::Reset, End::Reset)]
    {
        let mut watch = Connection::open(&server, WATCH).await;
        until(|| server.faults().open_watches() == 1).await;
        server.faults().disconnect_watches(how);
        assert_eq!(watch.event().await, Err(end));
        until(|| server.faults().open_watches() == 0).await;
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_silent_watch_stays_open_without_events() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    let mut watch = Connection::open(&server, WATCH).await;
    until(|| server.faults().open_watches() == 1).await;
    server.faults().disconnect_watches(Disconnect::Silent);
    store.put(pod("a", "Pending"));
    assert!(time::timeout(Duration::from_millis(20), watch.event()).await.is_err());
    server.shutdown().await.unwrap();
    assert_eq!(watch.event().await, Err(End::Broken));
}

#[tokio::test]
async fn a_watch_receives_gone_at_its_start_or_later() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    server.faults().reject_next(Verb::Watch, ErrorResponse::Gone, 1);
    assert_eq!(get(&server, WATCH).await.status, 410);
    let mut watch = Connection::open(&server, WATCH).await;
    store.put(pod("a", "Pending"));
    assert_eq!(summary(&watch.event().await.unwrap()).0, "ADDED");
    server.faults().send_watch_error(ErrorResponse::Gone);
    let error = watch.event().await.unwrap();
    assert_eq!((&error["type"], &error["object"]["code"]), (&json!("ERROR"), &json!(410)));
    assert_eq!(watch.event().await, Err(End::Clean));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn every_problem_can_come_in_a_watch() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    let too_many = ErrorResponse::TooManyRequests { retry_after_seconds: 1 };
    for (refusal, code) in [(ErrorResponse::Forbidden, 403), (too_many, 429), (ErrorResponse::InternalError, 500)] {
        let mut watch = Connection::open(&server, WATCH).await;
        until(|| server.faults().open_watches() == 1).await;
        server.faults().send_watch_error(refusal);
        assert_eq!(watch.event().await.unwrap()["object"]["code"], code);
        assert_eq!(watch.event().await, Err(End::Clean));
        until(|| server.faults().open_watches() == 0).await;
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_watch_list_is_invalid_to_a_server_without_it() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    server.faults().reject_watch_list(true);
    let answer = get(&server, WATCH_LIST).await;
    assert_eq!((answer.status, &answer.body["reason"]), (422, &json!("Invalid")));
    server.faults().reject_watch_list(false);
    Connection::open(&server, WATCH_LIST).await;
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_black_hole_sends_no_response() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    server.faults().never_respond(true);
    let mut hanging = Connection::send(&server, "/api/v1/pods").await;
    until(|| server.faults().requests().list == 1).await;
    assert!(time::timeout(Duration::from_millis(20), hanging.head()).await.is_err());
    server.faults().never_respond(false);
    assert_eq!(get(&server, "/api/v1/pods").await.status, 200);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn watches_can_end_before_they_say_anything() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    server.faults().close_new_watches(true);
    let answer = get(&server, WATCH).await;
    assert_eq!((answer.status, answer.body), (200, Value::Null));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn broken_and_hostile_lines_go_out_as_they_are() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    let mut watch = Connection::open(&server, WATCH).await;
    until(|| server.faults().open_watches() == 1).await;
    server.faults().inject_bytes(b"{\"type\":\"ADDED\",\"object\":{\n");
    assert_eq!(watch.line().await.unwrap(), "{\"type\":\"ADDED\",\"object\":{\n");
    server.faults().inject_event("MODIFIED", &json!({ "kind": "Node", "metadata": { "name": 7 } }));
    assert_eq!(watch.event().await.unwrap()["object"]["kind"], "Node");
    store.put(pod("a", "Pending"));
    assert_eq!(summary(&watch.event().await.unwrap()).1, "a", "the watch goes on");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_slow_body_comes_in_pieces() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    for n in 0..100 {
        store.put(pod(&format!("p{n}"), "Pending"));
    }
    server.faults().delay_bodies(Some(Duration::from_millis(1)));
    let answer = get(&server, "/api/v1/pods").await;
    assert!(answer.headers.contains("transfer-encoding: chunked"));
    assert_eq!(answer.body["items"].as_array().unwrap().len(), 100);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_body_is_cut_after_the_given_bytes() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    store.put(pod("a", "Pending"));
    let whole = get(&server, PODS).await.bytes;
    for (how, end) in
        [(Disconnect::Clean, End::Clean), (Disconnect::Abrupt, End::Broken), (Disconnect::Reset, End::Reset)]
    {
        server.faults().fail_next(Verb::List, ResponseFault::Cut { after: 100, how }, 1);
        let mut list = Connection::open(&server, PODS).await;
        assert_eq!(list.end().await, end);
        assert_eq!(list.text, whole[..100], "{how:?}");
    }
    assert_eq!(get(&server, PODS).await.bytes, whole, "once");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_response_can_end_after_its_headers() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    store.put(pod("a", "Pending"));
    for (verb, path) in [(Verb::List, PODS), (Verb::WatchList, WATCH_LIST)] {
        server.faults().fail_next(verb, ResponseFault::Cut { after: 0, how: Disconnect::Silent }, 1);
        let mut stalled = Connection::open(&server, path).await;
        assert!(time::timeout(Duration::from_millis(20), stalled.end()).await.is_err());
        assert_eq!(stalled.text, b"");
    }
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_frame_can_be_cut_in_the_middle() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    store.put(pod("a", "Pending"));
    server.faults().fail_next(Verb::WatchList, ResponseFault::Cut { after: 30, how: Disconnect::Abrupt }, 1);
    let mut watch = Connection::send_with(&server, WATCH_LIST, "Accept: application/vnd.kubernetes.protobuf\r\n").await;
    assert_eq!(watch.head().await, Some(200));
    assert_eq!(watch.frame().await, Err(End::Broken));
    assert_eq!(watch.text.len(), 30);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_response_can_be_html_or_noise_or_of_another_type() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    let page = ResponseFault::HtmlPage { code: 502, media_type: "text/html", text: "<h1>Bad Gateway</h1>" };
    server.faults().fail_next(Verb::List, page, 1);
    server.faults().fail_next(Verb::List, ResponseFault::MediaType("text/html"), 1);
    server.faults().fail_next(Verb::List, ResponseFault::Noise { seed: 1 }, 2);
    let answer = get(&server, PODS).await;
    assert_eq!((answer.status, &*answer.bytes), (502, b"<h1>Bad Gateway</h1>".as_slice()));
    let answer = get(&server, PODS).await;
    assert!(answer.headers.contains("content-type: text/html\r\n") && answer.body["kind"] == "PodList");
    let noises = [get(&server, PODS).await, get(&server, PODS).await].map(|answer| answer.bytes);
    assert!(noises[0] == noises[1] && noises[0].len() == 4096, "the same from the same seed");
    assert_eq!(get(&server, PODS).await.body["kind"], "PodList");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_problem_is_not_spoiled_further() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    server.faults().reject_watch_list(true);
    server.faults().close_new_watches(true);
    assert_eq!(get(&server, WATCH_LIST).await.body["code"], 422);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn persistent_faults_last_until_cleared() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    server.faults().reject_next(Verb::List, ErrorResponse::Unavailable, u32::MAX);
    for _ in 0..3 {
        assert_eq!(get(&server, PODS).await.status, 503);
    }
    server.faults().clear();
    assert_eq!(get(&server, PODS).await.status, 200);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn connections_fail_before_a_request() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    for connect in
        [ConnectionFault::Reset, ConnectionFault::Close, ConnectionFault::SendBytes(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")]
    {
        server.faults().fail_connections(connect, 1);
        let mut lost = Connection::send(&server, PODS).await;
        assert_eq!(lost.head().await, None, "{connect:?}");
    }
    server.faults().fail_connections(ConnectionFault::Silent, 1);
    let mut silent = Connection::send(&server, PODS).await;
    assert!(time::timeout(Duration::from_millis(20), silent.head()).await.is_err());
    assert_eq!(get(&server, PODS).await.status, 200);
    assert_eq!(server.faults().connection_times().len(), 5);
    assert_eq!(server.faults().requests().list, 1);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn events_come_twice_or_swapped_or_without_a_version() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    let said = async |revision: u64| {
        let mut watch = Connection::open(&server, &format!("/api/v1/pods?watch=1&resourceVersion={revision}")).await;
        let mut names = Vec::new();
        for _ in 0..2 {
            let (_, name, revision) = summary(&watch.event().await.unwrap());
            names.push((name, revision));
        }
        names
    };
    store.put(pod("a", "Pending"));
    store.put(pod("b", "Pending"));
    assert_eq!(said(1).await, [("a".to_owned(), 2), ("b".to_owned(), 3)]);
    server.faults().swap_events(true);
    assert_eq!(said(1).await, [("b".to_owned(), 3), ("a".to_owned(), 2)]);
    server.faults().swap_events(false);
    server.faults().repeat_events(true);
    assert_eq!(said(1).await, [("a".to_owned(), 2), ("a".to_owned(), 2)]);
    server.faults().omit_resource_versions(true);
    assert_eq!(said(1).await, [("a".to_owned(), 0), ("a".to_owned(), 0)]);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_watch_list_may_never_end_and_bookmarks_never_come() {
    let (server, store) = serve(Duration::from_millis(5)).await;
    store.put(pod("a", "Pending"));
    let path = format!("{WATCH_LIST}&allowWatchBookmarks=true");
    server.faults().never_complete_watch_list(true);
    let mut watch = Connection::open(&server, &path).await;
    assert_eq!(summary(&watch.event().await.unwrap()).1, "a");
    let bookmark = watch.event().await.unwrap();
    assert_eq!((&bookmark["type"], &bookmark["object"]["metadata"]["annotations"]), (&json!("BOOKMARK"), &json!({})));
    server.faults().never_complete_watch_list(false);
    server.faults().suppress_bookmarks(true);
    let mut watch = Connection::open(&server, &path).await;
    assert_eq!(summary(&watch.event().await.unwrap()).1, "a");
    assert_eq!(watch.event().await.unwrap()["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert!(time::timeout(Duration::from_millis(30), watch.event()).await.is_err());
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_restored_store_is_older_and_watches_from_its_future_are_silent() {
    let (server, store) = serve(Duration::from_millis(5)).await;
    store.put(pod("a", "Pending"));
    let old = store.snapshot();
    let future = store.put(pod("b", "Pending"));
    store.restore(old);
    let list = get(&server, PODS).await.body;
    assert_eq!((list["items"].as_array().unwrap().len(), &list["metadata"]["resourceVersion"]), (1, &json!("2")));
    let too_large = get(&server, &format!("{PODS}?resourceVersion={future}&resourceVersionMatch=NotOlderThan")).await;
    assert_eq!(
        (too_large.status, &too_large.body["details"]["causes"][0]["reason"]),
        (504, &json!("ResourceVersionTooLarge"))
    );
    let mut error = Connection::open(&server, &format!("{WATCH_LIST}&resourceVersion={future}")).await;
    assert_eq!(error.event().await.unwrap()["object"]["code"], 504);
    let path = format!("/api/v1/pods?watch=1&allowWatchBookmarks=true&resourceVersion={future}");
    let mut watch = Connection::open(&server, &path).await;
    assert_eq!(store.put(pod("c", "Pending")), future, "the same version, another change");
    let next = store.put(pod("d", "Pending"));
    assert_eq!(summary(&watch.event().await.unwrap()), ("ADDED".into(), "d".into(), next), "c is never said");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn requests_are_recorded_with_their_time() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    let before = time::Instant::now();
    get(&server, PODS).await;
    get(&server, PODS).await;
    let times = server.faults().request_times(Verb::List);
    assert!(times.len() == 2 && times.is_sorted() && times[0] >= before);
    assert_eq!((server.faults().connection_times().len(), server.faults().request_times(Verb::Watch).len()), (2, 0));
    server.shutdown().await.unwrap();
}
