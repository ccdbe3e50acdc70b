//! The command `serve`: wires cluster watches, monitor and HTTP server, and stops all tasks when the first one ends.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use futures::StreamExt;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::info;

use crate::backend::ExporterBackend;
use crate::cli::{MetricsArgs, ServeArgs};
use crate::clock::Clock;
use crate::cluster::PodEvent;
use crate::cluster::client::{self, Connection};
use crate::cluster::event_watch;
use crate::cluster::pod_watch::{self, PodSource};
use crate::cluster::selection::PodSelection;
use crate::http::web_config::WebConfigReloader;
use crate::http::{self, Listeners};
use crate::log;
use crate::monitor::Monitor;
use crate::review::TokenReviewer;
use crate::signals::Signals;
use crate::web_server::{WebServer, bind_listeners, server_limits, systemd_listeners};
use image_pull_model::facts::WatchScope;
use image_pull_model::index::IndexConfig;
use image_pull_model::time::Timestamp;

/// The part of a cluster to watch.
pub struct ClusterWatch {
    /// Connection to the API server.
    pub connection: Connection,
    /// Namespaces, or the whole cluster.
    pub scopes: Vec<WatchScope>,
    /// The pods of each scope to watch.
    pub selection: PodSelection,
    /// Whether the API server may compress lists.
    pub compress_lists: bool,
    /// Whether to read Events too.
    pub reads_events: bool,
    /// Maximum age of the view. With an older one the exporter is not ready.
    pub stale_after: Duration,
    /// The clock of the cluster. Simulated in the demo.
    pub clock: Clock,
}

/// Watches the configured cluster and serves its failures until a signal stops the process.
///
/// # Errors
/// When a part cannot be started, or a task ends unexpectedly.
pub async fn run(args: &ServeArgs, log_level: log::LevelHandle) -> Result<()> {
    let ServeArgs { web, auth_filter, config_check, cluster, metrics, log: _ } = args;
    let signals = Signals::new()?;
    let passed = systemd_listeners(web)?;
    // Report all configuration errors at once.
    let client = client::connect(&cluster.connection.cluster_config()).await.map_err(anyhow::Error::from);
    let (selection, web_server) = (cluster.selection(), WebServer::new(web, log_level));
    let (client, selection, mut web_server) = match (client, selection, web_server) {
        (Ok(client), Ok(selection), Ok(web_server)) => (client, selection, web_server),
        (client, selection, web_server) => {
            let client = client.err().map(|error| error.to_string());
            let selection = selection.err().map(|error| error.to_string());
            let web_server = web_server.err().map(|error| error.to_string());
            bail!(client.into_iter().chain(selection).chain(web_server).collect::<Vec<_>>().join("\n"))
        }
    };
    if *auth_filter {
        web_server.enable_token_review(Arc::new(TokenReviewer::new(client.clone())))?;
    }
    if *config_check {
        info!("the configuration is valid");
        return Ok(());
    }
    let watched = ClusterWatch {
        connection: client,
        scopes: WatchScope::of_namespaces(&cluster.namespaces),
        selection,
        compress_lists: cluster.compress_lists,
        reads_events: cluster.events,
        stale_after: cluster.stale_after,
        clock: Clock::System,
    };
    serve(bind_listeners(web, passed)?, watched, web_server, metrics, &mut JoinSet::new(), signals).await
}

/// Serves `watched` on `listeners` until a signal stops the process. `tasks` may contain further endless tasks.
///
/// # Errors
/// When a task ends before that.
pub async fn serve(
    listeners: Listeners,
    watched: ClusterWatch,
    web: WebServer,
    metrics: &MetricsArgs,
    tasks: &mut JoinSet<()>,
    signals: Signals,
) -> Result<()> {
    let ClusterWatch { connection, scopes, selection, compress_lists, reads_events, stale_after, clock } = watched;
    let WebServer { mut config, reloading, history } = web;
    config.limits = server_limits(scopes.len() * if reads_events { 2 } else { 1 });
    if let Some(reloading) = &reloading {
        reloading.limit_waiting_checks(config.limits.max_connections);
    }
    let settings = IndexConfig {
        excludes_finished_pods: !selection.include_finished,
        selects_by_label: !selection.label_selector.is_empty(),
        ..metrics.index_settings()
    };
    let monitor = Monitor::new(settings, &scopes, metrics.limits(), clock.now()).with_history(history);
    let monitor = Arc::new(if reads_events { monitor.with_events() } else { monitor });
    let clock_check = CheckedClock::from(clock);
    let tls = config.web_config.borrow().has_tls();
    for address in listeners.addresses() {
        info!(address, tls, version = crate::build::VERSION, revision = crate::build::REVISION, "serving");
    }

    for scope in scopes {
        let source = PodSource { connection: connection.clone(), scope, selection: selection.clone(), compress_lists };
        let (listed, is_listed) = oneshot::channel();
        if reads_events {
            tasks.spawn(watch_events(source.clone(), is_listed, Arc::clone(&monitor), clock_check));
        }
        tasks.spawn(watch_pods(source, listed, Arc::clone(&monitor), clock_check));
    }
    tasks.spawn(check_clock(Arc::clone(&monitor), clock_check));
    let (stopping, mut stopped) = watch::channel(());
    let reload_status = reloading.as_ref().map(WebConfigReloader::status);
    let backend = ExporterBackend::new(monitor, clock, stale_after);
    let backend = Arc::new(backend.with_web_status(Arc::clone(&config.rejections), reload_status));
    let Signals { stop, mut hangup } = signals;
    let reload_now = reloading.as_ref().map(WebConfigReloader::reload_trigger);
    tasks.spawn(async move {
        while hangup.recv().await.is_some() {
            if let Some(reload_now) = &reload_now {
                reload_now.notify_one();
            } else {
                info!("SIGHUP ignored: no --web.config.file");
            }
        }
        pending::<()>().await;
    });
    if let Some(reloading) = reloading {
        tasks.spawn(reloading.run(|| Clock::System.now()));
    }
    let mut server = JoinSet::new();
    server.spawn(async move {
        // An error means that the sender was dropped, which also requests the stop.
        let stopped = async move { drop(stopped.changed().await) };
        http::serve(listeners, backend, config, stopped).await;
    });

    tokio::select! {
        () = stop => {}
        ended = tasks.join_next() => bail!("a task ended unexpectedly: {ended:?}"),
        ended = server.join_next() => bail!("the HTTP server ended unexpectedly: {ended:?}"),
    }
    info!("stopping");
    tasks.shutdown().await;
    drop(stopping);
    while server.join_next().await.is_some() {}
    Ok(())
}

/// A clock whose steps are detected by comparison with the monotonic clock.
#[derive(Clone, Copy, Debug)]
struct CheckedClock {
    clock: Clock,
    started_at: Instant,
}

impl From<Clock> for CheckedClock {
    fn from(clock: Clock) -> Self {
        Self { clock, started_at: Instant::now() }
    }
}

impl CheckedClock {
    /// Returns the time after the monitor has handled a clock step. Exempts a clock that catches up, which runs faster.
    fn now(self, monitor: &Monitor) -> Timestamp {
        let now = self.clock.now();
        if self.clock == Clock::System {
            monitor.check_clock(now, self.started_at.elapsed());
        }
        now
    }
}

/// Checks for clock steps once a second, so that timestamps in the future are corrected soon.
async fn check_clock(monitor: Arc<Monitor>, clock: CheckedClock) {
    loop {
        clock.now(&monitor);
        sleep(Duration::from_secs(1)).await;
    }
}

/// Passes every event of the watch of pods to the monitor. Sends `listed` once all pods were listed.
async fn watch_pods(source: PodSource, listed: oneshot::Sender<()>, monitor: Arc<Monitor>, clock: CheckedClock) {
    let (scope, mut listed) = (source.scope.clone(), Some(listed));
    let mut events = std::pin::pin!(pod_watch::watch(source));
    while let Some(event) = events.next().await {
        let is_listed = matches!(event, PodEvent::ListCompleted);
        monitor.handle_event(&scope, event, clock.now(&monitor));
        if let Some(listed) = listed.take_if(|_| is_listed) {
            // An error means that Events are not read.
            let _ = listed.send(());
        }
    }
}

/// Passes every event of the watch of Events to the monitor, until the API server forbids to read them. Starts once the
/// pods are listed: Events are evidence about them.
async fn watch_events(source: PodSource, is_listed: oneshot::Receiver<()>, monitor: Arc<Monitor>, clock: CheckedClock) {
    if is_listed.await.is_ok() {
        let scope = source.scope.clone();
        let mut events = std::pin::pin!(event_watch::watch(source));
        while let Some(event) = events.next().await {
            if !monitor.handle_kubelet_event(&scope, &event, clock.now(&monitor)) {
                break;
            }
        }
    }
    // The end of a task stops the process.
    pending::<()>().await;
}
