//! Holds what `--web.config.file` sets: TLS, basic authentication, headers and a rate limit.
//!
//! The file has the format of Prometheus' exporter-toolkit, `docs/web-config.md` says where this server differs.

mod client;
mod file;
mod protection;
mod reload;
mod tls;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::HeaderMap;
use ring::error::Unspecified;
use tokio_rustls::TlsAcceptor;

use super::basic_auth::{PasswordVerifier, Users};
use super::rate_limiter::RateLimiter;
use protection::Protection;

pub use reload::{CurrentWebConfig, ReloadStatus, SharedReloadStatus, WebConfigReloader};

/// What a file sets, checked and ready for use. The default is what holds without a file.
#[derive(Clone, Default)]
pub struct WebConfig {
    /// How to speak TLS; `None` for plain HTTP.
    pub(super) tls: Option<TlsAcceptor>,
    /// Headers of every response.
    pub(super) headers: HeaderMap,
    /// Who may ask; `None` for anybody.
    pub(super) users: Option<Users>,
    /// How often may be asked.
    pub(super) rate_limiter: Option<RateLimiter>,
    /// What of it a reload may not take away.
    pub(super) protection: Protection,
    /// What an operator should know of it.
    pub(super) warnings: Vec<String>,
}

impl WebConfig {
    /// Returns whether connections are encrypted.
    pub fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns what an operator should know of it, a line each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns whether clients have to give a password.
    pub fn has_basic_auth(&self) -> bool {
        self.users.is_some()
    }
}

/// Everything that is wrong with a file, each with its place.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidWebConfig {
    path: PathBuf,
    problems: Vec<ConfigProblem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ConfigProblem {
    /// Line and column, from 1; `None` when it is about the whole file.
    position: Option<(u64, u64)>,
    text: String,
}

impl InvalidWebConfig {
    /// Returns a line for each problem, as compilers write them.
    pub fn lines(&self) -> impl Iterator<Item = String> + '_ {
        self.problems.iter().map(|problem| {
            let place = problem.position.map_or_else(String::new, |(line, column)| format!("{line}:{column}: "));
            format!("{}:{}{}", self.path.display(), if place.is_empty() { " " } else { &place }, problem.text)
        })
    }
}

impl fmt::Display for InvalidWebConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().collect::<Vec<_>>().join("; "))
    }
}

impl std::error::Error for InvalidWebConfig {}

/// Reads and checks a file and all the files it names.
///
/// # Errors
/// With everything that is wrong, unless the text is no YAML or does not fit: then with the first place where it does not.
pub fn load(path: &Path) -> Result<WebConfig, InvalidWebConfig> {
    let read = file::LoadedFiles::load(path);
    read.check(&password_verifier(path, PasswordVerifier::new())?)
}

/// Returns the checks. Without a secret key for them there is no configuration, rather than one without passwords.
fn password_verifier(
    path: &Path,
    checks: Result<Arc<PasswordVerifier>, Unspecified>,
) -> Result<Arc<PasswordVerifier>, InvalidWebConfig> {
    checks.map_err(|_| {
        let problem = ConfigProblem { position: None, text: "the system has no randomness".to_owned() };
        InvalidWebConfig { path: path.to_owned(), problems: vec![problem] }
    })
}
