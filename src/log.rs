//! Sets up the log, and lets its level be changed while the program runs.

use std::io;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, reload};

/// The formats of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `ts=… level=info message="…" key=value`, as Prometheus and its exporters write.
    Logfmt,
    /// One JSON object a line.
    Json,
}

/// How much is logged, from now on.
#[derive(Clone, Debug)]
pub struct Level(reload::Handle<LevelFilter, Registry>);

/// Begins to log on standard error.
pub fn start(format: Format, level: LevelFilter) -> Level {
    let (filter, handle) = reload::Layer::new(level);
    let registry = tracing_subscriber::registry().with(filter);
    match format {
        Format::Logfmt => {
            registry.with(tracing_logfmt::builder().with_target(false).layer().with_writer(io::stderr)).init();
        }
        Format::Json => registry.with(fmt::layer().json().with_target(false).with_writer(io::stderr)).init(),
    }
    Level(handle)
}

impl Level {
    /// Sets it.
    ///
    /// # Errors
    /// When the log has ended.
    pub fn set(&self, level: LevelFilter) -> Result<(), reload::Error> {
        self.0.reload(level)
    }
}
