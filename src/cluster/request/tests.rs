use super::*;

fn target() -> Target {
    Target {
        scope: Scope::Namespace("shop".to_owned()),
        label_selector: String::new(),
        field_selector: "status.phase!=Failed".to_owned(),
        shard_selector: String::new(),
        compress_lists: false,
    }
}

fn written(ask: &Ask, target: &Target, protobuf: bool) -> Request<Body> {
    ask.request(target, Words { protobuf, shards: false }, 300).expect("it can be asked")
}

#[test]
fn each_question_is_asked_as_the_api_has_it() {
    let scope = "/api/v1/namespaces/shop/pods?fieldSelector=status.phase%21%3DFailed";
    let watch = "watch=true&allowWatchBookmarks=true&timeoutSeconds=300";
    for (ask, query) in [
        (Ask::WatchList, format!("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&{watch}")),
        (Ask::Watch { version: "7".to_owned() }, format!("resourceVersion=7&{watch}")),
        (Ask::List { limit: 250, token: String::new() }, "limit=250".to_owned()),
        (Ask::List { limit: 250, token: "a=&b".to_owned() }, "limit=250&continue=a%3D%26b".to_owned()),
    ] {
        assert_eq!(written(&ask, &target(), true).uri().to_string(), format!("{scope}&{query}"));
    }
}

#[test]
fn a_check_asks_for_any_one_pod() {
    let target =
        Target { shard_selector: "shardRange(a, '0x0')".to_owned(), label_selector: "a=b".to_owned(), ..target() };
    let request = Ask::Check.request(&target, Words { protobuf: true, shards: true }, 300).expect("it can be asked");
    assert_eq!(request.uri().to_string(), "/api/v1/namespaces/shop/pods?limit=1");
}

#[test]
fn a_server_that_refuses_shards_is_not_asked_for_one() {
    let target = Target { shard_selector: "shardRange(a, '0x0')".to_owned(), ..target() };
    let asks = |shards| {
        let words = Words { protobuf: true, shards };
        let request = Ask::Watch { version: "7".to_owned() }.request(&target, words, 300).expect("it can be asked");
        request.uri().to_string().contains("&shardSelector=shardRange%28a%2C+%270x0%27%29&")
    };
    assert!(asks(true) && !asks(false));
}

#[test]
fn a_cluster_is_asked_for_all_pods() {
    let target = Target { scope: Scope::Cluster, field_selector: String::new(), ..target() };
    let request = written(&Ask::List { limit: 5, token: String::new() }, &target, true);
    assert_eq!(request.uri().to_string(), "/api/v1/pods?limit=5");
}

#[test]
fn json_is_always_good_enough() {
    for (protobuf, accept) in
        [(true, "application/vnd.kubernetes.protobuf, application/json"), (false, "application/json")]
    {
        assert_eq!(written(&Ask::WatchList, &target(), protobuf).headers()[header::ACCEPT], accept);
    }
}

#[test]
fn lists_may_be_compressed_and_watches_never() {
    let target = Target { compress_lists: true, ..target() };
    let encoding = |ask: &Ask| written(ask, &target, true).headers()[header::ACCEPT_ENCODING].clone();
    assert_eq!(encoding(&Ask::List { limit: 5, token: String::new() }), "gzip");
    assert_eq!(encoding(&Ask::WatchList), "identity");
}
