//! Classification of error texts.

use super::error_text;
use super::failing_host::{self, FailingHost};
use super::rule::Rule;
use super::rules;
use super::taxonomy::Cause;
use crate::image::ImageReference;

/// The result of classifying an error text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classification {
    /// Cause, or [`Cause::Unknown`] if no rule matches.
    pub cause: Cause,
    /// The host that failed, if the text names one.
    pub host: Option<FailingHost>,
}

/// Classifies an error text about `image` and finds the failing host. If no rule matches the text, `reason`, the
/// waiting reason, decides.
pub fn classify_with_host(reason: &str, message: &str, image: &ImageReference) -> Classification {
    let prepared = error_text::unescape_line_breaks(error_text::truncate_middle(message));
    match most_actionable_match(&prepared) {
        Some(decision) => Classification { cause: decision.rule.cause, host: decision.host(image) },
        None => {
            Classification { cause: most_actionable_rule(reason).map_or(Cause::Unknown, |rule| rule.cause), host: None }
        }
    }
}

/// Classifies an error text.
///
/// `reason` is the waiting reason, or empty. It decides if no rule matches the text.
///
/// ```
/// use image_pull_model::cause::{Cause, classify};
///
/// let text = "failed to resolve reference \"reg.example/app:2\": reg.example/app:2: not found";
/// assert_eq!(classify("ErrImagePull", text), Cause::ImageNotFound);
/// // No rule matches the text: the waiting reason decides.
/// assert_eq!(classify("ErrImageNeverPull", ""), Cause::NeverPullAbsent);
/// ```
pub fn classify(reason: &str, message: &str) -> Cause {
    matching_rule(reason, message).map_or(Cause::Unknown, |rule| rule.cause)
}

/// Returns the rule that decides in [`classify`]. The rule names the source of such texts.
pub(super) fn matching_rule(reason: &str, message: &str) -> Option<&'static Rule> {
    most_actionable_rule(message).or_else(|| most_actionable_rule(reason))
}

/// Returns the result of each host that was tried, if the text lists mirrors (CRI-O): the mirrors in order, then the
/// registry. Empty if it lists none.
pub fn hops(message: &str, image: &ImageReference) -> Vec<Hop> {
    let prepared = error_text::unescape_line_breaks(error_text::truncate_middle(message));
    let attempts = error_text::split_attempts(error_text::strip_wrappers(&prepared));
    let Some(attempt) = attempts.into_iter().find(|attempt| !attempt.mirrors.is_empty()) else { return Vec::new() };
    let mirrors = attempt.mirrors.iter().map(|error| (*error, true));
    let hop = |(error, is_mirror): (&str, bool)| {
        let cause = rules::first_match(error).map_or(Cause::Unknown, |rule| rule.cause);
        Hop { host: failing_host::failing_host_of_hop(error, is_mirror, image), cause }
    };
    mirrors.chain([(attempt.error, false)]).take(MAX_HOPS).map(hop).collect()
}

/// A host that was tried for an image, and the cause of its failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The host, if its error names it.
    pub host: Option<FailingHost>,
    /// Cause of the failure at this host.
    pub cause: Cause,
}

/// Maximum number of hops that are reported.
const MAX_HOPS: usize = 8;

/// Whether two messages contain the same error, and therefore have the same cause. The message of a back-off repeats
/// the error of the attempt before it.
pub(crate) fn is_same_error(message: &str, other: &str) -> bool {
    error_text::strip_wrappers(message) == error_text::strip_wrappers(other)
}

/// Whether the message is a back-off without an error, as kubelets up to 1.31 write it. The previous cause then still
/// holds.
pub fn is_bare_backoff(message: &str) -> bool {
    error_text::strip_backoff_prefix(message).is_some_and(|cause| cause.trim().is_empty())
}

/// Whether the message has no error text: it is empty, a bare back-off, or repeats the waiting reason.
pub fn has_no_error_text(message: &str) -> bool {
    let message = message.trim();
    message.is_empty() || is_bare_backoff(message) || matches!(message, "ErrImagePull" | "ImagePullBackOff")
}

/// The error that decides the cause, and the rule that matches it.
struct RuleMatch<'a> {
    rule: &'static Rule,
    error: &'a str,
    is_from_mirror: bool,
}

impl RuleMatch<'_> {
    /// Whether no response was received: the request was not sent, or timed out.
    fn has_no_response(&self) -> bool {
        CAUSES_WITHOUT_RESPONSE.contains(&self.rule.cause)
            || (self.rule.cause == Cause::BlockedByPolicy && self.error.contains(BLOCKED_BY_REGISTRIES_CONF))
    }

    fn host(&self, image: &ImageReference) -> Option<FailingHost> {
        failing_host::failing_host_of_hop(self.error, self.is_from_mirror, image)
    }
}

/// The causes that mean that no response was received.
const CAUSES_WITHOUT_RESPONSE: &[Cause] =
    &[Cause::DnsFailure, Cause::Timeout, Cause::ConnectionFailed, Cause::ProxyFailure];

/// The text of containers/image for a registry that registries.conf blocks.
const BLOCKED_BY_REGISTRIES_CONF: &str = " is blocked in ";

/// Returns the rule of the most actionable error in the text.
fn most_actionable_rule(message: &str) -> Option<&'static Rule> {
    most_actionable_match(&error_text::unescape_line_breaks(error_text::truncate_middle(message)))
        .map(|decision| decision.rule)
}

/// Finds the error that decides among all errors in the text.
///
/// If the registry itself is unreachable or blocked, as intended in an air-gapped cluster, the responses of its mirrors
/// decide. Otherwise the registry decides: a mirror that lacks the image is normal.
fn most_actionable_match(prepared: &str) -> Option<RuleMatch<'_>> {
    let attempts = error_text::split_attempts(error_text::strip_wrappers(prepared));
    let mirrors = || best_match(attempts.iter().flat_map(|attempt| attempt.mirrors.iter().copied()), true);
    match best_match(error_text::furthest_errors(&attempts), false) {
        Some(decision) if decision.has_no_response() => {
            let answered = mirrors().filter(|mirror| !mirror.has_no_response());
            Some(answered.unwrap_or(decision))
        }
        Some(decision) => Some(decision),
        None => mirrors().or_else(|| best_match(attempts.iter().filter_map(|attempt| attempt.artifact), false)),
    }
}

/// Returns the most actionable of the errors that a rule matches.
fn best_match<'a>(errors: impl IntoIterator<Item = &'a str>, is_from_mirror: bool) -> Option<RuleMatch<'a>> {
    let known = errors.into_iter().filter_map(|error| {
        let rule = rules::first_match(error)?;
        Some(RuleMatch { rule, error, is_from_mirror })
    });
    known.min_by_key(|decision| decision.rule.cause.actionability_rank())
}
