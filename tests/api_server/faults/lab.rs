//! A simulated API server and an informer in one process, without a socket and on a paused clock.
//!
//! An hour takes milliseconds, and equal seeds give equal runs.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use image_pull_exporter::cluster::event_watch;
use image_pull_exporter::cluster::pod_watch::{self, PodSource};
use image_pull_exporter::metrics::exposition::{Exposition, ExpositionFormat};
use image_pull_exporter::metrics::families;
use image_pull_exporter::metrics::scrape::SelectedSeries;
use image_pull_exporter::monitor::{Monitor, MonitorLimits};
use image_pull_model::facts::WatchScope;
use image_pull_model::index::IndexConfig;
use image_pull_model::time::Timestamp;
use image_pull_sim::api::{self, BOOKMARK_INTERVAL, Faults, RequestCounts, SharedStore};
use kube::Client;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::ServiceExt;

use crate::common::{self, NOT_FOUND, sum};

pub const ERR: Option<(&str, &str)> = Some(("ErrImagePull", NOT_FOUND));

/// Maximum time from the end of all faults to a correct view: a slow page that is outdated when it is read, the silence
/// that shows it, and a pause.
pub const SETTLES: Duration = Duration::from_secs(120 + 90 + 60);

/// The simulated API server, and the monitor that follows it.
pub struct Lab {
    pub store: SharedStore,
    pub faults: Faults,
    pub monitor: Arc<Monitor>,
    began: Instant,
    _watch: JoinSet<()>,
}

/// When a test's clock begins, in milliseconds of Unix time.
const BEGAN: i64 = 1_795_468_920_000;

/// The time of the test's clock.
fn now(began: Instant) -> Timestamp {
    Timestamp::from_unix_millis(BEGAN).saturating_add(began.elapsed())
}

/// A client of an API server in the same process.
pub fn client(store: SharedStore) -> (Client, Faults) {
    let (router, faults) = api::in_process(store, BOOKMARK_INTERVAL);
    let router = router.map_request(|request: http::Request<kube::client::Body>| request.map(axum::body::Body::new));
    (Client::new(router, "default"), faults)
}

impl Lab {
    /// One whose informer draws its pauses from `seed`.
    pub fn new(seed: u64) -> Self {
        Self::start(seed, false)
    }

    /// One that also reads Events.
    pub fn with_events(seed: u64) -> Self {
        Self::start(seed, true)
    }

    fn start(seed: u64, reads_events: bool) -> Self {
        let store = SharedStore::default();
        let (client, faults) = client(store.clone());
        let (began, scope) = (Instant::now(), WatchScope::Cluster);
        let limits = MonitorLimits::DEFAULT;
        let settings = IndexConfig { excludes_finished_pods: true, ..IndexConfig::default() };
        let monitor = Monitor::new(settings, std::slice::from_ref(&scope), limits, now(began));
        let monitor = Arc::new(if reads_events { monitor.with_events() } else { monitor });
        let mut watch = JoinSet::new();
        let source = PodSource::all_pods(client, scope.clone());
        if reads_events {
            let (told, scope, source) = (Arc::clone(&monitor), scope.clone(), source.clone());
            watch.spawn(async move {
                while !told.is_listed() {
                    sleep(Duration::from_millis(100)).await;
                }
                let mut events = std::pin::pin!(event_watch::watch_with_seed(source, !seed));
                while let Some(event) = events.next().await {
                    if !told.handle_kubelet_event(&scope, &event, now(began)) {
                        break;
                    }
                }
            });
        }
        let told = Arc::clone(&monitor);
        watch.spawn(async move {
            let mut events = std::pin::pin!(pod_watch::watch_with_seed(source, seed));
            while let Some(event) = events.next().await {
                told.handle_event(&scope, event, now(began));
            }
        });
        Self { store, faults, monitor, began, _watch: watch }
    }

    /// Creates or replaces a pod, which fails or does not. `life` distinguishes it from earlier pods with its name.
    pub fn put(&self, name: &str, life: u64, fails: bool) {
        let mut pod = common::pod("shop", name, ERR.filter(|_| fails));
        pod["metadata"]["uid"] = format!("{name}-{life}").into();
        self.store.put(pod);
    }

    /// Replaces a pod by a running one. Its status has a start time if `started` is given, in seconds since the start.
    pub fn put_running(&self, name: &str, life: u64, started: Option<u64>) {
        let mut pod = common::pod("shop", name, None);
        pod["metadata"]["uid"] = format!("{name}-{life}").into();
        let began = jiff::Timestamp::from_millisecond(BEGAN).expect("it is a time");
        let started = started.map(|seconds| (began + Duration::from_secs(seconds)).to_string());
        pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"] = started.into();
        self.store.put(pod);
    }

    pub fn text(&self) -> Option<String> {
        let view = self.monitor.scrape_snapshot()?;
        let mut exposition = Exposition::new(ExpositionFormat::Text, 0);
        families::write_all(&SelectedSeries::select(&view), &mut exposition);
        Some(String::from_utf8(exposition.finish()).expect("the exposition is text"))
    }

    /// The metrics about the watch that are not zero.
    fn watch(&self) -> String {
        let text = self.text().unwrap_or_default();
        text.lines()
            .filter(|line| line.starts_with("image_pull_exporter_watch") && !line.ends_with(" 0"))
            .collect::<Vec<_>>()
            .join("\n")
    }

    pub fn is_synced(&self) -> bool {
        self.count("image_pull_exporter_watch_synced") == 1.0
    }

    /// The sum of the samples whose series begins so; zero while there is no view.
    pub fn count(&self, prefix: &str) -> f64 {
        self.text().map_or(0.0, |text| sum(&text, prefix))
    }

    /// The uids of the failing pods of the view.
    pub fn failing(&self) -> Option<BTreeSet<String>> {
        let view = self.monitor.scrape_snapshot()?;
        Some(view.snapshot.failures().map(|(pod, _, _)| pod.id.uid.clone()).collect())
    }

    /// Lets time pass until `condition` holds, and returns how long that took.
    pub async fn until(&self, limit: Duration, condition: impl Fn(&Self) -> bool) -> Result<Duration, String> {
        let began = Instant::now();
        while !condition(self) {
            if began.elapsed() > limit {
                return Err(format!("not so after {limit:?}: {:?} fail\n{}", self.failing(), self.watch()));
            }
            sleep(Duration::from_millis(500)).await;
        }
        Ok(began.elapsed())
    }

    /// Checks that the view is right and kept up soon, and that everything adds up.
    pub async fn settle(&self, expected: &BTreeSet<String>) -> Result<Duration, String> {
        let is_so = |lab: &Self| lab.is_synced() && lab.failing().as_ref() == Some(expected);
        let took = self.until(SETTLES, is_so).await.map_err(|why| format!("expected {expected:?}: {why}"))?;
        let text = self.text().ok_or("there is no view")?;
        let (started, ended) =
            (sum(&text, "image_pull_failures_started_total"), sum(&text, "image_pull_failures_ended_total"));
        let open = sum(&text, "image_pull_failing{");
        if started != ended + open || open != expected.len() as f64 {
            return Err(format!("{started} started, {ended} ended, {open} open\n{text}"));
        }
        Ok(took)
    }

    /// Number of requests, except for further pages of a list.
    pub fn requests(&self) -> u64 {
        let RequestCounts { list, watch, watch_list, .. } = self.faults.requests();
        list + watch + watch_list
    }

    pub fn age(&self) -> Duration {
        self.began.elapsed()
    }
}

/// Runs a test on a paused clock.
pub fn run<T>(story: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().start_paused(true).build().expect("a runtime starts").block_on(story)
}
