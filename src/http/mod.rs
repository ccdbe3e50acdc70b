//! Serves the exposition, the health checks and an index page over HTTP.

mod access;
mod bearer;
mod encoding;
mod health;
mod index;
mod lifecycle;
mod metrics;
mod password;
mod path;
mod patience;
mod rate;
mod refusals;
mod router;
mod server;
mod throttle;
pub mod web_config;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::metrics::exposition::Format;

pub use bearer::{Asked, Reviewer, Verdict};
pub use path::{BadPath, TelemetryPath};
pub use refusals::Refusals;
pub use router::router;
pub use server::serve_router;
use web_config::{Current, WebConfig};

/// What the rest of the program tells this module.
///
/// `ready` and `live` are called on a thread that other tasks need, so they must not block; `scrape` may take its time.
pub trait Site: Send + Sync + 'static {
    /// Returns the exposition in one format.
    fn scrape(&self, format: Format) -> Result<Vec<u8>, NotReady>;

    /// Returns why nobody should scrape this process, if so.
    fn ready(&self) -> Result<(), String>;

    /// Returns why this process should be restarted, if so.
    fn live(&self) -> Result<(), String>;
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
    /// From the moment the server waits for a request until the last byte of its header, so a connection may not stay idle
    /// for longer either: hyper has one timer for both.
    pub header: Duration,
    /// From the header of a request to that of its response.
    pub request: Duration,
    /// From the moment a client stops reading its response until it has read all of it.
    pub response: Duration,
    /// From the order to stop until connections are cut.
    pub drain: Duration,
    /// How many connections are served at a time. Others wait in the kernel's queue.
    pub connections: usize,
    /// How many scrapes are held in memory at a time, each until its client has read it. Others wait.
    pub scrapes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(5),
            request: Duration::from_secs(30),
            response: Duration::from_secs(30),
            drain: Duration::from_secs(5),
            connections: 256,
            scrapes: 8,
        }
    }
}

/// Serves a site until `shutdown` is ready, then lets requests in flight finish. Every task it starts has ended when it
/// returns.
pub async fn serve(listener: TcpListener, site: Arc<dyn Site>, config: Config, shutdown: impl Future<Output = ()>) {
    let router = router(site, &config);
    serve_router(listener, router, config, shutdown).await;
}
