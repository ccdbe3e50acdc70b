//! Identity of a pod: name, uid, labels and owner.

use serde_json::{Value, json};

use super::super::{
    random::Random,
    script::{Owner, PodTemplate},
};

/// A pod's name, uid, labels and owner. They do not change.
#[derive(Debug)]
pub(crate) struct PodIdentity {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(super) uid: String,
    pub(super) labels: Value,
    pub(super) owner_references: Option<Value>,
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
            // Derived from the owner's name, so that all its pods have the same uid of their owner.
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
