//! The default advice for each cause, for contexts that no rule matches.

use super::super::cause::Cause;

/// The default advice for one cause.
pub(super) struct DefaultAdvice {
    pub(super) cause: Cause,
    pub(super) summary: &'static str,
    pub(super) check_first: &'static str,
    /// Templates with `{placeholders}`.
    pub(super) commands: &'static [&'static str],
}

/// Returns the default advice for a cause.
pub(super) fn default_for_cause(cause: Cause) -> &'static DefaultAdvice {
    DEFAULTS.iter().find(|text| text.cause == cause).unwrap_or(&UNKNOWN_CAUSE)
}

pub(super) const DESCRIBE_POD: &str = "kubectl -n {namespace} describe pod {pod}";
pub(super) const CRANE_MANIFEST: &str = "crane manifest {image}";
pub(super) const CRANE_TAGS: &str = "crane ls {repository}";
pub(super) const POD_YAML: &str = "kubectl -n {namespace} get pod {pod} -o yaml";
pub(super) const PULL_SECRETS: &str =
    "kubectl -n {namespace} get pod {pod} -o jsonpath='{.spec.imagePullSecrets[*].name}'";
pub(super) const CREATE_SECRET: &str = "kubectl -n {namespace} create secret docker-registry pull-secret --docker-server={server} --docker-username=USER --docker-password=PASSWORD";
pub(super) const USE_SECRET: &str = r#"kubectl -n {namespace} patch serviceaccount {serviceaccount} -p '{"imagePullSecrets":[{"name":"pull-secret"}]}'"#;
/// Repeats the failed request from the node, and from elsewhere.
pub(super) const NODE_CURL: &str = "@node curl -sSI -m 20 {url}";
pub(super) const CURL: &str = "@here curl -sSI -m 20 {url}";
pub(super) const NODE_PULL: &str = "@node crictl pull {image}";
pub(super) const NODE_LOG: &str = "@node journalctl -u containerd -u crio -u docker --since -15min --no-pager";
const DESCRIBE_NODE: &str = "kubectl describe node {node}";

const UNKNOWN_CAUSE: DefaultAdvice = DefaultAdvice {
    cause: Cause::Unknown,
    summary: "Unrecognized error.",
    check_first: "Read the full error text in the pod's events and in the runtime's log on the node.",
    commands: &[DESCRIBE_POD, NODE_LOG],
};

/// The advice for a failure without an error text.
pub(super) const NO_ERROR_TEXT: DefaultAdvice = DefaultAdvice {
    cause: Cause::Unknown,
    summary: "The kubelet gave no error text.",
    check_first: "The pod's \"Failed to pull image\" event holds the error text for one hour. The next attempt writes it to the pod's status within five minutes.",
    commands: &[
        "kubectl -n {namespace} get events --field-selector involvedObject.name={pod},reason=Failed",
        DESCRIBE_POD,
    ],
};

const DEFAULTS: &[DefaultAdvice] = &[
    DefaultAdvice {
        cause: Cause::ImageNotFound,
        summary: "The registry has no such tag or digest. The image owner must correct the reference or push the image.",
        check_first: "Check for a mistyped tag, a build that was not pushed, and a tag that was deleted or has expired.",
        commands: &[CRANE_TAGS, CRANE_MANIFEST, DESCRIBE_POD],
    },
    DefaultAdvice {
        cause: Cause::RepositoryNotFound,
        summary: "The registry has no such repository. The image owner must correct the reference or create the repository.",
        check_first: "Compare the path with the registry's list of repositories: project, account, region, spelling.",
        commands: &[CRANE_TAGS, DESCRIBE_POD],
    },
    DefaultAdvice {
        cause: Cause::InvalidReference,
        summary: "The image reference is invalid. The kubelet sends no request to a registry. The image owner must correct the reference.",
        check_first: "Check for upper-case letters in the repository, a leading https://, white space, and a template with an empty variable.",
        commands: &[POD_YAML],
    },
    DefaultAdvice {
        cause: Cause::PlatformMismatch,
        summary: "The image is not built for the node's operating system and architecture. The image owner must build it for them, or the pod must run on other nodes.",
        check_first: "Compare the platforms in the manifest with the node labels kubernetes.io/os and kubernetes.io/arch.",
        commands: &[CRANE_MANIFEST, "kubectl get node {node} -L kubernetes.io/os,kubernetes.io/arch"],
    },
    DefaultAdvice {
        cause: Cause::UnsupportedManifest,
        summary: "The runtime does not support this manifest. The image owner must rebuild or re-push the image.",
        check_first: "Check the media types in the manifest. Schema 1 images, Helm charts and other artifacts are not supported as container images.",
        commands: &[CRANE_MANIFEST, "kubectl get node {node} -o jsonpath='{.status.nodeInfo.containerRuntimeVersion}'"],
    },
    DefaultAdvice {
        cause: Cause::NeverPullAbsent,
        summary: "The pull policy is Never, and the image is not on the node or the pod is not allowed to use it. The image owner must change the policy or preload the image.",
        check_first: "Check whether Never is intended. Since Kubernetes 1.35, an image that was pulled with another pod's credentials counts as absent.",
        commands: &[POD_YAML, "kubectl get node {node} -o jsonpath='{.status.images[*].names}'"],
    },
    DefaultAdvice {
        cause: Cause::AmbiguousShortName,
        summary: "The image reference names no registry, and the node has no default for it. The image owner must write the full name.",
        check_first: "Write the registry into the reference, for example docker.io/library/…. Otherwise, /etc/containers/registries.conf on the node decides.",
        commands: &[POD_YAML],
    },
    DefaultAdvice {
        cause: Cause::Unauthorized,
        summary: "The registry requires credentials, and those of the pod are missing, wrong or expired. The owner of the pull secret must renew it.",
        check_first: "Check that the pod names a pull secret, that the secret exists in the namespace, and that it is for this registry.",
        commands: &[PULL_SECRETS, CREATE_SECRET, USE_SECRET, DESCRIBE_POD],
    },
    DefaultAdvice {
        cause: Cause::Forbidden,
        summary: "The registry denied the pull to these credentials, or to a client without any. The registry operator must grant access.",
        check_first: "Check for a missing read permission, a firewall or IP rule of the registry, and a token without the pull scope.",
        commands: &[PULL_SECRETS, CRANE_MANIFEST, CREATE_SECRET, DESCRIBE_POD],
    },
    DefaultAdvice {
        cause: Cause::NotFoundOrDenied,
        summary: "The image does not exist, or the pod has no access to it. The registry deliberately reports both in the same way.",
        check_first: "Look up the image with an account that has access. If it exists, the pod's credentials are the problem.",
        commands: &[CRANE_MANIFEST, PULL_SECRETS, CREATE_SECRET, USE_SECRET],
    },
    DefaultAdvice {
        cause: Cause::PullSecretMissing,
        summary: "The registry denied the pull, and a pull secret of the pod does not exist. The owner of the pull secret must create it.",
        check_first: "Create the secret in the namespace of the pod, or correct its name in the pod or its service account. Secrets are not shared between namespaces.",
        commands: &[
            "kubectl -n {namespace} get secret {missingsecret}",
            "kubectl -n {namespace} create secret docker-registry {missingsecret} --docker-server={server} --docker-username=USER --docker-password=PASSWORD",
            PULL_SECRETS,
            "kubectl -n {namespace} get serviceaccount {serviceaccount} -o jsonpath='{.imagePullSecrets[*].name}'",
        ],
    },
    DefaultAdvice {
        cause: Cause::CredentialsMalformed,
        summary: "The credentials cannot be read, so no request was sent to the registry. The owner of the pull secret or of the node's credential helper must fix them.",
        check_first: "The secret must have the type kubernetes.io/dockerconfigjson. Its auth field must be the base64 of user:password, without a line break.",
        commands: &[
            PULL_SECRETS,
            "kubectl -n {namespace} get secrets --field-selector type=kubernetes.io/dockerconfigjson",
            CREATE_SECRET,
        ],
    },
    DefaultAdvice {
        cause: Cause::RateLimited,
        summary: "The registry's rate limit is reached. The error is transient, and recurs until pulls are authenticated, cached or fewer.",
        check_first: "Check whether the pulls are anonymous and share one IP address. A pull secret, a mirror or the pull policy IfNotPresent helps.",
        commands: &[PULL_SECRETS, CREATE_SECRET, USE_SECRET],
    },
    DefaultAdvice {
        cause: Cause::RegistryError,
        summary: "The registry responded with a server error. The registry operator must investigate.",
        check_first: "Check the registry's status page and logs, and whether its other images can be pulled.",
        commands: &[CURL, NODE_CURL, CRANE_MANIFEST],
    },
    DefaultAdvice {
        cause: Cause::RegistryUnavailable,
        summary: "The registry is unreachable at its address. The registry operator must investigate.",
        check_first: "Check whether the registry is running, and whether it is unreachable from all nodes or only from this one.",
        commands: &[NODE_CURL, CURL],
    },
    DefaultAdvice {
        cause: Cause::DnsFailure,
        summary: "The node cannot resolve the registry's host name. The network operator must check the node's DNS, unless the name is mistyped.",
        check_first: "Nodes do not use the cluster's DNS. Test the node's own resolver, and check the spelling of the name.",
        commands: &["@node getent hosts {host}", "@node cat /etc/resolv.conf", "@here nslookup {host}"],
    },
    DefaultAdvice {
        cause: Cause::Timeout,
        summary: "The registry did not respond in time. The network operator must check the route between the node and the registry.",
        check_first: "Check for a firewall that drops packets, for a missing route, and whether one node or all nodes are affected.",
        commands: &[NODE_CURL, CURL, NODE_LOG],
    },
    DefaultAdvice {
        cause: Cause::ConnectionFailed,
        summary: "The connection to the registry was refused or interrupted. The operator of the network or of the registry must investigate.",
        check_first: "\"Connection refused\" means that nothing listens on that address. A reset or an EOF means that the peer or a device in between closed the connection.",
        commands: &[NODE_CURL, CURL],
    },
    DefaultAdvice {
        cause: Cause::ProxyFailure,
        summary: "A proxy between the node and the registry failed, or responded in place of the registry. The proxy operator must investigate.",
        check_first: "Check HTTPS_PROXY and NO_PROXY of the container runtime's service on the node, and mirrors that respond with a web page.",
        commands: &[
            "@node systemctl show containerd crio docker --property=Environment",
            "@node curl -sSI -m 20 {registryurl}",
        ],
    },
    DefaultAdvice {
        cause: Cause::TlsUntrusted,
        summary: "The node does not trust the registry's certificate, or the TLS handshake failed. The operator of the registry or of the node must fix the TLS configuration.",
        check_first: "Check the issuer and the names of the certificate. The runtime of each node must trust a private certificate authority.",
        commands: &["@node curl -svI -m 20 {url}", "@here openssl s_client -connect {address} -showcerts </dev/null"],
    },
    DefaultAdvice {
        cause: Cause::TlsExpired,
        summary: "The registry's certificate has expired or is not valid yet. The registry operator must renew it, unless the node's clock is wrong.",
        check_first: "Compare the certificate's validity period with the node's clock.",
        commands: &[
            "@node date -u",
            "@node curl -svI -m 20 {url}",
            "@here openssl s_client -connect {address} </dev/null | openssl x509 -noout -dates",
        ],
    },
    DefaultAdvice {
        cause: Cause::PlainHttp,
        summary: "One side uses HTTP and the other HTTPS. The operator of the registry or of the node must configure the same protocol on both.",
        check_first: "Each node must allow a registry without TLS: certs.d/hosts.toml of containerd, registries.conf of CRI-O, insecure-registries of Docker.",
        commands: &[NODE_CURL, CURL],
    },
    DefaultAdvice {
        cause: Cause::DiskFull,
        summary: "The node's disk is full. The node operator must free space.",
        check_first: "Check the node's DiskPressure condition, the size of its image and log directories, and its free inodes.",
        commands: &[DESCRIBE_NODE, "@node df -h", "@node df -i"],
    },
    DefaultAdvice {
        cause: Cause::NodeStorageError,
        summary: "The node's image store or container runtime failed. The node operator must investigate.",
        check_first: "Check the runtime's log on the node. A damaged image can be removed there and pulled again.",
        commands: &[DESCRIBE_NODE, NODE_LOG],
    },
    DefaultAdvice {
        cause: Cause::DigestMismatch,
        summary: "The content does not match its digest. A mirror, a proxy, a disk or the push corrupted it.",
        check_first: "Pull the image on another node. If that fails too, the copy in the registry or in a mirror is corrupt. Otherwise, the copy on the node is.",
        commands: &["crane validate --remote {image}", NODE_PULL],
    },
    DefaultAdvice {
        cause: Cause::PullQpsExceeded,
        summary: "The kubelet reached its own limit on pulls per second and rejected this one. It retries automatically.",
        check_first: "The image and the registry are not at fault. If the error persists, increase registryPullQPS in the kubelet's configuration.",
        commands: &["kubectl get --raw /api/v1/nodes/{node}/proxy/configz"],
    },
    DefaultAdvice {
        cause: Cause::PullCanceled,
        summary: "The pull was canceled, usually because no data arrived for minutes. The kubelet retries it.",
        check_first: "If the error recurs, the network is too slow or stalls. See image_pull_progress_timeout of containerd.",
        commands: &[DESCRIBE_POD, NODE_LOG],
    },
    DefaultAdvice {
        cause: Cause::SignatureRejected,
        summary: "The image is not signed by a signer that the policy trusts. The image owner must sign it, or the policy owner must change the policy.",
        check_first: "Find the policy that requires the signature: /etc/containers/policy.json on the node, an image verifier, or a rule of the registry.",
        commands: &["cosign tree {image}", DESCRIBE_POD],
    },
    DefaultAdvice {
        cause: Cause::BlockedByPolicy,
        summary: "A policy blocks the image: a scanner reported vulnerabilities or has not scanned it yet, or a rule forbids its registry. Credentials do not help.",
        check_first: "Read the rule in the error text. The policy owner can exempt the image, and the image owner can fix the reported vulnerabilities.",
        commands: &[DESCRIBE_POD, CRANE_MANIFEST],
    },
];
