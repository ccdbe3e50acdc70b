//! A server of pods that a test defines.

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use image_pull_exporter::backend::ExporterBackend;
use image_pull_exporter::clock::Clock;
use image_pull_exporter::cluster::{PodEvent, WatchFailure, WatchRestartCause, wire};
use image_pull_exporter::http::{self, HttpConfig};
use image_pull_exporter::monitor::{Monitor, MonitorLimits};
use image_pull_model::facts::{PodFacts, WatchScope};
use image_pull_model::index::IndexConfig;
use image_pull_model::time::Timestamp;
use serde_json::Value;
use tokio::sync::oneshot;

use crate::common::{Response, get};

/// A monitor that the test feeds with pod events, and a server of its data.
pub struct TestSite {
    monitor: Arc<Monitor>,
    began: Timestamp,
    pub port: u16,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl TestSite {
    /// Starts a server whose first list is not complete.
    pub fn not_listed() -> Self {
        let began = Clock::System.now().saturating_sub(Duration::from_secs(7200));
        let limits = MonitorLimits::DEFAULT;
        let monitor = Monitor::new(IndexConfig::default(), &[WatchScope::Cluster], limits, began).with_history(100);
        let monitor = Arc::new(monitor);
        let listener = std::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("loopback is there");
        listener.set_nonblocking(true).expect("it can be");
        let port = listener.local_addr().expect("it has an address").port();
        let (stop, stopped) = oneshot::channel();
        let shown = Arc::new(ExporterBackend::new(Arc::clone(&monitor), Clock::System, Duration::MAX));
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it starts");
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).expect("it is a listener");
                http::serve(listener.into(), shown, HttpConfig::default(), async { drop(stopped.await) }).await;
            });
        });
        Self { monitor, began, port, stop: Some(stop), thread: Some(thread) }
    }

    /// Starts a server with an empty first list two hours ago, and adds these pods one hour ago.
    pub fn with(pods: &[Value]) -> Self {
        let site = Self::not_listed();
        site.list();
        for pod in pods {
            site.apply(3600, pod);
        }
        site
    }

    /// Completes the first list, which is empty.
    pub fn list(&self) {
        self.send(0, PodEvent::ListStarted);
        self.send(0, PodEvent::ListCompleted);
    }

    /// Completes the first list, with these pods.
    pub fn relist(&self, seconds: u64, pods: &[Value]) {
        self.send(seconds, PodEvent::ListStarted);
        for pod in pods {
            self.send(seconds, PodEvent::Listed(facts(pod).into()));
        }
        self.send(seconds, PodEvent::ListCompleted);
    }

    /// Applies a pod, a number of seconds after the start two hours ago.
    pub fn apply(&self, seconds: u64, pod: &Value) {
        self.send(seconds, PodEvent::Applied(facts(pod).into()));
    }

    /// Deletes a pod.
    pub fn delete(&self, seconds: u64, pod: &Value) {
        self.send(seconds, PodEvent::Deleted(facts(pod).into()));
    }

    /// Reports that all events up to a number of seconds after the start were received.
    pub fn sync(&self, seconds: u64) {
        self.send(seconds, PodEvent::Synced);
    }

    /// Interrupts the watch.
    pub fn break_watch(&self, seconds: u64) {
        let failure = WatchFailure { cause: WatchRestartCause::Connection, error: "connection refused".to_owned() };
        self.send(seconds, PodEvent::WatchFailed(failure));
    }

    fn send(&self, seconds: u64, event: PodEvent) {
        self.monitor.handle_event(&WatchScope::Cluster, event, self.began.saturating_add(Duration::from_secs(seconds)));
    }

    /// Returns the response to a GET request.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        get(self.port, path, "").expect("the server answers")
    }

    /// Returns the JSON of the response to a GET request.
    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).text()).expect("it is JSON")
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for TestSite {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the server panicked");
        }
    }
}

fn facts(pod: &Value) -> PodFacts {
    wire::decode_json_pod(pod.to_string().as_bytes()).expect("it is a pod")
}
