//! Reloads the file when it or a file that it names changes.
//!
//! Polls the files, because inotify misses changes on some file systems and replaced symbolic links.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::file::{LoadedFiles, password_verifier};
use super::problems::{ConfigProblem, InvalidWebConfig};
use super::settings::WebConfig;
use crate::http::basic_auth::PasswordVerifier;
use image_pull_model::time::Timestamp;

/// Interval between reads of the files. A change is applied after two identical reads, because a certificate and its key may
/// be written one after the other.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The current configuration.
pub type CurrentWebConfig = watch::Receiver<Arc<WebConfig>>;

/// Reloads a configuration from its file.
pub struct WebConfigReloader {
    path: PathBuf,
    /// The latest content that was applied or rejected.
    applied: Arc<LoadedFiles>,
    current: watch::Sender<Arc<WebConfig>>,
    status: SharedReloadStatus,
    verifier: Arc<PasswordVerifier>,
    /// Whether basic authentication is an error, because bearer tokens are reviewed.
    rejects_basic_auth: bool,
    reload_requested: Arc<Notify>,
}

/// The result of the latest reload, shared with the metrics.
#[derive(Clone, Debug)]
pub struct SharedReloadStatus(Arc<Mutex<ReloadStatus>>);

/// The result of the latest reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReloadStatus {
    /// Whether the file was applied.
    pub is_successful: bool,
    /// Time when the current configuration was loaded.
    pub loaded_at: Timestamp,
}

impl SharedReloadStatus {
    /// Returns the result of the latest reload.
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
    /// With all problems of the file.
    pub fn load(path: &Path, now: Timestamp) -> Result<Self, InvalidWebConfig> {
        let verifier = password_verifier(path, PasswordVerifier::new())?;
        let applied = Arc::new(LoadedFiles::load(path));
        let current = watch::Sender::new(Arc::new(applied.check(&verifier)?));
        let status = SharedReloadStatus(Arc::new(Mutex::new(ReloadStatus { is_successful: true, loaded_at: now })));
        Ok(Self {
            path: path.to_owned(),
            applied,
            current,
            status,
            verifier,
            rejects_basic_auth: false,
            reload_requested: Arc::default(),
        })
    }

    /// Limits requests that wait for a password check, relative to the maximum number of connections.
    pub(crate) fn limit_waiting_checks(&self, connections: usize) {
        self.verifier.limit_waiting(connections);
    }

    /// Makes reloads fail that configure basic authentication. Called if bearer tokens are reviewed, because both use the
    /// Authorization header.
    pub(crate) fn reject_basic_auth(&mut self) {
        self.rejects_basic_auth = true;
    }

    /// Returns a receiver of the current configuration.
    pub fn current(&self) -> CurrentWebConfig {
        self.current.subscribe()
    }

    /// Returns a handle to the result of the latest reload.
    pub fn status(&self) -> SharedReloadStatus {
        self.status.clone()
    }

    /// Returns a trigger. When notified, the reloader reads and applies the files at once, even if they have not changed.
    pub(crate) fn reload_trigger(&self) -> Arc<Notify> {
        Arc::clone(&self.reload_requested)
    }

    /// Reloads the file on changes. Never returns.
    pub async fn run(mut self, now: impl Fn() -> Timestamp) {
        let mut previous = Arc::clone(&self.applied);
        loop {
            let is_requested = timeout(POLL_INTERVAL, self.reload_requested.notified()).await.is_ok();
            let path = self.path.clone();
            // Reading from a network file system may block for a long time.
            let Ok(files) = spawn_blocking(move || Arc::new(LoadedFiles::load(&path))).await else { continue };
            let is_stable = files.has_same_content(&previous);
            previous = files;
            if is_requested || (is_stable && !previous.has_same_content(&self.applied)) {
                self.applied = Arc::clone(&previous);
                self.apply(now());
            }
        }
    }

    fn apply(&mut self, now: Timestamp) {
        match self.applied.check(&self.verifier).and_then(|config| self.check_protection(config)) {
            Ok(config) => {
                for warning in config.warnings() {
                    tracing::warn!(file = %self.path.display(), "{warning}");
                }
                self.current.send_replace(Arc::new(config));
                *self.status.lock() = ReloadStatus { is_successful: true, loaded_at: now };
                tracing::info!(file = %self.path.display(), "web configuration reloaded");
            }
            Err(error) => {
                self.status.lock().is_successful = false;
                tracing::error!(%error, "cannot reload web configuration, keeping the previous one");
            }
        }
    }

    /// Rejects a configuration that disables a protection. An empty file is more likely an error than intended.
    fn check_protection(&self, config: WebConfig) -> Result<WebConfig, InvalidWebConfig> {
        let text = if self.rejects_basic_auth && config.has_basic_auth() {
            "basic_auth_users cannot be combined with --auth-filter".to_owned()
        } else if let Some(lost) = self.current.borrow().protection.lost_in(config.protection) {
            format!("reload would disable {lost}; restart the exporter to apply it")
        } else {
            return Ok(config);
        };
        Err(InvalidWebConfig { path: self.path.clone(), problems: vec![ConfigProblem::of_file(text)] })
    }
}
