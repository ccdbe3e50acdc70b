//! Texts of the pages: titles, owners, ages, counts and paths.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

pub(super) use crate::present::pluralize;
use crate::present::{format_age, format_rfc3339};
use image_pull_model::cause::{Cause, CauseGroup};
use image_pull_model::cause_history::CauseStart;
use image_pull_model::image::{ImageReference, PullPolicy, default_pull_policy};
use image_pull_model::time::Timestamp;

/// All characters except the unreserved ones of RFC 3986, section 2.3.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Returns the title of a cause: "DNS failure" for `dns_failure`.
pub(super) fn cause_title(cause: Cause) -> String {
    let capitalize = |word: &str| match word {
        "dns" | "tls" | "http" | "qps" => word.to_uppercase(),
        _ => word.to_owned(),
    };
    let words: Vec<String> = cause.as_str().split('_').map(capitalize).collect();
    let text = words.join(" ");
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Returns the owner of a cause group: who can fix its failures.
pub(super) const fn group_owner(group: CauseGroup) -> &'static str {
    match group {
        CauseGroup::Image => "Image owner",
        CauseGroup::Credentials => "Pull secret owner",
        CauseGroup::Registry => "Registry operator",
        CauseGroup::Network => "Network operator",
        CauseGroup::Node => "Node operator",
        CauseGroup::Policy => "Policy owner",
        CauseGroup::Unknown => "Unknown owner",
    }
}

/// Returns the name of the runbook for a cause.
pub(super) const fn runbook_for(cause: Cause, group: CauseGroup) -> &'static str {
    match (cause, group) {
        (Cause::RateLimited, _) => "ImagePullRateLimited",
        (Cause::PullSecretMissing, _) => "ImagePullSecretMissing",
        (_, CauseGroup::Image | CauseGroup::Policy) => "ImagePullNeedsChange",
        (_, CauseGroup::Credentials) => "ImagePullCredentials",
        (_, CauseGroup::Registry) => "ImagePullRegistryOutage",
        (_, CauseGroup::Node) => "ImagePullNodeFault",
        (_, CauseGroup::Network | CauseGroup::Unknown) => "ImagePullFailing",
    }
}

/// Returns when the kubelet contacts the registry under a pull policy, and the likely source of the policy.
pub(super) fn pull_policy_text(policy: PullPolicy, image: &ImageReference) -> &'static str {
    match (policy, default_pull_policy(image.raw())) {
        (PullPolicy::Always, PullPolicy::Always) => {
            "contacts the registry at every start (default for the tag latest or no tag)"
        }
        (PullPolicy::Always, _) => {
            "contacts the registry at every start (set in the spec or by the admission plugin AlwaysPullImages)"
        }
        (PullPolicy::IfNotPresent, PullPolicy::Always) => {
            "contacts the registry only if the node lacks the image (set in the spec, or the image was changed later)"
        }
        (PullPolicy::IfNotPresent, _) => {
            "contacts the registry only if the node lacks the image (default for this reference)"
        }
        (PullPolicy::Never, _) => "never contacts a registry; the image must be on the node (set in the spec)",
    }
}

/// Returns the text of an outcome.
pub(super) fn outcome_text(outcome: &str) -> String {
    outcome.replace('_', " ")
}

/// Returns how the start of a failure was determined.
pub(super) fn basis_text(basis: &str) -> &'static str {
    match basis {
        "observed" => "observed",
        "pod_condition" => "from the pod conditions",
        "previous_termination" => "from the end of the previous run",
        "event" => "from the first event",
        _ => "start of the pod, or later",
    }
}

/// Returns how the start of a wait was determined.
pub(super) fn wait_basis_text(basis: Option<&'static str>) -> &'static str {
    match basis {
        Some("sandbox_ready") => "when the sandbox was ready",
        Some("previous_container") => "when the container before it started or ended",
        Some("event") => "from the kubelet's Event about the pull",
        _ => "start of the pod",
    }
}

/// Returns the age of the current cause.
pub(super) fn cause_age_text(since: CauseStart, now: Timestamp) -> String {
    let at_least = if since.is_observed { "" } else { "at least " };
    format!("current cause for {at_least}{}", age_since(since.at, now))
}

/// Formats a time as "2026-01-02 03:04:05 UTC".
pub(super) fn format_time(at: Timestamp) -> String {
    format_rfc3339(at).map_or_else(|| "unknown".to_owned(), |text| text.replace('T', " ").replace('Z', " UTC"))
}

/// Formats the time since `at`, as kubectl does.
pub(super) fn age_since(at: Timestamp, now: Timestamp) -> String {
    format_age(now.saturating_duration_since(at))
}

/// Returns the path of a pod page, relative to the link prefix.
pub(super) fn pod_path(namespace: &str, pod: &str) -> String {
    format!("failures/{}/{}", utf8_percent_encode(namespace, ESCAPED), utf8_percent_encode(pod, ESCAPED))
}

#[cfg(test)]
mod tests;
