//! Rules for the content of an image: platforms, manifests, policies.

use super::super::rule::Rule;
use super::super::taxonomy::Cause::{
    BlockedByPolicy, NodeStorageError, PlatformMismatch, ProxyFailure, SignatureRejected, UnsupportedManifest,
};

/// The image has no variant for the node's platform.
pub(super) const PLATFORM: &[Rule] = &[
    Rule::new(
        PlatformMismatch,
        "containerd, docker",
        "containerd core/images/image.go; moby distribution/pull_v2.go; recording no-platform; moby/moby#39201",
        &[
            "no match for platform in manifest",
            "no matching manifest for",
            "no manifest found for platform",
            "does not support platform",
            "does not match the specified platform",
            "does not provide the specified platform",
            "no matching platform",
            "unsupported platform",
        ],
    ),
    Rule::new(
        PlatformMismatch,
        "CRI-O",
        "containers/image internal/manifest/docker_schema2_list.go and oci_index.go",
        &["no image found in manifest list", "no image found in image index", "choosing an image from manifest list"],
    ),
    Rule::new(
        PlatformMismatch,
        "docker, Windows",
        "moby distribution/config.go and pull_v2_windows.go; hcsshim osversion",
        &[
            "cannot be used on this platform",
            "operating system is not supported",
            "cannot download image with operating system",
            "operating system does not match the host operating system",
            "is incompatible with a * host",
        ],
    ),
];

/// The runtime does not support the manifest.
pub(super) const MANIFEST: &[Rule] = &[
    // A web page in place of a manifest: a proxy or mirror between the node and the registry responded.
    Rule::new(
        ProxyFailure,
        "containerd, docker",
        "containerd/containerd#7400; containerd/nerdctl#3264; kubernetes-sigs/cri-tools#1137",
        &[
            "media type text/html",
            "unknown type: text/html",
            "unexpected content type text/html",
            "unexpected content-type*text/html",
        ],
    ),
    // An encrypted image on a node that is not configured for decryption.
    Rule::new(
        NodeStorageError,
        "containerd",
        "containerd core/diff/stream.go; containerd/imgcrypt",
        &["*+encrypted: no processor for media-type"],
    ),
    // A faulty push: the manifest and the configuration list different layers.
    Rule::new(
        UnsupportedManifest,
        "docker, CRI-O",
        "moby distribution/pull_v2.go; containers/image storage/storage_dest.go; distribution/distribution#1439",
        &["layers from manifest don't match image configuration", "uncompressed digest of layer * config claims"],
    ),
    // More layers than the storage driver supports.
    Rule::new(
        UnsupportedManifest,
        "docker, CRI-O",
        "moby daemon/internal/layer; containers/storage drivers/overlay",
        &["max depth exceeded", "maximum allowed artifact size"],
    ),
    Rule::new(
        UnsupportedManifest,
        "containerd",
        "containerd core/images/image.go and mediatypes.go, core/remotes/docker/resolver.go, transfer/local/pull.go",
        &[
            "media type * is no longer supported",
            "schema 1 image manifests are no longer supported",
            "schema 1 images have been deprecated",
            "schema 1 not supported",
            "application/vnd* not supported",
            "unsupported diff media type",
            "unexpected media type",
            "reference for unknown type",
            "unrecognised mediatype",
            "no processor for media-type",
            "media-type: expected",
            "mismatched image rootfs and manifest layers",
            "number of layers and diffids don't match",
            "unmarshal image config",
            "reports content size of zero",
            "rejecting * byte manifest",
            "manifest list/index references to blobs",
            "unsupported content-encoding algorithm",
        ],
    ),
    Rule::new(
        UnsupportedManifest,
        "CRI-O, docker",
        "containers/image manifest and internal/image; moby distribution/pull_v2.go and manifest.go",
        &[
            "unsupported media type",
            "unsupported mediatype",
            "unsupported ociv1 media type",
            "unsupported mime type",
            "unsupported manifest",
            "unsupported schema version",
            "unsupported docker v2s*",
            "unimplemented manifest mime type",
            "unimplemented manifest list mime type",
            "received a manifest list instead of a manifest",
            "rejecting ambiguous manifest",
            "inconsistent schema 1 manifest",
            "invalid image configuration, needs more than",
            "image config has only",
            "ai models are not yet supported",
            "unknown media type of",
            "encountered remote * when fetching",
            "invalid rootfs in image configuration",
            "media-type: cannot determine",
            "error parsing manifest",
            "no fslayers in manifest",
            "missing signature key",
            "image manifest version 2, schema 1",
            "docker image format v1",
            "schema 1 support has been removed",
            "manifest schema v1 unsupported",
            "invalid mixed oci image",
            "not a container image",
            "unsupported image-specific operation",
            "unexpected end of json input",
            "unmarshal manifest",
            "unmarshal data into manifest",
            "mediatype in manifest should be",
        ],
    )
    .unless(&["#403", "#500", "#502", "#503", "token response", "bearer token"]),
    Rule::new(
        UnsupportedManifest,
        "distribution",
        "distribution registry/handlers/manifests.go and api/errcode/register.go; quay endpoints/v2/errors.py",
        &[
            "accept header does not support",
            "manifest invalid",
            "manifest_invalid",
            "but accept header",
            "manifest is not valid",
        ],
    ),
];

/// A policy rejected the image.
pub(super) const POLICY: &[Rule] = &[
    Rule::new(
        SignatureRejected,
        "kubelet, CRI-O, Talos",
        "Kubernetes image_manager.go evalCRIPullErr; containers/image signature, copy/single.go; kubernetes/kubernetes#127918",
        &[
            "signature validation failed",
            "signaturevalidationfailed",
            "source image rejected",
            "none of the signatures were accepted",
            "a signature was required",
            "rejected by policy",
            "*policy.json",
            "invalid policy in",
            "verifying signatures",
            "signature verification failed",
            "image verification failed",
            "signature key validation failed",
            "security validate failed",
            "no matching signatures",
            "failed to verify signature",
            "rekor set",
            "fulcio certificate",
        ],
    )
    // Fetching a signature can fail too, for reasons of the network.
    .unless(&["dial tcp", "i/o timeout"]),
    Rule::new(
        SignatureRejected,
        "containerd 2.x, docker",
        "containerd core/transfer/local/pull.go; docker content trust (notary)",
        &[
            "image verifier",
            "blocking pull of",
            "blocked pull of",
            "remote trust data does not exist",
            "no trust data for",
            "no valid trust data",
            "content trust",
            "no signatures found",
            "no valid signature",
            "invalid signature",
        ],
    ),
    Rule::new(
        SignatureRejected,
        "Harbor, Quay",
        "Harbor server/middleware/contenttrust; distribution registry/api/errcode/register.go",
        &[
            "is not signed",
            "manifest failed signature verification",
            "manifest_unverified",
            "doesn't pass * signature verification",
        ],
    ),
    // Harbor responds with 412 to a missing signature and to a vulnerability. Without its message, the rule of the
    // project is not known.
    Rule::new(
        BlockedByPolicy,
        "Harbor",
        "Harbor server/middleware/vulnerable; Harbor 1.x core/middlewares; goharbor/harbor#8958, #11202 and #19983",
        &[
            "due to configured policy",
            "severity of vulnerability of the image",
            "threshold in project setting",
            "projectpolicyviolation",
            "project_policy_violation",
            "412 precondition failed",
            "#412",
        ],
    ),
    Rule::new(
        BlockedByPolicy,
        "JFrog Xray and Curation, Sonatype Firewall, Cloudsmith, ACR",
        "jfrog-cli-security commands/curation; sobolevn/git-secret#801; Sonatype help, Managing the Quarantine; Azure/acr#522",
        &[
            "download blocking policy",
            "artifact download request rejected",
            "packages curation service",
            "following policies violated",
            "blocked by xray",
            "blocked by jfrog",
            "conflict in its include/exclude patterns",
            "is quarantined",
            "been quarantined",
            "image quarantined",
            "item quarantined",
        ],
    ),
    Rule::new(
        BlockedByPolicy,
        "CRI-O",
        "containers/image docker/docker_image_src.go; registries.conf, blocked",
        &["is blocked in @", "is blocked in /etc/*", "is blocked by configuration"],
    ),
    // Rejections by a rule of a registry, of a scanner in front of it, or of the cluster's admission.
    Rule::new(
        BlockedByPolicy,
        "ACR, Quay, Docker Hub, Prisma, admission webhooks",
        "ACR FAQ, disallowed operation; quay endpoints/v2/errors.py NamespaceDisabled; Kubernetes admission/imagepolicy",
        &[
            "operation is disallowed on this registry",
            "namespace is disabled",
            "namespace * has been disabled",
            "blocked by policy",
            "blocked by security policy",
            "blocked by your organization",
            "blocked by administrator",
            "denied by policy",
            "violates policy",
            "policy violation",
            "restricted by your organization",
            "denied one or more images",
            "images rejected by webhook backend",
            "admission webhook * denied the request",
        ],
    ),
];
