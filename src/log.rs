//! Sets up logging. The level can change at run time.
//!
//! ```text
//! event ──▶ level ──▶ rate limit ──▶ format ──▶ queue ──▶ thread ──▶ standard error
//! ```
//!
//! Logging never blocks on standard error, and events of the cluster cannot flood the log.

mod queue;
mod rate_limit;

use std::io::{self, Write as _};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use clap::ValueEnum;
use tokio::time::Instant;
use tracing::warn;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, reload};

use queue::{LogQueue, QueueWriter};
use rate_limit::RateLimiter;

/// Interval of the summaries of suppressed lines.
const SUMMARY_INTERVAL: Duration = Duration::from_secs(60);
/// Maximum time to write the last lines before the process exits.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
/// kube logs each error that it also returns. The caller logs returned errors with their meaning.
const DUPLICATE_ERROR_TARGET: &str = "kube_client::client::builder";

/// The log of this process, once started.
static LOG: OnceLock<Logger> = OnceLock::new();

#[derive(Debug, Default)]
struct Logger {
    queue: Arc<LogQueue>,
    limiter: RateLimiter,
}

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// key=value pairs, as in Prometheus and its exporters
    Logfmt,
    /// One JSON object per line
    Json,
}

/// A handle that changes the log level.
#[derive(Clone, Debug)]
pub struct LevelHandle(reload::Handle<Targets, Registry>);

/// Starts logging to standard error.
///
/// # Errors
/// When the log thread cannot be started.
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

/// Returns a function that logs the numbers of suppressed and dropped lines.
fn summary_reporter(log: &'static Logger) -> impl FnMut() + Send {
    let (mut reported, mut summarized) = (0, Instant::now());
    move || {
        let dropped = log.queue.dropped();
        if dropped > reported {
            warn!(lines = dropped - reported, "log lines dropped: standard error is blocked");
            reported = dropped;
        }
        if summarized.elapsed() >= SUMMARY_INTERVAL {
            log.limiter.summarize();
            summarized = Instant::now();
        }
    }
}

/// Returns the number of lines that were not written, by reason.
#[must_use]
pub(crate) fn dropped_lines() -> [(&'static str, u64); 2] {
    let dropped = LOG.get().map_or((0, 0), |log| (log.limiter.suppressed(), log.queue.dropped()));
    [("rate_limited", dropped.0), ("unread", dropped.1)]
}

/// Waits until all queued lines are written, for at most a second.
pub fn flush() {
    if let Some(log) = LOG.get() {
        log.queue.flush(FLUSH_TIMEOUT);
    }
}

/// Writes the last lines of the process to standard error, after the queued ones. Once logging has started, waits for
/// at most a second.
pub fn write_final(lines: &str) {
    match LOG.get() {
        Some(log) => {
            log.queue.push_final(lines.as_bytes());
            flush();
        }
        // Standard error is unusable, so there is no way to report this.
        None => drop(io::stderr().write_all(lines.as_bytes())),
    }
}

impl LevelHandle {
    /// Sets the level.
    ///
    /// # Errors
    /// When logging has stopped.
    pub fn set(&self, level: LevelFilter) -> Result<(), reload::Error> {
        self.0.reload(targets(level))
    }
}
