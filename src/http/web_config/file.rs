//! Reads and validates the file and the files that it names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fs, io};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::SignedDuration;
use ring::digest::{self, Digest};
use ring::error::Unspecified;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::problems::{ConfigProblem, InvalidWebConfig};
use super::protection::Protection;
use super::settings::WebConfig;
use super::tls::{self, TlsFiles, TlsSection};
use crate::http::basic_auth::{PasswordVerifier, Users};
use crate::http::rate_limiter::RateLimiter;

/// The content of the file.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ConfigFile {
    tls_server_config: Option<Spanned<TlsSection>>,
    http_server_config: Option<HttpSection>,
    basic_auth_users: Option<BTreeMap<String, Spanned<String>>>,
    rate_limit: Option<RateLimitSection>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct HttpSection {
    /// Whether to offer HTTP/2. Defaults to true.
    http2: Option<bool>,
    headers: Option<Headers>,
}

/// The headers that exporter-toolkit supports.
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
struct RateLimitSection {
    interval: Spanned<String>,
    #[serde(default)]
    burst: u32,
}

/// The content of all files at one time, not validated yet.
pub(super) struct LoadedFiles {
    path: PathBuf,
    file: Result<ConfigFile, ConfigProblem>,
    tls_files: TlsFiles,
    /// Digest of all content, to detect changes.
    digest: Digest,
}

impl LoadedFiles {
    /// Reads the file at `path` and the files that it names. [`Self::check`] reports files that cannot be read.
    pub(super) fn load(path: &Path) -> Self {
        let mut digest = digest::Context::new(&digest::SHA256);
        let text = fs::read(path).and_then(|bytes| String::from_utf8(bytes).map_err(io::Error::other));
        digest.update(text.as_deref().map_or(b"unreadable", str::as_bytes));
        let file = text
            .map_err(|error| ConfigProblem::of_file(format!("cannot read file: {error}")))
            .and_then(|text| parse(&text));
        let section = file.as_ref().ok().and_then(|file| file.tls_server_config.as_ref());
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let tls_files = section.map(|section| TlsFiles::read(&section.value, folder)).unwrap_or_default();
        tls_files.update(&mut digest);
        Self { path: path.to_owned(), file, tls_files, digest: digest.finish() }
    }

    /// Returns whether all files have the same content.
    pub(super) fn has_same_content(&self, other: &Self) -> bool {
        self.digest.as_ref() == other.digest.as_ref()
    }

    /// Validates the content. The users share the cache and the queues of `verifier`.
    pub(super) fn check(&self, verifier: &Arc<PasswordVerifier>) -> Result<WebConfig, InvalidWebConfig> {
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
        let users = file.basic_auth_users.as_ref().and_then(|users| check_users(users, verifier, &mut problems));
        let rate_limiter = file.rate_limit.as_ref().and_then(|section| section.check(&mut problems));
        let protection = Protection {
            tls: tls.is_some(),
            basic_auth: users.is_some(),
            client: tls.as_ref().map(|tls| tls.client_requirement).unwrap_or_default(),
            client_sans: tls.as_ref().is_some_and(|tls| tls.checks_sans),
        };
        let (tls, mut warnings) = tls.map_or_else(Default::default, |tls| (Some(tls.acceptor), tls.warnings));
        warnings.extend(users.iter().flat_map(Users::warnings));
        let config = WebConfig { tls, headers, users, rate_limiter, protection, warnings };
        if problems.is_empty() {
            Ok(config)
        } else {
            problems.sort_by_key(|problem| problem.position);
            Err(InvalidWebConfig { path, problems })
        }
    }
}

/// Reads and validates a file and the files that it names.
///
/// # Errors
/// With all problems. If the file is not valid YAML or does not match the format, with the first one.
pub fn load(path: &Path) -> Result<WebConfig, InvalidWebConfig> {
    LoadedFiles::load(path).check(&password_verifier(path, PasswordVerifier::new())?)
}

/// Returns the verifier, or an error for `path` if the system provides no random key.
pub(super) fn password_verifier(
    path: &Path,
    verifier: Result<Arc<PasswordVerifier>, Unspecified>,
) -> Result<Arc<PasswordVerifier>, InvalidWebConfig> {
    verifier.map_err(|_| {
        let problem = ConfigProblem::of_file("cannot generate a random key: the system provides no random numbers");
        InvalidWebConfig { path: path.to_owned(), problems: vec![problem] }
    })
}

fn parse(text: &str) -> Result<ConfigFile, ConfigProblem> {
    // Snippets may contain secrets.
    let options = serde_saphyr::options! { with_snippet: false };
    // An empty file sets nothing.
    let file = serde_saphyr::from_str_with_options::<Option<ConfigFile>>(text, options);
    file.map(Option::unwrap_or_default).map_err(|error| {
        let position = error.location().map(|location| (location.line(), location.column()));
        let text = error.to_string();
        // `InvalidWebConfig::lines` prints the position before the text.
        let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
        ConfigProblem { position, text: text.trim_start_matches("error: ").to_owned() }
    })
}

impl Headers {
    fn check(&self, problems: &mut Vec<ConfigProblem>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let any_value: &[&str] = &[];
        for (name, value, allowed) in [
            ("content-security-policy", &self.content_security_policy, any_value),
            ("x-frame-options", &self.frame_options, &["deny", "sameorigin"]),
            ("x-content-type-options", &self.content_type_options, &["nosniff"]),
            ("x-xss-protection", &self.xss_protection, any_value),
            ("strict-transport-security", &self.strict_transport_security, any_value),
        ] {
            let Some(Spanned { value, referenced: location, .. }) = value.as_ref().filter(|set| !set.value.is_empty())
            else {
                continue;
            };
            if !allowed.is_empty() && !allowed.contains(&value.as_str()) {
                problems.push(ConfigProblem::at(*location, format!("value must be {}", allowed.join(" or "))));
            }
            match HeaderValue::from_str(value) {
                Ok(value) => drop(headers.insert(HeaderName::from_static(name), value)),
                Err(_) => {
                    problems.push(ConfigProblem::at(*location, "header values must not contain control characters"));
                }
            }
        }
        headers
    }
}

fn check_users(
    users: &BTreeMap<String, Spanned<String>>,
    verifier: &Arc<PasswordVerifier>,
    problems: &mut Vec<ConfigProblem>,
) -> Option<Users> {
    let mut checked = BTreeMap::new();
    for (name, hash) in users {
        let location = hash.referenced;
        if name.contains(':') {
            problems.push(ConfigProblem::at(location, format!("user {name:?}: names must not contain a colon")));
        }
        match hash.value.parse() {
            Ok(hash) => drop(checked.insert(name.clone(), hash)),
            Err(error) => problems.push(ConfigProblem::at(location, format!("user {name:?}: {error}"))),
        }
    }
    Users::new(checked, verifier)
}

impl RateLimitSection {
    fn check(&self, problems: &mut Vec<ConfigProblem>) -> Option<RateLimiter> {
        let Spanned { value, referenced: location, .. } = &self.interval;
        let nanoseconds = match value.parse::<u64>() {
            // Go interprets a number without a unit as nanoseconds.
            Ok(nanoseconds) => Some(i128::from(nanoseconds)),
            Err(_) => value.parse::<SignedDuration>().ok().map(|interval| interval.as_nanos()),
        };
        let Some(nanoseconds) = nanoseconds.filter(|nanoseconds| *nanoseconds >= 0) else {
            problems.push(ConfigProblem::at(*location, "interval must be a duration, for example 100ms or 1s"));
            return None;
        };
        // The maximum duration of Go.
        let Some(interval) = i64::try_from(nanoseconds).ok().and_then(|signed| u64::try_from(signed).ok()) else {
            problems.push(ConfigProblem::at(*location, "interval must be at most 2562047h"));
            return None;
        };
        let interval = Duration::from_nanos(interval);
        if self.burst == 0 && !interval.is_zero() {
            problems.push(ConfigProblem::at(*location, "burst must be at least 1: a burst of 0 rejects every request"));
        }
        RateLimiter::new(interval, self.burst)
    }
}
