//! WATCH: what is said, in which order, and when it ends.

use super::*;

#[tokio::test]
async fn a_watch_continues_a_list() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    let listed = store.put(pod("a", "Pending"));
    let missed = store.put(pod("a", "Running"));
    let mut watch = Connection::open(&server, &format!("/api/v1/pods?watch=true&resourceVersion={listed}")).await;
    assert_eq!(summary(&watch.event().await.unwrap()), ("MODIFIED".into(), "a".into(), missed));
    let added = store.put(pod("b", "Pending"));
    assert_eq!(summary(&watch.event().await.unwrap()), ("ADDED".into(), "b".into(), added));
    store.delete("shop", "a");
    let deleted = watch.event().await.unwrap();
    assert_eq!(summary(&deleted), ("DELETED".into(), "a".into(), added + 1));
    assert_eq!(deleted["object"]["status"]["phase"], "Running");
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_pod_that_leaves_the_selection_is_deleted_to_the_watch() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    let path = "/api/v1/pods?watch=1&fieldSelector=status.phase!=Failed&resourceVersion=1";
    let mut watch = Connection::open(&server, path).await;
    store.put(pod("a", "Running"));
    let failed = store.put(pod("a", "Failed"));
    store.put(pod("a", "Failed"));
    let back = store.put(pod("a", "Running"));
    assert_eq!(summary(&watch.event().await.unwrap()).0, "ADDED");
    let left = watch.event().await.unwrap();
    assert_eq!(summary(&left), ("DELETED".into(), "a".into(), failed));
    assert_eq!(left["object"]["status"]["phase"], "Running", "its state before");
    assert_eq!(left["object"]["metadata"].get("deletionTimestamp"), None);
    assert_eq!(summary(&watch.event().await.unwrap()), ("ADDED".into(), "a".into(), back));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_watch_list_sends_the_existing_pods_then_a_bookmark() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    store.put(pod("a", "Pending"));
    let revision = store.put(pod("b", "Pending"));
    let path = "/api/v1/pods?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut watch = Connection::open(&server, path).await;
    assert_eq!(summary(&watch.event().await.unwrap()).1, "a");
    assert_eq!(summary(&watch.event().await.unwrap()).1, "b");
    let bookmark = watch.event().await.unwrap();
    assert_eq!(summary(&bookmark), ("BOOKMARK".into(), String::new(), revision));
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    store.put(pod("c", "Pending"));
    assert_eq!(summary(&watch.event().await.unwrap()).1, "c");
    assert_eq!(server.faults().requests().watch_list, 1);
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn bookmarks_carry_the_version_of_what_was_not_selected() {
    let (server, store) = serve(Duration::from_millis(20)).await;
    let revision = store.put(pod("a", "Failed"));
    let path = "/api/v1/pods?watch=1&allowWatchBookmarks=true&fieldSelector=status.phase!=Failed&resourceVersion=1";
    let mut watch = Connection::open(&server, path).await;
    let bookmark = watch.event().await.unwrap();
    assert_eq!(summary(&bookmark), ("BOOKMARK".into(), String::new(), revision));
    assert_eq!(bookmark["object"]["metadata"]["annotations"], json!({}));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_watch_from_a_compacted_version_is_gone() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    let old = store.put(pod("a", "Pending"));
    store.put(pod("a", "Running"));
    store.compact();
    let mut watch = Connection::open(&server, &format!("/api/v1/pods?watch=1&resourceVersion={old}")).await;
    let gone = watch.event().await.unwrap();
    assert_eq!(
        (&gone["type"], &gone["object"]["reason"], &gone["object"]["code"]),
        (&json!("ERROR"), &json!("Expired"), &json!(410))
    );
    assert_eq!(watch.event().await, Err(End::Clean));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_watch_ends_when_its_time_is_up() {
    let (server, _) = serve(BOOKMARK_INTERVAL).await;
    let mut watch = Connection::open(&server, "/api/v1/pods?watch=1&resourceVersion=1&timeoutSeconds=0").await;
    assert_eq!(watch.event().await, Err(End::Clean));
    until(|| server.faults().open_watches() == 0).await;
    server.shutdown().await.unwrap();
}
