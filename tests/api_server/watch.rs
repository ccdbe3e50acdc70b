//! The informer and the monitor with an API server that fails in many ways. After each fault the metrics are soon correct
//! again, and each event is counted once.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::common::{NOT_FOUND, TIME_LIMIT, pod, sum};
use futures::StreamExt;
use image_pull_exporter::clock::Clock;
use image_pull_exporter::cluster::PodEvent;
use image_pull_exporter::cluster::client;
use image_pull_exporter::cluster::pod_watch::{self, PodSource};
use image_pull_exporter::cluster::wire;
use image_pull_exporter::metrics::exposition::{Exposition, ExpositionFormat};
use image_pull_exporter::metrics::families;
use image_pull_exporter::metrics::scrape::SelectedSeries;
use image_pull_exporter::monitor::{Monitor, MonitorLimits};
use image_pull_model::facts::WatchScope;
use image_pull_model::index::IndexConfig;
use image_pull_model::time::Timestamp;
use image_pull_sim::api::{ApiServer, BOOKMARK_INTERVAL, Disconnect, ErrorResponse, SharedStore, Verb};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const ERR: Option<(&str, &str)> = Some(("ErrImagePull", NOT_FOUND));

/// A simulated cluster, and a monitor that watches it.
struct Lab {
    store: SharedStore,
    server: Option<ApiServer>,
    address: SocketAddr,
    monitor: Arc<Monitor>,
    _watch: JoinSet<()>,
}

impl Lab {
    async fn watching(store: SharedStore, scopes: &[WatchScope]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let server = ApiServer::start(listener, store.clone(), BOOKMARK_INTERVAL).expect("the API server starts");
        let address = server.address();
        let config = kube::Config::new(format!("http://{address}").parse().expect("an address is a URL"));
        let client = client::new_client(config).expect("a client without TLS needs nothing");
        let limits = MonitorLimits::DEFAULT;
        let settings = IndexConfig { excludes_finished_pods: true, ..IndexConfig::default() };
        let monitor = Arc::new(Monitor::new(settings, scopes, limits, Clock::System.now()));
        let mut watch = JoinSet::new();
        for scope in scopes {
            let (client, monitor, scope) = (client.clone(), Arc::clone(&monitor), scope.clone());
            watch.spawn(async move {
                let source = PodSource::all_pods(client, scope.clone());
                let mut events = std::pin::pin!(pod_watch::watch(source));
                while let Some(event) = events.next().await {
                    monitor.handle_event(&scope, event, Clock::System.now());
                }
            });
        }
        Self { store, server: Some(server), address, monitor, _watch: watch }
    }

    async fn new(store: SharedStore) -> Self {
        Self::watching(store, &[WatchScope::Cluster]).await
    }

    fn server(&self) -> &ApiServer {
        self.server.as_ref().expect("the server runs")
    }

    async fn stop_server(&mut self) {
        self.server.take().expect("the server runs").shutdown().await.expect("it ends well");
    }

    async fn start_server(&mut self) {
        let listener = TcpListener::bind(self.address).await.expect("the port is still free");
        self.server = Some(ApiServer::start(listener, self.store.clone(), BOOKMARK_INTERVAL).expect("it starts again"));
    }

    fn text(&self) -> Option<String> {
        let view = self.monitor.scrape_snapshot()?;
        let mut exposition = Exposition::new(ExpositionFormat::Text, 0);
        families::write_all(&SelectedSeries::select(&view), &mut exposition);
        Some(String::from_utf8(exposition.finish()).expect("the exposition is text"))
    }

    /// Waits until exactly these pods fail, by name, then checks that everything adds up.
    async fn expect_failing(&self, expected: &[&str]) {
        let mut found = None;
        wait(async || {
            let Some(text) = self.text() else { return false };
            let mut names: Vec<String> = crate::common::samples(&text)
                .into_iter()
                .filter(|(series, _)| series.starts_with("image_pull_failing{"))
                .filter_map(|(series, _)| Some(series.split("pod=\"").nth(1)?.split('"').next()?.to_owned()))
                .collect();
            names.sort();
            let is_so = names == expected;
            found = Some((names, text));
            is_so
        })
        .await
        .unwrap_or_else(|()| panic!("expected {expected:?} to fail, found {:?}", found.as_ref().map(|found| &found.0)));
        let (_, text) = found.expect("it was found");
        let (started, ended) =
            (sum(&text, "image_pull_failures_started_total"), sum(&text, "image_pull_failures_ended_total"));
        assert_eq!(started, ended + sum(&text, "image_pull_failing{"), "started = ended + open\n{text}");
    }

    fn count(&self, prefix: &str) -> f64 {
        sum(&self.text().expect("the cluster was listed"), prefix)
    }
}

/// Waits until `condition` holds, with a timeout.
async fn wait(mut condition: impl AsyncFnMut() -> bool) -> Result<(), ()> {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(TIME_LIMIT, waiting).await.map_err(|_| ())
}

fn run(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().expect("a runtime starts").block_on(test);
}

fn store_of(names: &[(&str, Option<(&str, &str)>)]) -> SharedStore {
    let store = SharedStore::default();
    for (name, waiting) in names {
        store.put(pod("shop", name, *waiting));
    }
    store
}

#[test]
fn every_page_of_a_list_is_read() {
    run(async {
        let store = SharedStore::default();
        for number in 0..700 {
            let fails = number % 100 == 0;
            store.put(pod("shop", &format!("pod-{number:03}"), ERR.filter(|_| fails)));
        }
        let lab = Lab::new(store).await;
        lab.server().faults().reject_watch_list(true);
        let failing = ["pod-000", "pod-100", "pod-200", "pod-300", "pod-400", "pod-500", "pod-600"];
        lab.expect_failing(&failing).await;
        assert_eq!(lab.count("image_pull_exporter_listed_pods"), 700.0);
        assert_eq!(lab.server().faults().requests().continues, 6);
    });
}

#[test]
fn nothing_is_served_before_the_first_list_is_complete() {
    run(async {
        let store = store_of(&[("a", ERR)]);
        let lab = Lab::new(store).await;
        assert_eq!(lab.text(), None);
        lab.expect_failing(&["a"]).await;
    });
}

#[test]
fn a_dropped_watch_loses_and_repeats_nothing() {
    for how in [Disconnect::Abrupt, Disconnect::Clean] {
        run(async {
            let lab = Lab::new(store_of(&[("a", ERR), ("b", None)])).await;
            lab.expect_failing(&["a"]).await;
            lab.server().faults().disconnect_watches(how);
            lab.store.put(pod("shop", "b", ERR));
            lab.store.delete("shop", "a");
            lab.expect_failing(&["b"]).await;
            assert_eq!(lab.count("image_pull_exporter_relists_total"), 1.0, "it resumed from where it was");
            assert_eq!(lab.count("image_pull_failures_started_total"), 2.0);
            assert_eq!(lab.count("image_pull_failed_attempts_total"), 2.0);
        });
    }
}

#[test]
fn after_410_gone_a_relist_ends_what_vanished() {
    run(async {
        let lab = Lab::new(store_of(&[("a", ERR), ("b", ERR)])).await;
        lab.expect_failing(&["a", "b"]).await;
        lab.server().faults().send_watch_error(ErrorResponse::Gone);
        lab.store.delete("shop", "a");
        lab.store.put(pod("shop", "c", ERR));
        lab.store.compact();
        lab.expect_failing(&["b", "c"]).await;
        assert_eq!(lab.count("image_pull_exporter_relists_total"), 2.0);
        assert_eq!(lab.count("image_pull_exporter_watch_restarts_total{cause=\"gone\"}"), 1.0);
        assert_eq!(lab.count("image_pull_failures_ended_total{namespace=\"shop\",registry=\"registry.example.com\",outcome=\"unknown\"}"), 1.0);
        assert_eq!(lab.count("image_pull_failures_started_total"), 3.0);
    });
}

#[test]
fn an_api_server_that_dies_and_comes_back_leaves_no_ghost() {
    run(async {
        let mut lab = Lab::new(store_of(&[("a", ERR), ("b", ERR), ("c", None)])).await;
        lab.expect_failing(&["a", "b"]).await;
        lab.stop_server().await;
        wait(async || lab.count("image_pull_exporter_watch_synced") == 0.0).await.expect("it notices");
        lab.expect_failing(&["a", "b"]).await;
        lab.store.delete("shop", "a");
        lab.store.put(pod("shop", "b", None));
        lab.store.put(pod("shop", "c", ERR));
        lab.store.compact();
        lab.start_server().await;
        // The resourceVersion to resume from is compacted: the server returns 410 and everything is listed again.
        lab.expect_failing(&["c"]).await;
        wait(async || lab.count("image_pull_exporter_watch_synced") == 1.0).await.expect("it is in sync again");
        assert_eq!(lab.count("image_pull_failures_started_total"), 3.0);
        assert!(lab.count("image_pull_exporter_watch_restarts_total{cause=\"connection\"}") >= 1.0);
    });
}

#[test]
fn a_missing_right_is_counted_and_waited_for() {
    run(async {
        let lab = Lab::new(store_of(&[("a", ERR)])).await;
        // The watch has not sent a request yet: nothing was awaited since it was started.
        lab.server().faults().reject_next(Verb::WatchList, ErrorResponse::Forbidden, 2);
        lab.expect_failing(&["a"]).await;
        assert_eq!(lab.count("image_pull_exporter_watch_restarts_total{cause=\"forbidden\"}"), 2.0);
    });
}

#[test]
fn a_finished_pod_leaves_the_selector_without_a_deletion() {
    run(async {
        let lab = Lab::new(store_of(&[("a", ERR)])).await;
        lab.expect_failing(&["a"]).await;
        let mut finished = pod("shop", "a", ERR);
        finished["status"]["phase"] = json!("Failed");
        lab.store.put(finished);
        lab.expect_failing(&[]).await;
        assert_eq!(lab.count("image_pull_failures_ended_total{namespace=\"shop\",registry=\"registry.example.com\",outcome=\"pod_finished\"}"), 1.0);
    });
}

#[test]
fn one_broken_object_costs_nothing_else() {
    run(async {
        let store = store_of(&[("a", ERR)]);
        let mut broken = pod("shop", "broken", ERR);
        broken["status"]["containerStatuses"] = json!("none");
        store.put(broken);
        let lab = Lab::new(store).await;
        // The simulated server's protobuf cannot be that wrong.
        lab.server().faults().disable_protobuf(true);
        lab.expect_failing(&["a"]).await;
        assert_eq!(lab.count("image_pull_exporter_undecodable_objects_total"), 1.0);
        let mut broken = pod("shop", "b", ERR);
        broken["metadata"]["resourceVersion"] = json!("7");
        broken["spec"]["containers"] = json!({ "name": 7 });
        lab.server().faults().inject_event("MODIFIED", &broken);
        lab.store.put(pod("shop", "c", ERR));
        lab.expect_failing(&["a", "c"]).await;
        let skipped = wait(async || lab.count("image_pull_exporter_undecodable_objects_total") == 2.0).await;
        skipped.expect("the broken event is counted");
        assert_eq!(lab.count("image_pull_exporter_relists_total"), 1.0);
    });
}

/// A watch event in JSON as the API server writes it, its type first.
fn event(kind: &str, object: &serde_json::Value) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}

#[test]
fn a_deletion_that_does_not_decode_or_is_too_large_leaves_no_ghost() {
    run(async {
        let lab = Lab::new(store_of(&[("a", ERR), ("b", ERR), ("c", ERR)])).await;
        lab.server().faults().disable_protobuf(true);
        lab.expect_failing(&["a", "b", "c"]).await;
        let mut broken = pod("shop", "a", ERR);
        broken["spec"] = json!(7);
        lab.server().faults().inject_bytes(event("DELETED", &broken).as_bytes());
        lab.expect_failing(&["b", "c"]).await;
        let mut large = pod("shop", "b", ERR);
        large["spec"]["nodeName"] = json!("x".repeat(9 * 1024 * 1024));
        lab.server().faults().inject_bytes(event("DELETED", &large).as_bytes());
        lab.expect_failing(&["c"]).await;
        assert_eq!(lab.count("image_pull_exporter_undecodable_objects_total"), 2.0);
        assert_eq!(lab.count("image_pull_exporter_relists_total"), 1.0);
    });
}

#[test]
fn an_undecodable_pod_in_a_relist_keeps_its_failure() {
    for protobuf in [false, true] {
        run(async {
            let lab = Lab::new(store_of(&[("a", ERR), ("b", ERR)])).await;
            lab.server().faults().disable_protobuf(!protobuf);
            lab.expect_failing(&["a", "b"]).await;
            lab.server().faults().disconnect_watches(Disconnect::Abrupt);
            // The simulated server's protobuf cannot be wrong but by its size.
            let mut broken = pod("shop", "a", ERR);
            let wrong = if protobuf { json!("x".repeat(9 * 1024 * 1024)) } else { json!(7) };
            broken["spec"]["nodeName"] = wrong;
            lab.store.put(broken);
            lab.store.delete("shop", "b");
            lab.store.put(pod("shop", "c", ERR));
            lab.store.compact();
            lab.server().faults().send_watch_error(ErrorResponse::Gone);
            lab.expect_failing(&["a", "c"]).await;
            assert_eq!(lab.count("image_pull_exporter_relists_total"), 2.0);
            assert_eq!(lab.count("image_pull_failures_started_total"), 3.0);
            // And it recovers like any other.
            lab.store.put(pod("shop", "a", None));
            lab.expect_failing(&["c"]).await;
        });
    }
}

#[test]
fn invalid_utf_8_does_not_affect_other_pods() {
    run(async {
        let lab = Lab::new(store_of(&[("a", ERR)])).await;
        lab.server().faults().disable_protobuf(true);
        lab.expect_failing(&["a"]).await;
        let mut odd = pod("shop", "odd", ERR);
        odd["spec"]["nodeName"] = json!("HERE");
        let line = event("ADDED", &odd).into_bytes();
        let place = line.windows(4).position(|window| window == b"HERE").expect("it is there");
        let line = [&line[..place], b"\xff\xfe", &line[place + 4..]].concat();
        lab.server().faults().inject_bytes(&line);
        lab.store.put(pod("shop", "b", ERR));
        lab.expect_failing(&["a", "b", "odd"]).await;
        assert_eq!(lab.count("image_pull_exporter_relists_total"), 1.0);
        assert_eq!(lab.count("image_pull_exporter_undecodable_objects_total"), 0.0);
    });
}

#[test]
fn a_broken_line_in_the_stream_is_survived() {
    run(async {
        let lab = Lab::new(store_of(&[("a", ERR)])).await;
        lab.expect_failing(&["a"]).await;
        lab.server().faults().inject_bytes(b"{\"type\":\"MODIFIED\",\"object\":{\"kind\":\n");
        lab.store.put(pod("shop", "b", ERR));
        lab.store.delete("shop", "a");
        lab.expect_failing(&["b"]).await;
    });
}

#[test]
fn namespaces_are_watched_each_on_its_own() {
    run(async {
        let store = SharedStore::default();
        store.put(pod("shop", "a", ERR));
        store.put(pod("bank", "b", ERR));
        store.put(pod("zoo", "c", ERR));
        let scopes = [WatchScope::Namespace("bank".to_owned()), WatchScope::Namespace("shop".to_owned())];
        let lab = Lab::watching(store, &scopes).await;
        lab.expect_failing(&["a", "b"]).await;
        assert_eq!(lab.count("image_pull_exporter_listed_pods"), 2.0);
        lab.store.delete("bank", "b");
        lab.expect_failing(&["a"]).await;
    });
}

#[test]
fn a_clock_that_is_set_forward_and_back_leaves_no_start_in_the_future_and_no_false_interval() {
    let at = |seconds| Timestamp::from_unix_millis(1_800_000_000_000).saturating_add(Duration::from_secs(seconds));
    let monitor = Monitor::new(IndexConfig::default(), &[WatchScope::Cluster], MonitorLimits::DEFAULT, at(0));
    // With the monotonic clock, and without it.
    let apply = |shown: u64, running: Option<u64>, waiting| {
        if let Some(running) = running {
            monitor.check_clock(at(shown), Duration::from_secs(running));
        }
        let pod = wire::decode_json_pod(pod("shop", "web", waiting).to_string().as_bytes()).expect("it is a pod");
        monitor.handle_event(&WatchScope::Cluster, PodEvent::Applied(pod.into()), at(shown));
    };
    let back_off = Some(("ImagePullBackOff", NOT_FOUND));
    let text = || {
        let mut exposition = Exposition::new(ExpositionFormat::Text, 0);
        families::write_all(
            &SelectedSeries::select(&monitor.scrape_snapshot().expect("it was listed")),
            &mut exposition,
        );
        String::from_utf8(exposition.finish()).expect("it is text")
    };
    monitor.handle_event(&WatchScope::Cluster, PodEvent::ListStarted, at(0));
    monitor.handle_event(&WatchScope::Cluster, PodEvent::ListCompleted, at(0));
    for with_both in [true, false] {
        let running = |seconds| with_both.then_some(seconds);
        apply(1, running(1), None);
        apply(3605, running(5), ERR);
        apply(3618, running(18), back_off);
        apply(32, running(32), ERR);
        let since = sum(&text(), "image_pull_failing_since_timestamp_seconds");
        assert!(since <= at(32).unix_seconds(), "{}", since - at(0).unix_seconds());
        assert!(since >= at(if with_both { 5 } else { 1 }).unix_seconds(), "{}", since - at(0).unix_seconds());
        apply(46, running(46), back_off);
        apply(50, running(50), None);
        assert_eq!(
            sum(&text(), "image_pull_failure_duration_seconds_count"),
            0.0,
            "nobody can tell how long it lasted"
        );
    }
    // From the attempt at 32 to the recovery, without a clock step between them.
    assert!(sum(&text(), "image_pull_backoff_duration_seconds_sum") <= 2.0 * 32.0, "{}", text());
}
