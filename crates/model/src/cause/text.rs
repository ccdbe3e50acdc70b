//! Prepares an error text for the rules: bounds it, unwraps it, splits it, and hides the names in it.

use std::borrow::Cow;

use super::super::redact::MARKER;

/// How much of a text is read. An error's wrappers are at its start and its root is at its end; what a registry or a
/// proxy answered, a page of HTML perhaps, is between them. The longest recorded message has 6 kB.
const HEAD: usize = 16 * 1024;
const TAIL: usize = 4 * 1024;

/// The reason that kubelets from 1.32 on put before the previous error (`image_manager.go`, `prevPullErrMsg`).
/// The other two, `RegistryUnavailable` and `SignatureValidationFailed`, tell something and stay.
const REASON: &str = "ErrImagePull: ";

/// How an error that is one of several begins; a comma before anything else is part of the error.
const BEGINNINGS: &[&str] = &[
    "rpc error: code = ",
    "failed to pull and unpack image ",
    "failed to pull image ",
    "Error response from daemon: ",
    "unable to pull image or OCI artifact: ",
    "initializing source ",
    "copying system image ",
    "pinging container registry ",
    "reading manifest ",
    "RegistryUnavailable: ",
    "SignatureValidationFailed: ",
];

/// Returns the text with the line breaks that a log or a quotation wrote as `\n` and `\t`.
pub(super) fn unescaped(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains("\\n") { Cow::Owned(text.replace("\\n", "\n").replace("\\t", "\t")) } else { text }
}

/// Returns the start and the end of a text that is too long to be read whole.
pub(super) fn bounded(text: &str) -> Cow<'_, str> {
    if text.len() <= HEAD + TAIL {
        return Cow::Borrowed(text);
    }
    let head = text.get(..text.floor_char_boundary(HEAD)).unwrap_or_default();
    let tail = text.get(text.ceil_char_boundary(text.len() - TAIL)..).unwrap_or_default();
    Cow::Owned([head, tail].join("\n"))
}

/// Returns what follows `Back-off pulling image "x"`, or `None` if the text does not begin so.
pub(super) fn after_backoff(text: &str) -> Option<&str> {
    Some(text.strip_prefix("Back-off pulling image \"")?.split_once('"')?.1)
}

/// Returns what follows `Failed to pull image "x"`, as the kubelet's events begin.
fn after_event(text: &str) -> Option<&str> {
    Some(text.strip_prefix("Failed to pull image \"")?.split_once('"')?.1)
}

/// Returns the text without what the kubelet and gRPC put before it.
pub(super) fn body(text: &str) -> &str {
    let mut body = text;
    loop {
        let backed_off = after_backoff(body).or_else(|| after_event(body)).and_then(|rest| rest.strip_prefix(": "));
        let reasoned = || body.strip_prefix(REASON);
        let called = || Some(body.strip_prefix("rpc error: code = ")?.split_once(" desc = ")?.1);
        match backed_off.or_else(reasoned).or_else(called) {
            Some(rest) => body = rest,
            None => return body,
        }
    }
}

/// One attempt's error, taken apart.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Attempt<'a> {
    /// What to go by.
    pub(super) error: &'a str,
    /// What came of asking for an OCI artifact after no image was found.
    pub(super) artifact: Option<&'a str>,
    /// What each mirror answered that was asked before, behind its reference.
    pub(super) mirrors: Vec<&'a str>,
}

/// Splits a text into the errors of its attempts.
pub(super) fn attempts(body: &str) -> Vec<Attempt<'_>> {
    errors(body).into_iter().map(taken_apart).collect()
}

/// Returns the errors of all attempts that a text tells of.
fn errors(body: &str) -> Vec<&str> {
    // The kubelet joins the errors of several credentials (apimachinery's aggregate).
    if let Some(joined) = joined(body) {
        return split_at_beginnings(joined);
    }
    // CRI-O up to 1.30 lists the registries it tried for a short name (hashicorp/go-multierror).
    if body.contains("errors occurred:") {
        return body.split("\n\t* ").collect();
    }
    vec![body]
}

/// What stands between the brackets of an aggregate, whatever was written before it.
fn joined(body: &str) -> Option<&str> {
    let begins = |rest: &&str| BEGINNINGS.iter().any(|beginning| rest.starts_with(beginning));
    let whole = body.strip_prefix('[').filter(|rest| rest.ends_with(']'));
    let rest = whole.or_else(|| body.match_indices('[').filter_map(|(at, _)| body.get(at + 1..)).find(begins))?;
    Some(rest.strip_suffix(']').unwrap_or(rest))
}

fn taken_apart(attempt: &str) -> Attempt<'_> {
    // CRI-O asks for an image first and for an OCI artifact second (internal/ociartifact, server/image_pull.go).
    let (error, artifact) = match attempt.split_once("; artifact err: ") {
        Some((error, artifact)) => (error, Some(artifact)),
        None => (attempt, None),
    };
    // containers/image asks the mirrors first (docker/docker_image_src.go).
    let mirrors = || {
        let (mirrors, primary) = error.split_once("(Mirrors also failed: [")?.1.rsplit_once("]): ")?;
        Some((mirrors.split(MIRROR_BREAK).flat_map(|line| line.split("] [")).collect(), primary))
    };
    let (mirrors, error) = mirrors().unwrap_or((Vec::new(), error));
    Attempt { error, artifact, mirrors }
}

/// What stands between two mirrors' errors; on one line it is a blank.
const MIRROR_BREAK: &str = "]\n[";

/// What an attempt says that was let in and has found its manifest: the layers are on their way.
const AT_LAYERS: &[&str] = &[
    "failed to copy: ",
    "failed commit on ref ",
    "failed to extract layer ",
    "failed to prepare extraction snapshot ",
    "failed to register layer: ",
    "writing blob: ",
];

/// Returns the errors of the attempts that came to the layers, if any did: other credentials being turned away is no
/// news then. Else returns them all.
pub(super) fn furthest<'a>(attempts: &[Attempt<'a>]) -> Vec<&'a str> {
    let errors = || attempts.iter().map(|attempt| attempt.error);
    let furthest: Vec<&str> = errors().filter(|error| AT_LAYERS.iter().any(|words| error.contains(words))).collect();
    if furthest.is_empty() { errors().collect() } else { furthest }
}

/// Splits at each `, ` behind which another error begins.
fn split_at_beginnings(joined: &str) -> Vec<&str> {
    let mut errors = Vec::new();
    let mut rest = joined;
    let mut searched = 0;
    while let Some(at) = rest.get(searched..).and_then(|text| text.find(", ")).map(|at| at + searched) {
        let after = rest.get(at + 2..).unwrap_or_default();
        searched = at + 2;
        if BEGINNINGS.iter().any(|beginning| after.starts_with(beginning)) {
            errors.push(rest.get(..at).unwrap_or_default());
            (rest, searched) = (after, 0);
        }
    }
    errors.push(rest);
    errors
}

/// Hosts, by their ends, whose answers mean something of their own, and what is shown of them where names are hidden.
const TELLING_HOSTS: &[(&str, &str)] = &[("quay.io", "quay@"), ("pkg.dev", "google@"), ("gcr.io", "google@")];

/// Returns the text in lower case and on one line, with `@` in the place of each URL and image reference.
///
/// An image may be called `team/unauthorized:1.0`, a registry `x509.example.com`; what they are called is no evidence.
pub(super) fn without_names(error: &str) -> String {
    let is_delimiter =
        |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '(' | ')' | '[' | ']' | '<' | '>' | ',' | '\\');
    // A text that was redacted tells what it told before: the marker is a part of the name it stands in.
    let error = error.replace(MARKER, "redacted");
    let mut out = String::with_capacity(error.len());
    for piece in error.split_inclusive(is_delimiter) {
        let word = piece.trim_end_matches(is_delimiter);
        let name = word.trim_end_matches([':', ';', '.']);
        let shown = if is_name(name) {
            let address = name.split_once("://").map_or(name, |(_, address)| address);
            let host = address.split('/').next().unwrap_or_default();
            TELLING_HOSTS.iter().find(|(end, _)| host.ends_with(end)).map_or("@", |(_, shown)| shown)
        } else {
            name
        };
        out.push_str(shown);
        for c in piece.get(name.len()..).unwrap_or_default().chars() {
            // A text may be wrapped anywhere, and a pattern knows one space.
            if !c.is_whitespace() {
                out.push(c);
            } else if !out.ends_with(' ') {
                out.push(' ');
            }
        }
    }
    out.make_ascii_lowercase();
    out
}

/// A URL; a reference with a registry, a tag or a digest; a host with a port. Not a path of the node.
fn is_name(word: &str) -> bool {
    let names_host = || {
        let first = word.split_once('/').map(|(first, _)| first);
        first.is_some_and(|first| first == "localhost" || first.contains('.'))
    };
    !word.starts_with('/') && !word.starts_with("hcsshim::") && (word.contains(':') || names_host())
}
