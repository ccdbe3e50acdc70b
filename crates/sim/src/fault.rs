//! Pull faults and their error texts.
//!
//! The texts are those of containerd 1.7 and 2.x and of CRI-O as the kubelet (1.32 and later) writes them to a pod's
//! status, with placeholders for the image. They come from recordings and error texts collected from real clusters
//! (pull-errors.tsv).

use super::random::Random;

/// The waiting reason of a failed pull, which decides about the back-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureReason {
    /// `ErrImagePull`, with back-off.
    ErrImagePull,
    /// `RegistryUnavailable`, with back-off: CRI-O's text starts with that word.
    RegistryUnavailable,
    /// `SignatureValidationFailed`, with back-off: CRI-O's text starts with that word.
    SignatureValidationFailed,
    /// `ImageInspectError`, without back-off: the runtime cannot report whether it has the image.
    ImageInspectError,
}

/// A kind of pull failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PullFault {
    /// Name in scripts.
    pub(super) name: &'static str,
    pub(super) reason: FailureReason,
    /// Duration of a failing attempt, as a range in milliseconds.
    pub(super) takes_millis: (u64, u64),
    text: &'static str,
}

const QUICK_FAILURE_MILLIS: (u64, u64) = (80, 600);
const RESOLVE_PREFIX: &str = "failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": ";

/// All faults of scripts. `{resolve}` is containerd's prefix of most texts.
pub(super) const FAULTS: &[PullFault] = &[
    pull("not-found", "rpc error: code = NotFound desc = {resolve}{image}: not found"),
    pull(
        "denied",
        "{resolve}pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
    ),
    pull(
        "unauthorized",
        "{resolve}failed to authorize: failed to fetch oauth token: unexpected status from POST request to https://{host}/token: 401 Unauthorized",
    ),
    pull(
        "forbidden",
        "{resolve}unexpected status from HEAD request to https://{endpoint}/v2/{repository}/manifests/{tag}: 403 Forbidden",
    ),
    pull(
        "rate-limited",
        "failed to pull and unpack image \"{image}\": failed to copy: httpReadSeeker: failed open: unexpected status code \
         https://{endpoint}/v2/{repository}/manifests/sha256:{digest}: 429 Too Many Requests - Server message: toomanyrequests: You have reached your \
         unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit",
    ),
    pull(
        "server-error",
        "{resolve}unexpected status from HEAD request to https://{endpoint}/v2/{repository}/manifests/{tag}: 503 Service Unavailable",
    ),
    pull(
        "dns",
        "{resolve}failed to do request: Head \"https://{endpoint}/v2/{repository}/manifests/{tag}\": dial tcp: lookup {endpoint} on 10.96.0.10:53: no such host",
    ),
    pull(
        "refused",
        "{resolve}failed to do request: Head \"https://{endpoint}/v2/{repository}/manifests/{tag}\": dial tcp {ip}:443: connect: connection refused",
    ),
    // The text changes at every attempt, as ephemeral ports do in the recordings.
    pull(
        "reset",
        "{resolve}failed to do request: Head \"https://{endpoint}/v2/{repository}/manifests/{tag}\": read tcp 10.0.12.7:{port}->{ip}:443: read: connection reset by peer",
    ),
    PullFault {
        takes_millis: (30_000, 30_200),
        ..pull(
            "timeout",
            "{resolve}failed to do request: Head \"https://{endpoint}/v2/{repository}/manifests/{tag}\": dial tcp {ip}:443: i/o timeout",
        )
    },
    pull(
        "proxy",
        "{resolve}failed to do request: Head \"https://{endpoint}/v2/{repository}/manifests/{tag}\": proxyconnect tcp: dial tcp 10.0.0.8:3128: connect: connection refused",
    ),
    pull(
        "tls-untrusted",
        "{resolve}failed to do request: Head \"https://{endpoint}/v2/{repository}/manifests/{tag}\": tls: failed to verify certificate: x509: certificate signed by unknown authority",
    ),
    pull(
        "tls-expired",
        "{resolve}failed to do request: Head \"https://{endpoint}/v2/{repository}/manifests/{tag}\": tls: failed to verify certificate: x509: certificate has expired or is \
         not yet valid: current time 2026-11-23T21:22:48Z is after 2026-11-20T12:00:00Z",
    ),
    pull(
        "plain-http",
        "{resolve}failed to do request: Head \"https://{endpoint}/v2/{repository}/manifests/{tag}\": http: server gave HTTP response to HTTPS client",
    ),
    pull(
        "no-platform",
        "rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": no match for platform in manifest: not found",
    ),
    pull(
        "old-manifest",
        "rpc error: code = Unimplemented desc = failed to pull and unpack image \"{image}\": not implemented: media type \
         \"application/vnd.docker.distribution.manifest.v1+prettyjws\" is no longer supported since containerd v2.1, please rebuild the image",
    ),
    pull(
        "digest-mismatch",
        "rpc error: code = FailedPrecondition desc = failed to pull and unpack image \"{image}\": failed commit on ref \"layer-sha256:{digest}\": \
         unexpected commit digest sha256:{other}, expected sha256:{digest}: failed precondition",
    ),
    PullFault {
        takes_millis: (4_000, 9_000),
        ..pull(
            "disk-full",
            "failed to pull and unpack image \"{image}\": failed to extract layer (application/vnd.oci.image.layer.v1.tar+gzip sha256:{digest}) to overlayfs as \
             \"extract-{port} sha256:{other}\": write /var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/snapshots/412/fs/usr/lib/libLLVM.so: no space left on device",
        )
    },
    PullFault { takes_millis: (0, 2), ..pull("qps", "pull QPS exceeded") },
    PullFault {
        takes_millis: (300_000, 300_500),
        ..pull(
            "stalled",
            "rpc error: code = Canceled desc = failed to pull and unpack image \"{image}\": context canceled",
        )
    },
    PullFault {
        reason: FailureReason::RegistryUnavailable,
        ..pull(
            "registry-unavailable",
            "image pull failed for {spec} because the registry is unavailable: pinging container registry {host}: Get \"https://{endpoint}/v2/\": dial tcp {ip}:443: connect: connection refused",
        )
    },
    PullFault {
        reason: FailureReason::SignatureValidationFailed,
        ..pull(
            "signature",
            "image pull failed for {spec} because the signature validation failed: Source image rejected: A signature was required, but no signature exists",
        )
    },
    // Harbor's response to images with vulnerabilities.
    pull(
        "policy",
        "{resolve}unexpected status from HEAD request to https://{endpoint}/v2/{repository}/manifests/{tag}: 412 Precondition Failed",
    ),
    // The text of the recording kubelet-restart.
    PullFault {
        reason: FailureReason::ImageInspectError,
        ..pull(
            "inspect-error",
            "rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix \
             /run/containerd/containerd.sock: connect: no such file or directory\"",
        )
    },
];

const fn pull(word: &'static str, text: &'static str) -> PullFault {
    PullFault { name: word, reason: FailureReason::ErrImagePull, takes_millis: QUICK_FAILURE_MILLIS, text }
}

impl PullFault {
    /// Returns the fault a script calls `word`.
    pub(super) fn by_name(word: &str) -> Option<&'static Self> {
        FAULTS.iter().find(|fault| fault.name == word)
    }

    /// Returns the runtime's error for `image`, written as in the pod's spec.
    pub(super) fn text(&self, image: &str, random: &mut Random) -> String {
        fill_placeholders(self.text, image, random)
    }
}

/// Fills the placeholders of a fault's text, or of a text of the script's own.
pub(super) fn fill_placeholders(text: &str, image: &str, random: &mut Random) -> String {
    if !text.contains('{') {
        return text.to_owned();
    }
    let parts = Reference::parse(image);
    // Digests and addresses belong to the image; only the port is random at each attempt.
    let mut fixed = Random::from_text(image);
    let (digest, other) = (fixed.hex64(), fixed.hex64());
    let ip = format!("203.0.113.{}", Random::from_text(&parts.host).next() % 250 + 1);
    let port = 32_768 + random.next() % 28_232;
    text.replace("{resolve}", RESOLVE_PREFIX)
        .replace("{image}", &parts.full)
        .replace("{spec}", image)
        .replace("{host}", &parts.host)
        .replace("{endpoint}", parts.endpoint())
        .replace("{repository}", &parts.repository)
        .replace("{tag}", &parts.tag)
        .replace("{digest}", &digest)
        .replace("{other}", &other)
        .replace("{ip}", &ip)
        .replace("{port}", &port.to_string())
}

/// An image reference as containerd writes it: with registry and tag, or with registry and digest.
pub(super) struct Reference {
    pub(super) full: String,
    pub(super) host: String,
    pub(super) repository: String,
    pub(super) tag: String,
}

impl Reference {
    /// Normalizes a reference by the rules of distribution/reference (normalize.go:56-84). Does not validate it.
    pub(super) fn parse(image: &str) -> Self {
        let (host, rest) = match image.split_once('/') {
            Some((host, rest)) if host == "localhost" || host.contains(['.', ':']) => (host, rest.to_owned()),
            Some(_) => ("docker.io", image.to_owned()),
            None => ("docker.io", format!("library/{image}")),
        };
        let (name, digest) = match rest.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (rest.as_str(), None),
        };
        let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        let (separator, tag) = digest.map_or((':', tag), |digest| ('@', digest));
        Self {
            full: format!("{host}/{repository}{separator}{tag}"),
            host: host.to_owned(),
            repository: repository.to_owned(),
            tag: tag.to_owned(),
        }
    }

    /// Returns the host of the registry's API, which for Docker Hub is not `docker.io`.
    fn endpoint(&self) -> &str {
        if self.host == "docker.io" { "registry-1.docker.io" } else { &self.host }
    }
}

/// Returns the kubelet's error for an invalid reference; `None` if it is valid.
///
/// Detects common errors only: a scheme, a space, an empty tag, capital letters (recording invalid-name).
pub(super) fn invalid_reference(image: &str) -> Option<String> {
    let path = match image.split_once('/') {
        Some((host, path)) if host == "localhost" || host.contains(['.', ':']) => path,
        Some(_) | None => image,
    };
    let name = path.split(['@', ':']).next().unwrap_or(path);
    let detail = if image.contains("://") || image.contains(' ') || image.ends_with(':') {
        String::new()
    } else if name.chars().any(|c| c.is_ascii_uppercase()) {
        format!(": repository name ({name}) must be lowercase")
    } else {
        return None;
    };
    Some(format!(
        "Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\": invalid reference format{detail}"
    ))
}
