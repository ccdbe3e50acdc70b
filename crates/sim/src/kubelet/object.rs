//! Serializes pods to JSON, as the API server returns them.

use serde_json::{Map, Value, json};

use super::super::{script::ContainerKind, time::SimTime};
use super::pod::{Container, Pod};

impl Pod {
    /// Returns the object. `rfc3339` formats simulated time.
    pub(super) fn object(&self, rfc3339: impl Fn(SimTime) -> String) -> Value {
        let mut metadata = json!({
            "name": self.identity.name,
            "namespace": self.identity.namespace,
            "uid": self.identity.uid,
            "resourceVersion": self.revision.to_string(),
            "generation": self.generation,
            "creationTimestamp": rfc3339(self.created),
            "labels": self.identity.labels,
            "managedFields": self.managed_fields.entries(),
        });
        if let Some(metadata) = metadata.as_object_mut() {
            if let Some(owners) = &self.identity.owner_references {
                metadata.insert("ownerReferences".to_owned(), owners.clone());
            }
            if let Some(deletion) = &self.deletion {
                metadata.insert("deletionTimestamp".to_owned(), rfc3339(deletion.at).into());
                metadata.insert("deletionGracePeriodSeconds".to_owned(), deletion.grace_seconds.into());
            }
        }
        json!({ "kind": "Pod", "apiVersion": "v1", "metadata": metadata, "spec": self.spec, "status": self.status })
    }

    /// Updates the spec.
    pub(super) fn write_spec(&mut self, now: &str) {
        let of_kind = |kinds: &[ContainerKind]| -> Vec<Value> {
            self.containers
                .iter()
                .filter(|container| kinds.contains(&container.spec.kind))
                .map(|container| self.container_spec(container))
                .collect()
        };
        let mut spec = json!({
            "containers": of_kind(&[ContainerKind::App]),
            "restartPolicy": self.restart.as_str(),
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "serviceAccountName": "default",
            "serviceAccount": "default",
            "nodeName": self.node,
            "securityContext": {},
            "schedulerName": "default-scheduler",
            "tolerations": [
                { "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 },
                { "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 },
            ],
            "priority": 0,
            "enableServiceLinks": true,
            "preemptionPolicy": "PreemptLowerPriority",
        });
        let init = of_kind(&[ContainerKind::Init, ContainerKind::Sidecar]);
        let ephemeral = of_kind(&[ContainerKind::Ephemeral]);
        let volumes: Vec<Value> = self
            .volumes
            .iter()
            .map(|volume| json!({ "name": volume.name, "image": { "reference": volume.image, "pullPolicy": volume.policy.as_str() } }))
            .collect();
        let deadline = self.deadline.map(|deadline| deadline.as_secs());
        if let Some(spec) = spec.as_object_mut() {
            insert_if_any(spec, "initContainers", init);
            insert_if_any(spec, "ephemeralContainers", ephemeral);
            insert_if_any(spec, "volumes", volumes);
            let secrets = self.pull_secrets.iter().map(|name| json!({ "name": name })).collect();
            insert_if_any(spec, "imagePullSecrets", secrets);
            spec.extend(deadline.map(|seconds| ("activeDeadlineSeconds".to_owned(), seconds.into())));
        }
        self.spec = spec;
        self.managed_fields.creator = creator_fields(self, now);
    }

    fn container_spec(&self, container: &Container) -> Value {
        let mounts: Vec<Value> = self
            .volumes
            .iter()
            .filter(|volume| volume.mounts.contains(&container.spec.name))
            .map(|volume| json!({ "name": volume.name, "mountPath": format!("/mnt/{}", volume.name) }))
            .collect();
        let mut spec = json!({
            "name": container.spec.name,
            "image": container.spec.image,
            "imagePullPolicy": container.spec.policy.as_str(),
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        });
        if let Some(spec) = spec.as_object_mut() {
            insert_if_any(spec, "volumeMounts", mounts);
            if container.spec.kind == ContainerKind::Sidecar {
                spec.insert("restartPolicy".to_owned(), "Always".into());
            }
        }
        spec
    }
}

fn insert_if_any(object: &mut Map<String, Value>, key: &str, list: Vec<Value>) {
    if !list.is_empty() {
        object.insert(key.to_owned(), list.into());
    }
}

fn creator_fields(pod: &Pod, now: &str) -> Value {
    let containers: Map<String, Value> = pod
        .containers
        .iter()
        .map(|container| {
            let fields = json!({
                ".": {}, "f:image": {}, "f:imagePullPolicy": {}, "f:name": {}, "f:resources": {},
                "f:terminationMessagePath": {}, "f:terminationMessagePolicy": {},
            });
            (format!("k:{{\"name\":\"{}\"}}", container.spec.name), fields)
        })
        .collect();
    let manager = if pod.identity.owner_references.is_some() { "kube-controller-manager" } else { "kubectl-create" };
    json!({
        "manager": manager, "operation": "Update", "apiVersion": "v1", "time": now, "fieldsType": "FieldsV1",
        "fieldsV1": {
            "f:metadata": { "f:labels": { ".": {}, "f:app": {}, "f:pod-template-hash": {} }, "f:ownerReferences": { ".": {} } },
            "f:spec": {
                "f:containers": containers, "f:dnsPolicy": {}, "f:enableServiceLinks": {}, "f:restartPolicy": {},
                "f:schedulerName": {}, "f:securityContext": {}, "f:terminationGracePeriodSeconds": {},
            },
        },
    })
}
