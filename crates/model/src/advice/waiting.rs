//! Advice for containers that wait for their image, or may wait for it, without an error.

use super::commands;
use super::conditions::Condition::{self, HasNodeCommands, Node};
use super::conditions::NodeKind;
use super::context::FailureContext;
use super::defaults::{DESCRIBE_POD, NODE_LOG};
use super::rules::advice_notes;
use super::{Advice, AdviceNote};
use crate::image_wait::WaitStage;

/// Lists the Events of the pod, the only reports about volumes, sandbox and pull.
const POD_EVENTS: &str = "kubectl -n {namespace} get events --field-selector involvedObject.kind=Pod,involvedObject.name={pod} --sort-by=.lastTimestamp";
/// Lists the other pods of the node that have not started.
const PENDING_PODS_OF_NODE: &str =
    "kubectl get pods -A --field-selector spec.nodeName={node},status.phase=Pending -o wide";
const NODE_IMAGES: &str = "@node crictl images";
const NODE_KUBELET_LOG: &str = "@node journalctl -u kubelet --since -15min --no-pager";

/// The advice for one stage of a wait.
struct WaitAdvice {
    summary: &'static str,
    check_first: &'static str,
    commands: &'static [&'static str],
}

const PENDING: WaitAdvice = WaitAdvice {
    summary: "The image is being pulled, is queued behind other pulls of the node, or the runtime hangs.",
    check_first: "Check the pod's events: Pulling means that the kubelet has requested the pull. Then compare the size of the image with the time, and check which other pods wait on the node.",
    commands: &[DESCRIBE_POD, POD_EVENTS, PENDING_PODS_OF_NODE, NODE_IMAGES, NODE_KUBELET_LOG, NODE_LOG],
};

const STARTING: WaitAdvice = WaitAdvice {
    summary: "Volumes, sandbox or image are awaited. The pod's status does not show which.",
    check_first: "Check the pod's events: FailedMount and FailedAttachVolume are about volumes, FailedCreatePodSandBox is about the sandbox, Pulling is about the image.",
    commands: &[DESCRIBE_POD, POD_EVENTS, PENDING_PODS_OF_NODE, NODE_IMAGES, NODE_KUBELET_LOG, NODE_LOG],
};

/// The note about nodes that pull one image at a time.
pub const SERIAL_PULLS: AdviceNote = AdviceNote {
    groups: &[],
    when: &[Node(NodeKind::Ordinary)],
    sentence: "By default a kubelet pulls one image at a time, so one slow pull holds up all others of the node. serializeImagePulls and maxParallelImagePulls in its configuration change that.",
    source: "kubernetes.io/docs/concepts/containers/images, serial and parallel image pulls; pkg/kubelet/images/puller.go",
};

/// The note about failures of the sandbox image.
pub const SANDBOX_IMAGE: AdviceNote = AdviceNote {
    groups: &[],
    when: &[],
    sentence: "This is the sandbox image of the node. The configuration of the node's runtime names it, not the pod: sandbox_image or pinned_images of containerd, pause_image of CRI-O. Until it can be pulled, no pod starts on the node.",
    source: "containerd docs/cri/config.md; cri-o docs/crio.conf.5.md",
};

/// Returns the advice for a container that waits.
#[must_use]
pub fn wait_advice(stage: WaitStage, context: &FailureContext<'_>) -> Advice {
    let WaitAdvice { summary, check_first, commands } = match stage {
        WaitStage::Pending(_) => PENDING,
        WaitStage::Starting => STARTING,
    };
    let commands = commands::render_commands(commands, context);
    let has_node_commands = commands::need_node_shell(&commands);
    let applies = |note: &&AdviceNote| note.when.iter().all(|when| when.holds(context, has_node_commands));
    let is_about_nodes = |note: &&AdviceNote| note.when.iter().all(is_about_node);
    let notes = std::iter::once(&SERIAL_PULLS).chain(advice_notes().filter(is_about_nodes)).filter(applies);
    let sentences = std::iter::once(check_first).chain(notes.map(|note| note.sentence));
    Advice { summary, check_first: sentences.collect::<Vec<_>>().join(" "), commands }
}

/// Whether a condition is about the node alone, so that its note applies to waits.
fn is_about_node(when: &Condition) -> bool {
    matches!(when, Node(NodeKind::Autopilot) | HasNodeCommands)
}
