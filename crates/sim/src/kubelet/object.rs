//! Writes pods as JSON, as an API server gives them.

use serde_json::{Map, Value, json};

use super::super::{
    random::Random,
    script::{ContainerKind, Owner, PodTemplate},
    time::SimTime,
};
use super::pod::{Container, Pod};

/// What a pod is called and whose it is; never changes.
#[derive(Debug)]
pub(crate) struct PodIdentity {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(super) uid: String,
    labels: Value,
    owner_references: Option<Value>,
}

/// Who wrote which fields: a third of a real pod's bytes, and the only trace of when the status was last written.
#[derive(Debug, Default)]
pub(super) struct ManagedFields {
    creator: Value,
    kubelet: Option<Value>,
}

impl PodIdentity {
    pub(crate) fn new(template: &PodTemplate, ordinal: u32, random: &mut Random) -> Self {
        let stateful = template.owner.as_ref().is_some_and(|owner| owner.kind == "StatefulSet");
        let mut name = template.pods.name.clone();
        if template.pods.prefix {
            name.push_str(&if stateful { ordinal.to_string() } else { random.name_suffix() });
        }
        let labels = labels(template.owner.as_ref(), &name);
        let owner_references = template.owner.as_ref().map(|owner| {
            let api_version = if owner.kind == "Job" { "batch/v1" } else { "apps/v1" };
            // The owner's uid belongs to its name, so that all its pods agree on it.
            let uid = Random::from_text(&format!("{}/{}/{}", template.pods.namespace, owner.kind, owner.name)).uuid();
            json!([{ "apiVersion": api_version, "kind": owner.kind, "name": owner.name, "uid": uid, "controller": true, "blockOwnerDeletion": true }])
        });
        Self { namespace: template.pods.namespace.clone(), name, uid: random.uuid(), labels, owner_references }
    }
}

fn labels(owner: Option<&Owner>, pod: &str) -> Value {
    let Some(owner) = owner else { return json!({ "app": pod }) };
    match (owner.kind.as_str(), owner.name.rsplit_once('-')) {
        ("ReplicaSet", Some((deployment, hash))) => json!({ "app": deployment, "pod-template-hash": hash }),
        ("StatefulSet", _) => {
            let ordinal = pod.rsplit_once('-').map(|(_, ordinal)| ordinal);
            json!({ "app": owner.name, "apps.kubernetes.io/pod-index": ordinal, "statefulset.kubernetes.io/pod-name": pod })
        }
        ("DaemonSet", _) => {
            json!({ "app": owner.name, "controller-revision-hash": "6b8d7c5f4", "pod-template-generation": "1" })
        }
        ("Job", _) => json!({ "batch.kubernetes.io/job-name": owner.name, "job-name": owner.name }),
        _ => json!({ "app": owner.name }),
    }
}

impl Pod {
    /// Returns the whole object; `rfc3339` turns simulated time into the text of the API.
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

    /// Writes the spec after a change of it.
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

impl ManagedFields {
    fn entries(&self) -> Vec<&Value> {
        std::iter::once(&self.creator).chain(&self.kubelet).collect()
    }

    /// Notes a write of the status by the kubelet.
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
