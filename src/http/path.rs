//! Checks the path under which the exposition is served.

use std::str::FromStr;

/// Paths that mean something else.
const TAKEN: [&str; 5] = ["/", "/style.css", "/livez", "/readyz", "/healthz"];

/// A path that names nothing else here and means itself in a route, in HTML and in a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryPath(String);

/// Why a path cannot be the telemetry path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPath {
    /// It holds what a path should not.
    #[error("path \"{0}\" must begin with \"/\" and contain only letters, digits and -._~/")]
    Characters(String),
    /// Something else is there.
    #[error("path \"{0}\" is taken")]
    Taken(String),
}

impl TelemetryPath {
    /// Returns the path with its leading slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TelemetryPath {
    fn default() -> Self {
        Self("/metrics".to_owned())
    }
}

impl FromStr for TelemetryPath {
    type Err = BadPath;

    fn from_str(path: &str) -> Result<Self, BadPath> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if !path.starts_with('/') || !path.bytes().all(plain) {
            return Err(BadPath::Characters(path.to_owned()));
        }
        if TAKEN.contains(&path) || ["/api/", "/-/"].iter().any(|taken| path.starts_with(taken)) {
            return Err(BadPath::Taken(path.to_owned()));
        }
        Ok(Self(path.to_owned()))
    }
}
