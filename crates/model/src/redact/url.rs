//! Finds secrets in URLs: user information and queries.

use std::ops::Range;

use super::names::MAX_NAME_LEN;
use super::span;

/// Bytes after a malformed URL that are searched for the `@` of its user information.
const MAX_BROKEN_URL_LEN: usize = 256;

/// Schemes of image references. They have no authority after them, and a tag is not a port.
const IMAGE_SCHEMES: &[&str] = &["docker", "oci", "docker-daemon", "docker-archive", "containers-storage", "atomic"];

/// A run of text without white space or double quotes.
#[derive(Clone, Copy, Default)]
pub(super) struct UnquotedRun {
    start: usize,
    pub(super) end: usize,
    /// Position of the last `@` before a host.
    at_sign: Option<usize>,
    /// Whether its first `://` was found.
    is_url: bool,
    /// Start and end of the previous run.
    previous: (usize, usize),
}

impl UnquotedRun {
    /// Moves to the run at `at`, unless that is already the current one. Returns the `user:password` at its start.
    pub(super) fn enter(&mut self, text: &str, at: usize) -> Option<Range<usize>> {
        if at < self.end {
            return None;
        }
        let previous = (self.start, self.end);
        let end = span::unquoted_end(text, at);
        *self = Self { start: at, end, at_sign: last_at_sign(text, at, end), is_url: false, previous };
        self.bare_user_info(text)
    }

    /// Returns the `user:password` of `user:password@host/path`: a URL without its scheme in place of an image
    /// reference.
    fn bare_user_info(&self, text: &str) -> Option<Range<usize>> {
        let at_sign = self.at_sign?;
        let user_info = text.get(self.start..at_sign)?;
        if user_info.contains("://") {
            return None;
        }
        if user_info.contains(':') {
            return Some(self.start..at_sign);
        }
        // A password with a space.
        let (start, end) = self.previous;
        let is_cut = end + 1 == self.start
            && text
                .get(start..end)?
                .split_once(':')
                .is_some_and(|(user, password)| !user.is_empty() && !password.is_empty() && !user.contains(['/', '.']));
        (is_cut && is_before_path(text, at_sign, self.end)).then_some(start..at_sign)
    }

    /// Records the URL with the `://` at `at`. Returns its user information, or an invalid port.
    pub(super) fn enter_url(&mut self, text: &str, at: usize) -> Option<Range<usize>> {
        let start = at + "://".len();
        let is_image = IMAGE_SCHEMES.iter().any(|scheme| span::name_before(text, at).eq_ignore_ascii_case(scheme));
        let is_first = !std::mem::replace(&mut self.is_url, true);
        let authority = authority(text, start, self.end);
        let odd_port = non_numeric_port(authority).filter(|_| !is_image);
        if let Some(at_sign) = self.at_sign.filter(|at_sign| is_first && *at_sign >= start) {
            let before = text.get(start..at_sign)?;
            let is_in_query = before.contains('?') && !(authority.contains(':') && odd_port.is_some());
            let is_in_path = is_image && before.contains('/') && !before.split('/').next()?.contains(':');
            if !is_in_query && !is_in_path {
                return Some(start..at_sign);
            }
        }
        if is_image || authority.contains('@') {
            return None;
        }
        let ends_in_authority = !text.get(start + authority.len()..self.end)?.contains(['/', '?', '#']);
        let behind = if let Some(port) = odd_port {
            let port = start + port..span::unquoted_value(text, start + port)?.end;
            return Some(next_at_sign(text, self.end).map_or(port, |at_sign| start..at_sign));
        } else if ends_in_authority && text.as_bytes().get(self.end) == Some(&b' ') {
            self.end + 1
        } else {
            return None;
        };
        let next_end = span::unquoted_end(text, behind).min(text.ceil_char_boundary(behind + MAX_BROKEN_URL_LEN));
        let at_sign = last_at_sign(text, behind, next_end)?;
        is_before_path(text, at_sign, next_end).then_some(start..at_sign)
    }
}

/// Returns the authority at `start`: host, port, and any user information.
fn authority(text: &str, start: usize, end: usize) -> &str {
    let url = text.get(start..end).unwrap_or_default();
    let authority = url.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    authority.trim_end_matches([':', ',', ';', '.', ')', ']', '}', '\'', '>'])
}

/// Returns where the port of an authority begins, if it is not a number.
fn non_numeric_port(authority: &str) -> Option<usize> {
    let (host, port) = authority.split_once(':')?;
    let is_odd = !authority.starts_with('[')
        && !port.starts_with('<')
        && !authority.contains('@')
        && !port.bytes().all(|b| b.is_ascii_digit());
    is_odd.then_some(host.len() + 1)
}

/// Returns the first `@` before a host on the same line, within [`MAX_BROKEN_URL_LEN`] bytes after `from`.
fn next_at_sign(text: &str, from: usize) -> Option<usize> {
    let near = text.get(from..text.floor_char_boundary(from + MAX_BROKEN_URL_LEN))?.lines().next()?;
    near.match_indices('@').map(|(i, _)| from + i).find(|at_sign| is_before_host(text, *at_sign))
}

/// Returns the last `@` before a host between two positions.
fn last_at_sign(text: &str, start: usize, end: usize) -> Option<usize> {
    text.get(start..end)?.rmatch_indices('@').map(|(i, _)| start + i).find(|at_sign| is_before_host(text, *at_sign))
}

/// Whether a host, and not a digest, can follow the `@`.
fn is_before_host(text: &str, at_sign: usize) -> bool {
    let rest = text.get(at_sign + 1..).unwrap_or_default();
    let algorithm = span::prefix_len(rest.get(..rest.floor_char_boundary(MAX_NAME_LEN)).unwrap_or_default(), |b| {
        b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'_' | b'-')
    });
    let is_digest = rest.get(algorithm..).and_then(|rest| rest.strip_prefix(':')).is_some_and(|encoded| {
        let near = encoded.get(..encoded.floor_char_boundary(8)).unwrap_or_default();
        rest.starts_with("sha") || near.len() == 8 && near.bytes().all(|b| b.is_ascii_hexdigit())
    });
    rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[') && !is_digest
}

/// Whether a host with a path or a port follows the `@`.
fn is_before_path(text: &str, at_sign: usize, end: usize) -> bool {
    let rest = text.get(at_sign + 1..end).unwrap_or_default();
    let host = rest.split(['/', ':']).next().unwrap_or_default();
    host.len() < rest.len() && host.contains('.')
}

/// Returns the query after the `?` at `at`. Outside a URL, only a query with a parameter counts.
pub(super) fn query_value(text: &str, at: usize, is_in_url: bool) -> Option<Range<usize>> {
    if is_in_url || parameter_value(text, at + 1).is_some() { span::unquoted_value(text, at + 1) } else { None }
}

/// Returns the value of the parameter after the `&` at `at`, in a query without its URL.
pub(super) fn parameter_value_at(text: &str, at: usize) -> Option<Range<usize>> {
    span::unquoted_value(text, parameter_value(text, at + 1)?)
}

/// Returns the start of the value of the parameter at `start`.
fn parameter_value(text: &str, start: usize) -> Option<usize> {
    let rest = text.get(start..text.floor_char_boundary(start + MAX_NAME_LEN))?;
    let name = span::prefix_len(rest, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'%'));
    (name > 0 && rest.get(name..)?.starts_with('=')).then_some(start + name + 1)
}

/// Returns the invalid port in an error of Go: `invalid port ":hunter2" after host`.
pub(super) fn invalid_port(text: &str, at: usize) -> Option<Range<usize>> {
    let before = text.get(..at)?.strip_suffix('"')?;
    before
        .strip_suffix('\\')
        .unwrap_or(before)
        .ends_with("invalid port ")
        .then(|| at + 1..span::unquoted_end(text, at + 1))
}
