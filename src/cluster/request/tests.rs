use super::*;

fn target() -> RequestTarget {
    RequestTarget {
        resource: "pods",
        scope: WatchScope::Namespace("shop".to_owned()),
        label_selector: String::new(),
        field_selector: "status.phase!=Failed".to_owned(),
        shard_selector: String::new(),
        compress_lists: false,
    }
}

fn written(ask: &ResourceRequest, target: &RequestTarget, protobuf: bool) -> Request<Body> {
    ask.to_http(target, ServerCapabilities { protobuf, server_sharding: false }, 300).expect("it can be asked")
}

#[test]
fn each_request_has_the_expected_url_and_headers() {
    let scope = "/api/v1/namespaces/shop/pods?fieldSelector=status.phase%21%3DFailed";
    let watch = "watch=true&allowWatchBookmarks=true&timeoutSeconds=300";
    for (ask, query) in [
        (ResourceRequest::WatchList, format!("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&{watch}")),
        (ResourceRequest::Watch { resource_version: "7".to_owned() }, format!("resourceVersion=7&{watch}")),
        (ResourceRequest::List { limit: 250, continue_token: String::new() }, "limit=250".to_owned()),
        (
            ResourceRequest::List { limit: 250, continue_token: "a=&b".to_owned() },
            "limit=250&continue=a%3D%26b".to_owned(),
        ),
    ] {
        assert_eq!(written(&ask, &target(), true).uri().to_string(), format!("{scope}&{query}"));
    }
}

#[test]
fn a_version_check_requests_one_pod_without_selectors() {
    let target = RequestTarget {
        shard_selector: "shardRange(a, '0x0')".to_owned(),
        label_selector: "a=b".to_owned(),
        ..target()
    };
    let request = ResourceRequest::VersionCheck
        .to_http(&target, ServerCapabilities { protobuf: true, server_sharding: true }, 300)
        .expect("it can be asked");
    assert_eq!(request.uri().to_string(), "/api/v1/namespaces/shop/pods?limit=1");
}

#[test]
fn no_shard_selector_is_sent_to_a_server_without_sharding() {
    let target = RequestTarget { shard_selector: "shardRange(a, '0x0')".to_owned(), ..target() };
    let asks = |shards| {
        let words = ServerCapabilities { protobuf: true, server_sharding: shards };
        let request = ResourceRequest::Watch { resource_version: "7".to_owned() }
            .to_http(&target, words, 300)
            .expect("it can be asked");
        request.uri().to_string().contains("&shardSelector=shardRange%28a%2C+%270x0%27%29&")
    };
    assert!(asks(true) && !asks(false));
}

#[test]
fn the_cluster_scope_requests_all_pods() {
    let target = RequestTarget { scope: WatchScope::Cluster, field_selector: String::new(), ..target() };
    let request = written(&ResourceRequest::List { limit: 5, continue_token: String::new() }, &target, true);
    assert_eq!(request.uri().to_string(), "/api/v1/pods?limit=5");
}

#[test]
fn json_is_always_accepted() {
    for (protobuf, accept) in
        [(true, "application/vnd.kubernetes.protobuf, application/json"), (false, "application/json")]
    {
        assert_eq!(written(&ResourceRequest::WatchList, &target(), protobuf).headers()[header::ACCEPT], accept);
    }
}

#[test]
fn lists_may_be_compressed_and_watches_may_not() {
    let target = RequestTarget { compress_lists: true, ..target() };
    let encoding = |ask: &ResourceRequest| written(ask, &target, true).headers()[header::ACCEPT_ENCODING].clone();
    assert_eq!(encoding(&ResourceRequest::List { limit: 5, continue_token: String::new() }), "gzip");
    assert_eq!(encoding(&ResourceRequest::WatchList), "identity");
}
