//! Sets up the log, and lets its level be changed while the program runs.
//!
//! ```text
//! event --> level --> limit per kind --> format --> queue --> thread --> standard error
//! ```
//!
//! Nothing waits for standard error, and the cluster does not decide how much is logged.

mod queue;
mod rate_limit;

use std::io::{self, Write as _};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, reload};

use queue::{LogQueue, QueueWriter};
use rate_limit::RateLimiter;

/// How often a summary of the lines that were left out is logged.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(60);
/// How long the end of the process waits for its last lines to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// kube's client logs each error that it returns too, and whoever gets the error logs it with what it means.
const DUPLICATE_ERROR_TARGET: &str = "kube_client::client::builder";

/// The log of this process, once it has begun.
static LOG: OnceLock<Logger> = OnceLock::new();

#[derive(Debug, Default)]
struct Logger {
    queue: Arc<LogQueue>,
    limiter: RateLimiter,
}

/// The formats of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `ts=… level=info message="…" key=value`, as Prometheus and its exporters write.
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// How much is logged, from now on.
#[derive(Clone, Debug)]
pub struct LevelHandle(reload::Handle<Targets, Registry>);

/// Begins to log on standard error.
///
/// # Errors
/// When no thread can be started.
pub fn start(format: LogFormat, level: LevelFilter) -> io::Result<LevelHandle> {
    let log = LOG.get_or_init(Logger::default);
    log.queue.start(io::stderr(), SUMMARY_INTERVAL, summary_reporter(log))?;
    let (filter, handle) = reload::Layer::new(targets(level));
    let registry = tracing_subscriber::registry().with(filter).with(&log.limiter);
    let writer = QueueWriter(Arc::clone(&log.queue));
    match format {
        LogFormat::Logfmt => {
            registry.with(tracing_logfmt::builder().with_target(false).layer().with_writer(writer)).init();
        }
        LogFormat::Json => registry.with(fmt::layer().json().with_target(false).with_writer(writer)).init(),
    }
    Ok(LevelHandle(handle))
}

fn targets(level: LevelFilter) -> Targets {
    let twice = if level >= LevelFilter::DEBUG { level } else { LevelFilter::OFF };
    Targets::new().with_default(level).with_target(DUPLICATE_ERROR_TARGET, twice)
}

/// Reports what was left out and dropped, whenever it is called.
fn summary_reporter(log: &'static Logger) -> impl FnMut() + Send {
    let (mut reported, mut summarized) = (0, Instant::now());
    move || {
        let dropped = log.queue.dropped();
        if dropped > reported {
            warn!(lines = dropped - reported, "log lines dropped: standard error was not read");
            reported = dropped;
        }
        if summarized.elapsed() >= SUMMARY_INTERVAL {
            log.limiter.summarize();
            summarized = Instant::now();
        }
    }
}

/// Lines of the log that were not written so far, by why.
#[must_use]
pub fn dropped_lines() -> [(&'static str, u64); 2] {
    let dropped = LOG.get().map_or((0, 0), |log| (log.limiter.suppressed(), log.queue.dropped()));
    [("rate_limited", dropped.0), ("unread", dropped.1)]
}

/// Waits until what was logged is written, but not for long.
pub fn flush() {
    if let Some(log) = LOG.get() {
        log.queue.flush(FLUSH_TIMEOUT);
    }
}

/// Writes the last lines of the process to standard error, behind what was logged. Where there is a log, this does not
/// wait for long either.
pub fn write_final(lines: &str) {
    match LOG.get() {
        Some(log) => {
            log.queue.push_final(lines.as_bytes());
            flush();
        }
        // Nothing is left to do when not even this can be written.
        None => drop(io::stderr().write_all(lines.as_bytes())),
    }
}

impl LevelHandle {
    /// Sets it.
    ///
    /// # Errors
    /// When the log has ended.
    pub fn set(&self, level: LevelFilter) -> Result<(), reload::Error> {
        self.0.reload(targets(level))
    }
}
