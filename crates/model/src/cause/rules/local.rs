//! Rules for the kubelet's own texts and for waiting reasons.

use super::super::rule::Rule;
use super::super::taxonomy::Cause::{
    AmbiguousShortName, CredentialsMalformed, DiskFull, InvalidReference, NeverPullAbsent, NodeStorageError,
    PullQpsExceeded, RegistryUnavailable,
};

/// Texts that are unambiguous. Tried first.
pub(super) const KUBELET: &[Rule] = &[
    Rule::new(
        NeverPullAbsent,
        "kubelet",
        "Kubernetes images/image_manager.go; recording never-absent",
        &["is not present with pull policy of never"],
    ),
    Rule::new(
        PullQpsExceeded,
        "kubelet",
        "Kubernetes images/helpers.go; recording kubelet-restart",
        &["pull qps exceeded"],
    ),
    // A short name is ambiguous only on nodes that do not resolve it to docker.io.
    Rule::new(
        AmbiguousShortName,
        "CRI-O",
        "containers/image pkg/shortnames/shortnames.go; rootless-containers/usernetes#208; kubevirt/kubevirt#871",
        &[
            "did not resolve to an alias",
            "short name mode is enforcing",
            "returns ambiguous list",
            "short-name resolution enforced",
            "no registries configured while trying to pull an unqualified image",
            "no unqualified-search registries",
        ],
    ),
    Rule::new(
        InvalidReference,
        "kubelet, containerd, CRI-O, docker",
        "distribution/reference; containerd image_pull.go and pkg/reference; recording invalid-name",
        &[
            "failed to apply default image tag",
            "couldn't parse image reference",
            "couldn't parse image name",
            "failed to parse image reference",
            "failed to parse reference",
            "invalid image reference",
            "invalid image name",
            "must be lowercase",
            "repository name must have at least one component",
            "cannot specify 64-byte hexadecimal strings",
            "invalid tag format",
            "invalid checksum digest",
            "unsupported digest algorithm",
            "invalid digest format",
            "object required",
            "hostname required",
            "invalid reference",
            "docker references with both a tag and digest are currently not supported",
        ],
    ),
    // The same error as the registry words it.
    Rule::new(
        InvalidReference,
        "distribution",
        "distribution registry/api/errcode/register.go",
        &["invalid repository name", "name_invalid", "name invalid", "tag_invalid", "manifest tag did not match uri"],
    ),
    // The credential helper is the node's; the pod's pull secret is not involved.
    Rule::new(
        NodeStorageError,
        "kubelet, docker credential helpers",
        "Kubernetes pkg/credentialprovider/plugin/plugin.go; docker-credential-helpers; siderolabs/talos#11086",
        &[
            "executable file not found",
            "error execing credential provider plugin",
            "plugin binary executable",
            "fork/exec",
        ],
    )
    .unless(&["no such host", "i/o timeout", "connection refused", "deadline exceeded"]),
    Rule::new(
        CredentialsMalformed,
        "kubelet, containerd, CRI-O",
        "Kubernetes credentialprovider/config.go; containerd image_pull.go; containers/image pkg/docker/config",
        &[
            "illegal base64 data",
            "invalid decoded auth",
            "unable to parse auth",
            "unable to parse field auth",
            "invalid auth configuration",
            "invalid registry auth",
            "invalid header field value for *authorization",
            "getting username and password",
            "error getting credentials",
            "failed to get credentials",
            "dockerconfigjson",
            "dockercfg",
            "unmarshaling json at *auth",
            "reading json file *auth",
            "credential helper",
        ],
    )
    .unless(&["no such host", "i/o timeout", "connection refused", "deadline exceeded"]),
    // A full disk comes first: it also makes the inspection of an image fail.
    Rule::new(DiskFull, "kubelet", "Kubernetes image_manager.go", &["failed to inspect image*no space left on device"]),
    // The kubelet checks for an image on the node through the runtime, without a registry. A refused socket or a
    // deadline there is an error of the node, not of the network: `node_storage_error`, the cause for the image store
    // and the runtime.
    Rule::new(
        NodeStorageError,
        "kubelet",
        "Kubernetes image_manager.go; recordings inspect-error, kubelet-restart",
        &["failed to inspect image", "imageref of image * is not set"],
    ),
    Rule::new(
        NodeStorageError,
        "kubelet, docker",
        "recording kubelet-restart; cri-client remote_image.go",
        &[
            "dial unix",
            "*containerd.sock",
            "*crio.sock",
            "*cri-dockerd.sock",
            "*docker.sock",
            "cannot connect to the docker daemon",
            "transport is closing",
            "error reading from server: eof",
            "unknown service runtime.v1",
            "unknown service runtime.v1alpha2",
            "container runtime is down",
            "server is not initialized yet",
            "pullimage was aborted by a go panic",
            "received message larger than max",
            "ttrpc: closed",
        ],
    ),
];

/// A runtime's report that the registry is unavailable. Tried after names, proxies and certificates: CRI-O reports
/// every refused connection in this way (`server/image_pull.go`), also that of a DNS server or a proxy.
pub(super) const UNAVAILABLE: &[Rule] = &[Rule::new(
    RegistryUnavailable,
    "kubelet, CRI-O 1.28+",
    "Kubernetes image_manager.go evalCRIPullErr; recording inject-regunavail",
    &["because the registry is unavailable", "registryunavailable"],
)];

/// Waiting reasons that imply a cause, for texts that no rule matches. Tried last.
pub(super) const REASONS: &[Rule] = &[
    Rule::new(InvalidReference, "kubelet", "Kubernetes images/types.go", &["invalidimagename"]),
    Rule::new(NeverPullAbsent, "kubelet", "Kubernetes images/types.go", &["errimageneverpull"]),
    Rule::new(NodeStorageError, "kubelet", "Kubernetes images/types.go", &["imageinspecterror"]),
];
