//! Serves the exposition, the health checks, a page for people and its JSON over HTTP.

mod access_control;
mod api;
mod assets;
mod basic_auth;
mod bearer_auth;
mod body;
mod client_address;
mod compression;
mod connection;
mod connection_limit;
mod failure_query;
mod fair_queue;
mod fingerprint;
mod health;
mod listener;
mod log_level;
mod page;
mod paths;
mod problem_details;
mod rate_limiter;
mod recent_cache;
mod rejections;
mod response;
mod response_slots;
mod router;
mod scrape;
mod server;
pub mod web_config;
mod write_timeout;

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::metrics::exposition::ExpositionFormat;
use crate::metrics::scrape::WatchStatus;
use image_pull_model::advice::FailingRegistryPods;
use image_pull_model::facts::PodId;
use image_pull_model::history::{HistorySnapshot, PastFailure, TimelinePoint};
use image_pull_model::snapshot::{FailureRef, Snapshot};
use image_pull_model::time::Timestamp;

pub use bearer_auth::{AccessDecision, AccessReviewer, RequestAttributes};
pub use listener::{InvalidListenAddress, ListenAddress, Listeners};
pub use paths::{ExternalUrl, InvalidPath, PathPrefix, TelemetryPath};
pub use rejections::RejectionCounters;
pub use router::router;
pub use server::serve_router;
use web_config::{CurrentWebConfig, WebConfig};

/// What the rest of the program tells this module.
///
/// `ready` and `live` are called on a thread that other tasks need, so they must not block; the others may take their time.
pub trait Backend: Send + Sync + 'static {
    /// Returns what writes the exposition of this instant.
    fn scrape(&self, format: ExpositionFormat) -> Result<BodyWriter, NotReady>;

    /// Returns what there is to see.
    fn overview(&self) -> Result<Overview, NotReady>;

    /// Returns how the open failures of a pod went, by container.
    fn timelines(&self, pod: &PodId) -> Vec<(String, Vec<TimelinePoint>)>;

    /// Returns why nobody should scrape this process, if so; else what is missing all the same, a line each.
    fn ready(&self) -> Result<Vec<String>, String>;

    /// Returns why this process should be restarted, if so.
    fn live(&self) -> Result<(), String>;
}

/// Writes a body into a sink, which takes its time. Dropping the sink ends the body, and an error breaks it off.
pub type BodyWriter = Box<dyn FnOnce(Box<dyn Write + Send>) -> io::Result<()> + Send>;

/// What a person sees who looks.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// What time it is.
    pub now: Timestamp,
    /// What fails.
    pub snapshot: Arc<Snapshot>,
    /// What of it is a registry itself.
    pub registry_pods: FailingRegistryPods,
    /// How the watch of the cluster is.
    pub watch_status: WatchStatus,
    /// What was.
    pub history: HistorySnapshot,
}

impl Overview {
    /// Returns up to when the view of the cluster is current.
    fn last_event(&self) -> Timestamp {
        self.watch_status.last_event.unwrap_or_default()
    }

    /// What fails of the pods with this name.
    fn open_failures_of_pod(&self, namespace: &str, name: &str) -> impl Iterator<Item = FailureRef<'_>> {
        self.snapshot.failures().filter(move |(pod, _, _)| pod.id.namespace == namespace && pod.id.name == name)
    }

    /// Whether anything of the pods with this name fails or failed.
    fn has_failures_of_pod(&self, namespace: &str, name: &str) -> bool {
        self.open_failures_of_pod(namespace, name).next().is_some()
            || self.ended_failures_of_pod(namespace, name).next().is_some()
    }

    /// What failed of the pods with this name.
    fn ended_failures_of_pod(&self, namespace: &str, name: &str) -> impl Iterator<Item = &PastFailure> {
        let ended = self.history.ended.iter().map(AsRef::as_ref);
        ended.filter(move |ended| ended.pod.id.namespace == namespace && ended.pod.id.name == name)
    }
}

/// Why there is nothing to scrape yet. An incomplete list of failures would end alerts that should go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotReady(pub String);

/// How the server is set up.
#[derive(Clone)]
pub struct HttpConfig {
    /// Where the metrics are.
    pub telemetry_path: TelemetryPath,
    /// What every path here begins with.
    pub route_prefix: PathPrefix,
    /// What every link begins with: the same, unless a proxy changes it.
    pub link_prefix: PathPrefix,
    /// What clients may take.
    pub limits: ServerLimits,
    /// TLS, passwords and headers, as they are at the moment.
    pub web_config: CurrentWebConfig,
    /// Who knows what the holders of bearer tokens may; without one, they are not asked for.
    pub access_reviewer: Option<Arc<dyn AccessReviewer>>,
    /// Counts who was refused.
    pub rejections: Arc<RejectionCounters>,
    /// Changes how much is logged, if `PUT /-/log-level` may.
    pub set_log_level: Option<SetLogLevel>,
}

/// Sets the level of the log by its name. The error says which names there are.
pub type SetLogLevel = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

impl Default for HttpConfig {
    fn default() -> Self {
        // Nothing changes it, so that the sender is gone does no harm.
        let (_, web) = watch::channel(Arc::new(WebConfig::default()));
        Self {
            telemetry_path: TelemetryPath::default(),
            route_prefix: PathPrefix::default(),
            link_prefix: PathPrefix::default(),
            limits: ServerLimits::default(),
            web_config: web,
            access_reviewer: None,
            rejections: Arc::default(),
            set_log_level: None,
        }
    }
}

/// What one client, or all of them together, may take from the server.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// From the begin of a connection or the first byte of a request until the last byte of its header.
    pub header_timeout: Duration,
    /// From the end of a response to the first byte of the next request. Longer than scrapers wait from scrape to scrape.
    pub idle_timeout: Duration,
    /// From the header of a request to that of its response.
    pub request_timeout: Duration,
    /// How long a client may take to read 32 KiB of a large response.
    pub stall_timeout: Duration,
    /// How long a client may keep the server waiting altogether, until it has read its response.
    pub total_stall_timeout: Duration,
    /// From the order to stop until connections are cut.
    pub drain_timeout: Duration,
    /// How many connections are served at a time. For each beyond that an idle one is closed; where none is, it waits in
    /// the kernel's queue. As many again may be open while those that were closed end.
    pub max_connections: usize,
    /// How many scrapes are written at a time, each until its client has read it. Others wait, and end those whose clients
    /// read slowly.
    pub max_scrapes: usize,
    /// The same of pages and JSON, so that people who look do not keep Prometheus waiting.
    pub max_pages: usize,
}

/// The file descriptors that the server leaves to the rest of the process: standard streams, the runtime, listeners,
/// connections to the API server, configuration files.
const RESERVED_FILES: usize = 32;

impl ServerLimits {
    /// Lowers the number of connections to what a process may have that may open so many files. `watches` is the number
    /// of connections that the watch of the cluster takes.
    #[must_use]
    pub fn within_file_limit(self, files: usize, watches: usize) -> Self {
        let left = files.saturating_sub(RESERVED_FILES + 2 * watches);
        // Even where nothing is left, scrapes are tried.
        Self { max_connections: self.max_connections.min(left / 2).max(2), ..self }
    }
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            header_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(180),
            request_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(10),
            total_stall_timeout: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(5),
            max_connections: 256,
            max_scrapes: 8,
            max_pages: 2,
        }
    }
}

/// Serves a site until `shutdown` is ready, then lets requests in flight finish. Every task it starts has ended when it
/// returns.
pub async fn serve(
    listeners: Listeners,
    site: Arc<dyn Backend>,
    config: HttpConfig,
    shutdown: impl Future<Output = ()>,
) {
    let router = router(site, &config);
    serve_router(listeners, router, config, shutdown).await;
}
