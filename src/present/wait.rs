//! Serializable reports of containers that wait without an error.

use std::time::Duration;

use serde::Serialize;

use super::{advice_steps, format_age, non_empty, rfc3339};
use image_pull_model::advice::{FailingRegistryPods, FailureContext, wait_advice};
use image_pull_model::facts::ContainerKind;
use image_pull_model::image_wait::WaitStage;
use image_pull_model::snapshot::{PullQueues, TrackedPod, WaitRef};
use image_pull_model::time::Timestamp;
use image_pull_model::workload::workload_of;

/// A container that waits for its image, or may wait for it, without an error. Stable JSON as that of a failing container.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WaitReport {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod.
    pub uid: String,
    /// Name of the container.
    pub container: String,
    /// `app`, `init`, `sidecar` or `ephemeral`.
    pub container_type: &'static str,
    /// Kind of the workload: `Deployment`, `StatefulSet`, …; `Pod` for a pod without a controller.
    pub workload_kind: String,
    /// Name of the workload.
    pub workload: String,
    /// Node of the pod.
    pub node: Option<String>,
    /// Image as written in the spec.
    pub image: String,
    /// Registry of the image; null if the reference is invalid.
    pub registry: Option<String>,
    /// Repository of the image; null if the reference is invalid.
    pub repository: Option<String>,
    /// Tag of the image; null if absent.
    pub tag: Option<String>,
    /// Digest of the image; null if absent.
    pub digest: Option<String>,
    /// `Always`, `IfNotPresent` or `Never`.
    pub pull_policy: &'static str,
    /// `pending` if only the pull is left, `starting` if volumes, sandbox or image are awaited.
    pub stage: &'static str,
    /// Evidence that only the pull is left: `sandbox_ready`, `previous_container` or `event`; null if `stage` is `starting`.
    pub basis: Option<&'static str>,
    /// When the stage began.
    #[serde(serialize_with = "rfc3339")]
    pub since: Timestamp,
    /// Duration of the stage in seconds.
    pub waiting_seconds: u64,
    /// Number of pulls that the kubelet of the node requested before this one and that are not known to have ended; null if no
    /// Event shows the request.
    pub earlier_pulls: Option<usize>,
    /// One sentence on what is known.
    pub summary: String,
    /// First check, then the commands to run.
    pub advice: Vec<String>,
    /// The awaited objects, in a few words.
    #[serde(skip)]
    pub awaits: &'static str,
}

impl WaitReport {
    /// Returns the report of a wait at `now`. `pulls` are the requested pulls of all pods.
    #[must_use]
    pub fn of((pod, container, wait): WaitRef<'_>, now: Timestamp, pulls: &PullQueues<'_>) -> Self {
        let image = &wait.image;
        let workload = workload_of(&pod.id, &pod.owner);
        let registry_pods = FailingRegistryPods::default();
        let context = FailureContext {
            policy: Some(wait.policy),
            namespace: &pod.id.namespace,
            pod: &pod.id.name,
            container: &container.name,
            node: &pod.node,
            service_account: &pod.service_account,
            ..FailureContext::from_error_text(image, "", None, &registry_pods)
        };
        let advice = wait_advice(wait.stage, &context);
        let earlier_pulls = pulls.earlier_pulls(pod, wait);
        let (awaits, summary) = known(pod, wait.stage, earlier_pulls, advice.summary);
        Self {
            namespace: pod.id.namespace.clone(),
            pod: pod.id.name.clone(),
            uid: pod.id.uid.clone(),
            container: container.name.to_string(),
            container_type: container.kind.as_str(),
            workload_kind: workload.kind.to_owned(),
            workload: workload.name.to_owned(),
            node: non_empty(&pod.node),
            image: image.redacted().into_owned(),
            registry: non_empty(image.registry()),
            repository: non_empty(image.repository()),
            tag: non_empty(image.tag()),
            digest: non_empty(image.digest()),
            pull_policy: wait.policy.as_str(),
            stage: stage_name(wait.stage),
            basis: basis_name(wait.stage),
            since: wait.since,
            waiting_seconds: wait.age(now).as_secs(),
            earlier_pulls,
            summary,
            advice: advice_steps(advice),
            awaits,
        }
    }
}

/// Returns what the container awaits, in a few words and as a sentence.
fn known(pod: &TrackedPod, stage: WaitStage, earlier_pulls: Option<usize>, summary: &str) -> (&'static str, String) {
    let is_sandbox_failing =
        pod.containers.iter().any(|other| other.kind == ContainerKind::Sandbox && other.failure.is_some());
    match stage {
        WaitStage::Starting if is_sandbox_failing => {
            ("sandbox (its image fails)", "The sandbox is awaited, and the node cannot pull its image.".to_owned())
        }
        WaitStage::Starting => ("volumes, sandbox or image", summary.to_owned()),
        WaitStage::Pending(_) => match earlier_pulls {
            None => ("image", summary.to_owned()),
            Some(0) => {
                ("image (being pulled)", "The image is being pulled, or the runtime hangs: no earlier pull of the node is under way.".to_owned())
            }
            Some(1) => ("image (1 pull before it)", "The pull is requested. 1 earlier pull of the node has not ended, and this one may be queued behind it.".to_owned()),
            Some(earlier) => (
                "image (several pulls before it)",
                format!("The pull is requested. {earlier} earlier pulls of the node have not ended, and this one may be queued behind them."),
            ),
        },
    }
}

/// Returns a sentence on waiting containers that are not listed because they are not older than `pending_after`. `None` for
/// zero containers.
#[must_use]
pub fn younger_waits_text(younger: usize, pending_after: Duration) -> Option<String> {
    let containers = match younger {
        0 => return None,
        1 => "1 container has".to_owned(),
        _ => format!("{younger} containers have"),
    };
    if pending_after.is_zero() {
        return Some(format!("{containers} not started, without an error."));
    }
    Some(format!("{containers} been pending or starting for at most {}.", format_age(pending_after)))
}

/// Returns the name of a stage.
#[must_use]
pub const fn stage_name(stage: WaitStage) -> &'static str {
    match stage {
        WaitStage::Pending(_) => "pending",
        WaitStage::Starting => "starting",
    }
}

/// Returns the name of the basis of a stage, if it has one.
fn basis_name(stage: WaitStage) -> Option<&'static str> {
    match stage {
        WaitStage::Pending(basis) => Some(basis.as_str()),
        WaitStage::Starting => None,
    }
}
