//! Finds the words that a page has for what the model knows.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::present::{format_age, format_rfc3339};
use image_pull_model::cause::{Cause, CauseGroup};
use image_pull_model::cause_history::CauseStart;
use image_pull_model::image::{ImageReference, PullPolicy, default_pull_policy};
use image_pull_model::time::Timestamp;

/// All but what means itself anywhere in a URL (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A cause as a heading.
pub(super) fn cause_title(cause: Cause) -> String {
    let word = |word: &str| match word {
        "dns" | "tls" | "http" | "qps" => word.to_uppercase(),
        _ => word.to_owned(),
    };
    let words: Vec<String> = cause.as_str().split('_').map(word).collect();
    let text = words.join(" ");
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Whose move it is.
pub(super) const fn group_owner(group: CauseGroup) -> &'static str {
    match group {
        CauseGroup::Image => "who wrote the image reference",
        CauseGroup::Credentials => "who owns the pull secret",
        CauseGroup::Registry => "who runs the registry",
        CauseGroup::Network => "who runs the network",
        CauseGroup::Node => "who runs the node",
        CauseGroup::Policy => "who owns the policy",
        CauseGroup::Unknown => "nobody knows yet",
    }
}

/// The runbook that fits a cause.
pub(super) const fn runbook_for(cause: Cause, group: CauseGroup) -> &'static str {
    match (cause, group) {
        (Cause::RateLimited, _) => "ImagePullRateLimited",
        (_, CauseGroup::Image | CauseGroup::Policy) => "ImagePullNeedsChange",
        (_, CauseGroup::Credentials) => "ImagePullCredentials",
        (_, CauseGroup::Registry) => "ImagePullRegistryOutage",
        (_, CauseGroup::Node) => "ImagePullNodeFault",
        (_, CauseGroup::Network | CauseGroup::Unknown) => "ImagePullFailing",
    }
}

/// When the kubelet asks the registry, and why.
pub(super) fn pull_policy_text(policy: PullPolicy, image: &ImageReference) -> &'static str {
    match (policy, default_pull_policy(image.raw())) {
        (PullPolicy::Always, PullPolicy::Always) => {
            "the registry is asked at every start; that is the default for an image whose tag is latest or missing"
        }
        (PullPolicy::Always, _) => {
            "the registry is asked at every start; the spec says so, or the admission plugin AlwaysPullImages"
        }
        (PullPolicy::IfNotPresent, PullPolicy::Always) => {
            "the registry is asked only where the node has no copy; the spec says so, or the image was changed since"
        }
        (PullPolicy::IfNotPresent, _) => {
            "the registry is asked only where the node has no copy; that is the default for this reference"
        }
        (PullPolicy::Never, _) => "no registry is asked, the image has to be on the node; the spec says so",
    }
}

/// How a failure ended.
pub(super) fn outcome_text(outcome: &str) -> String {
    outcome.replace('_', " ")
}

/// How the start of a failure is known.
pub(super) fn basis(basis: &str) -> &'static str {
    match basis {
        "observed" => "it was seen to begin",
        "pod_condition" => "when the pod's conditions let it begin",
        "previous_termination" => "when the run before it ended",
        "event" => "the first event about it",
        _ => "when the pod began, if not later",
    }
}

/// How long the present cause has lasted.
pub(super) fn cause_age_text(since: CauseStart, now: Timestamp) -> String {
    let at_least = if since.is_observed { "" } else { "at least " };
    format!("for this cause for {at_least}{}", age_since(since.at, now))
}

/// An instant for people.
pub(super) fn format_time(at: Timestamp) -> String {
    format_rfc3339(at).map_or_else(|| "unknown".to_owned(), |text| text.replace('T', " ").replace('Z', " UTC"))
}

/// How long ago an instant was.
pub(super) fn age_since(at: Timestamp, now: Timestamp) -> String {
    format_age(now.saturating_duration_since(at))
}

/// A number with its noun.
pub(super) fn pluralize(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ if noun.ends_with('y') => format!("{number} {}ies", noun.trim_end_matches('y')),
        _ => format!("{number} {noun}s"),
    }
}

/// The path of a pod's page below the base.
pub(super) fn pod_path(namespace: &str, pod: &str) -> String {
    format!("failures/{}/{}", utf8_percent_encode(namespace, ESCAPED), utf8_percent_encode(pod, ESCAPED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::assets::RUNBOOKS;

    #[test]
    fn headings_are_words() {
        assert_eq!(cause_title(Cause::DnsFailure), "DNS failure");
        assert_eq!(cause_title(Cause::NotFoundOrDenied), "Not found or denied");
        assert_eq!(cause_title(Cause::PullQpsExceeded), "Pull QPS exceeded");
        assert_eq!(
            (pluralize(1, "registry"), pluralize(2, "registry"), pluralize(0, "pod")),
            ("1 registry".into(), "2 registries".into(), "0 pods".into())
        );
    }

    #[test]
    fn every_cause_has_a_runbook() {
        for cause in Cause::ALL {
            let name = runbook_for(*cause, cause.group());
            assert!(RUNBOOKS.iter().any(|(known, _)| *known == name), "{name}");
        }
    }

    #[test]
    fn a_path_holds_any_name() {
        assert_eq!(pod_path("shop", "web-0"), "failures/shop/web-0");
        assert_eq!(pod_path("a/b", "<\"\u{202e}?#%"), "failures/a%2Fb/%3C%22%E2%80%AE%3F%23%25");
    }

    #[test]
    fn a_policy_is_explained_by_the_reference() {
        let why = |written: &str, is: PullPolicy| pull_policy_text(is, &ImageReference::parse(written));
        assert!(why("nginx", PullPolicy::Always).contains("latest or missing"));
        assert!(why("nginx:1", PullPolicy::Always).contains("AlwaysPullImages"));
        assert!(why("nginx:1", PullPolicy::IfNotPresent).contains("default for this reference"));
        assert!(why("nginx", PullPolicy::IfNotPresent).contains("spec says so"));
        assert!(why("nginx", PullPolicy::Never).starts_with("no registry"));
    }
}
