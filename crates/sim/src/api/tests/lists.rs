//! LIST: pages, selectors, and pages that come too late.

use super::*;

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().unwrap().iter().map(|item| item["metadata"]["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn pages_show_one_state_although_pods_change_between_them() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    for name in ["a", "b", "c", "d", "e"] {
        store.put(pod(name, "Pending"));
    }
    let first = get(&server, "/api/v1/pods?limit=2").await.body;
    assert_eq!((names(&first), &first["metadata"]["remainingItemCount"]), (vec!["a", "b"], &json!(3)));
    store.delete("shop", "c");
    store.put(pod("bb", "Pending"));
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = get(&server, &format!("/api/v1/pods?limit=2&continue={}", token.replace('/', "%2F"))).await.body;
    assert_eq!(names(&second), ["c", "d"]);
    let token = second["metadata"]["continue"].as_str().unwrap();
    let third = get(&server, &format!("/api/v1/pods?limit=2&continue={token}")).await.body;
    assert_eq!(names(&third), ["e"]);
    assert_eq!(third["metadata"].get("continue"), None);
    assert_eq!(third["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let requests = server.faults().requests();
    assert_eq!((requests.list, requests.continues), (1, 2));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_page_of_a_compacted_version_is_gone() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    store.put(pod("a", "Pending"));
    store.put(pod("b", "Pending"));
    let first = get(&server, "/api/v1/pods?limit=1").await.body;
    store.put(pod("c", "Pending"));
    store.compact();
    let token = first["metadata"]["continue"].as_str().unwrap();
    let late = get(&server, &format!("/api/v1/pods?limit=1&continue={token}")).await;
    assert_eq!((late.status, &late.body["kind"], &late.body["reason"]), (410, &json!("Status"), &json!("Expired")));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn selectors_and_namespaces_select() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    for (name, phase) in [("done", "Succeeded"), ("failed", "Failed"), ("new", "Pending"), ("up", "Running")] {
        store.put(pod(name, phase));
    }
    for (path, expected) in [
        ("/api/v1/pods?fieldSelector=status.phase!=Succeeded,status.phase!=Failed", vec!["new", "up"]),
        ("/api/v1/pods?fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed", vec!["new", "up"]),
        ("/api/v1/pods?fieldSelector=metadata.name==up", vec!["up"]),
        ("/api/v1/pods?fieldSelector=spec.nodeName=node-2", vec![]),
        ("/api/v1/namespaces/shop/pods", vec!["done", "failed", "new", "up"]),
        ("/api/v1/namespaces/other/pods", vec![]),
    ] {
        assert_eq!(names(&get(&server, path).await.body), expected, "{path}");
    }
    let unknown = get(&server, "/api/v1/pods?fieldSelector=spec.color=red").await;
    assert_eq!((unknown.status, &unknown.body["message"]), (400, &json!("field label not supported: spec.color")));
    server.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_list_has_the_requested_version_or_a_newer_one() {
    let (server, store) = serve(BOOKMARK_INTERVAL).await;
    let old = store.put(pod("a", "Pending"));
    store.put(pod("b", "Pending"));
    for (query, expected) in [("Exact", vec!["a"]), ("NotOlderThan", vec!["a", "b"])] {
        let path = format!("/api/v1/pods?resourceVersion={old}&resourceVersionMatch={query}");
        assert_eq!(names(&get(&server, &path).await.body), expected, "{query}");
    }
    assert_eq!(names(&get(&server, "/api/v1/pods?resourceVersion=0").await.body), ["a", "b"]);
    store.compact();
    let forgotten = format!("/api/v1/pods?resourceVersion={old}&resourceVersionMatch=Exact");
    assert_eq!(get(&server, &forgotten).await.status, 410);
    server.shutdown().await.unwrap();
}
