//! Reads the cause of a failed pull out of an error text.
//!
//! The kubelet passes on what a runtime says, the runtime what a registry says, and nobody promises these texts. So a
//! table of [`Rule`]s holds every text we know with the place it was read, ordered so that the specific comes before
//! the generic; what no rule knows is [`Cause::Unknown`], which is better than the wrong team.

mod host;
mod pattern;
mod rules;
#[cfg(test)]
mod tests;
mod text;

pub use host::{FailingHost, HostKind};
pub use pattern::Rule;

use super::image::ImageReference;

/// What keeps a container from getting its image. A closed set: it is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// The registry knows no such tag or digest.
    ImageNotFound,
    /// The registry knows no such repository.
    RepositoryNotFound,
    /// The image reference is no valid reference.
    InvalidReference,
    /// The image exists, but not for the node's platform.
    PlatformMismatch,
    /// What lies under the reference is of a kind the runtime cannot run.
    UnsupportedManifest,
    /// The policy is Never and the image is not on the node, or not for this pod.
    NeverPullAbsent,
    /// The reference names no registry and the node does not guess one.
    AmbiguousShortName,
    /// Credentials are missing, wrong or expired.
    Unauthorized,
    /// The registry knows who asks and refuses.
    Forbidden,
    /// Registries that answer a missing and a forbidden repository alike, on purpose.
    NotFoundOrDenied,
    /// Credentials cannot be read, so that the registry was not asked.
    CredentialsMalformed,
    /// The registry's limit on pulls is reached.
    RateLimited,
    /// The registry answered with an error of its own.
    RegistryError,
    /// The runtime says that the registry is away.
    RegistryUnavailable,
    /// The registry's name does not resolve on the node.
    DnsFailure,
    /// The registry did not answer in time.
    Timeout,
    /// The connection was refused or broke.
    ConnectionFailed,
    /// A proxy failed, or answered in the place of the registry.
    ProxyFailure,
    /// The node does not trust the registry's certificate.
    TlsUntrusted,
    /// The registry's certificate has expired or is not valid yet.
    TlsExpired,
    /// One side speaks HTTP and the other HTTPS.
    PlainHttp,
    /// The node's disk is full.
    DiskFull,
    /// The node's image store, or the runtime that keeps it.
    NodeStorageError,
    /// What arrived is not what its digest says.
    DigestMismatch,
    /// The kubelet's own limit on pulls is reached.
    PullQpsExceeded,
    /// The pull was broken off, as a rule because nothing arrived any more.
    PullCanceled,
    /// The image is unsigned, or its signature is not one that the policy accepts.
    SignatureRejected,
    /// A scanner, a firewall or an administrator's rule forbids the image.
    BlockedByPolicy,
    /// No rule knows the text.
    Unknown,
}

/// Whose move it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CauseGroup {
    /// Who wrote the pod's manifest, or builds the image.
    Image,
    /// Who owns the pull secret and the rights behind it.
    Credentials,
    /// Who runs the registry.
    Registry,
    /// Who runs the network between the node and the registry.
    Network,
    /// Who runs the node.
    Node,
    /// Who decides which images may run.
    Policy,
    /// Nobody, until somebody reads the text.
    Unknown,
}

/// The causes from the most to the least actionable, for a text that holds several errors.
///
/// With several credentials the kubelet tries each and joins the errors (`kuberuntime_image.go`). The attempt that got
/// furthest says most: one that was let in and found no such tag outdoes one that was turned away, and that outdoes
/// one that never reached the registry. What passes by itself comes last.
const MOST_ACTIONABLE: &[Cause] = &[
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
    /// Holds every cause, in the order of the documentation.
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

    /// Returns the name used as a label.
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

    /// Returns its place among the causes from the most to the least actionable.
    pub(super) fn rank(self) -> usize {
        MOST_ACTIONABLE.iter().position(|cause| *cause == self).unwrap_or(MOST_ACTIONABLE.len())
    }

    /// Returns whose move it is.
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
    /// Holds every group, in the order of the documentation.
    pub const ALL: &'static [Self] =
        &[Self::Image, Self::Credentials, Self::Registry, Self::Network, Self::Node, Self::Policy, Self::Unknown];

    /// Returns the name used as a label.
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

/// What an error text tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// What keeps the container from its image.
    pub cause: Cause,
    /// The host that failed, where the text names one.
    pub host: Option<FailingHost>,
}

/// Reads an error text about `image`. `reason` is the waiting reason; it speaks when the text does not.
pub fn read(reason: &str, message: &str, image: &ImageReference) -> Reading {
    let shown = text::unescaped(text::bounded(message));
    match decide(&shown) {
        Some(decision) => Reading { cause: decision.rule.cause, host: decision.host(image) },
        None => Reading { cause: most_actionable(reason).map_or(Cause::Unknown, |rule| rule.cause), host: None },
    }
}

/// Returns the cause that an error text tells.
///
/// `reason` is the waiting reason, empty if only a text is at hand; it speaks when the text does not.
pub fn classify(reason: &str, message: &str) -> Cause {
    deciding_rule(reason, message).map_or(Cause::Unknown, |rule| rule.cause)
}

/// Returns the rule by which [`classify`] decides, which says where such a text was seen.
pub fn deciding_rule(reason: &str, message: &str) -> Option<&'static Rule> {
    most_actionable(message).or_else(|| most_actionable(reason))
}

/// Returns what each host answered where a text tells of mirrors that were asked before the registry, in that order;
/// empty where it does not.
pub fn hops(message: &str, image: &ImageReference) -> Vec<Hop> {
    let shown = text::unescaped(text::bounded(message));
    let attempts = text::attempts(text::body(&shown));
    let Some(attempt) = attempts.into_iter().find(|attempt| !attempt.mirrors.is_empty()) else { return Vec::new() };
    let mirrors = attempt.mirrors.iter().map(|error| (*error, true));
    let hop = |(error, is_mirror): (&str, bool)| {
        let cause = rules::first_match(error).map_or(Cause::Unknown, |rule| rule.cause);
        Hop { host: host::of_hop(error, is_mirror, image), cause }
    };
    mirrors.chain([(attempt.error, false)]).take(MAX_HOPS).map(hop).collect()
}

/// One host that was asked for an image, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The host, where its error names it.
    pub host: Option<FailingHost>,
    /// What kept it from giving the image.
    pub cause: Cause,
}

/// No node has more mirrors of a registry than this.
const MAX_HOPS: usize = 8;

/// Whether two messages hold the same error, as that of an attempt and that of the back-off after it do. Then a text
/// tells the same cause in both.
pub fn is_same_error(message: &str, other: &str) -> bool {
    text::body(message) == text::body(other)
}

/// Says whether the message is a back-off without a cause, as kubelets up to 1.31 write it; then what was known holds.
pub fn is_bare_backoff(message: &str) -> bool {
    text::after_backoff(message).is_some_and(|cause| cause.trim().is_empty())
}

/// Says whether there is no error text at all: nothing, a bare back-off, or a waiting reason in its place.
pub fn tells_nothing(message: &str) -> bool {
    let message = message.trim();
    message.is_empty() || is_bare_backoff(message) || matches!(message, "ErrImagePull" | "ImagePullBackOff")
}

/// The error that decides, and the rule for it.
struct Decision<'a> {
    rule: &'static Rule,
    error: &'a str,
    is_mirrors: bool,
}

impl Decision<'_> {
    /// Says whether nothing came back, since no request was sent or none was answered.
    fn is_unanswered(&self) -> bool {
        UNREACHED.contains(&self.rule.cause)
            || (self.rule.cause == Cause::BlockedByPolicy && self.error.contains(BLOCKED))
    }

    fn host(&self, image: &ImageReference) -> Option<FailingHost> {
        host::of_hop(self.error, self.is_mirrors, image)
    }
}

/// The causes that mean that no answer came back, whoever was asked.
const UNREACHED: &[Cause] = &[Cause::DnsFailure, Cause::Timeout, Cause::ConnectionFailed, Cause::ProxyFailure];

/// What containers/image says of a registry that registries.conf tells it not to ask.
const BLOCKED: &str = " is blocked in ";

/// The rule of the most actionable error of all that the text holds.
fn most_actionable(message: &str) -> Option<&'static Rule> {
    decide(&text::unescaped(text::bounded(message))).map(|decision| decision.rule)
}

/// Finds the error that decides among all that the text holds.
///
/// Where the registry itself cannot be reached or is blocked, as is meant in a cluster without a way out, what its
/// mirrors answered decides; where it can, that a mirror lacks the image is no news.
fn decide(shown: &str) -> Option<Decision<'_>> {
    let attempts = text::attempts(text::body(shown));
    let mirrors = || best(attempts.iter().flat_map(|attempt| attempt.mirrors.iter().copied()), true);
    match best(text::furthest(&attempts), false) {
        Some(decision) if decision.is_unanswered() => {
            let answered = mirrors().filter(|mirror| !mirror.is_unanswered());
            Some(answered.unwrap_or(decision))
        }
        Some(decision) => Some(decision),
        None => mirrors().or_else(|| best(attempts.iter().filter_map(|attempt| attempt.artifact), false)),
    }
}

/// Returns the most actionable of some errors that a rule knows.
fn best<'a>(errors: impl IntoIterator<Item = &'a str>, is_mirrors: bool) -> Option<Decision<'a>> {
    let known = errors.into_iter().filter_map(|error| {
        let rule = rules::first_match(error)?;
        Some(Decision { rule, error, is_mirrors })
    });
    known.min_by_key(|decision| decision.rule.cause.rank())
}
