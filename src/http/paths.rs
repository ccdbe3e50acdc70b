//! Configurable paths: the metrics path, the route prefix and the external URL.
//!
//! `http::Uri` accepts more characters than are safe in routes, links and HTML.

use std::str::FromStr;

/// Paths of other routes.
const RESERVED_PATHS: [&str; 7] = ["/", "/style.css", "/script.js", "/favicon.svg", "/livez", "/readyz", "/healthz"];
/// Prefixes of other routes.
const RESERVED_PREFIXES: [&str; 4] = ["/api/", "/failures/", "/runbooks/", "/-/"];

/// Path under which to expose metrics. It is not used by another route, and needs no escaping in routes, HTML and URLs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryPath(String);

/// A path prefix: empty, or a path without a trailing slash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathPrefix(String);

/// The external URL of the server. Links use only its path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalUrl {
    /// Path of the URL.
    pub path: PathPrefix,
}

/// An invalid path or URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// The path contains invalid characters.
    #[error("path \"{0}\" must begin with \"/\" and contain only letters, digits and -._~/")]
    Characters(String),
    /// The path belongs to another route.
    #[error("path \"{0}\" is reserved")]
    Reserved(String),
    /// The URL is not an HTTP or HTTPS URL.
    #[error("invalid URL \"{0}\": expected http://HOST/PATH or https://HOST/PATH")]
    Url(String),
}

impl TelemetryPath {
    /// Returns the path, with a leading slash.
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
    type Err = InvalidPath;

    fn from_str(path: &str) -> Result<Self, InvalidPath> {
        check_characters(path)?;
        if RESERVED_PATHS.contains(&path) || RESERVED_PREFIXES.iter().any(|prefix| path.starts_with(prefix)) {
            return Err(InvalidPath::Reserved(path.to_owned()));
        }
        Ok(Self(path.to_owned()))
    }
}

impl PathPrefix {
    /// Returns the prefix: empty, or with a leading and without a trailing slash.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PathPrefix {
    type Err = InvalidPath;

    fn from_str(path: &str) -> Result<Self, InvalidPath> {
        check_characters(path)?;
        // In a link, `//` is followed by a host.
        if path.starts_with("//") {
            return Err(InvalidPath::Characters(path.to_owned()));
        }
        Ok(Self(path.trim_end_matches('/').to_owned()))
    }
}

impl FromStr for ExternalUrl {
    type Err = InvalidPath;

    fn from_str(url: &str) -> Result<Self, InvalidPath> {
        let invalid = || InvalidPath::Url(url.to_owned());
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).ok_or_else(invalid)?;
        let (host, path) = rest.find('/').and_then(|slash| rest.split_at_checked(slash)).unwrap_or((rest, "/"));
        if host.is_empty() { Err(invalid()) } else { Ok(Self { path: path.parse()? }) }
    }
}

fn check_characters(path: &str) -> Result<(), InvalidPath> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    if path.starts_with('/') && path.bytes().all(is_allowed) {
        Ok(())
    } else {
        Err(InvalidPath::Characters(path.to_owned()))
    }
}
