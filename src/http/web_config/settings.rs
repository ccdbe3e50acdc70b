//! The validated settings of a web configuration file.

use axum::http::HeaderMap;
use tokio_rustls::TlsAcceptor;

use super::protection::Protection;
use crate::http::basic_auth::Users;
use crate::http::rate_limiter::RateLimiter;

/// The validated settings of a file. The default applies without a file.
#[derive(Clone, Default)]
pub struct WebConfig {
    /// `None` for plain HTTP.
    pub(in crate::http) tls: Option<TlsAcceptor>,
    /// Headers of all responses.
    pub(in crate::http) headers: HeaderMap,
    /// `None` to require no basic authentication.
    pub(in crate::http) users: Option<Users>,
    pub(in crate::http) rate_limiter: Option<RateLimiter>,
    /// The protections that a reload may not disable.
    pub(in crate::http) protection: Protection,
    pub(in crate::http) warnings: Vec<String>,
}

impl WebConfig {
    /// Returns whether connections are encrypted.
    pub(crate) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// Returns warnings for the operator.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns whether clients must send a password.
    pub(crate) fn has_basic_auth(&self) -> bool {
        self.users.is_some()
    }
}
