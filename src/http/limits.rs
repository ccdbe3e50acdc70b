//! Limits of the HTTP server. `docs/security.md` lists the attacks they mitigate.

use std::time::Duration;

/// Timeouts and concurrency limits of the HTTP server.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Maximum time from the start of a connection, or from the first byte of a request, to the end of its header.
    pub header_timeout: Duration,
    /// Maximum time from the end of a response to the next request. Longer than common scrape intervals.
    pub idle_timeout: Duration,
    /// Maximum time from the header of a request to the header of its response.
    pub request_timeout: Duration,
    /// Maximum time for a client to read 32 KiB of a large response.
    pub stall_timeout: Duration,
    /// Maximum total time that a client may stall a response.
    pub total_stall_timeout: Duration,
    /// Maximum time for requests in flight at shutdown.
    pub drain_timeout: Duration,
    /// Maximum number of connections. At the limit, each new connection closes an idle one, or waits in the kernel's queue if
    /// all are busy. Up to the same number of connections may be closing.
    pub max_connections: usize,
    /// Maximum number of scrapes that are written at the same time. Others wait.
    pub max_scrapes: usize,
    /// Maximum number of pages and JSON documents that are written at the same time. Separate from scrapes, so that page
    /// views do not delay Prometheus.
    pub max_pages: usize,
}

/// File descriptors reserved for the rest of the process: standard streams, the runtime, listeners, connections to the API
/// server, configuration files.
const RESERVED_FILES: usize = 32;

impl ServerLimits {
    /// Reduces the number of connections to fit a limit on open files. `watches` is the number of watch connections to the
    /// API server.
    #[must_use]
    pub(crate) fn within_file_limit(self, files: usize, watches: usize) -> Self {
        let available = files.saturating_sub(RESERVED_FILES + 2 * watches);
        // Allow scrapes even if no file descriptors remain.
        Self { max_connections: self.max_connections.min(available / 2).max(2), ..self }
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
