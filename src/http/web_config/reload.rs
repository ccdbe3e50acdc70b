//! Reads the file again when it, or a file it names, has changed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::file::LoadedFiles;
use super::{ConfigProblem, InvalidWebConfig, WebConfig};
use crate::http::basic_auth::PasswordVerifier;
use image_pull_model::time::Timestamp;

/// How often the files are read. A change is acted on once two reads in a row have found it, since not everybody writes
/// a certificate and its key in one step.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The configuration as it is at the moment.
pub type CurrentWebConfig = watch::Receiver<Arc<WebConfig>>;

/// Keeps a configuration up with its file.
pub struct WebConfigReloader {
    path: PathBuf,
    /// The latest read that was acted on.
    applied: Arc<LoadedFiles>,
    current: watch::Sender<Arc<WebConfig>>,
    reloads: SharedReloadStatus,
    checks: Arc<PasswordVerifier>,
    /// Whether bearer tokens are reviewed, which passwords would replace.
    rejects_basic_auth: bool,
    reload_requested: Arc<Notify>,
}

/// How the latest reload went, shared with whoever tells.
#[derive(Clone, Debug)]
pub struct SharedReloadStatus(Arc<Mutex<ReloadStatus>>);

/// How the latest reload went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadStatus {
    /// Whether what the file says is what holds.
    pub is_successful: bool,
    /// When what holds was read.
    pub loaded_at: Timestamp,
}

impl SharedReloadStatus {
    /// Returns how it went.
    pub fn latest(&self) -> ReloadStatus {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, ReloadStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WebConfigReloader {
    /// Loads the file for the first time.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn load(path: &Path, now: Timestamp) -> Result<Self, InvalidWebConfig> {
        let checks = super::password_verifier(path, PasswordVerifier::new())?;
        let acted = Arc::new(LoadedFiles::load(path));
        let current = watch::Sender::new(Arc::new(acted.check(&checks)?));
        let reloads = SharedReloadStatus(Arc::new(Mutex::new(ReloadStatus { is_successful: true, loaded_at: now })));
        Ok(Self {
            path: path.to_owned(),
            applied: acted,
            current,
            reloads,
            checks,
            rejects_basic_auth: false,
            reload_requested: Arc::default(),
        })
    }

    /// Lets requests that wait for the check of a password hold a part of the connections only.
    pub fn limit_waiting_checks(&self, connections: usize) {
        self.checks.limit_waiting(connections);
    }

    /// Refuses passwords in a reload, since bearer tokens are reviewed and both want the Authorization header.
    pub fn reject_basic_auth(&mut self) {
        self.rejects_basic_auth = true;
    }

    /// Returns what always shows the configuration of the moment.
    pub fn current(&self) -> CurrentWebConfig {
        self.current.subscribe()
    }

    /// Returns what always shows how the latest reload went.
    pub fn status(&self) -> SharedReloadStatus {
        self.reloads.clone()
    }

    /// Returns what makes it read the file at once when it is notified, and act on it, changed or not.
    pub fn reload_trigger(&self) -> Arc<Notify> {
        Arc::clone(&self.reload_requested)
    }

    /// Reloads, for ever.
    pub async fn run(mut self, now: impl Fn() -> Timestamp) {
        let mut found = Arc::clone(&self.applied);
        loop {
            let is_asked = timeout(POLL_INTERVAL, self.reload_requested.notified()).await.is_ok();
            let path = self.path.clone();
            // A file system may hang.
            let Ok(read) = spawn_blocking(move || Arc::new(LoadedFiles::load(&path))).await else { continue };
            let is_settled = read.has_same_content(&found);
            found = read;
            if is_asked || (is_settled && !found.has_same_content(&self.applied)) {
                self.applied = Arc::clone(&found);
                self.apply(now());
            }
        }
    }

    fn apply(&mut self, now: Timestamp) {
        match self.applied.check(&self.checks).and_then(|config| self.check_protection(config)) {
            Ok(config) => {
                for note in config.warnings() {
                    tracing::warn!(file = %self.path.display(), "{note}");
                }
                self.current.send_replace(Arc::new(config));
                *self.reloads.lock() = ReloadStatus { is_successful: true, loaded_at: now };
                tracing::info!(file = %self.path.display(), "web configuration reloaded");
            }
            Err(error) => {
                self.reloads.lock().is_successful = false;
                tracing::error!(%error, "web configuration not reloaded; the one before stays in force");
            }
        }
    }

    /// Refuses a configuration that takes protection away: an empty file is rather a mistake than a wish.
    fn check_protection(&self, config: WebConfig) -> Result<WebConfig, InvalidWebConfig> {
        let text = if self.rejects_basic_auth && config.has_basic_auth() {
            "basic_auth_users would replace --auth-filter: leave one of them out".to_owned()
        } else if let Some(lost) = self.current.borrow().protection.lost_in(config.protection) {
            format!("{lost} would be switched off: restart the exporter if that is wanted")
        } else {
            return Ok(config);
        };
        Err(InvalidWebConfig { path: self.path.clone(), problems: vec![ConfigProblem { position: None, text }] })
    }
}
