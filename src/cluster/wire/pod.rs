//! The pod and the objects in it.

mod facts;

use serde::Deserialize;

use super::bounded::{BoundedList, BoundedText, ListElement};
use super::json::{from_json_lossy, null_as_default};
use super::map_value::{MapKey, MapValue};
use super::protobuf::{Field, FieldValue, Fields, InvalidProtobuf, Message, message};
use super::time::Time;
use super::undecodable::{UndecodableObject, malformed_json};
use image_pull_model::facts::{ExceededLimits, PodFacts};
use image_pull_model::limits::{
    MAX_CONTAINERS, MAX_IMAGE_VOLUMES, MAX_LABEL, MAX_MESSAGE, MAX_MOUNTS, MAX_NAME, MAX_PULL_SECRETS, MAX_REFERENCE,
};

/// Decodes a pod in JSON.
///
/// # Errors
/// When the text is not a pod, or the pod has no name or uid.
pub fn decode_json_pod(json: &[u8]) -> Result<PodFacts, UndecodableObject> {
    from_json_lossy::<Pod>(json).map_err(|error| malformed_json(json, &error))?.into_facts()
}

/// A pod.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(in crate::cluster) struct Pod {
    pub(in crate::cluster) metadata: Option<PodMetadata>,
    spec: Option<PodSpec>,
    status: Option<PodStatus>,
}
message!(Pod { 1 => metadata, 2 => spec, 3 => status });

/// The metadata of a pod.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::cluster) struct PodMetadata {
    name: BoundedText<MAX_NAME>,
    namespace: BoundedText<MAX_LABEL>,
    uid: BoundedText<MAX_LABEL>,
    pub(in crate::cluster) resource_version: BoundedText<MAX_LABEL>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    #[serde(rename = "labels")]
    template_hash: MapValue<TemplateHash>,
    owner_references: BoundedList<OwnerReference, 1>,
}
message!(PodMetadata {
    1 => name,
    3 => namespace,
    5 => uid,
    6 => resource_version,
    8 => creation_timestamp,
    9 => deletion_timestamp,
    11 => template_hash,
    13 => owner_references,
});

/// The label with the suffix of a ReplicaSet's name that its Deployment appended.
#[derive(Debug, Default, PartialEq)]
struct TemplateHash;

impl MapKey for TemplateHash {
    const KEY: &'static str = "pod-template-hash";
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct OwnerReference {
    kind: BoundedText<MAX_LABEL>,
    name: BoundedText<MAX_NAME>,
    #[serde(deserialize_with = "null_as_default")]
    controller: bool,
}
message!(OwnerReference { 1 => kind, 3 => name, 6 => controller });

impl ListElement for OwnerReference {
    fn is_used(&self) -> bool {
        self.controller
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodSpec {
    volumes: BoundedList<Volume, MAX_IMAGE_VOLUMES>,
    containers: BoundedList<Container, MAX_CONTAINERS>,
    service_account_name: BoundedText<MAX_NAME>,
    node_name: BoundedText<MAX_NAME>,
    image_pull_secrets: BoundedList<PullSecret, MAX_PULL_SECRETS>,
    init_containers: BoundedList<Container, MAX_CONTAINERS>,
    ephemeral_containers: BoundedList<EphemeralContainer, MAX_CONTAINERS>,
}
message!(PodSpec {
    1 => volumes,
    2 => containers,
    8 => service_account_name,
    10 => node_name,
    15 => image_pull_secrets,
    20 => init_containers,
    34 => ephemeral_containers,
});

/// The name of a pull secret. Its content is never read.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct PullSecret {
    name: BoundedText<MAX_NAME>,
}
message!(PullSecret { 1 => name });

impl ListElement for PullSecret {}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    name: BoundedText<MAX_LABEL>,
    image: BoundedText<MAX_REFERENCE>,
    volume_mounts: BoundedList<VolumeMount, MAX_MOUNTS>,
    image_pull_policy: BoundedText<MAX_LABEL>,
    restart_policy: BoundedText<MAX_LABEL>,
}
message!(Container { 1 => name, 2 => image, 9 => volume_mounts, 14 => image_pull_policy, 24 => restart_policy });

impl ListElement for Container {}

/// An ephemeral container. JSON writes its fields inline, protobuf in a nested message.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(transparent)]
struct EphemeralContainer {
    common: Container,
}

impl Message for EphemeralContainer {
    fn read_field(&mut self, number: u32, value: FieldValue<'_>) -> Result<(), InvalidProtobuf> {
        if number == 1 { self.common.read_message(value.bytes()?) } else { Ok(()) }
    }

    fn exceeded(&self) -> ExceededLimits {
        self.common.exceeded()
    }
}

impl ListElement for EphemeralContainer {}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct VolumeMount {
    name: BoundedText<MAX_LABEL>,
}
message!(VolumeMount { 1 => name });

impl ListElement for VolumeMount {
    fn is_used(&self) -> bool {
        !self.name.is_empty()
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Volume {
    name: BoundedText<MAX_LABEL>,
    image: Option<ImageVolume>,
}

impl Message for Volume {
    fn read_field(&mut self, number: u32, value: FieldValue<'_>) -> Result<(), InvalidProtobuf> {
        match number {
            1 => self.name.read(value),
            // JSON writes the volume source inline, protobuf in a nested message.
            2 => match Fields::new(value.bytes()?).last_bytes(30)? {
                Some(image) => self.image.read(FieldValue::Bytes(image)),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn exceeded(&self) -> ExceededLimits {
        [self.name.exceeded(), self.image.exceeded()].into_iter().sum()
    }
}

impl ListElement for Volume {
    fn is_used(&self) -> bool {
        self.image.is_some()
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ImageVolume {
    reference: BoundedText<MAX_REFERENCE>,
    pull_policy: BoundedText<MAX_LABEL>,
}
message!(ImageVolume { 1 => reference, 2 => pull_policy });

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct PodStatus {
    phase: BoundedText<MAX_LABEL>,
    conditions: BoundedList<Condition, { CONDITIONS.len() }>,
    start_time: Option<Time>,
    container_statuses: BoundedList<ContainerStatus, MAX_CONTAINERS>,
    init_container_statuses: BoundedList<ContainerStatus, MAX_CONTAINERS>,
    ephemeral_container_statuses: BoundedList<ContainerStatus, MAX_CONTAINERS>,
}
message!(PodStatus {
    1 => phase,
    2 => conditions,
    7 => start_time,
    8 => container_statuses,
    10 => init_container_statuses,
    13 => ephemeral_container_statuses,
});

/// The conditions that are used.
const CONDITIONS: [&str; 3] = ["PodScheduled", "PodReadyToStartContainers", "Initialized"];

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    #[serde(rename = "type")]
    kind: BoundedText<MAX_LABEL>,
    status: BoundedText<MAX_LABEL>,
    last_transition_time: Option<Time>,
}
message!(Condition { 1 => kind, 2 => status, 4 => last_transition_time });

impl ListElement for Condition {
    fn is_used(&self) -> bool {
        CONDITIONS.contains(&self.kind.as_str())
    }
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    name: BoundedText<MAX_LABEL>,
    state: Option<ContainerState>,
    last_state: Option<ContainerState>,
    #[serde(deserialize_with = "null_as_default")]
    restart_count: i64,
    image: BoundedText<MAX_REFERENCE>,
    #[serde(rename = "imageID")]
    image_id: BoundedText<MAX_REFERENCE>,
    #[serde(deserialize_with = "null_as_default")]
    started: bool,
}
message!(ContainerStatus {
    1 => name,
    2 => state,
    3 => last_state,
    5 => restart_count,
    6 => image,
    7 => image_id,
    9 => started,
});

impl ListElement for ContainerStatus {}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct ContainerState {
    waiting: Option<Waiting>,
    running: Option<Running>,
    terminated: Option<Terminated>,
}
message!(ContainerState { 1 => waiting, 2 => running, 3 => terminated });

/// Reason and message have the same limit so that equal texts stay equal when truncated.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: BoundedText<MAX_MESSAGE>,
    message: BoundedText<MAX_MESSAGE>,
}
message!(Waiting { 1 => reason, 2 => message });

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Running {
    started_at: Option<Time>,
}
message!(Running { 1 => started_at });

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    reason: BoundedText<MAX_LABEL>,
    finished_at: Option<Time>,
}
message!(Terminated { 3 => reason, 6 => finished_at });
