//! Rules for network causes. Commands test the failing host from the node.

use super::super::conditions::Condition::{ClusterService, Host, NoFailingHost, Runtime, TextContains};
use super::super::conditions::ContainerRuntime::{Containerd, Crio, Docker};
use super::super::defaults::{CURL, NODE_CURL, NODE_LOG, NODE_PULL};
use super::super::rule::AdviceRule;
use crate::cause::Cause::{
    self, ConnectionFailed, DnsFailure, PlainHttp, ProxyFailure, RegistryError, RegistryUnavailable, Timeout,
    TlsExpired, TlsUntrusted,
};
use crate::cause::HostKind::{BlobStore, Mirror, Node, Proxy, TokenService};

const UNREACHABLE_CAUSES: &[Cause] = &[ConnectionFailed, DnsFailure, RegistryUnavailable, Timeout];
const HOST_CAUSES: &[Cause] =
    &[ConnectionFailed, DnsFailure, PlainHttp, RegistryError, RegistryUnavailable, Timeout, TlsExpired, TlsUntrusted];

const GETENT: &str = "@node getent hosts {host}";
const RUNTIME_ENVIRONMENT: &str = "@node systemctl show containerd crio docker --property=Environment";

pub(super) const RULES: &[AdviceRule] = &[
    AdviceRule {
        causes: HOST_CAUSES,
        when: &[Host(Node)],
        summary: Some(
            "A registry, mirror or proxy on the node itself is not listening or failed. Its operator must investigate.",
        ),
        check_first: "Localhost in an error text is the node, not the pod. Check that the program for that port is running on the node: a registry mirror (Spegel, Dragonfly), a proxy, or a registry behind a NodePort.",
        commands: &["@node ss -ltn", NODE_CURL, "kubectl get pods -A -o wide --field-selector spec.nodeName={node}"],
        source: "spegel.dev/docs; d7y.io/docs; containerd docs/hosts.md",
    },
    AdviceRule {
        causes: &[DnsFailure],
        when: &[ClusterService],
        summary: None,
        check_first: "Nodes do not use the cluster's DNS, so they cannot resolve the name of a Service. Give the registry a name that the nodes' own DNS resolves (an Ingress, a load balancer), or add it to the hosts file of each node.",
        commands: &[GETENT, "@node cat /etc/resolv.conf", "kubectl get services,ingresses -A"],
        source: "kubernetes.io/docs/concepts/services-networking/dns-pod-service: the kubelet and the runtime use the node's resolver",
    },
    AdviceRule {
        causes: HOST_CAUSES,
        when: &[Host(Mirror)],
        summary: Some("The registry mirror that the node uses failed. The operator of the mirror must investigate."),
        check_first: "The node's configuration names the mirror: certs.d/hosts.toml of containerd, registries.conf of CRI-O. Check that the mirror is intended and responds, and whether the node can reach the registry itself.",
        commands: &[NODE_CURL, "@node ls -R /etc/containerd/certs.d /etc/containers/registries.conf.d", CURL],
        source: "containerd docs/hosts.md; containers-registries.conf(5)",
    },
    AdviceRule {
        causes: UNREACHABLE_CAUSES,
        when: &[Host(BlobStore)],
        summary: Some(
            "The registry responded, but its blob store, which serves the layers, is unreachable. The network operator must allow the connection.",
        ),
        check_first: "A firewall or private endpoint that allows the registry must also allow its blob store: the S3 bucket of ECR, production.cloudfront.docker.com of Docker Hub, pkg-containers.githubusercontent.com of GHCR.",
        commands: &[NODE_CURL, GETENT, CURL],
        source: "docs.docker.com/desktop/setup/allow-list; docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html",
    },
    AdviceRule {
        causes: UNREACHABLE_CAUSES,
        when: &[Host(TokenService)],
        summary: Some(
            "The registry's token service is unreachable. The operator of the network or of the token service must investigate.",
        ),
        check_first: "The registry itself responded. A firewall must also allow the token service, for example auth.docker.io of Docker Hub.",
        commands: &[NODE_CURL, GETENT, CURL],
        source: "distribution.github.io/distribution/spec/auth/token",
    },
    AdviceRule {
        causes: &[ProxyFailure],
        when: &[Host(Proxy)],
        summary: None,
        check_first: "The node's runtime connects to the registry through this proxy. Check that the proxy responds, and check HTTPS_PROXY and NO_PROXY of the runtime's service.",
        commands: &["@node curl -sSI -m 20 -x {hostport} {registryurl}", RUNTIME_ENVIRONMENT],
        source: "pkg.go.dev/net/http#ProxyFromEnvironment",
    },
    AdviceRule {
        causes: &[Timeout],
        when: &[NoFailingHost, Runtime(Docker)],
        summary: Some(
            "Docker or cri-dockerd canceled a pull that took too long or made no progress. The node operator must investigate.",
        ),
        check_first: "cri-dockerd before 0.2.6 limits a pull to two minutes. Later versions cancel it after --image-pull-progress-deadline (1 minute) without progress, including while unpacking. Update cri-dockerd, increase the deadline, or build smaller layers.",
        commands: &["@node journalctl -u cri-docker -u docker --since -15min --no-pager", NODE_PULL],
        source: "Mirantis/cri-dockerd#91, #105, #372",
    },
    AdviceRule {
        causes: &[Timeout],
        when: &[NoFailingHost, TextContains(&["context deadline exceeded"])],
        summary: Some(
            "The pull exceeded a deadline that the error text does not name. The node operator must investigate.",
        ),
        check_first: "The error text names no host, so the deadline is that of the whole pull. cri-dockerd before 0.2.6 cancels each pull after two minutes. CRI-O and containerd cancel pulls without progress. Check the size of the image and the runtime's log.",
        commands: &[NODE_LOG, NODE_PULL, "crane manifest {image}"],
        source: "Mirantis/cri-dockerd#91; cri-o/cri-o#189",
    },
    AdviceRule {
        causes: &[Cause::PullCanceled],
        when: &[Runtime(Crio)],
        summary: None,
        check_first: "CRI-O 1.29 to 1.32 cancels a pull after 10 s without progress. Later patch releases set the limit with pull_progress_timeout in crio.conf (0s, the default since April 2025, disables it). Large layers on slow networks and disks are most affected.",
        commands: &["@node crio config", NODE_LOG],
        source: "cri-o/cri-o#7887, #8760, #8764, #8765, #9012, #9018, #9130, #9133",
    },
    AdviceRule {
        causes: &[Cause::PullCanceled],
        when: &[Runtime(Containerd)],
        summary: None,
        check_first: "containerd cancels a pull that receives no data for image_pull_progress_timeout (5 minutes by default). The option belongs to the CRI plugin, and from containerd 2.0 on to io.containerd.cri.v1.images. If the error recurs, the network or the registry stalls.",
        commands: &["@node containerd config dump", NODE_LOG, NODE_CURL],
        source: "containerd docs/cri/config.md",
    },
    AdviceRule {
        causes: &[Cause::PullCanceled],
        when: &[Runtime(Docker)],
        summary: None,
        check_first: "cri-dockerd cancels a pull after --image-pull-progress-deadline (1 minute) without progress. Unpacking a large layer does not count as progress.",
        commands: &["@node journalctl -u cri-docker -u docker --since -15min --no-pager", NODE_PULL],
        source: "Mirantis/cri-dockerd#372",
    },
];
