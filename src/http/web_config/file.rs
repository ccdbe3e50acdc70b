//! Reads the file and all it names, and checks what it says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::SignedDuration;
use ring::digest::{self, Digest};
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::protection::Protection;
use super::tls::{self, TlsSection};
use super::{ConfigProblem, InvalidWebConfig, WebConfig};
use crate::http::basic_auth::{PasswordVerifier, Users};
use crate::http::rate_limiter::RateLimiter;

/// The file as it is written.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConfigFile {
    tls_server_config: Option<Spanned<TlsSection>>,
    http_server_config: Option<HttpSection>,
    basic_auth_users: Option<BTreeMap<String, Spanned<String>>>,
    rate_limit: Option<RateSection>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HttpSection {
    /// Whether to offer HTTP/2; if nothing is said, it is offered.
    http2: Option<bool>,
    headers: Option<Headers>,
}

/// The headers that the toolkit allows.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Headers {
    #[serde(rename = "Content-Security-Policy")]
    content_security_policy: Option<Spanned<String>>,
    #[serde(rename = "X-Frame-Options")]
    frame_options: Option<Spanned<String>>,
    #[serde(rename = "X-Content-Type-Options")]
    content_type_options: Option<Spanned<String>>,
    #[serde(rename = "X-XSS-Protection")]
    xss_protection: Option<Spanned<String>>,
    #[serde(rename = "Strict-Transport-Security")]
    strict_transport_security: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RateSection {
    interval: Spanned<String>,
    #[serde(default)]
    burst: u32,
}

/// What the files held at one moment, before anything of it was checked.
pub(super) struct LoadedFiles {
    path: PathBuf,
    file: Result<ConfigFile, ConfigProblem>,
    /// The files that the TLS section names.
    tls_files: tls::TlsFiles,
    /// Of everything read, so that two reads can be compared.
    digest: Digest,
}

impl LoadedFiles {
    /// Reads the file at `path` and all it names. A file that cannot be read is a problem for [`Self::check`].
    pub(super) fn load(path: &Path) -> Self {
        let mut digest = digest::Context::new(&digest::SHA256);
        let text = fs::read(path).and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
        digest.update(text.as_deref().map_or(b"unreadable", str::as_bytes));
        let file = text.map_err(|error| file_problem(format!("cannot be read: {error}"))).and_then(|text| parse(&text));
        let section = file.as_ref().ok().and_then(|file| file.tls_server_config.as_ref());
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let named = section.map(|section| tls::TlsFiles::read(&section.value, folder)).unwrap_or_default();
        named.update(&mut digest);
        Self { path: path.to_owned(), file, tls_files: named, digest: digest.finish() }
    }

    /// Returns whether another read found the same.
    pub(super) fn has_same_content(&self, other: &Self) -> bool {
        self.digest.as_ref() == other.digest.as_ref()
    }

    /// Checks everything. Passwords are checked with the cache and the queues of `checks`.
    pub(super) fn check(&self, checks: &Arc<PasswordVerifier>) -> Result<WebConfig, InvalidWebConfig> {
        let path = self.path.clone();
        let file = match &self.file {
            Ok(file) => file,
            Err(problem) => return Err(InvalidWebConfig { path, problems: vec![problem.clone()] }),
        };
        let mut problems = Vec::new();
        let headers = file.http_server_config.as_ref().and_then(|section| section.headers.as_ref());
        let headers = headers.map(|headers| headers.check(&mut problems)).unwrap_or_default();
        let has_http2 = file.http_server_config.as_ref().and_then(|section| section.http2).unwrap_or(true);
        let tls =
            file.tls_server_config.as_ref().and_then(|tls| tls::check(tls, &self.tls_files, has_http2, &mut problems));
        let users = file.basic_auth_users.as_ref().and_then(|users| check_users(users, checks, &mut problems));
        let rate = file.rate_limit.as_ref().and_then(|section| section.check(&mut problems));
        let protection = Protection {
            tls: tls.is_some(),
            users: users.is_some(),
            clients: tls.as_ref().map(|tls| tls.clients).unwrap_or_default(),
            client_sans: tls.as_ref().is_some_and(|tls| tls.client_sans),
        };
        let (tls, mut notes) = tls.map_or_else(Default::default, |tls| (Some(tls.acceptor), tls.warnings));
        notes.extend(users.iter().flat_map(Users::warnings));
        let config = WebConfig { tls, headers, users, rate_limiter: rate, protection, warnings: notes };
        if problems.is_empty() {
            Ok(config)
        } else {
            problems.sort_by_key(|problem| problem.position);
            Err(InvalidWebConfig { path, problems })
        }
    }
}

fn parse(text: &str) -> Result<ConfigFile, ConfigProblem> {
    // Without the lines around the place: there may be secrets in them.
    let options = serde_saphyr::options! { with_snippet: false };
    // An empty file is a file that sets nothing.
    let file = serde_saphyr::from_str_with_options::<Option<ConfigFile>>(text, options);
    file.map(Option::unwrap_or_default).map_err(|error| {
        let place = error.location().map(|location| (location.line(), location.column()));
        let text = error.to_string();
        // The place is told before the text.
        let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
        ConfigProblem { position: place, text: text.trim_start_matches("error: ").to_owned() }
    })
}

/// A problem of the whole file.
fn file_problem(text: String) -> ConfigProblem {
    ConfigProblem { position: None, text }
}

/// A problem at a place.
pub(super) fn problem_at(place: Location, text: impl Into<String>) -> ConfigProblem {
    ConfigProblem { position: Some((place.line(), place.column())), text: text.into() }
}

impl Headers {
    fn check(&self, problems: &mut Vec<ConfigProblem>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let anything: &[&str] = &[];
        for (name, value, allowed) in [
            ("content-security-policy", &self.content_security_policy, anything),
            ("x-frame-options", &self.frame_options, &["deny", "sameorigin"]),
            ("x-content-type-options", &self.content_type_options, &["nosniff"]),
            ("x-xss-protection", &self.xss_protection, anything),
            ("strict-transport-security", &self.strict_transport_security, anything),
        ] {
            let Some(Spanned { value, referenced: place, .. }) = value.as_ref().filter(|set| !set.value.is_empty())
            else {
                continue;
            };
            if !allowed.is_empty() && !allowed.contains(&value.as_str()) {
                problems.push(problem_at(*place, format!("this header may only be {}", allowed.join(" or "))));
            }
            match HeaderValue::from_str(value) {
                Ok(value) => drop(headers.insert(HeaderName::from_static(name), value)),
                Err(_) => problems.push(problem_at(*place, "a header may not hold control characters")),
            }
        }
        headers
    }
}

fn check_users(
    users: &BTreeMap<String, Spanned<String>>,
    checks: &Arc<PasswordVerifier>,
    problems: &mut Vec<ConfigProblem>,
) -> Option<Users> {
    let mut checked = BTreeMap::new();
    for (name, hash) in users {
        let place = hash.referenced;
        if name.contains(':') {
            problems.push(problem_at(place, format!("user {name:?}: a name with a colon cannot be sent")));
        }
        match hash.value.parse() {
            Ok(hash) => drop(checked.insert(name.clone(), hash)),
            Err(error) => problems.push(problem_at(place, format!("user {name:?}: {error}"))),
        }
    }
    Users::new(checked, checks)
}

impl RateSection {
    fn check(&self, problems: &mut Vec<ConfigProblem>) -> Option<RateLimiter> {
        let Spanned { value, referenced: place, .. } = &self.interval;
        let nanoseconds = match value.parse::<u64>() {
            // Go reads a number without a unit so.
            Ok(nanoseconds) => Some(i128::from(nanoseconds)),
            Err(_) => value.parse::<SignedDuration>().ok().map(|interval| interval.as_nanos()),
        };
        let Some(nanoseconds) = nanoseconds.filter(|nanoseconds| *nanoseconds >= 0) else {
            problems.push(problem_at(*place, "an interval is a number with its unit, such as 100ms or 1s"));
            return None;
        };
        // The longest that Go has.
        let Some(interval) = i64::try_from(nanoseconds).ok().and_then(|short| u64::try_from(short).ok()) else {
            problems.push(problem_at(*place, "the interval is longer than 2562047h"));
            return None;
        };
        let interval = Duration::from_nanos(interval);
        if self.burst == 0 && !interval.is_zero() {
            problems.push(problem_at(*place, "with a burst of 0 every request is refused: set burst to 1 or more"));
        }
        RateLimiter::new(interval, self.burst)
    }
}
