//! Configuration of the HTTP server.

use std::sync::Arc;

use tokio::sync::watch;

use super::bearer_auth::AccessReviewer;
use super::limits::ServerLimits;
use super::paths::{PathPrefix, TelemetryPath};
use super::rejections::RejectionCounters;
use super::web_config::{CurrentWebConfig, WebConfig};

/// Configuration of the HTTP server.
#[derive(Clone)]
pub struct HttpConfig {
    /// Path under which to expose metrics.
    pub telemetry_path: TelemetryPath,
    /// Prefix of all routes.
    pub route_prefix: PathPrefix,
    /// Prefix of all links. Differs from the route prefix behind a proxy that rewrites paths.
    pub link_prefix: PathPrefix,
    /// Timeouts and concurrency limits.
    pub limits: ServerLimits,
    /// TLS, basic authentication, headers and the rate limit. Changes when the file is reloaded.
    pub web_config: CurrentWebConfig,
    /// Authorizes bearer tokens. Without one, requests need no token.
    pub access_reviewer: Option<Arc<dyn AccessReviewer>>,
    /// Counters of rejected requests.
    pub rejections: Arc<RejectionCounters>,
    /// Handler of `PUT /-/log-level`. Without one, the route does not exist.
    pub set_log_level: Option<SetLogLevel>,
}

/// Sets the log level by name. The error lists the valid names.
pub type SetLogLevel = Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

impl Default for HttpConfig {
    fn default() -> Self {
        // Receivers stay usable after the sender is dropped.
        let (_, web_config) = watch::channel(Arc::new(WebConfig::default()));
        Self {
            telemetry_path: TelemetryPath::default(),
            route_prefix: PathPrefix::default(),
            link_prefix: PathPrefix::default(),
            limits: ServerLimits::default(),
            web_config,
            access_reviewer: None,
            rejections: Arc::default(),
            set_log_level: None,
        }
    }
}
