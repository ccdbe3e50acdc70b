//! The network: what fails is tested from the node, and at the host that failed.

use super::super::place::Runtime::{Containerd, Crio, Docker};
use super::super::place::When::{Host, NoHost, Runtime, Service, Text};
use super::super::texts::{CURL, NODE_CURL, NODE_LOG, NODE_PULL};
use super::Row;
use crate::cause::Cause::{
    self, ConnectionFailed, DnsFailure, PlainHttp, ProxyFailure, RegistryError, RegistryUnavailable, Timeout,
    TlsExpired, TlsUntrusted,
};
use crate::cause::HostKind::{BlobStore, Mirror, Node, Proxy, TokenService};

const UNREACHED: &[Cause] = &[ConnectionFailed, DnsFailure, RegistryUnavailable, Timeout];
const AT_HOST: &[Cause] =
    &[ConnectionFailed, DnsFailure, PlainHttp, RegistryError, RegistryUnavailable, Timeout, TlsExpired, TlsUntrusted];

const GETENT: &str = "@node getent hosts {host}";
const ENVIRONMENT: &str = "@node systemctl show containerd crio docker --property=Environment";

pub(super) const ROWS: &[Row] = &[
    Row {
        causes: AT_HOST,
        when: &[Host(Node)],
        summary: Some(
            "A registry, mirror or proxy that should listen on the node itself does not, or fails: whoever runs it must look.",
        ),
        check_first: "Localhost in an error text is the node, not the pod. See whether the program that should listen at that port runs on this node: a registry mirror (Spegel, Dragonfly), a proxy, or a registry behind a NodePort.",
        commands: &["@node ss -ltn", NODE_CURL, "kubectl get pods -A -o wide --field-selector spec.nodeName={node}"],
        source: "spegel.dev/docs; d7y.io/docs; containerd docs/hosts.md",
    },
    Row {
        causes: &[DnsFailure],
        when: &[Service],
        summary: None,
        check_first: "Nodes do not ask the cluster's DNS, so the name of a Service does not resolve on them: give the registry a name that the nodes' own DNS knows (an Ingress, a load balancer), or write it into each node's hosts file.",
        commands: &[GETENT, "@node cat /etc/resolv.conf", "kubectl get services,ingresses -A"],
        source: "kubernetes.io/docs/concepts/services-networking/dns-pod-service: the kubelet and the runtime use the node's resolver",
    },
    Row {
        causes: AT_HOST,
        when: &[Host(Mirror)],
        summary: Some("A mirror that the node asks in the registry's place failed: whoever runs the mirror must look."),
        check_first: "The node's configuration names the mirror (containerd's certs.d/hosts.toml, CRI-O's registries.conf). See whether the mirror is meant and answers, and whether the node may ask the registry itself.",
        commands: &[NODE_CURL, "@node ls -R /etc/containerd/certs.d /etc/containers/registries.conf.d", CURL],
        source: "containerd docs/hosts.md; containers-registries.conf(5)",
    },
    Row {
        causes: UNREACHED,
        when: &[Host(BlobStore)],
        summary: Some(
            "The registry answered, and the store from which it sends the layers cannot be reached: whoever runs the network must look.",
        ),
        check_first: "A firewall or a private endpoint that lets the registry through must let its store through too: the S3 bucket of ECR, production.cloudfront.docker.com of Docker Hub, pkg-containers.githubusercontent.com of GHCR.",
        commands: &[NODE_CURL, GETENT, CURL],
        source: "docs.docker.com/desktop/setup/allow-list; docs.aws.amazon.com/AmazonECR/latest/userguide/vpc-endpoints.html",
    },
    Row {
        causes: UNREACHED,
        when: &[Host(TokenService)],
        summary: Some(
            "The service that gives out the registry's tokens cannot be reached: whoever runs the network or the service must look.",
        ),
        check_first: "The registry itself answered. A firewall must let the token service through too, such as auth.docker.io of Docker Hub.",
        commands: &[NODE_CURL, GETENT, CURL],
        source: "distribution.github.io/distribution/spec/auth/token",
    },
    Row {
        causes: &[ProxyFailure],
        when: &[Host(Proxy)],
        summary: None,
        check_first: "The node's runtime asks the registry through this proxy: see whether it answers, and HTTPS_PROXY and NO_PROXY of the runtime's service.",
        commands: &["@node curl -sSI -m 20 -x {hostport} {registryurl}", ENVIRONMENT],
        source: "pkg.go.dev/net/http#ProxyFromEnvironment",
    },
    Row {
        causes: &[Timeout],
        when: &[NoHost, Runtime(Docker)],
        summary: Some(
            "Docker or cri-dockerd ended a pull that took too long or stood still: whoever runs the node must look.",
        ),
        check_first: "cri-dockerd before 0.2.6 gave a whole pull two minutes; later ones end it after --image-pull-progress-deadline (1 minute) without progress, unpacking included. Update it, raise the deadline, or make the layers smaller.",
        commands: &["@node journalctl -u cri-docker -u docker --since -15min --no-pager", NODE_PULL],
        source: "Mirantis/cri-dockerd#91, #105, #372",
    },
    Row {
        causes: &[Timeout],
        when: &[NoHost, Text(&["context deadline exceeded"])],
        summary: Some(
            "A deadline passed before the pull was done, and the text does not tell whose: whoever runs the node must look.",
        ),
        check_first: "Without a host in it, the text means the pull as a whole: cri-dockerd before 0.2.6 ended each after two minutes, and CRI-O and containerd end those without progress. See how large the image is and what the runtime's log says.",
        commands: &[NODE_LOG, NODE_PULL, "crane manifest {image}"],
        source: "Mirantis/cri-dockerd#91; cri-o/cri-o#189",
    },
    Row {
        causes: &[Cause::PullCanceled],
        when: &[Runtime(Crio)],
        summary: None,
        check_first: "CRI-O 1.29 to 1.32 ended a pull after 10 s without progress; pull_progress_timeout of crio.conf sets it in later patch releases (0s: never, the default since April 2025). Large layers on slow networks and disks meet it most.",
        commands: &["@node crio config", NODE_LOG],
        source: "cri-o/cri-o#7887, #8760, #8764, #8765, #9012, #9018, #9130, #9133",
    },
    Row {
        causes: &[Cause::PullCanceled],
        when: &[Runtime(Containerd)],
        summary: None,
        check_first: "containerd ends a pull that receives nothing for image_pull_progress_timeout (5 minutes by default; of its CRI plugin, from 2.0 on of io.containerd.cri.v1.images). If it repeats, the network or the registry stalls.",
        commands: &["@node containerd config dump", NODE_LOG, NODE_CURL],
        source: "containerd docs/cri/config.md",
    },
    Row {
        causes: &[Cause::PullCanceled],
        when: &[Runtime(Docker)],
        summary: None,
        check_first: "cri-dockerd ends a pull after --image-pull-progress-deadline (1 minute) without progress, and unpacking a large layer counts as none.",
        commands: &["@node journalctl -u cri-docker -u docker --since -15min --no-pager", NODE_PULL],
        source: "Mirantis/cri-dockerd#372",
    },
];
