//! Reduces a pod to the visible state of its containers, to compare a recording with a simulation.

use serde_json::Value;

/// One line for a pod, and one for each of its containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pod: String,
    containers: Vec<(String, String)>,
}

impl Picture {
    pub(super) fn of(change: &str, pod: &Value) -> Self {
        let text = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or("-").to_owned();
        let uid = text("/metadata/uid");
        let deleting = pod.pointer("/metadata/deletionTimestamp").is_some();
        let mut conditions = Vec::new();
        for condition in list(pod, "/status/conditions") {
            let field = |name: &str| condition.get(name).and_then(Value::as_str).unwrap_or("-").to_owned();
            conditions.push(format!("{}={} {} {}", field("type"), field("status"), field("reason"), field("message")));
        }
        let mut containers = Vec::new();
        for kind in ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"] {
            for status in list(pod, &format!("/status/{kind}")) {
                let name = status["name"].as_str().unwrap().to_owned();
                containers.push((name, container(status).replace(&uid, "UID")));
            }
        }
        Self {
            pod: format!(
                "{change} {}{} {} {} gen={}/{} {conditions:?}",
                text("/status/phase"),
                if deleting { " deleting" } else { "" },
                text("/status/reason"),
                text("/status/message"),
                pod.pointer("/metadata/generation").unwrap(),
                pod.pointer("/status/observedGeneration").unwrap_or(&Value::Null),
            ),
            containers,
        }
    }

    /// Whether the container waits for this reason.
    pub(super) fn waits(&self, container: &str, reason: &str) -> bool {
        let waits = format!("waiting {reason} ");
        self.containers.iter().any(|(name, state)| name == container && state.starts_with(&waits))
    }

    /// Returns the state of a container as a few words.
    pub(super) fn state(&self, container: &str) -> Option<&str> {
        self.containers.iter().find(|(name, _)| name == container).map(|(_, state)| state.as_str())
    }
}

fn list<'a>(pod: &'a Value, pointer: &str) -> &'a [Value] {
    pod.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn container(status: &Value) -> String {
    let (kind, state) = status["state"].as_object().unwrap().iter().next().unwrap();
    let field = |name: &str| state.get(name).and_then(Value::as_str).unwrap_or("-");
    format!(
        "{kind} {} {} last={:?} restarts={} ready={} started={} image={} has_id={}",
        field("reason"),
        field("message"),
        status["lastState"].as_object().unwrap().keys().collect::<Vec<_>>(),
        status["restartCount"],
        status["ready"],
        status.get("started").unwrap_or(&Value::Null),
        status["image"],
        status.get("containerID").is_some(),
    )
}

/// Returns the pictures of one pod's events, without those in which nothing visible changes.
pub(super) fn story<'a>(name: &str, events: impl Iterator<Item = (&'a str, &'a Value)>) -> Vec<Picture> {
    let mut story: Vec<Picture> = events
        .filter(|(_, pod)| pod.pointer("/metadata/name").and_then(Value::as_str) == Some(name))
        .map(|(change, pod)| Picture::of(change, pod))
        .collect();
    story.dedup();
    story
}
