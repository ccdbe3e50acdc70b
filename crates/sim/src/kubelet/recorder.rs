//! Records the kubelet's Events about pods, as its legacy recorder does (`pkg/kubelet/events/event.go`).

use serde_json::{Value, json};

use super::super::{random::Random, script::ContainerKind};
use super::{
    event_correlator::{CorrelatedEvent, EventKey, Severity},
    job_queue::Job,
    pod::{Container, Pod},
    reconcile::PodReconciler,
};

impl PodReconciler<'_> {
    /// Records an Event about a pod, or about one of its containers by its field path.
    pub(super) fn record_event(
        &mut self,
        pod: &Pod,
        field_path: Option<String>,
        severity: Severity,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        let key = EventKey { pod: pod.id, field_path, severity, reason, message: message.into() };
        let (field_path, now) = (key.field_path.clone(), self.now);
        let watch_log = &mut *self.watch_log;
        let new_name = || watch_log.event_name(now, &pod.identity.name);
        let Some(event) = self.node.kubelet_memory.events.correlate(key, new_name, now) else { return };
        let object = self.event_object(pod, field_path, severity, reason, &event);
        if let Some(created) = self.watch_log.write_event(now, object) {
            self.jobs.push(created.expires, Job::ExpireEvent(created.key));
        }
    }

    /// Returns the object, without managedFields.
    fn event_object(
        &self,
        pod: &Pod,
        field_path: Option<String>,
        severity: Severity,
        reason: &str,
        event: &CorrelatedEvent,
    ) -> Value {
        let host = &self.node.name;
        let now = self.watch_log.rfc3339(self.now);
        let mut involved = json!({
            "kind": "Pod", "namespace": pod.identity.namespace, "name": pod.identity.name, "uid": pod.identity.uid,
            "apiVersion": "v1", "resourceVersion": pod.revision.to_string(),
        });
        if let (Some(involved), Some(path)) = (involved.as_object_mut(), field_path) {
            involved.insert("fieldPath".to_owned(), path.into());
        }
        json!({
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {
                "name": event.name, "namespace": pod.identity.namespace,
                "uid": Random::from_text(&event.name).uuid(), "creationTimestamp": now,
            },
            "involvedObject": involved,
            "reason": reason,
            "message": event.message,
            "source": { "component": "kubelet", "host": host },
            "firstTimestamp": self.watch_log.rfc3339(event.first),
            "lastTimestamp": now,
            "count": event.count,
            "type": severity.as_str(),
            "eventTime": null,
            "reportingComponent": "kubelet",
            "reportingInstance": host,
        })
    }
}

/// Returns the path of a container in its pod (container/ref.go:49-78).
pub(super) fn field_path(container: &Container) -> String {
    let list = match container.spec.kind {
        ContainerKind::App => "containers",
        ContainerKind::Init | ContainerKind::Sidecar => "initContainers",
        ContainerKind::Ephemeral => "ephemeralContainers",
    };
    format!("spec.{list}{{{}}}", container.spec.name)
}
