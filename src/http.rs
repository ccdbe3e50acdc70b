//! Serves the exposition, the health checks, a page for people and its JSON over HTTP.

mod access;
mod answer;
mod api;
mod assets;
mod bearer;
mod body;
mod client_address;
mod connection;
mod connection_limit;
mod encoding;
mod fair_queue;
mod fingerprint;
mod health;
mod lifecycle;
mod listener;
mod metrics;
mod page;
mod password;
mod path;
mod problem;
mod rate;
mod recent;
mod refusals;
mod response_slots;
mod router;
mod selection;
mod server;
pub mod web_config;
mod write_timeout;

#[cfg(test)]
mod tests;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::metrics::exposition::Format;
use crate::metrics::view::Watch;
use image_pull_model::advice::RegistryPods;
use image_pull_model::facts::PodId;
use image_pull_model::history::{Ended, Past, Point};
use image_pull_model::snapshot::{Failing, Snapshot};
use image_pull_model::time::Timestamp;

pub use bearer::{Asked, Reviewer, Verdict};
pub use listener::{BadListenAddress, ListenAddress, Listeners};
pub use path::{BadPath, ExternalUrl, Prefix, TelemetryPath};
pub use refusals::Refusals;
pub use router::router;
pub use server::serve_router;
use web_config::{Current, WebConfig};

/// What the rest of the program tells this module.
///
/// `ready` and `live` are called on a thread that other tasks need, so they must not block; the others may take their time.
pub trait Site: Send + Sync + 'static {
    /// Returns what writes the exposition of this instant.
    fn scrape(&self, format: Format) -> Result<WriteBody, NotReady>;

    /// Returns what there is to see.
    fn look(&self) -> Result<Sight, NotReady>;

    /// Returns how the open failures of a pod went, by container.
    fn timelines(&self, pod: &PodId) -> Vec<(String, Vec<Point>)>;

    /// Returns why nobody should scrape this process, if so; else what is missing all the same, a line each.
    fn ready(&self) -> Result<Vec<String>, String>;

    /// Returns why this process should be restarted, if so.
    fn live(&self) -> Result<(), String>;
}

/// Writes a body into a sink, which takes its time. Dropping the sink ends the body, and an error breaks it off.
pub type WriteBody = Box<dyn FnOnce(Box<dyn Write + Send>) -> io::Result<()> + Send>;

/// What a person sees who looks.
#[derive(Clone, Debug, Default)]
pub struct Sight {
    /// What time it is.
    pub now: Timestamp,
    /// What fails.
    pub snapshot: Arc<Snapshot>,
    /// What of it is a registry itself.
    pub registry_pods: RegistryPods,
    /// How the watch of the cluster is.
    pub watch: Watch,
    /// What was.
    pub past: Past,
}

impl Sight {
    /// Returns up to when the view of the cluster is current.
    fn seen_until(&self) -> Timestamp {
        self.watch.last_event.unwrap_or_default()
    }

    /// What fails of the pods with this name.
    fn failures_of(&self, namespace: &str, name: &str) -> impl Iterator<Item = Failing<'_>> {
        self.snapshot.failures().filter(move |(pod, _, _)| pod.id.namespace == namespace && pod.id.name == name)
    }

    /// Whether anything of the pods with this name fails or failed.
    fn has_story(&self, namespace: &str, name: &str) -> bool {
        self.failures_of(namespace, name).next().is_some() || self.ended_of(namespace, name).next().is_some()
    }

    /// What failed of the pods with this name.
    fn ended_of(&self, namespace: &str, name: &str) -> impl Iterator<Item = &Ended> {
        let ended = self.past.ended.iter().map(AsRef::as_ref);
        ended.filter(move |ended| ended.pod.id.namespace == namespace && ended.pod.id.name == name)
    }
}

/// Why there is nothing to scrape yet. An incomplete list of failures would end alerts that should go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotReady(pub String);

/// How the server is set up.
#[derive(Clone)]
pub struct Config {
    /// Where the metrics are.
    pub telemetry_path: TelemetryPath,
    /// What every path here begins with.
    pub route_prefix: Prefix,
    /// What every link begins with: the same, unless a proxy changes it.
    pub link_prefix: Prefix,
    /// What clients may take.
    pub limits: Limits,
    /// TLS, passwords and headers, as they are at the moment.
    pub web: Current,
    /// Who knows what the holders of bearer tokens may; without one, they are not asked for.
    pub reviewer: Option<Arc<dyn Reviewer>>,
    /// Counts who was refused.
    pub refusals: Arc<Refusals>,
    /// Changes how much is logged, if `PUT /-/log-level` may.
    pub set_log_level: Option<SetLogLevel>,
}

/// Sets the level of the log by its name. The error says which names there are.
pub type SetLogLevel = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

impl Default for Config {
    fn default() -> Self {
        // Nothing changes it, so that the sender is gone does no harm.
        let (_, web) = watch::channel(Arc::new(WebConfig::default()));
        Self {
            telemetry_path: TelemetryPath::default(),
            route_prefix: Prefix::default(),
            link_prefix: Prefix::default(),
            limits: Limits::default(),
            web,
            reviewer: None,
            refusals: Arc::default(),
            set_log_level: None,
        }
    }
}

/// What one client, or all of them together, may take from the server.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the begin of a connection or the first byte of a request until the last byte of its header.
    pub header: Duration,
    /// From the end of a response to the first byte of the next request. Longer than scrapers wait from scrape to scrape.
    pub idle: Duration,
    /// From the header of a request to that of its response.
    pub request: Duration,
    /// How long a client may take to read 32 KiB of a large response.
    pub stall: Duration,
    /// How long a client may keep the server waiting altogether, until it has read its response.
    pub response: Duration,
    /// From the order to stop until connections are cut.
    pub drain: Duration,
    /// How many connections are served at a time. For each beyond that an idle one is closed; where none is, it waits in
    /// the kernel's queue. As many again may be open while those that were closed end.
    pub connections: usize,
    /// How many scrapes are written at a time, each until its client has read it. Others wait, and end those whose clients
    /// read slowly.
    pub scrapes: usize,
    /// The same of pages and JSON, so that people who look do not keep Prometheus waiting.
    pub looks: usize,
}

/// The file descriptors that the server leaves to the rest of the process: standard streams, the runtime, listeners,
/// connections to the API server, configuration files.
const OTHER_FILES: usize = 32;

impl Limits {
    /// Lowers the number of connections to what a process may have that may open so many files. `watches` is the number
    /// of connections that the watch of the cluster takes.
    #[must_use]
    pub fn within_files(self, files: usize, watches: usize) -> Self {
        let left = files.saturating_sub(OTHER_FILES + 2 * watches);
        // Even where nothing is left, scrapes are tried.
        Self { connections: self.connections.min(left / 2).max(2), ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(5),
            idle: Duration::from_secs(180),
            request: Duration::from_secs(30),
            stall: Duration::from_secs(10),
            response: Duration::from_secs(30),
            drain: Duration::from_secs(5),
            connections: 256,
            scrapes: 8,
            looks: 2,
        }
    }
}

/// Serves a site until `shutdown` is ready, then lets requests in flight finish. Every task it starts has ended when it
/// returns.
pub async fn serve(listeners: Listeners, site: Arc<dyn Site>, config: Config, shutdown: impl Future<Output = ()>) {
    let router = router(site, &config);
    serve_router(listeners, router, config, shutdown).await;
}
