//! Serves the exposition, the health checks and an index page over HTTP.

mod encoding;
mod health;
mod index;
mod metrics;
mod path;
mod patience;
mod router;
mod server;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::metrics::exposition::Format;

pub use path::{BadPath, ExternalUrl, Prefix, TelemetryPath};
pub use router::router;
pub use server::serve_router;

/// What the rest of the program tells this module.
///
/// `ready` and `live` are called on a thread that other tasks need, so they must not block; `scrape` may take its time.
pub trait Site: Send + Sync + 'static {
    /// Returns what writes the exposition of this instant.
    fn scrape(&self, format: Format) -> Result<Scrape, NotReady>;

    /// Returns why nobody should scrape this process, if so.
    fn ready(&self) -> Result<(), String>;

    /// Returns why this process should be restarted, if so.
    fn live(&self) -> Result<(), String>;
}

/// Writes an exposition into a sink, which takes its time; dropping the sink ends it.
pub type Scrape = Box<dyn FnOnce(Box<dyn Write + Send>) + Send>;

/// Why there is nothing to scrape yet. An incomplete list of failures would end alerts that should go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotReady(pub String);

/// How the server is set up.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Where the metrics are.
    pub telemetry_path: TelemetryPath,
    /// What clients may take.
    pub limits: Limits,
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
    /// How many scrapes are written at a time, each until its client has read it. Others wait.
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
    serve_router(listener, router, config.limits, shutdown).await;
}
