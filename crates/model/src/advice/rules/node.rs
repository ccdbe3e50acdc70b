//! Rules for errors of the node's storage, and the notes.

use super::super::conditions::Condition::{
    AlwaysPullsImageItHasRun, HasNodeCommands, NoErrorText, Node, RegistryPodsFail, TextContains,
};
use super::super::conditions::NodeKind::{Autopilot, Virtual, Windows};
use super::super::defaults::{CRANE_MANIFEST, NO_ERROR_TEXT, NODE_LOG, NODE_PULL};
use super::super::rule::{AdviceNote, AdviceRule};
use crate::cause::Cause::{self, NodeStorageError};
use crate::cause::CauseGroup;

const STORAGE_CAUSES: &[Cause] = &[NodeStorageError];
const DESCRIBE_NODE: &str = "kubectl describe node {node}";

pub(super) const RULES: &[AdviceRule] = &[
    AdviceRule {
        causes: STORAGE_CAUSES,
        when: &[TextContains(&["decryptlayer", "missing private key", "ocicrypt"])],
        summary: Some(
            "The image is encrypted, and the node has no key for it. The node operator must install the key, or the pod must run on other nodes.",
        ),
        check_first: "Check that the image was encrypted for the decryption keys on the node (stream processors of ocicrypt in containerd, decryption_keys_path of CRI-O).",
        commands: &[CRANE_MANIFEST, NODE_LOG],
        source: "containerd/imgcrypt#181; containerd docs/cri/decryption.md",
    },
    AdviceRule {
        causes: STORAGE_CAUSES,
        when: &[Node(Windows)],
        summary: Some("Windows failed to store a layer of the image. The node operator must investigate."),
        check_first: "Check whether the Windows versions of the image and the node match, whether a virus scanner locks the files, and whether paths in the layer are too long.",
        commands: &[DESCRIBE_NODE, "kubectl get node {node} -L node.kubernetes.io/windows-build", CRANE_MANIFEST],
        source: "learn.microsoft.com/virtualization/windowscontainers/deploy-containers/version-compatibility; microsoft/hcsshim",
    },
    AdviceRule {
        causes: STORAGE_CAUSES,
        when: &[TextContains(&["snapshotter not loaded", "nydus", "stargz", "soci", "overlaybd", "remote snapshot"])],
        summary: Some(
            "The snapshotter that the node's runtime is configured to use is missing or failed. The node operator must investigate.",
        ),
        check_first: "Check that the snapshotter's service is running and that containerd's configuration names it. The default snapshotter, overlayfs, is an alternative.",
        commands: &["@node ctr plugins ls", "@node systemctl list-units --failed --no-pager", NODE_LOG],
        source: "containerd docs/snapshotters; dragonflyoss/nydus#1481; awslabs/soci-snapshotter#1084",
    },
    AdviceRule {
        causes: STORAGE_CAUSES,
        when: &[TextContains(&[
            "dial unix",
            "error reading from server",
            "transport: ",
            "runtime service",
            "code = unavailable",
        ])],
        summary: Some(
            "The node's container runtime does not respond or was restarted. The node operator must investigate.",
        ),
        check_first: "Check whether the runtime's service is running, since when, and what it logged before it stopped. Other pods on the node cannot start either.",
        commands: &[DESCRIBE_NODE, "@node systemctl status containerd crio docker --no-pager", NODE_LOG],
        source: "kubelet pkg/kubelet/kuberuntime; cri-api",
    },
    AdviceRule {
        causes: STORAGE_CAUSES,
        when: &[TextContains(&["read-only file system", "input/output error", "structure needs cleaning"])],
        summary: Some(
            "The node's disk is failing or mounted read-only. The node operator must replace the disk or the node.",
        ),
        check_first: "A file system is remounted read-only when its disk fails. Check the kernel's log, and drain the node.",
        commands: &["@node dmesg --ctime --level=err,warn", DESCRIBE_NODE, "kubectl cordon {node}"],
        source: "ext4(5), errors=remount-ro",
    },
    AdviceRule {
        causes: STORAGE_CAUSES,
        when: &[TextContains(&["insufficient uids", "enough ids available", "cannot be mapped to a host id"])],
        summary: Some(
            "The image contains user or group IDs outside the range of the node's user namespace. The node operator must extend the range, or the image owner must use lower IDs.",
        ),
        check_first: "Check /etc/subuid and /etc/subgid for the user of the runtime. Rootless runtimes need a range of 65,536 IDs.",
        commands: &["@node cat /etc/subuid /etc/subgid", NODE_LOG],
        source: "github.com/containers/storage, subuid(5)",
    },
    AdviceRule {
        causes: STORAGE_CAUSES,
        when: &[TextContains(&[
            "permission denied",
            "operation not permitted",
            "selinux",
            "setxattr",
            "operation not supported",
            "apparmor",
        ])],
        summary: Some(
            "The node's runtime is not permitted to write a layer. A security module, a mount option or the file system prevents it. The node operator must investigate.",
        ),
        check_first: "Check whether SELinux or another security module denied the write, whether the runtime's directory is on NFS or on a file system without extended attributes, and whether the runtime runs with full privileges.",
        commands: &["@node ausearch -m avc -ts recent", "@node findmnt --target /var/lib", NODE_LOG],
        source: "containerd/stargz-snapshotter#187; docker/docker docs, storage drivers",
    },
    AdviceRule {
        causes: STORAGE_CAUSES,
        when: &[TextContains(&["device or resource busy"])],
        summary: Some("Another program on the node keeps files of the layer open. The node operator must investigate."),
        check_first: "The usual cause is a virus scanner or a monitoring agent that watches the runtime's directory. Exclude /var/lib/containerd or /var/lib/containers from it.",
        commands: &["@node findmnt --target /var/lib", NODE_LOG],
        source: "reports of images that fail to unmount where a virus scanner runs",
    },
    AdviceRule {
        causes: STORAGE_CAUSES,
        when: &[TextContains(&[
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
            "A part of this image is missing or corrupt in the node's image store. The node operator must remove the image from the node.",
        ),
        check_first: "Remove the image on the node and pull it again. If that does not help, other images share the corrupt layer: drain the node and empty its image store.",
        commands: &["@node crictl rmi {image}", NODE_PULL, NODE_LOG],
        source: "containerd/containerd#8173; cri-o/cri-o#10241",
    },
    AdviceRule {
        causes: &[Cause::Unknown],
        when: &[NoErrorText],
        summary: Some(NO_ERROR_TEXT.summary),
        check_first: NO_ERROR_TEXT.check_first,
        commands: NO_ERROR_TEXT.commands,
        source: "kubernetes/kubernetes#127918: kubelets before 1.32 leave the text out",
    },
];

const GROUPS_WITH_NODE_COMMANDS: &[CauseGroup] =
    &[CauseGroup::Credentials, CauseGroup::Registry, CauseGroup::Network, CauseGroup::Node, CauseGroup::Unknown];
const GROUPS_OF_REGISTRY_REQUESTS: &[CauseGroup] =
    &[CauseGroup::Credentials, CauseGroup::Registry, CauseGroup::Network];
const ALL_GROUPS: &[CauseGroup] = CauseGroup::ALL;

pub(super) const NOTES: &[AdviceNote] = &[
    AdviceNote {
        groups: GROUPS_OF_REGISTRY_REQUESTS,
        when: &[AlwaysPullsImageItHasRun],
        sentence: "This container has already run with this image on its node. With imagePullPolicy IfNotPresent, it would most likely start now.",
        source: "kubernetes.io/docs/concepts/containers/images, image pull policy; KEP-2535 may ask for credentials again",
    },
    AdviceNote {
        groups: &[CauseGroup::Registry, CauseGroup::Network],
        when: &[RegistryPodsFail],
        sentence: "Pods that run a registry are failing too. If they run this registry, it cannot recover by itself: their images must come from another registry.",
        source: "goharbor/harbor, sonatype/docker-nexus3: registries in the cluster that they serve",
    },
    AdviceNote {
        groups: ALL_GROUPS,
        when: &[Node(Virtual)],
        sentence: "Such a node has no shell. Test from a pod or a machine in the same subnets, and check their routes, security groups and private endpoints.",
        source: "docs.aws.amazon.com/eks/latest/userguide/fargate.html; virtual-kubelet.io",
    },
    AdviceNote {
        groups: ALL_GROUPS,
        when: &[Node(Autopilot)],
        sentence: "GKE Autopilot gives no access to its nodes. Cloud Logging has the runtime's log.",
        source: "cloud.google.com/kubernetes-engine/docs/concepts/autopilot-security",
    },
    AdviceNote {
        groups: ALL_GROUPS,
        when: &[Node(Windows)],
        sentence: "In a shell on the Windows node, test the connection to the registry with Resolve-DnsName and Test-NetConnection, and the pull with crictl pull.",
        source: "kubernetes.io/docs/concepts/windows; learn.microsoft.com/powershell/module/nettcpip/test-netconnection",
    },
    AdviceNote {
        groups: GROUPS_WITH_NODE_COMMANDS,
        when: &[HasNodeCommands],
        sentence: "Replace IMAGE_ON_NODE with an image that kube-system runs on the node and that has a shell. The node may be unable to pull another image, and a tenant's image must not run as root with the node's files.",
        source: "kubernetes.io/docs/tasks/debug/debug-cluster/kubectl-node-debug",
    },
];
