//! What the image is: its platforms, its manifest, and what a policy thinks of it.

use super::Rule;
use crate::pull::cause::Cause::{PlatformMismatch, ProxyFailure, SignatureRejected, UnsupportedManifest};

/// The image exists, and not for this node.
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
            "windows version *-based image is incompatible with a * host",
            "is incompatible with a * host",
        ],
    ),
];

/// The manifest is of a kind the runtime does not take.
pub(super) const MANIFEST: &[Rule] = &[
    // A login page or a mirror's front page in the place of a manifest: somebody between the node and the registry.
    Rule::new(
        ProxyFailure,
        "containerd, docker",
        "containerd/containerd#7400; containerd/nerdctl#3264; kubernetes-sigs/cri-tools#1137",
        &["media type text/html", "unknown type: text/html", "unexpected content type text/html"],
    ),
    Rule::new(
        UnsupportedManifest,
        "containerd",
        "containerd core/images/image.go and mediatypes.go, core/remotes/docker/resolver.go, transfer/local/pull.go",
        &[
            "media type * is no longer supported",
            "schema 1 image manifests are no longer supported",
            "schema 1 not supported",
            "unexpected media type",
            "reference for unknown type",
            "unrecognised mediatype",
            "no processor for media-type",
            "media-type: expected",
            "mismatched image rootfs and manifest layers",
            "number of layers and diffids don't match",
            "unmarshal image config",
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
            "unsupported mime type",
            "unsupported manifest",
            "unsupported schema version",
            "unsupported docker v2s*",
            "unimplemented manifest mime type",
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

/// The image would have been pulled, had a policy not said no.
pub(super) const POLICY: &[Rule] = &[
    Rule::new(
        SignatureRejected,
        "kubelet, CRI-O",
        "Kubernetes image_manager.go evalCRIPullErr; containers/image signature, copy/single.go; kubernetes/kubernetes#127918",
        &[
            "signature validation failed",
            "signaturevalidationfailed",
            "source image rejected",
            "a signature was required",
            "is rejected by policy",
            "rejected by policy",
            "*policy.json",
            "invalid policy in",
            "verifying signatures",
            "cryptographic signature verification failed",
            "signature verification failed",
            "no matching signatures",
            "failed to verify signature",
            "rekor set",
            "fulcio certificate",
            "is blocked in @",
            "is blocked in /etc/*",
            "is blocked by configuration",
        ],
    )
    // Signatures are fetched too, over roads that break.
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
        "Harbor, Quay, Artifactory",
        "Harbor server/middleware vulnerable and contenttrust; distribution errcode; JFrog Xray; Sonatype Firewall",
        &[
            "cannot be pulled due to configured policy",
            "due to configured policy",
            "projectpolicyviolation",
            "412 precondition failed",
            "#412",
            "is not signed",
            "manifest failed signature verification",
            "manifest_unverified",
            "download blocking policy",
            "blocked by xray",
            "blocked by policy",
            "denied by policy",
            "violates policy",
        ],
    ),
];
