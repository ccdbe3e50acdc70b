//! The resources of the simulated API server.

use serde_json::{Value, json};

/// A resource that can be listed and watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// core/v1 Pods.
    Pods,
    /// core/v1 Events.
    Events,
}

impl Resource {
    /// Returns the resource of an object by its kind. Objects without a kind are pods.
    pub(super) fn of(object: &Value) -> Self {
        if object.get("kind").and_then(Value::as_str) == Some("Event") { Self::Events } else { Self::Pods }
    }

    /// Returns the name in paths, for example `pods`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Events => "events",
        }
    }

    /// Returns the kind of a list.
    pub(super) fn list_kind(self) -> &'static str {
        match self {
            Self::Pods => "PodList",
            Self::Events => "EventList",
        }
    }

    /// Returns an object that has only metadata, as in a bookmark: the zero value of its Go type.
    pub(super) fn empty_object(self, metadata: &Value) -> Value {
        match self {
            Self::Pods => json!({
                "kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": { "containers": null }, "status": {},
            }),
            Self::Events => json!({
                "kind": "Event", "apiVersion": "v1", "metadata": metadata, "involvedObject": {}, "source": {},
                "firstTimestamp": null, "lastTimestamp": null, "eventTime": null, "reportingComponent": "",
                "reportingInstance": "",
            }),
        }
    }
}
