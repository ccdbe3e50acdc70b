//! The configuration of the HTTP server: checks flags and the web configuration file, binds the listeners.

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use clap::ValueEnum as _;
use tracing::warn;

use crate::cli::{LogLevel, WebArgs};
use crate::clock::Clock;
use crate::http::web_config::WebConfigReloader;
use crate::http::{AccessReviewer, HttpConfig, Listeners, ServerLimits};
use crate::log;
use crate::metrics::process;

/// The checked configuration of the HTTP server.
pub struct WebServer {
    pub(crate) config: HttpConfig,
    /// Reloads the file of `--web.config.file`, if given.
    pub(crate) reloading: Option<WebConfigReloader>,
    /// Number of ended failures to keep for the page.
    pub(crate) history: usize,
}

impl WebServer {
    /// Checks the flags and loads the web configuration file.
    ///
    /// # Errors
    /// When the file is invalid. The message has one line per problem.
    pub fn new(args: &WebArgs, log_level: log::LevelHandle) -> Result<Self> {
        let WebArgs { config_file, enable_lifecycle, history, .. } = args;
        let start = |path| WebConfigReloader::load(path, Clock::System.now());
        let reloading = config_file
            .as_deref()
            .map(start)
            .transpose()
            .map_err(|error| anyhow!(error.lines().collect::<Vec<_>>().join("\n")))?;
        let mut config = args.http_config();
        if let Some(reloading) = &reloading {
            config.web_config = reloading.current();
            for note in config.web_config.borrow().warnings() {
                warn!("{note}");
            }
        }
        if *enable_lifecycle {
            config.set_log_level = Some(Arc::new(move |name: &str| {
                let level =
                    LogLevel::from_str(name, true).map_err(|_| "the level must be error, warn, info or debug")?;
                log_level.set(level.level_filter()).map_err(|error| error.to_string())
            }));
        }
        Ok(Self { config, reloading, history: *history })
    }

    /// Delegates the authentication and authorization of requests to `reviewer`.
    ///
    /// # Errors
    /// When basic authentication is configured too.
    pub(crate) fn enable_token_review(&mut self, reviewer: Arc<dyn AccessReviewer>) -> Result<()> {
        if self.config.web_config.borrow().has_basic_auth() {
            bail!("--auth-filter and basic_auth_users both use the Authorization header: remove one of them");
        }
        if !self.config.web_config.borrow().has_tls() {
            warn!("--auth-filter without TLS: tokens are sent unencrypted (see --web.config.file)");
        }
        self.reloading.as_mut().map(WebConfigReloader::reject_basic_auth);
        self.config.access_reviewer = Some(reviewer);
        Ok(())
    }
}

/// Returns the sockets passed by systemd, if `--web.systemd-socket` is set. Call it first, since it changes the environment.
///
/// # Errors
/// When systemd passed no sockets.
pub(crate) fn systemd_listeners(web: &WebArgs) -> Result<Option<Listeners>> {
    web.systemd_socket
        .then(Listeners::from_systemd)
        .transpose()
        .map_err(|error| anyhow!("--web.systemd-socket: {error}"))
}

/// Binds the listen addresses unless systemd passed sockets.
///
/// # Errors
/// When an address is in use or not available.
pub(crate) fn bind_listeners(web: &WebArgs, passed: Option<Listeners>) -> Result<Listeners> {
    let bind = || Listeners::bind(&web.listen_addresses);
    passed.map_or_else(bind, Ok).map_err(|error| anyhow!("{error} (see --web.listen-address)"))
}

/// Returns the limits of the server, reduced to the number of files that the process may open.
pub(crate) fn server_limits(watches: usize) -> ServerLimits {
    let (limits, files) = (ServerLimits::default(), process::max_open_files());
    let within = limits.within_file_limit(files.unwrap_or(usize::MAX), watches);
    if within.max_connections < limits.max_connections {
        warn!(files, connections = within.max_connections, "connection limit reduced: open file limit is low");
    }
    within
}
