//! Prepares an error text for the rules: truncates it, strips its wrappers, splits it, and masks the names in it.

use std::borrow::Cow;

use super::super::redact::MARKER;

/// Maximum bytes that are read at the start and at the end of a text. An error has its wrappers at the start and its
/// root cause at the end. Between them can be a response body, for example an HTML page. The longest recorded message
/// has 6 kB.
const MAX_HEAD: usize = 16 * 1024;
const MAX_TAIL: usize = 4 * 1024;

/// The waiting reason that kubelets since 1.32 write before the previous error (`image_manager.go`, `prevPullErrMsg`).
/// The other two reasons, `RegistryUnavailable` and `SignatureValidationFailed`, are significant and are kept.
const REASON_PREFIX: &str = "ErrImagePull: ";

/// Prefixes of an error in a list of errors. A comma before any other text is part of the error.
const ERROR_PREFIXES: &[&str] = &[
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

/// Replaces the escapes `\n` and `\t`, which logs and quoted texts contain, by the characters.
pub(super) fn unescape_line_breaks(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains("\\n") { Cow::Owned(text.replace("\\n", "\n").replace("\\t", "\t")) } else { text }
}

/// Returns the start and the end of a text that is too long, else the text.
pub(super) fn truncate_middle(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_HEAD + MAX_TAIL {
        return Cow::Borrowed(text);
    }
    let head = text.get(..text.floor_char_boundary(MAX_HEAD)).unwrap_or_default();
    let tail = text.get(text.ceil_char_boundary(text.len() - MAX_TAIL)..).unwrap_or_default();
    Cow::Owned([head, tail].join("\n"))
}

/// Returns the text after `Back-off pulling image "x"`, or `None` if the text does not begin with it.
pub(super) fn strip_backoff_prefix(text: &str) -> Option<&str> {
    Some(text.strip_prefix("Back-off pulling image \"")?.split_once('"')?.1)
}

/// Returns the text after `Failed to pull image "x"`, the prefix of the kubelet's events.
fn strip_event_prefix(text: &str) -> Option<&str> {
    Some(text.strip_prefix("Failed to pull image \"")?.split_once('"')?.1)
}

/// Returns the text without the prefixes of the kubelet and gRPC.
pub(super) fn strip_wrappers(text: &str) -> &str {
    let mut body = text;
    loop {
        let backed_off =
            strip_backoff_prefix(body).or_else(|| strip_event_prefix(body)).and_then(|rest| rest.strip_prefix(": "));
        let reasoned = || body.strip_prefix(REASON_PREFIX);
        let called = || Some(body.strip_prefix("rpc error: code = ")?.split_once(" desc = ")?.1);
        match backed_off.or_else(reasoned).or_else(called) {
            Some(rest) => body = rest,
            None => return body,
        }
    }
}

/// The error of one attempt to pull, in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct AttemptError<'a> {
    /// The error of the registry.
    pub(super) error: &'a str,
    /// The error of the attempt to pull an OCI artifact, after no image was found.
    pub(super) artifact: Option<&'a str>,
    /// The errors of the mirrors that were tried before. Each begins with the mirror's reference.
    pub(super) mirrors: Vec<&'a str>,
}

/// Splits a text into the errors of its attempts and parses each.
pub(super) fn split_attempts(body: &str) -> Vec<AttemptError<'_>> {
    split_errors(body).into_iter().map(parse_attempt).collect()
}

/// Splits a text into the errors of its attempts.
fn split_errors(body: &str) -> Vec<&str> {
    // The kubelet joins the errors of several credentials (apimachinery's aggregate).
    if let Some(joined) = aggregate_contents(body) {
        return split_at_error_prefixes(joined);
    }
    // CRI-O up to 1.30 lists the registries that it tried for a short name (hashicorp/go-multierror).
    if body.contains("errors occurred:") {
        return body.split("\n\t* ").collect();
    }
    vec![body]
}

/// Returns the contents of the brackets of an aggregate error. Text before the brackets is ignored.
fn aggregate_contents(body: &str) -> Option<&str> {
    let begins = |rest: &&str| ERROR_PREFIXES.iter().any(|beginning| rest.starts_with(beginning));
    let whole = body.strip_prefix('[').filter(|rest| rest.ends_with(']'));
    let rest = whole.or_else(|| body.match_indices('[').filter_map(|(at, _)| body.get(at + 1..)).find(begins))?;
    Some(rest.strip_suffix(']').unwrap_or(rest))
}

fn parse_attempt(attempt: &str) -> AttemptError<'_> {
    // CRI-O tries an image first and an OCI artifact second (internal/ociartifact, server/image_pull.go).
    let (error, artifact) = match attempt.split_once("; artifact err: ") {
        Some((error, artifact)) => (error, Some(artifact)),
        None => (attempt, None),
    };
    // containers/image tries the mirrors first (docker/docker_image_src.go).
    let mirrors = || {
        let (mirrors, primary) = error.split_once("(Mirrors also failed: [")?.1.rsplit_once("]): ")?;
        Some((mirrors.split(MIRROR_SEPARATOR).flat_map(|line| line.split("] [")).collect(), primary))
    };
    let (mirrors, error) = mirrors().unwrap_or((Vec::new(), error));
    AttemptError { error, artifact, mirrors }
}

/// Separator of two mirrors' errors. On a single line, it is `] [`.
const MIRROR_SEPARATOR: &str = "]\n[";

/// Phrases of errors while layers are pulled: authentication succeeded, and the manifest was found.
const LAYER_ERROR_PHRASES: &[&str] = &[
    "failed to copy: ",
    "failed commit on ref ",
    "failed to extract layer ",
    "failed to prepare extraction snapshot ",
    "failed to register layer: ",
    "writing blob: ",
];

/// Returns the errors of the attempts that got to the layers, if any, else all errors. Once an attempt got to the
/// layers, that other credentials were denied is not significant.
pub(super) fn furthest_errors<'a>(attempts: &[AttemptError<'a>]) -> Vec<&'a str> {
    let errors = || attempts.iter().map(|attempt| attempt.error);
    let furthest: Vec<&str> =
        errors().filter(|error| LAYER_ERROR_PHRASES.iter().any(|words| error.contains(words))).collect();
    if furthest.is_empty() { errors().collect() } else { furthest }
}

/// Splits at each `, ` that is followed by another error.
fn split_at_error_prefixes(joined: &str) -> Vec<&str> {
    let mut errors = Vec::new();
    let mut rest = joined;
    let mut searched = 0;
    while let Some(at) = rest.get(searched..).and_then(|text| text.find(", ")).map(|at| at + searched) {
        let after = rest.get(at + 2..).unwrap_or_default();
        searched = at + 2;
        if ERROR_PREFIXES.iter().any(|beginning| after.starts_with(beginning)) {
            errors.push(rest.get(..at).unwrap_or_default());
            (rest, searched) = (after, 0);
        }
    }
    errors.push(rest);
    errors
}

/// Suffixes of hosts whose responses have a meaning of their own, and the placeholders that replace them when names are
/// masked.
const SIGNIFICANT_HOSTS: &[(&str, &str)] = &[("quay.io", "quay@"), ("pkg.dev", "google@"), ("gcr.io", "google@")];

/// Lower-cases a text, joins its lines, and replaces each URL and image reference by `@`.
///
/// Names are not evidence: an image may be named `team/unauthorized:1.0`, and a registry `x509.example.com`.
pub(super) fn normalize_and_mask_names(error: &str) -> String {
    let is_delimiter =
        |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '(' | ')' | '[' | ']' | '<' | '>' | ',' | '\\');
    // Redaction must not change the cause: the marker is part of the name that contains it.
    let error = error.replace(MARKER, "redacted");
    let mut out = String::with_capacity(error.len());
    for piece in error.split_inclusive(is_delimiter) {
        let word = piece.trim_end_matches(is_delimiter);
        let name = word.trim_end_matches([':', ';', '.']);
        let shown = if is_name(name) {
            let address = name.split_once("://").map_or(name, |(_, address)| address);
            let host = address.split('/').next().unwrap_or_default();
            SIGNIFICANT_HOSTS.iter().find(|(end, _)| host.ends_with(end)).map_or("@", |(_, shown)| shown)
        } else {
            name
        };
        out.push_str(shown);
        for c in piece.get(name.len()..).unwrap_or_default().chars() {
            // A text may be wrapped anywhere; patterns contain single spaces.
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

/// Whether a word is a URL, an image reference with a registry, a tag or a digest, or a host with a port. A path on the
/// node is not a name.
fn is_name(word: &str) -> bool {
    let names_host = || {
        let first = word.split_once('/').map(|(first, _)| first);
        first.is_some_and(|first| first == "localhost" || first.contains('.'))
    };
    !word.starts_with('/') && !word.starts_with("hcsshim::") && (word.contains(':') || names_host())
}
