//! The command `demo`: serves a simulated cluster on loopback.

use std::fs;
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result};
use kube::Config;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::info;

use crate::cli::DemoArgs;
use crate::clock::Clock;
use crate::cluster::client;
use crate::cluster::selection::PodSelection;
use crate::log;
use crate::serve::{self, ClusterWatch};
use crate::signals::Signals;
use crate::web_server::{self, WebServer};
use image_pull_model::facts::WatchScope;
use image_pull_model::time::Timestamp;
use image_pull_sim::api::{self, ApiServer, BOOKMARK_INTERVAL, SharedStore};
use image_pull_sim::cluster::Cluster;
use image_pull_sim::script::Script;
use image_pull_sim::store::Store;
use image_pull_sim::{DEMO, SimTime};

/// The default of `serve`.
const STALE_AFTER: Duration = Duration::from_secs(300);

/// Changes of pods and Events that the API server keeps for watches. Each takes 10 to 40 KiB of memory, and a demo may
/// run for days.
const HISTORY_CAPACITY: usize = 3000;

/// Serves a simulated cluster until a signal arrives.
///
/// # Errors
/// When the script is invalid, something cannot be started, or a task ends unexpectedly.
pub async fn run(args: &DemoArgs, log_level: log::LevelHandle) -> Result<()> {
    let DemoArgs { script, speed, seed, web, metrics, log: _ } = args;
    let passed = web_server::systemd_listeners(web)?;
    let signals = Signals::new()?;
    let script = match script {
        None => Script::parse(DEMO).context("the built-in script")?,
        Some(path) => {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            Script::parse(&text).with_context(|| format!("cannot run {}", path.display()))?
        }
    };
    let web_server = WebServer::new(web, log_level)?;
    let listeners = web_server::bind_listeners(web, passed)?;

    let (clock, epoch) = clocks(script.end(), *speed);
    let jiff_epoch = jiff::Timestamp::from_millisecond(epoch.unix_millis()).context("the clock shows no date")?;
    let mut cluster = Cluster::new(script, *seed, jiff_epoch);
    let store = SharedStore::new(Store::with_history_capacity(HISTORY_CAPACITY));
    api::advance_cluster(&mut cluster, &store, SimTime::ZERO);

    let loopback =
        TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.context("no loopback address")?;
    let server = ApiServer::start(loopback, store.clone(), BOOKMARK_INTERVAL).context("cannot start the API server")?;
    let url = format!("http://{}", server.address());
    let client = client::new_client(Config::new(url.parse()?))?;
    info!(api_server = url, speed, "simulating a cluster");

    let mut tasks = JoinSet::new();
    let (sim_clock, speed) = (move || sim_time(clock.now(), epoch), *speed);
    tasks.spawn(async move {
        api::run_cluster(cluster, store, sim_clock, speed).await;
        // The script is finished; the cluster keeps its state.
        pending::<()>().await;
    });
    let watched = ClusterWatch {
        connection: client.into(),
        scopes: vec![WatchScope::Cluster],
        selection: PodSelection::default(),
        compress_lists: false,
        reads_events: true,
        stale_after: STALE_AFTER,
        clock,
    };
    let served = serve::serve(listeners, watched, web_server, metrics, &mut tasks, signals).await;
    server.shutdown().await.context("the simulated API server broke")?;
    served
}

/// Returns a clock that runs `speed` times faster until it reaches the system's time, and the time at which the
/// simulation starts.
fn clocks(length: Duration, speed: f64) -> (Clock, Timestamp) {
    let began = Clock::System.now();
    let behind = length.mul_f64(1.0 - 1.0 / speed);
    (Clock::CatchingUp { started_at: began, lag: behind, speed }, began.saturating_sub(behind))
}

fn sim_time(now: Timestamp, epoch: Timestamp) -> SimTime {
    SimTime::from_millis(now.unix_millis() - epoch.unix_millis())
}
