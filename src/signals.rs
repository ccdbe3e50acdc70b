//! Signal handling: SIGTERM and SIGINT stop the process, SIGHUP reloads the web configuration.

use std::future::{Future, pending};
use std::pin::Pin;

use anyhow::{Context, Result};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals that the process handles.
pub struct Signals {
    /// Ready when SIGTERM or SIGINT (Ctrl-C) arrives.
    pub(crate) stop: Pin<Box<dyn Future<Output = ()>>>,
    /// SIGHUP: reload the web configuration.
    pub(crate) hangup: Signal,
}

impl Signals {
    /// Registers the handlers. From then on, SIGHUP does not terminate the process.
    ///
    /// # Errors
    /// When a handler cannot be registered.
    pub fn new() -> Result<Self> {
        let mut terminate = signal(SignalKind::terminate()).context("cannot receive SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot receive SIGINT")?;
        let hangup = signal(SignalKind::hangup()).context("cannot receive SIGHUP")?;
        let stop = async move {
            let received = tokio::select! {
                received = terminate.recv() => received,
                received = interrupt.recv() => received,
            };
            if received.is_none() {
                pending::<()>().await;
            }
        };
        Ok(Self { stop: Box::pin(stop), hangup })
    }
}
