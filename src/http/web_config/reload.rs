//! Reads the file again when it, or a file it names, has changed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::file::Read;
use super::{BadWebConfig, Problem, WebConfig};
use crate::http::password::Checks;
use image_pull_model::time::Timestamp;

/// How often the files are read. A change is acted on once two reads in a row have found it, since not everybody writes
/// a certificate and its key in one step.
const EVERY: Duration = Duration::from_secs(1);

/// The configuration as it is at the moment.
pub type Current = watch::Receiver<Arc<WebConfig>>;

/// Keeps a configuration up with its file.
pub struct Reloading {
    path: PathBuf,
    /// The latest read that was acted on.
    acted: Arc<Read>,
    current: watch::Sender<Arc<WebConfig>>,
    reloads: Reloads,
    checks: Arc<Checks>,
    /// Whether bearer tokens are reviewed, which passwords would replace.
    reviews_tokens: bool,
    now: Arc<Notify>,
}

/// How the latest reload went, shared with whoever tells.
#[derive(Clone, Debug)]
pub struct Reloads(Arc<Mutex<Reload>>);

/// How the latest reload went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Whether what the file says is what holds.
    pub is_successful: bool,
    /// When what holds was read.
    pub succeeded: Timestamp,
}

impl Reloads {
    /// Returns how it went.
    pub fn latest(&self) -> Reload {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Reload> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reloading {
    /// Loads the file for the first time.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn start(path: &Path, now: Timestamp) -> Result<Self, BadWebConfig> {
        let checks = super::checks(path, Checks::new())?;
        let acted = Arc::new(Read::of(path));
        let current = watch::Sender::new(Arc::new(acted.check(&checks)?));
        let reloads = Reloads(Arc::new(Mutex::new(Reload { is_successful: true, succeeded: now })));
        Ok(Self { path: path.to_owned(), acted, current, reloads, checks, reviews_tokens: false, now: Arc::default() })
    }

    /// Lets requests that wait for the check of a password hold a part of the connections only.
    pub fn limit_to_part_of(&self, connections: usize) {
        self.checks.limit_to_part_of(connections);
    }

    /// Refuses passwords in a reload, since bearer tokens are reviewed and both want the Authorization header.
    pub fn review_tokens(&mut self) {
        self.reviews_tokens = true;
    }

    /// Returns what always shows the configuration of the moment.
    pub fn current(&self) -> Current {
        self.current.subscribe()
    }

    /// Returns what always shows how the latest reload went.
    pub fn reloads(&self) -> Reloads {
        self.reloads.clone()
    }

    /// Returns what makes it read the file at once when it is notified, and act on it, changed or not.
    pub fn reload_now(&self) -> Arc<Notify> {
        Arc::clone(&self.now)
    }

    /// Reloads, for ever.
    pub async fn run(mut self, now: impl Fn() -> Timestamp) {
        let mut found = Arc::clone(&self.acted);
        loop {
            let is_asked = timeout(EVERY, self.now.notified()).await.is_ok();
            let path = self.path.clone();
            // A file system may hang.
            let Ok(read) = spawn_blocking(move || Arc::new(Read::of(&path))).await else { continue };
            let is_settled = read.is_same(&found);
            found = read;
            if is_asked || (is_settled && !found.is_same(&self.acted)) {
                self.acted = Arc::clone(&found);
                self.act(now());
            }
        }
    }

    fn act(&mut self, now: Timestamp) {
        match self.acted.check(&self.checks).and_then(|config| self.allow(config)) {
            Ok(config) => {
                for note in config.notes() {
                    tracing::warn!(file = %self.path.display(), "{note}");
                }
                self.current.send_replace(Arc::new(config));
                *self.reloads.lock() = Reload { is_successful: true, succeeded: now };
                tracing::info!(file = %self.path.display(), "web configuration reloaded");
            }
            Err(error) => {
                self.reloads.lock().is_successful = false;
                tracing::error!(%error, "web configuration not reloaded; the one before stays in force");
            }
        }
    }

    /// Refuses a configuration that takes protection away: an empty file is rather a mistake than a wish.
    fn allow(&self, config: WebConfig) -> Result<WebConfig, BadWebConfig> {
        let text = if self.reviews_tokens && config.has_users() {
            "basic_auth_users would replace --auth-filter: leave one of them out".to_owned()
        } else if let Some(lost) = self.current.borrow().protection.lost_in(config.protection) {
            format!("{lost} would be switched off: restart the exporter if that is wanted")
        } else {
            return Ok(config);
        };
        Err(BadWebConfig { path: self.path.clone(), problems: vec![Problem { place: None, text }] })
    }
}
