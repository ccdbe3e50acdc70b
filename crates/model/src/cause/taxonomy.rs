//! The closed sets of causes and cause groups.

use strum::{IntoStaticStr, VariantArray};

/// Causes of image pull failures. A closed set, because it is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
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
    /// The registry denies access, and a pull secret of the pod does not exist.
    PullSecretMissing,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
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
pub(super) const BY_ACTIONABILITY: &[Cause] = &[
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
    Cause::PullSecretMissing,
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
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Returns the label value.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Returns the position in [`BY_ACTIONABILITY`]; lower is more actionable.
    pub(crate) fn actionability_rank(self) -> usize {
        BY_ACTIONABILITY.iter().position(|cause| *cause == self).unwrap_or(BY_ACTIONABILITY.len())
    }

    /// Whether the registry denied access, so that a missing pull secret explains the failure.
    pub(crate) const fn is_denial(self) -> bool {
        matches!(self, Self::Unauthorized | Self::Forbidden | Self::NotFoundOrDenied)
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
            Self::Unauthorized
            | Self::Forbidden
            | Self::NotFoundOrDenied
            | Self::CredentialsMalformed
            | Self::PullSecretMissing => CauseGroup::Credentials,
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
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Returns the label value.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
