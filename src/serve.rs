//! Watches a cluster and serves what fails: starts every task, and ends when the first of them does.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum as _;
use futures::StreamExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::cli::{LogLevel, MetricsArgs, ServeArgs, WebArgs};
use crate::clock::Clock;
use crate::cluster::PodEvent;
use crate::cluster::client::{self, Connection};
use crate::cluster::pod_watch::{self, PodSource};
use crate::cluster::selection::PodSelection;
use crate::http::web_config::{SharedReloadStatus, WebConfigReloader};
use crate::http::{
    self, AccessReviewer, Backend, BodyWriter, Listeners, NotReady, Overview, RejectionCounters, ServerLimits,
};
use crate::log;
use crate::metrics::exposition::{Exposition, ExpositionFormat};
use crate::metrics::families;
use crate::metrics::process::{self, ProcessStats};
use crate::metrics::scrape::{SelectedSeries, WebStatus};
use crate::monitor::Monitor;
use crate::review::TokenReviewer;
use image_pull_model::advice::FailingRegistryPods;
use image_pull_model::facts::{PodId, WatchScope};
use image_pull_model::history::TimelinePoint;
use image_pull_model::index::IndexConfig;
use image_pull_model::time::Timestamp;

/// What to watch, and with what clock.
pub struct ClusterWatch {
    /// The way to the cluster.
    pub connection: Connection,
    /// What of it to watch.
    pub scopes: Vec<WatchScope>,
    /// Which pods of each scope to watch.
    pub selection: PodSelection,
    /// Whether the API server may compress lists.
    pub compress_lists: bool,
    /// For how long the watch may be broken before nobody should rely on the view.
    pub stale_after: Duration,
    /// What time it is there.
    pub clock: Clock,
}

/// Serves the cluster that the flags name, until told to stop.
///
/// # Errors
/// When something could not be started, or a task ended that should not have.
pub async fn run(args: &ServeArgs, log_level: log::LevelHandle) -> Result<()> {
    let ServeArgs { web, auth_filter, config_check, cluster, metrics, log: _ } = args;
    let signals = Signals::new()?;
    let passed = systemd_listeners(web)?;
    // All are tried before any is complained about: whoever has made two mistakes wants to hear of both.
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
        stale_after: cluster.stale_after,
        clock: Clock::System,
    };
    serve(bind_listeners(web, passed)?, watched, web_server, metrics, &mut JoinSet::new(), signals).await
}

/// How to serve, checked.
pub struct WebServer {
    config: http::HttpConfig,
    /// What keeps it up with the file of `--web.config.file`, if there is one.
    reloading: Option<WebConfigReloader>,
    /// How many failures that ended the page shows.
    history: usize,
}

impl WebServer {
    /// Checks the flags and the file they name.
    ///
    /// # Errors
    /// With everything that is wrong with the file, a line each.
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
                let level = LogLevel::from_str(name, true).map_err(|_| "a level is error, warn, info or debug")?;
                log_level.set(level.level_filter()).map_err(|error| error.to_string())
            }));
        }
        Ok(Self { config, reloading, history: *history })
    }

    /// Lets the API server decide who is answered.
    fn enable_token_review(&mut self, reviewer: Arc<dyn AccessReviewer>) -> Result<()> {
        if self.config.web_config.borrow().has_basic_auth() {
            bail!("--auth-filter and basic_auth_users both want the Authorization header: leave one of them out");
        }
        if !self.config.web_config.borrow().has_tls() {
            warn!("--auth-filter without TLS: whoever is on the network can read the tokens (see --web.config.file)");
        }
        self.reloading.as_mut().map(WebConfigReloader::reject_basic_auth);
        self.config.access_reviewer = Some(reviewer);
        Ok(())
    }
}

/// Takes the sockets that systemd passes, if they are asked for. To be called first: it changes the environment.
///
/// # Errors
/// When there are none.
pub fn systemd_listeners(web: &WebArgs) -> Result<Option<Listeners>> {
    web.systemd_socket
        .then(Listeners::from_systemd)
        .transpose()
        .map_err(|error| anyhow!("--web.systemd-socket: {error}"))
}

/// Binds the addresses to serve on, where systemd has passed no sockets.
///
/// # Errors
/// When one is taken or not ours.
pub fn bind_listeners(web: &WebArgs, passed: Option<Listeners>) -> Result<Listeners> {
    let bind = || Listeners::bind(&web.listen_addresses);
    passed.map_or_else(bind, Ok).map_err(|error| anyhow!("{error} (see --web.listen-address)"))
}

/// Serves `watched` on `listeners` until a signal ends it. `tasks` may hold further tasks, none of which should end.
///
/// # Errors
/// When a task ended before that.
pub async fn serve(
    listeners: Listeners,
    watched: ClusterWatch,
    web: WebServer,
    metrics: &MetricsArgs,
    tasks: &mut JoinSet<()>,
    signals: Signals,
) -> Result<()> {
    let ClusterWatch { connection, scopes, selection, compress_lists, stale_after, clock } = watched;
    let WebServer { mut config, reloading, history } = web;
    config.limits = server_limits(scopes.len());
    if let Some(reloading) = &reloading {
        reloading.limit_waiting_checks(config.limits.max_connections);
    }
    let settings = IndexConfig {
        excludes_finished_pods: !selection.include_finished,
        selects_by_label: !selection.label_selector.is_empty(),
        ..metrics.index_settings()
    };
    let monitor = Arc::new(Monitor::new(settings, &scopes, metrics.limits(), clock.now()).with_history(history));
    let timer = SteppedClock::from(clock);
    let tls = config.web_config.borrow().has_tls();
    for address in listeners.addresses() {
        info!(address, tls, version = crate::build::VERSION, revision = crate::build::REVISION, "serving");
    }

    for scope in scopes {
        let source = PodSource {
            connection: connection.clone(),
            scope: scope.clone(),
            selection: selection.clone(),
            compress_lists,
        };
        tasks.spawn(watch_scope(scope, pod_watch::watch(source), Arc::clone(&monitor), timer));
    }
    tasks.spawn(check_clock(Arc::clone(&monitor), timer));
    let (stopping, mut stopped) = watch::channel(());
    let site = Arc::new(ExporterBackend {
        rejections: Arc::clone(&config.rejections),
        reloads: reloading.as_ref().map(WebConfigReloader::status),
        ..ExporterBackend::new(monitor, clock, stale_after)
    });
    let Signals { stop, mut hangup } = signals;
    let reload_now = reloading.as_ref().map(WebConfigReloader::reload_trigger);
    tasks.spawn(async move {
        while hangup.recv().await.is_some() {
            if let Some(reload_now) = &reload_now {
                reload_now.notify_one();
            } else {
                info!("SIGHUP: there is no --web.config.file to read again");
            }
        }
        pending::<()>().await;
    });
    if let Some(reloading) = reloading {
        tasks.spawn(reloading.run(|| Clock::System.now()));
    }
    let mut server = JoinSet::new();
    server.spawn(async move {
        // An error means that the sender is gone, which is as good an order to stop.
        let stopped = async move { drop(stopped.changed().await) };
        http::serve(listeners, site, config, stopped).await;
    });

    tokio::select! {
        () = stop => {}
        ended = tasks.join_next() => bail!("a task ended that should not have: {ended:?}"),
        ended = server.join_next() => bail!("the HTTP server ended: {ended:?}"),
    }
    info!("stopping");
    tasks.shutdown().await;
    drop(stopping);
    while server.join_next().await.is_some() {}
    Ok(())
}

/// Returns the limits of the server, within what the process may open.
fn server_limits(watches: usize) -> ServerLimits {
    let (limits, files) = (ServerLimits::default(), process::max_open_files());
    let within = limits.within_file_limit(files.unwrap_or(usize::MAX), watches);
    if within.max_connections < limits.max_connections {
        warn!(
            files,
            connections = within.max_connections,
            "fewer connections than usual: the process may open few files"
        );
    }
    within
}

/// Reads a clock that can be set beside one that cannot.
#[derive(Clone, Copy, Debug)]
struct SteppedClock {
    clock: Clock,
    began: Instant,
}

impl From<Clock> for SteppedClock {
    fn from(clock: Clock) -> Self {
        Self { clock, began: Instant::now() }
    }
}

impl SteppedClock {
    /// Reads the time, after the monitor has compared both clocks. A clock that catches up runs faster on purpose.
    fn now(self, monitor: &Monitor) -> Timestamp {
        let now = self.clock.now();
        if self.clock == Clock::System {
            monitor.check_clock(now, self.began.elapsed());
        }
        now
    }
}

/// Compares the clocks once a second, so that no scrape shows for long what a clock that was ahead has recorded.
async fn check_clock(monitor: Arc<Monitor>, timer: SteppedClock) {
    loop {
        timer.now(&monitor);
        sleep(Duration::from_secs(1)).await;
    }
}

/// Hands every event of a watch to the monitor.
async fn watch_scope(
    scope: WatchScope,
    events: impl futures::Stream<Item = PodEvent>,
    monitor: Arc<Monitor>,
    timer: SteppedClock,
) {
    let mut events = std::pin::pin!(events);
    while let Some(event) = events.next().await {
        monitor.handle_event(&scope, event, timer.now(&monitor));
    }
}

/// The signals that the process handles.
pub struct Signals {
    /// Ready when SIGTERM or SIGINT (Ctrl-C) comes.
    stop: Pin<Box<dyn Future<Output = ()>>>,
    /// SIGHUP: read the web configuration again.
    hangup: Signal,
}

impl Signals {
    /// Begins to receive them. From then on SIGHUP does not end the process.
    ///
    /// # Errors
    /// When signals cannot be received.
    pub fn new() -> Result<Self> {
        let mut terminate = signal(SignalKind::terminate()).context("cannot receive SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot receive SIGINT")?;
        let hangup = signal(SignalKind::hangup()).context("cannot receive SIGHUP")?;
        let stop = async move {
            let told = tokio::select! {
                told = terminate.recv() => told,
                told = interrupt.recv() => told,
            };
            if told.is_none() {
                pending::<()>().await;
            }
        };
        Ok(Self { stop: Box::pin(stop), hangup })
    }
}

/// What the HTTP server shows.
pub struct ExporterBackend {
    monitor: Arc<Monitor>,
    clock: Clock,
    stale_after: Duration,
    started: Timestamp,
    rejections: Arc<RejectionCounters>,
    reloads: Option<SharedReloadStatus>,
    /// Held while a scrape picks what it shows, which takes memory for every failing container.
    series_selection_lock: Arc<Mutex<()>>,
}

impl ExporterBackend {
    /// Shows what a monitor knows, by a clock.
    #[must_use]
    pub fn new(monitor: Arc<Monitor>, clock: Clock, stale_after: Duration) -> Self {
        Self {
            monitor,
            clock,
            stale_after,
            started: process::start_time(Clock::System.now()),
            rejections: Arc::default(),
            reloads: None,
            series_selection_lock: Arc::default(),
        }
    }
}

impl ExporterBackend {
    fn not_ready(&self) -> NotReady {
        let missing = self.monitor.unavailable_scopes(self.stale_after, self.clock.now());
        NotReady(format!("the first list of all pods is not complete\n{}", missing.join("\n")))
    }
}

impl Backend for ExporterBackend {
    fn scrape(&self, format: ExpositionFormat) -> Result<BodyWriter, NotReady> {
        let mut view = self.monitor.scrape_snapshot().ok_or_else(|| self.not_ready())?;
        view.process = Some((self.started, ProcessStats::read()));
        view.log_lines_dropped = log::dropped_lines().to_vec();
        let reload = self.reloads.as_ref().map(SharedReloadStatus::latest);
        let reload = reload.map(|reload| (reload.is_successful, reload.loaded_at));
        view.web = Some(WebStatus { rejected: self.rejections.counts().to_vec(), last_reload: reload });
        let picking = Arc::clone(&self.series_selection_lock);
        Ok(Box::new(move |sink| {
            let one_at_a_time = picking.lock();
            let shown = SelectedSeries::select(&view);
            drop(one_at_a_time);
            let mut exposition = Exposition::streaming(format, sink);
            families::write_all(&shown, &mut exposition);
            exposition.finish();
            Ok(())
        }))
    }

    fn overview(&self) -> Result<Overview, NotReady> {
        let now = self.clock.now();
        let (snapshot, watch, past) = self.monitor.overview(now).ok_or_else(|| self.not_ready())?;
        let registry_pods = FailingRegistryPods::of(&snapshot);
        Ok(Overview { now, snapshot, registry_pods, watch_status: watch, history: past })
    }

    fn timelines(&self, pod: &PodId) -> Vec<(String, Vec<TimelinePoint>)> {
        self.monitor.timelines(pod)
    }

    fn ready(&self) -> Result<Vec<String>, String> {
        if !self.monitor.is_listed() {
            return Err(self.not_ready().to_string());
        }
        let now = self.clock.now();
        let (stale, missing) = (self.monitor.stale_for(now), self.monitor.unavailable_scopes(self.stale_after, now));
        if stale > self.stale_after {
            let seconds = stale.as_secs();
            return Err(format!("the watch has been broken for {seconds} s\n{}", missing.join("\n")));
        }
        Ok(missing.iter().map(|part| format!("missing: {part}\n")).collect())
    }

    fn live(&self) -> Result<(), String> {
        Ok(())
    }
}
