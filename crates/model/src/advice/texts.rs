//! Holds what is said about each cause wherever it is: the last resort of the table.

use super::super::cause::Cause;

/// What is said about one cause.
pub(super) struct Text {
    pub(super) cause: Cause,
    pub(super) summary: &'static str,
    pub(super) check_first: &'static str,
    /// Commands with `{places}`.
    pub(super) commands: &'static [&'static str],
}

/// Returns what is said about a cause.
pub(super) fn for_cause(cause: Cause) -> &'static Text {
    TEXTS.iter().find(|text| text.cause == cause).unwrap_or(&UNKNOWN)
}

pub(super) const DESCRIBE: &str = "kubectl -n {namespace} describe pod {pod}";
pub(super) const CRANE_MANIFEST: &str = "crane manifest {image}";
pub(super) const CRANE_TAGS: &str = "crane ls {repository}";
pub(super) const SPEC: &str = "kubectl -n {namespace} get pod {pod} -o yaml";
pub(super) const PULL_SECRETS: &str =
    "kubectl -n {namespace} get pod {pod} -o jsonpath='{.spec.imagePullSecrets[*].name}'";
pub(super) const CREATE_SECRET: &str = "kubectl -n {namespace} create secret docker-registry pull-secret --docker-server={server} --docker-username=USER --docker-password=PASSWORD";
pub(super) const USE_SECRET: &str = r#"kubectl -n {namespace} patch serviceaccount {serviceaccount} -p '{"imagePullSecrets":[{"name":"pull-secret"}]}'"#;
/// The request that failed, from the node and from elsewhere.
pub(super) const NODE_CURL: &str = "@node curl -sSI -m 20 {url}";
pub(super) const CURL: &str = "@here curl -sSI -m 20 {url}";
pub(super) const NODE_PULL: &str = "@node crictl pull {image}";
pub(super) const NODE_LOG: &str = "@node journalctl -u containerd -u crio -u docker --since -15min --no-pager";
const NODE: &str = "kubectl describe node {node}";

const UNKNOWN: Text = Text {
    cause: Cause::Unknown,
    summary: "The error is none that we know.",
    check_first: "Read the whole text in the pod's events and in the runtime's log on the node.",
    commands: &[DESCRIBE, NODE_LOG],
};

/// What is said where there is no error text to go by.
pub(super) const NO_TEXT: Text = Text {
    cause: Cause::Unknown,
    summary: "The kubelet gave no error text.",
    check_first: "The pod's event \"Failed to pull image\" has the text for an hour; the next attempt writes it into the status, within five minutes.",
    commands: &["kubectl -n {namespace} get events --field-selector involvedObject.name={pod},reason=Failed", DESCRIBE],
};

const TEXTS: &[Text] = &[
    Text {
        cause: Cause::ImageNotFound,
        summary: "The registry knows no such tag or digest: whoever wrote the image reference must correct it, or push the image.",
        check_first: "Look for a mistyped tag, a build that has not been pushed yet, or a tag that was deleted or has expired.",
        commands: &[CRANE_TAGS, CRANE_MANIFEST, DESCRIBE],
    },
    Text {
        cause: Cause::RepositoryNotFound,
        summary: "The registry knows no such repository: whoever wrote the image reference must correct it, or create the repository.",
        check_first: "Compare the path with the registry's own list: project, account, region and spelling.",
        commands: &[CRANE_TAGS, DESCRIBE],
    },
    Text {
        cause: Cause::InvalidReference,
        summary: "The image reference is no valid reference and was never sent to a registry: its author must correct it.",
        check_first: "Look for upper case in the repository, https:// in front, a blank, or a template whose variable was empty.",
        commands: &[SPEC],
    },
    Text {
        cause: Cause::PlatformMismatch,
        summary: "The image exists, and not for this node's operating system and architecture: build it for them, or schedule the pod elsewhere.",
        check_first: "Compare the platforms in the manifest with the node's labels kubernetes.io/os and kubernetes.io/arch.",
        commands: &[CRANE_MANIFEST, "kubectl get node {node} -L kubernetes.io/os,kubernetes.io/arch"],
    },
    Text {
        cause: Cause::UnsupportedManifest,
        summary: "What lies under this reference is of a kind that the runtime cannot run: its author must rebuild or re-push it.",
        check_first: "Look at the media types: schema 1 images, Helm charts and other artifacts are no container images.",
        commands: &[CRANE_MANIFEST, "kubectl get node {node} -o jsonpath='{.status.nodeInfo.containerRuntimeVersion}'"],
    },
    Text {
        cause: Cause::NeverPullAbsent,
        summary: "The pull policy is Never and the image is not on the node, or the pod may not use it: the pod's author must allow the pull or preload the image.",
        check_first: "Ask whether Never is meant; since Kubernetes 1.35 an image that came with another pod's credentials counts as absent.",
        commands: &[SPEC, "kubectl get node {node} -o jsonpath='{.status.images[*].names}'"],
    },
    Text {
        cause: Cause::AmbiguousShortName,
        summary: "The image has no registry in its name and the node does not guess one: the pod's author must write the full name.",
        check_first: "Write docker.io/library/… or whichever registry is meant; else the node's /etc/containers/registries.conf decides.",
        commands: &[SPEC],
    },
    Text {
        cause: Cause::Unauthorized,
        summary: "The registry wants credentials, and the pod has none, wrong ones or expired ones: whoever owns the pull secret must renew it.",
        check_first: "See whether the pod names a pull secret, whether it exists in the namespace, and whether it is for this registry.",
        commands: &[PULL_SECRETS, CREATE_SECRET, USE_SECRET, DESCRIBE],
    },
    Text {
        cause: Cause::Forbidden,
        summary: "The registry refused the credentials it was given, or a pull without any: whoever administers the registry must grant the pull.",
        check_first: "Look for a missing read permission, a firewall or IP rule of the registry, and a token without the scope to pull.",
        commands: &[PULL_SECRETS, CRANE_MANIFEST, CREATE_SECRET, DESCRIBE],
    },
    Text {
        cause: Cause::NotFoundOrDenied,
        summary: "The image does not exist, or this pod may not see it: the registry does not say which, on purpose.",
        check_first: "First check the spelling in the registry with an account that may see it; if the image is there, it is the credentials.",
        commands: &[CRANE_MANIFEST, PULL_SECRETS, CREATE_SECRET, USE_SECRET],
    },
    Text {
        cause: Cause::CredentialsMalformed,
        summary: "The credentials cannot be read, so the registry was not asked: whoever wrote the pull secret or set up the node's credential helper must mend it.",
        check_first: "The secret must be of type kubernetes.io/dockerconfigjson, its auth the base64 of user:password without a line break.",
        commands: &[
            PULL_SECRETS,
            "kubectl -n {namespace} get secrets --field-selector type=kubernetes.io/dockerconfigjson",
            CREATE_SECRET,
        ],
    },
    Text {
        cause: Cause::RateLimited,
        summary: "The registry limits how much is pulled and the limit is reached: it passes, and comes back unless pulls are authenticated, cached or fewer.",
        check_first: "See whether the pulls are anonymous and share one address; a pull secret, a mirror or policy IfNotPresent helps.",
        commands: &[PULL_SECRETS, CREATE_SECRET, USE_SECRET],
    },
    Text {
        cause: Cause::RegistryError,
        summary: "The registry answered with an error of its own: its operators must look.",
        check_first: "See the registry's status page or logs, and whether other images of it can be pulled.",
        commands: &[CURL, NODE_CURL, CRANE_MANIFEST],
    },
    Text {
        cause: Cause::RegistryUnavailable,
        summary: "The registry cannot be reached at its address: its operators must look.",
        check_first: "See whether the registry runs, and whether it is away for every node or for this one.",
        commands: &[NODE_CURL, CURL],
    },
    Text {
        cause: Cause::DnsFailure,
        summary: "The node cannot resolve the registry's name: whoever runs the node's DNS must look, or the name is mistyped.",
        check_first: "Nodes do not ask the cluster's DNS: test the resolver of the node itself, and the spelling of the name.",
        commands: &["@node getent hosts {host}", "@node cat /etc/resolv.conf", "@here nslookup {host}"],
    },
    Text {
        cause: Cause::Timeout,
        summary: "The registry did not answer in time: whoever runs the network between node and registry must look.",
        check_first: "Look for a firewall that drops packets, a route that is missing, and whether one node or all are affected.",
        commands: &[NODE_CURL, CURL, NODE_LOG],
    },
    Text {
        cause: Cause::ConnectionFailed,
        summary: "The connection to the registry was refused or broke: whoever runs the network or the registry must look.",
        check_first: "Refused means that nothing listens at that address; a reset or an end of file, that something in between hung up.",
        commands: &[NODE_CURL, CURL],
    },
    Text {
        cause: Cause::ProxyFailure,
        summary: "A proxy stands between the node and the registry and failed or answered in its place: whoever runs the proxy must look.",
        check_first: "See HTTPS_PROXY and NO_PROXY of the container runtime's service on the node, and mirrors that answer with a web page.",
        commands: &[
            "@node systemctl show containerd crio docker --property=Environment",
            "@node curl -sSI -m 20 {registryurl}",
        ],
    },
    Text {
        cause: Cause::TlsUntrusted,
        summary: "The node does not trust the registry's certificate, or the two agree on no TLS: whoever set up the registry's certificate or the node must look.",
        check_first: "See who issued the certificate and for which names; a private authority must be known to the runtime of each node.",
        commands: &["@node curl -svI -m 20 {url}", "@here openssl s_client -connect {address} -showcerts </dev/null"],
    },
    Text {
        cause: Cause::TlsExpired,
        summary: "The registry's certificate has expired or is not valid yet: its operators must renew it, unless the node's clock is wrong.",
        check_first: "Compare the certificate's dates with the node's clock.",
        commands: &[
            "@node date -u",
            "@node curl -svI -m 20 {url}",
            "@here openssl s_client -connect {address} </dev/null | openssl x509 -noout -dates",
        ],
    },
    Text {
        cause: Cause::PlainHttp,
        summary: "One side speaks HTTP and the other HTTPS: whoever set up the registry or the node's runtime must make them agree.",
        check_first: "A registry without TLS must be allowed on each node (containerd certs.d/hosts.toml, CRI-O registries.conf, docker insecure-registries).",
        commands: &[NODE_CURL, CURL],
    },
    Text {
        cause: Cause::DiskFull,
        summary: "The node's disk is full: whoever runs the node must make room.",
        check_first: "See the node's DiskPressure condition, its image and log directories, and its inodes as well as its bytes.",
        commands: &[NODE, "@node df -h", "@node df -i"],
    },
    Text {
        cause: Cause::NodeStorageError,
        summary: "The node's image store or container runtime failed: whoever runs the node must look.",
        check_first: "See the runtime's log on the node; an image that is damaged there can be removed and pulled again.",
        commands: &[NODE, NODE_LOG],
    },
    Text {
        cause: Cause::DigestMismatch,
        summary: "What arrived is not what its digest says: a mirror, a proxy, a disk or the push itself damaged it.",
        check_first: "Pull it on another node: if it fails there too, the registry or a mirror holds a damaged copy; else the node does.",
        commands: &["crane validate --remote {image}", NODE_PULL],
    },
    Text {
        cause: Cause::PullQpsExceeded,
        summary: "The kubelet started more pulls than its own limit allows and dropped this one: it tries again by itself.",
        check_first: "Nothing is wrong with the image or the registry; if it lasts, raise registryPullQPS in the kubelet's configuration.",
        commands: &["kubectl get --raw /api/v1/nodes/{node}/proxy/configz"],
    },
    Text {
        cause: Cause::PullCanceled,
        summary: "The pull was broken off, most often because nothing arrived for minutes: it is tried again.",
        check_first: "If it repeats, the network is too slow or stalls; see containerd's image_pull_progress_timeout.",
        commands: &[DESCRIBE, NODE_LOG],
    },
    Text {
        cause: Cause::SignatureRejected,
        summary: "The image is unsigned, or not signed by somebody whom the policy trusts: its builder must sign it, or the policy must change.",
        check_first: "Whoever owns the policy says which signature is missing: the node's /etc/containers/policy.json, an image verifier, or the registry's rules.",
        commands: &["cosign tree {image}", DESCRIBE],
    },
    Text {
        cause: Cause::BlockedByPolicy,
        summary: "A policy blocks this image: a scanner found it vulnerable or has not seen it yet, or a rule forbids its registry. No credentials help.",
        check_first: "Read the rule in the error text; whoever owns it can exempt the image, and whoever builds it can mend what was found.",
        commands: &[DESCRIBE, CRANE_MANIFEST],
    },
];
