//! Rules for the registry's own errors.

use super::super::rule::Rule;
use super::super::taxonomy::Cause::{RateLimited, RegistryError};

/// The registry's disk is full. Tried before the node's disk, which has equal error texts.
pub(super) const STORAGE_FULL: &[Rule] = &[Rule::new(
    RegistryError,
    "distribution",
    "distribution registry/storage/driver/filesystem, in the body of an answer",
    &["500 internal server error*no space left on device", "/var/lib/registry*no space left on device"],
)];

/// Rate limits and quotas. Tried before authorization, because a rate-limited token endpoint also causes `failed to
/// authorize`.
pub(super) const LIMITS: &[Rule] = &[
    // The quota of a Harbor proxy project is reached; Harbor reports it as denied.
    Rule::new(RegistryError, "Harbor", "Harbor pkg/quota/types/errors.go", &["will exceed the configured upper limit"]),
    Rule::new(
        RateLimited,
        "Docker Hub, ECR, GAR, ACR, Harbor, containerd, CRI-O",
        "docker/hub-feedback#2429 and #1907; containers/image docker/errors.go; recording r429; Harbor middleware/repoproxy",
        &[
            "#429",
            "toomanyrequests",
            "too many requests",
            "too_many_requests",
            "rate limit",
            "rate limited",
            "rate exceeded",
            "throttlingexception",
            "hap429",
            "quota exceeded",
            "quota has been exceeded",
            "exceeded your pull traffic quota",
            "slow down",
            "reduce your request rate",
        ],
    ),
];

/// Server errors.
pub(super) const ERRORS: &[Rule] = &[Rule::new(
    RegistryError,
    "containerd, CRI-O, docker",
    "containerd core/remotes/errors/errors.go; containers/image docker/errors.go; hetznercloud/csi-driver#194",
    &[
        "#500",
        "#501",
        "#502",
        "#503",
        "#504",
        "#520",
        "#521",
        "#522",
        "#523",
        "#524",
        "#525",
        "#526",
        "#530",
        "#400",
        "#405",
        "#416",
        "internal server error",
        "bad gateway",
        "service unavailable",
        "service temporarily unavailable",
        "gateway timeout",
        "gateway time-out",
        "502 proxy error",
        "400 bad request",
        "405 method not allowed",
        "416 requested range not satisfiable",
        "501 not implemented",
        "507 insufficient storage",
        "unexpected http status",
        "unexpected status",
        "unknown: unknown error",
        "the operation is unsupported",
        "stopped after 10 redirects",
        "no location header in response",
        "did not include a token in the response",
        "unable to decode token response",
        "decoding bearer token",
        "failed to find supported auth scheme",
        "missing realm in bearer auth challenge",
        "no realm specified for token auth challenge",
        "in header not a valid digest",
        "missing \"content-length\"",
        "missing or empty content-type header",
        "missing content-length",
        "content range requests ignored",
        "unhandled content range",
        "invalid content-range",
        "missing content-range",
        "unavailable: ",
        "no error details found in http response body",
        "can't talk to a v1 container registry",
        "unexpected head status code",
        "maintenance mode",
        "remote auto blocked",
        "system is currently read-only",
        "system is in read only mode",
    ],
)];
