//! Reads the reason and the message of an Event.
//!
//! The messages of kubelets 1.20 to 1.36 are in pkg/kubelet/images/image_manager.go (pulls),
//! pkg/kubelet/kuberuntime/kuberuntime_manager.go (sandboxes) and pkg/kubelet/kubelet_pods.go (secrets).

use std::borrow::Cow;

use super::EventReport;
use super::go_duration::parse_go_duration;
use crate::limits::MAX_PULL_SECRETS;

/// The prefix of a message that replaces more than ten different ones of one reason within ten minutes
/// (client-go/tools/record/events_cache.go).
const COMBINED: &str = "(combined from similar events): ";

/// Phrases before a quoted sandbox image: of containerd (internal/cri/server/podsandbox/sandbox_run.go, `getSandboxImage…`),
/// and of dockershim and cri-dockerd (`ensureSandboxImageExists`).
const SANDBOX_IMAGE_PHRASES: &[&str] =
    &["sandbox image \"", "failed pulling image \"", "failed to pull image \"", "failed to pull and unpack image \""];

/// The transport before an image that CRI-O names (`initializing source docker://registry.k8s.io/pause:3.10: …`).
const CRIO_TRANSPORT: &str = "docker://";

impl EventReport {
    /// The reasons of the Events that [`parse`](Self::parse) reads.
    pub const REASONS: &[&str] =
        &["Pulling", "Pulled", "Failed", "FailedCreatePodSandBox", "FailedToRetrieveImagePullSecret"];

    /// Returns what an Event reports about images; `None` if it reports nothing about them.
    #[must_use]
    pub fn parse(reason: &str, message: &str) -> Option<Self> {
        let message = message.strip_prefix(COMBINED).unwrap_or(message);
        match reason {
            "Pulling" => {
                let (image, _) = quoted(message.strip_prefix("Pulling image ")?)?;
                Some(Self::Pulling { image: image.into_owned() })
            }
            "Pulled" => parse_pulled(message),
            "Failed" => {
                let (image, error) = quoted(message.strip_prefix("Failed to pull image ")?)?;
                let error = error.strip_prefix(": ").unwrap_or(error);
                Some(Self::PullFailed { image: image.into_owned(), error: error.to_owned() })
            }
            "FailedCreatePodSandBox" => parse_sandbox_failure(message),
            "FailedToRetrieveImagePullSecret" => parse_missing_secrets(message),
            _ => None,
        }
    }
}

/// Reads `Successfully pulled image "x" in 1.2s (3.4s including waiting). Image size: 5 bytes.` Kubelets before 1.25 write no
/// time of waiting, those before 1.30 no size.
fn parse_pulled(message: &str) -> Option<EventReport> {
    let (image, rest) = quoted(message.strip_prefix("Successfully pulled image ")?)?;
    let rest = rest.strip_prefix(" in ")?;
    let (times, size) = match rest.split_once(". Image size: ") {
        Some((times, size)) => (times, size.split_once(' ').and_then(|(bytes, _)| bytes.parse().ok())),
        None => (rest, None),
    };
    let (pull, including_wait) = match times.split_once(" (") {
        Some((pull, behind)) => (pull, behind.split_once(" including waiting)").map(|(total, _)| total)),
        None => (times, None),
    };
    let duration = parse_go_duration(pull)?;
    let queued = including_wait.and_then(parse_go_duration).map(|total| total.saturating_sub(duration));
    Some(EventReport::Pulled { image: image.into_owned(), duration, queued, size })
}

/// Reads the failure to create a sandbox. Most are not about the image.
fn parse_sandbox_failure(message: &str) -> Option<EventReport> {
    // "Failed create pod sandbox" until 1.20.
    let prefixes = ["Failed to create pod sandbox: ", "Failed create pod sandbox: "];
    let error = prefixes.iter().find_map(|prefix| message.strip_prefix(prefix)).unwrap_or(message);
    let by_phrase = || {
        SANDBOX_IMAGE_PHRASES.iter().find_map(|phrase| {
            let at = error.find(phrase)? + phrase.len() - 1;
            Some(quoted(error.get(at..)?)?.0)
        })
    };
    let by_transport = || {
        let (_, behind) = error.split_once(CRIO_TRANSPORT)?;
        let end = behind.find([' ', '"', '\n']).unwrap_or(behind.len());
        Some(Cow::Borrowed(behind.get(..end)?.trim_end_matches([':', ','])))
    };
    let image = by_phrase().or_else(by_transport).filter(|image| !image.is_empty())?;
    Some(EventReport::SandboxImageFailed { image: image.into_owned(), error: error.to_owned() })
}

/// Reads `Unable to retrieve some image pull secrets (a, b); attempting to pull the image may not succeed.`
fn parse_missing_secrets(message: &str) -> Option<EventReport> {
    let (names, _) = message.split_once('(')?.1.split_once(')')?;
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    let names: Vec<String> = names.take(MAX_PULL_SECRETS).map(str::to_owned).collect();
    (!names.is_empty()).then_some(EventReport::PullSecretsMissing { names })
}

/// Reads a text in quotes as Go's `%q` writes it. Returns it with the text behind it.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let text = text.strip_prefix('"')?;
    let end = closing_quote(text)?;
    let (inner, behind) = (text.get(..end)?, text.get(end + 1..)?);
    let unescaped = if inner.contains('\\') { Cow::Owned(unescape(inner)?) } else { Cow::Borrowed(inner) };
    Some((unescaped, behind))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => return Some(at),
            _ => {}
        }
    }
    None
}

/// Replaces Go's escape sequences (`strconv.Quote`).
fn unescape(text: &str) -> Option<String> {
    let mut unescaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('\\') {
        unescaped.push_str(before);
        let kind = behind.chars().next()?;
        let behind = behind.get(kind.len_utf8()..)?;
        let digits = match kind {
            'x' => 2,
            'u' => 4,
            'U' => 8,
            _ => 0,
        };
        unescaped.push(match kind {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' | '"' | '\'' => kind,
            // A byte of invalid UTF-8.
            'x' => char::REPLACEMENT_CHARACTER,
            'u' | 'U' => char::from_u32(u32::from_str_radix(behind.get(..digits)?, 16).ok()?)?,
            _ => return None,
        });
        rest = behind.get(digits..)?;
    }
    unescaped.push_str(rest);
    Some(unescaped)
}

#[cfg(test)]
mod tests;
