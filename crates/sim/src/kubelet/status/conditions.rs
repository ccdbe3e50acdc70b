//! Computes the conditions of a pod.

use super::super::super::script::ContainerKind;
use super::super::{
    conditions::ObservedCondition,
    pod::{Container, Pod, Sandbox, Termination},
};

/// Returns the five conditions in the kubelet's order.
pub(super) fn observe(pod: &Pod, phase: &str) -> Vec<ObservedCondition> {
    let ready = containers_ready(pod, phase);
    vec![
        ObservedCondition {
            kind: "PodReadyToStartContainers",
            status: pod.worker.sandbox == Sandbox::Ready,
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

/// Returns the condition Ready. `ContainersReady` is equal, since there are no readiness gates.
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
