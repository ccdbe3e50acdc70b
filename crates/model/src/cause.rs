//! Classifies the error text of a failed image pull by cause.
//!
//! The kubelet forwards error texts of runtimes, and runtimes forward those of registries. None of them is a stable
//! interface. A table of [`Rule`]s lists the known texts with their sources, specific texts before generic ones. A text
//! that no rule matches has the cause [`Cause::Unknown`]: no cause is better than a wrong one.

mod error_text;
mod failing_host;
mod rule;
mod rules;
#[cfg(test)]
mod tests;

pub use failing_host::{FailingHost, HostKind};
pub use rule::Rule;

use super::image::ImageReference;

/// Causes of image pull failures. A closed set, because it is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The registry has no such tag or digest.
    ImageNotFound,
    /// The registry has no such repository.
    RepositoryNotFound,
    /// The image reference does not parse.
    InvalidReference,
    /// The image has no variant for the node's platform.
    PlatformMismatch,
    /// The runtime does not support the manifest.
    UnsupportedManifest,
    /// The pull policy is `Never`, and the image is not on the node or not accessible to the pod.
    NeverPullAbsent,
    /// The reference names no registry, and the node has no default for it.
    AmbiguousShortName,
    /// Credentials are missing, wrong or expired.
    Unauthorized,
    /// The registry denies access to these credentials.
    Forbidden,
    /// The repository is missing or forbidden; the registry deliberately reports both in the same way.
    NotFoundOrDenied,
    /// The credentials cannot be read, so no request was sent.
    CredentialsMalformed,
    /// The registry's rate limit is reached.
    RateLimited,
    /// The registry responded with a server error.
    RegistryError,
    /// The runtime reports that the registry is unavailable.
    RegistryUnavailable,
    /// The registry's name does not resolve on the node.
    DnsFailure,
    /// The registry did not respond in time.
    Timeout,
    /// The connection was refused or interrupted.
    ConnectionFailed,
    /// A proxy failed, or responded in place of the registry.
    ProxyFailure,
    /// The node does not trust the registry's certificate.
    TlsUntrusted,
    /// The registry's certificate has expired or is not valid yet.
    TlsExpired,
    /// One side uses HTTP and the other HTTPS.
    PlainHttp,
    /// The node's disk is full.
    DiskFull,
    /// The node's image store or container runtime failed.
    NodeStorageError,
    /// The content does not match its digest.
    DigestMismatch,
    /// The kubelet's own limit on pulls per second is reached.
    PullQpsExceeded,
    /// The pull was canceled, usually because it made no progress.
    PullCanceled,
    /// The image has no signature that the policy accepts.
    SignatureRejected,
    /// A scanner, a firewall or an administrator's rule blocks the image.
    BlockedByPolicy,
    /// No rule matches the text.
    Unknown,
}

/// The owner of a cause: who must act. A closed set, because it is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CauseGroup {
    /// The author of the pod's manifest, or the builder of the image.
    Image,
    /// The owner of the pull secret and of its permissions.
    Credentials,
    /// The registry operator.
    Registry,
    /// The operator of the network between the node and the registry.
    Network,
    /// The node operator.
    Node,
    /// The owner of the policy on images.
    Policy,
    /// Not known.
    Unknown,
}

/// The causes from the most to the least actionable, for a text with several errors.
///
/// With several credentials, the kubelet tries each and joins the errors (`kuberuntime_image.go`). The error of the
/// attempt that got furthest is the most informative: "no such tag" follows a successful authentication, and "denied"
/// follows a successful connection. Transient causes come last.
const BY_ACTIONABILITY: &[Cause] = &[
    Cause::DiskFull,
    Cause::NodeStorageError,
    Cause::DigestMismatch,
    Cause::SignatureRejected,
    Cause::BlockedByPolicy,
    Cause::PlatformMismatch,
    Cause::UnsupportedManifest,
    Cause::InvalidReference,
    Cause::AmbiguousShortName,
    Cause::NeverPullAbsent,
    Cause::ImageNotFound,
    Cause::RepositoryNotFound,
    Cause::CredentialsMalformed,
    Cause::Forbidden,
    Cause::Unauthorized,
    Cause::NotFoundOrDenied,
    Cause::TlsExpired,
    Cause::TlsUntrusted,
    Cause::PlainHttp,
    Cause::ProxyFailure,
    Cause::DnsFailure,
    Cause::RateLimited,
    Cause::RegistryUnavailable,
    Cause::RegistryError,
    Cause::ConnectionFailed,
    Cause::Timeout,
    Cause::PullQpsExceeded,
    Cause::PullCanceled,
    Cause::Unknown,
];

impl Cause {
    /// Every cause, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::ImageNotFound,
        Self::RepositoryNotFound,
        Self::InvalidReference,
        Self::PlatformMismatch,
        Self::UnsupportedManifest,
        Self::NeverPullAbsent,
        Self::AmbiguousShortName,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFoundOrDenied,
        Self::CredentialsMalformed,
        Self::RateLimited,
        Self::RegistryError,
        Self::RegistryUnavailable,
        Self::DnsFailure,
        Self::Timeout,
        Self::ConnectionFailed,
        Self::ProxyFailure,
        Self::TlsUntrusted,
        Self::TlsExpired,
        Self::PlainHttp,
        Self::DiskFull,
        Self::NodeStorageError,
        Self::DigestMismatch,
        Self::PullQpsExceeded,
        Self::PullCanceled,
        Self::SignatureRejected,
        Self::BlockedByPolicy,
        Self::Unknown,
    ];

    /// Returns the label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImageNotFound => "image_not_found",
            Self::RepositoryNotFound => "repository_not_found",
            Self::InvalidReference => "invalid_reference",
            Self::PlatformMismatch => "platform_mismatch",
            Self::UnsupportedManifest => "unsupported_manifest",
            Self::NeverPullAbsent => "never_pull_absent",
            Self::AmbiguousShortName => "ambiguous_short_name",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFoundOrDenied => "not_found_or_denied",
            Self::CredentialsMalformed => "credentials_malformed",
            Self::RateLimited => "rate_limited",
            Self::RegistryError => "registry_error",
            Self::RegistryUnavailable => "registry_unavailable",
            Self::DnsFailure => "dns_failure",
            Self::Timeout => "timeout",
            Self::ConnectionFailed => "connection_failed",
            Self::ProxyFailure => "proxy_failure",
            Self::TlsUntrusted => "tls_untrusted",
            Self::TlsExpired => "tls_expired",
            Self::PlainHttp => "plain_http",
            Self::DiskFull => "disk_full",
            Self::NodeStorageError => "node_storage_error",
            Self::DigestMismatch => "digest_mismatch",
            Self::PullQpsExceeded => "pull_qps_exceeded",
            Self::PullCanceled => "pull_canceled",
            Self::SignatureRejected => "signature_rejected",
            Self::BlockedByPolicy => "blocked_by_policy",
            Self::Unknown => "unknown",
        }
    }

    /// Returns the position in [`BY_ACTIONABILITY`]; lower is more actionable.
    pub(super) fn actionability_rank(self) -> usize {
        BY_ACTIONABILITY.iter().position(|cause| *cause == self).unwrap_or(BY_ACTIONABILITY.len())
    }

    /// Returns who must act.
    pub fn group(self) -> CauseGroup {
        match self {
            Self::ImageNotFound
            | Self::RepositoryNotFound
            | Self::InvalidReference
            | Self::PlatformMismatch
            | Self::UnsupportedManifest
            | Self::NeverPullAbsent
            | Self::AmbiguousShortName => CauseGroup::Image,
            Self::Unauthorized | Self::Forbidden | Self::NotFoundOrDenied | Self::CredentialsMalformed => {
                CauseGroup::Credentials
            }
            Self::RateLimited | Self::RegistryError | Self::RegistryUnavailable => CauseGroup::Registry,
            Self::DnsFailure
            | Self::Timeout
            | Self::ConnectionFailed
            | Self::ProxyFailure
            | Self::TlsUntrusted
            | Self::TlsExpired
            | Self::PlainHttp => CauseGroup::Network,
            Self::DiskFull
            | Self::NodeStorageError
            | Self::DigestMismatch
            | Self::PullQpsExceeded
            | Self::PullCanceled => CauseGroup::Node,
            Self::SignatureRejected | Self::BlockedByPolicy => CauseGroup::Policy,
            Self::Unknown => CauseGroup::Unknown,
        }
    }
}

impl CauseGroup {
    /// Every group, in the order of the documentation.
    pub const ALL: &'static [Self] =
        &[Self::Image, Self::Credentials, Self::Registry, Self::Network, Self::Node, Self::Policy, Self::Unknown];

    /// Returns the label value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Credentials => "credentials",
            Self::Registry => "registry",
            Self::Network => "network",
            Self::Node => "node",
            Self::Policy => "policy",
            Self::Unknown => "unknown",
        }
    }
}

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
    let shown = error_text::unescape_line_breaks(error_text::truncate_middle(message));
    match most_actionable_match(&shown) {
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
pub fn matching_rule(reason: &str, message: &str) -> Option<&'static Rule> {
    most_actionable_rule(message).or_else(|| most_actionable_rule(reason))
}

/// Returns the result of each host that was tried, if the text lists mirrors (CRI-O): the mirrors in order, then the
/// registry. Empty if it lists none.
pub fn hops(message: &str, image: &ImageReference) -> Vec<Hop> {
    let shown = error_text::unescape_line_breaks(error_text::truncate_middle(message));
    let attempts = error_text::split_attempts(error_text::strip_wrappers(&shown));
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
pub fn is_same_error(message: &str, other: &str) -> bool {
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
    /// Whether no response was received: the request was not sent or not answered.
    fn is_unanswered(&self) -> bool {
        UNANSWERED_CAUSES.contains(&self.rule.cause)
            || (self.rule.cause == Cause::BlockedByPolicy && self.error.contains(BLOCKED_BY_REGISTRIES_CONF))
    }

    fn host(&self, image: &ImageReference) -> Option<FailingHost> {
        failing_host::failing_host_of_hop(self.error, self.is_from_mirror, image)
    }
}

/// The causes that mean that no response was received.
const UNANSWERED_CAUSES: &[Cause] = &[Cause::DnsFailure, Cause::Timeout, Cause::ConnectionFailed, Cause::ProxyFailure];

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
fn most_actionable_match(shown: &str) -> Option<RuleMatch<'_>> {
    let attempts = error_text::split_attempts(error_text::strip_wrappers(shown));
    let mirrors = || best_match(attempts.iter().flat_map(|attempt| attempt.mirrors.iter().copied()), true);
    match best_match(error_text::furthest_errors(&attempts), false) {
        Some(decision) if decision.is_unanswered() => {
            let answered = mirrors().filter(|mirror| !mirror.is_unanswered());
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
