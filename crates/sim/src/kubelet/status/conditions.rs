//! Keeps a pod's conditions and the times at which they turned.

use serde_json::{Value, json};

use super::super::{
    super::script::ContainerKind,
    pod::{Container, Pod, Termination},
};

/// The conditions as last written.
#[derive(Debug, Default)]
pub(in crate::kubelet) struct Conditions(Vec<Condition>);

#[derive(Debug)]
struct Condition {
    kind: &'static str,
    status: bool,
    since: String,
}

/// What the kubelet observes of one condition.
#[derive(Clone)]
pub(super) struct ObservedCondition {
    kind: &'static str,
    status: bool,
    reason: Option<&'static str>,
    message: Option<String>,
}

/// Observes all five, in the kubelet's order.
pub(super) fn observe(pod: &Pod, phase: &str) -> Vec<ObservedCondition> {
    let ready = containers_ready(pod, phase);
    vec![
        ObservedCondition {
            kind: "PodReadyToStartContainers",
            status: super::has_sandbox(pod),
            reason: None,
            message: None,
        },
        initialized(pod, phase),
        ObservedCondition { kind: "Ready", ..ready.clone() },
        ObservedCondition { kind: "ContainersReady", ..ready },
        ObservedCondition { kind: "PodScheduled", status: true, reason: None, message: None },
    ]
}

fn initialized(pod: &Pod, phase: &str) -> ObservedCondition {
    let status = pod.is_initialized();
    let (reason, message) = if status {
        ((phase == "Succeeded").then_some("PodCompleted"), None)
    } else {
        let incomplete = names(pod, |container| container.is_initializer() && !container.is_initialized());
        (Some("ContainersNotInitialized"), Some(format!("containers with incomplete status: [{incomplete}]")))
    };
    ObservedCondition { kind: "Initialized", status, reason, message }
}

/// Returns the condition Ready; `ContainersReady` says the same, as there are no readiness gates here.
fn containers_ready(pod: &Pod, phase: &str) -> ObservedCondition {
    let past_deadline =
        matches!(pod.worker.termination, Termination::Deadline { .. } | Termination::Finished { deadline: true });
    let unready = names(pod, |container| {
        matches!(container.spec.kind, ContainerKind::App | ContainerKind::Sidecar) && !container.is_running()
    });
    let (status, reason, message) = match phase {
        "Succeeded" => (false, Some("PodCompleted"), None),
        _ if past_deadline || (phase == "Failed" && pod.deletion.is_none()) => (false, Some("PodFailed"), None),
        _ if unready.is_empty() => (true, None, None),
        _ => (false, Some("ContainersNotReady"), Some(format!("containers with unready status: [{unready}]"))),
    };
    ObservedCondition { kind: "Ready", status, reason, message }
}

fn names(pod: &Pod, wanted: impl Fn(&Container) -> bool) -> String {
    let names: Vec<&str> = pod
        .containers
        .iter()
        .filter(|container| wanted(container))
        .map(|container| container.spec.name.as_str())
        .collect();
    names.join(" ")
}

impl Conditions {
    /// Writes the conditions; a condition that keeps its status keeps its time.
    pub(super) fn update(&mut self, observed: Vec<ObservedCondition>, generation: u64, now: &str) -> Vec<Value> {
        let before = std::mem::take(&mut self.0);
        let mut written = Vec::with_capacity(observed.len());
        for ObservedCondition { kind, status, reason, message } in observed {
            let same = before.iter().find(|turned| turned.kind == kind && turned.status == status);
            let since = same.map_or_else(|| now.to_owned(), |turned| turned.since.clone());
            let word = if status { "True" } else { "False" };
            let mut condition = json!({
                "type": kind, "observedGeneration": generation, "status": word, "lastProbeTime": null, "lastTransitionTime": since,
            });
            if let Some(condition) = condition.as_object_mut() {
                condition.extend(reason.map(|reason| ("reason".to_owned(), reason.into())));
                condition.extend(message.map(|message| ("message".to_owned(), message.into())));
            }
            written.push(condition);
            self.0.push(Condition { kind, status, since });
        }
        written
    }
}
