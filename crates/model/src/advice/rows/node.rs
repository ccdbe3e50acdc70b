//! The node: its store in the ways in which it breaks, and notes on what can be done there.

use super::super::place::NodeKind::{Autopilot, Virtual, Windows};
use super::super::place::When::{AlwaysThoughOnNode, NoText, Node, OnNode, RegistryPods, Text};
use super::super::texts::{CRANE_MANIFEST, NO_TEXT, NODE_LOG, NODE_PULL};
use super::{Note, Row};
use crate::cause::Cause::{self, NodeStorageError};
use crate::cause::CauseGroup;

const STORAGE: &[Cause] = &[NodeStorageError];
const NODE: &str = "kubectl describe node {node}";

pub(super) const ROWS: &[Row] = &[
    Row {
        causes: STORAGE,
        when: &[Text(&["decryptlayer", "missing private key", "ocicrypt"])],
        summary: Some(
            "The image is encrypted and the node has no key for it: whoever runs the node must give it one, or the pod belongs elsewhere.",
        ),
        check_first: "See whether the node's decryption keys are those the image was encrypted for (ocicrypt's stream processors of containerd, decryption_keys_path of CRI-O).",
        commands: &[CRANE_MANIFEST, NODE_LOG],
        source: "containerd/imgcrypt#181; containerd docs/cri/decryption.md",
    },
    Row {
        causes: STORAGE,
        when: &[Node(Windows)],
        summary: Some("Windows could not store a layer of the image: whoever runs the node must look."),
        check_first: "See whether the image's Windows version fits the node's, whether a virus scanner holds the files, and whether paths in the layer are too long.",
        commands: &[NODE, "kubectl get node {node} -L node.kubernetes.io/windows-build", CRANE_MANIFEST],
        source: "learn.microsoft.com/virtualization/windowscontainers/deploy-containers/version-compatibility; microsoft/hcsshim",
    },
    Row {
        causes: STORAGE,
        when: &[Text(&["snapshotter not loaded", "nydus", "stargz", "soci", "overlaybd", "remote snapshot"])],
        summary: Some(
            "The snapshotter that the node's runtime is set up for is missing or failed: whoever runs the node must look.",
        ),
        check_first: "See whether the snapshotter's service runs and whether containerd's configuration names it; without it, overlayfs would do.",
        commands: &["@node ctr plugins ls", "@node systemctl list-units --failed --no-pager", NODE_LOG],
        source: "containerd docs/snapshotters; dragonflyoss/nydus#1481; awslabs/soci-snapshotter#1084",
    },
    Row {
        causes: STORAGE,
        when: &[Text(&[
            "dial unix",
            "error reading from server",
            "transport: ",
            "runtime service",
            "code = unavailable",
        ])],
        summary: Some(
            "The node's container runtime does not answer or was restarted: whoever runs the node must look.",
        ),
        check_first: "See whether the runtime's service runs, since when, and what it logged before it ended. Other pods of the node cannot start either.",
        commands: &[NODE, "@node systemctl status containerd crio docker --no-pager", NODE_LOG],
        source: "kubelet pkg/kubelet/kuberuntime; cri-api",
    },
    Row {
        causes: STORAGE,
        when: &[Text(&["read-only file system", "input/output error", "structure needs cleaning"])],
        summary: Some(
            "The node's disk fails or is mounted read-only: whoever runs the node must replace the disk or the node.",
        ),
        check_first: "A file system turns read-only when the disk under it fails: see the kernel's log, and move the node's pods elsewhere.",
        commands: &["@node dmesg --ctime --level=err,warn", NODE, "kubectl cordon {node}"],
        source: "ext4(5), errors=remount-ro",
    },
    Row {
        causes: STORAGE,
        when: &[Text(&["insufficient uids", "enough ids available", "cannot be mapped to a host id"])],
        summary: Some(
            "The image has files of users that the node's user namespace has no numbers for: whoever runs the node must give it more, or the image needs fewer.",
        ),
        check_first: "See /etc/subuid and /etc/subgid of the user that the runtime runs as; rootless runtimes need 65,536 numbers.",
        commands: &["@node cat /etc/subuid /etc/subgid", NODE_LOG],
        source: "github.com/containers/storage, subuid(5)",
    },
    Row {
        causes: STORAGE,
        when: &[Text(&[
            "permission denied",
            "operation not permitted",
            "selinux",
            "setxattr",
            "operation not supported",
            "apparmor",
        ])],
        summary: Some(
            "The node's runtime may not write a layer as it must: a security module, a mount option or a file system stands in the way.",
        ),
        check_first: "See whether SELinux or another module denied it, whether the runtime's directory lies on a file system without extended attributes or on NFS, and whether the runtime runs with all its rights.",
        commands: &["@node ausearch -m avc -ts recent", "@node findmnt --target /var/lib", NODE_LOG],
        source: "containerd/stargz-snapshotter#187; docker/docker docs, storage drivers",
    },
    Row {
        causes: STORAGE,
        when: &[Text(&["device or resource busy"])],
        summary: Some("Another program of the node holds files of the layer: whoever runs the node must look."),
        check_first: "A virus scanner or a monitoring agent that watches the runtime's directory is the usual one: exempt /var/lib/containerd, or /var/lib/containers, from it.",
        commands: &["@node findmnt --target /var/lib", NODE_LOG],
        source: "reports of images that fail to unmount where a virus scanner runs",
    },
    Row {
        causes: STORAGE,
        when: &[Text(&[
            "parent snapshot",
            "missing parent",
            "content digest",
            "image not known",
            "does not resolve to an image",
            "already present, but with size",
            "locked for",
            "does not exist",
            "no such file or directory",
            "already exists",
            "directory not empty",
            "file exists",
        ])],
        summary: Some(
            "The node's image store has lost or damaged a part of this image: whoever runs the node must remove it there.",
        ),
        check_first: "Remove the image on the node and pull it again; if that does not help, other images share the damaged layer, and the node is best drained and its store emptied.",
        commands: &["@node crictl rmi {image}", NODE_PULL, NODE_LOG],
        source: "containerd/containerd#8173; cri-o/cri-o#10241",
    },
    Row {
        causes: &[Cause::Unknown],
        when: &[NoText],
        summary: Some(NO_TEXT.summary),
        check_first: NO_TEXT.check_first,
        commands: NO_TEXT.commands,
        source: "kubernetes/kubernetes#127918: kubelets before 1.32 leave the text out",
    },
];

const PULLING: &[CauseGroup] =
    &[CauseGroup::Credentials, CauseGroup::Registry, CauseGroup::Network, CauseGroup::Node, CauseGroup::Unknown];
const ASKING: &[CauseGroup] = &[CauseGroup::Credentials, CauseGroup::Registry, CauseGroup::Network];
const ALL: &[CauseGroup] = CauseGroup::ALL;

pub(super) const NOTES: &[Note] = &[
    Note {
        groups: ASKING,
        when: &[AlwaysThoughOnNode],
        sentence: "This container has run with this image on its node: with imagePullPolicy IfNotPresent it would most likely start now.",
        source: "kubernetes.io/docs/concepts/containers/images, image pull policy; KEP-2535 may ask for credentials again",
    },
    Note {
        groups: &[CauseGroup::Registry, CauseGroup::Network],
        when: &[RegistryPods],
        sentence: "Pods of a registry are among the failing ones: if it is this one, it cannot start by itself, and their images must come from elsewhere.",
        source: "goharbor/harbor, sonatype/docker-nexus3: registries in the cluster that they serve",
    },
    Note {
        groups: ALL,
        when: &[Node(Virtual)],
        sentence: "Nobody can log in to such a node: test from a pod or a machine in its subnets, and look at their routes, security groups and private endpoints.",
        source: "docs.aws.amazon.com/eks/latest/userguide/fargate.html; virtual-kubelet.io",
    },
    Note {
        groups: ALL,
        when: &[Node(Autopilot)],
        sentence: "GKE Autopilot lets nobody onto its nodes: see Cloud Logging for the runtime's log.",
        source: "cloud.google.com/kubernetes-engine/docs/concepts/autopilot-security",
    },
    Note {
        groups: ALL,
        when: &[Node(Windows)],
        sentence: "In a shell of the Windows node, Resolve-DnsName and Test-NetConnection test the way to the registry, and crictl pull the pull.",
        source: "kubernetes.io/docs/concepts/windows; learn.microsoft.com/powershell/module/nettcpip/test-netconnection",
    },
    Note {
        groups: PULLING,
        when: &[OnNode],
        sentence: "For IMAGE_ON_NODE take an image with a shell from those that kube-system runs on the node: the node may be unable to pull another, and no tenant's image may run beside the node's files.",
        source: "kubernetes.io/docs/tasks/debug/debug-cluster/kubectl-node-debug",
    },
];
