//! The managedFields of a pod.

use serde_json::{Map, Value, json};

/// The managers of a pod's fields: a third of a pod's bytes, and the only record of the last status write.
#[derive(Debug, Default)]
pub(super) struct ManagedFields {
    pub(super) creator: Value,
    kubelet: Option<Value>,
}

impl ManagedFields {
    pub(super) fn entries(&self) -> Vec<&Value> {
        std::iter::once(&self.creator).chain(&self.kubelet).collect()
    }

    /// Records a write of the status by the kubelet.
    pub(super) fn record_kubelet_write(&mut self, now: &str) {
        let condition = json!({ ".": {}, "f:lastProbeTime": {}, "f:lastTransitionTime": {}, "f:message": {}, "f:observedGeneration": {}, "f:reason": {}, "f:status": {}, "f:type": {} });
        let conditions: Map<String, Value> =
            ["ContainersReady", "Initialized", "PodReadyToStartContainers", "PodScheduled", "Ready"]
                .iter()
                .map(|kind| (format!("k:{{\"type\":\"{kind}\"}}"), condition.clone()))
                .collect();
        self.kubelet = Some(json!({
            "manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": now, "fieldsType": "FieldsV1", "subresource": "status",
            "fieldsV1": { "f:status": {
                "f:conditions": conditions, "f:containerStatuses": {}, "f:hostIP": {}, "f:hostIPs": {}, "f:observedGeneration": {}, "f:phase": {},
                "f:podIP": {}, "f:podIPs": { ".": {} }, "f:startTime": {},
            } },
        }));
    }
}
