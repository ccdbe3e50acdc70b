//! Checks the paths that a user may choose: those of the exposition, of everything here, and of links to it.

use std::str::FromStr;

/// Paths that mean something else.
const RESERVED_PATHS: [&str; 7] = ["/", "/style.css", "/script.js", "/favicon.svg", "/livez", "/readyz", "/healthz"];
/// What no other path may begin with.
const RESERVED_PREFIXES: [&str; 4] = ["/api/", "/failures/", "/runbooks/", "/-/"];

/// A path that names nothing else here and means itself in a route, in HTML and in a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TelemetryPath(String);

/// What paths begin with: nothing, or a path without a slash at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PathPrefix(String);

/// The URL under which others see this server; its path is all that links need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalUrl {
    /// Its path.
    pub path: PathPrefix,
}

/// Why a path cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPath {
    /// It holds what a path should not.
    #[error("path \"{0}\" must begin with \"/\" and contain only letters, digits and -._~/")]
    Characters(String),
    /// Something else is there.
    #[error("path \"{0}\" is taken")]
    Reserved(String),
    /// It is no URL of a web server.
    #[error("\"{0}\" is neither http://HOST/PATH nor https://HOST/PATH")]
    Url(String),
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
    type Err = InvalidPath;

    fn from_str(path: &str) -> Result<Self, InvalidPath> {
        check_characters(path)?;
        if RESERVED_PATHS.contains(&path) || RESERVED_PREFIXES.iter().any(|folder| path.starts_with(folder)) {
            return Err(InvalidPath::Reserved(path.to_owned()));
        }
        Ok(Self(path.to_owned()))
    }
}

impl PathPrefix {
    /// Returns the prefix; empty, or with its leading slash and without one at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PathPrefix {
    type Err = InvalidPath;

    fn from_str(path: &str) -> Result<Self, InvalidPath> {
        check_characters(path)?;
        // In a link, // begins a host.
        if path.starts_with("//") {
            return Err(InvalidPath::Characters(path.to_owned()));
        }
        Ok(Self(path.trim_end_matches('/').to_owned()))
    }
}

impl FromStr for ExternalUrl {
    type Err = InvalidPath;

    fn from_str(url: &str) -> Result<Self, InvalidPath> {
        let bad = || InvalidPath::Url(url.to_owned());
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).ok_or_else(bad)?;
        let (host, path) = rest.find('/').and_then(|slash| rest.split_at_checked(slash)).unwrap_or((rest, "/"));
        if host.is_empty() { Err(bad()) } else { Ok(Self { path: path.parse()? }) }
    }
}

fn check_characters(path: &str) -> Result<(), InvalidPath> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    if path.starts_with('/') && path.bytes().all(plain) {
        Ok(())
    } else {
        Err(InvalidPath::Characters(path.to_owned()))
    }
}
