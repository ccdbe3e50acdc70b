//! The fields of Kubernetes objects that the exporter uses, for both encodings.
//!
//! One type serves JSON (serde) and protobuf (`protobuf`), so a pod decodes to the same value from either. Texts and
//! lists are [`bounded`], which limits the memory of a decoded pod. Every field is optional, and null equals absent. An
//! object with a field of the wrong type is undecodable; callers count it. Field numbers are those of
//! k8s.io/api/core/v1/generated.proto and k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto; a test compares them
//! with the published messages.

pub(super) mod bounded;
pub(super) mod event_header;
mod facts;
pub(super) mod protobuf;

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use bounded::{BoundedList, BoundedText, ListElement};
use event_header::EventHeader;
use image_pull_model::facts::{PodFacts, PodId};
use image_pull_model::limits::{
    MAX_CONTAINERS, MAX_IMAGE_VOLUMES, MAX_LABEL, MAX_MESSAGE, MAX_MOUNTS, MAX_NAME, MAX_PULL_SECRETS, MAX_REFERENCE,
    truncate,
};
use protobuf::{Field, FieldValue, Fields, InvalidProtobuf, Message, message};

/// Maximum length of a decode error, which may quote the object.
const MAX_REASON_BYTES: usize = 512;

/// An object that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", display_name(.id))]
pub struct UndecodableObject {
    /// The identity of the pod; fields that could not be decoded are empty.
    pub id: PodId,
    /// The reason.
    pub problem: UndecodableReason,
}

/// The reason that makes an object undecodable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UndecodableReason {
    /// The object violates the API. Contains the decoder's error.
    #[error("{0}")]
    Malformed(String),
    /// The object has no name or uid.
    #[error("metadata.name or metadata.uid is missing")]
    MissingIdentity,
    /// The object exceeds the size limit of etcd.
    #[error("an object of {bytes} bytes")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
}

impl UndecodableReason {
    /// Wraps an error of a decoder.
    pub(super) fn malformed(error: &impl ToString) -> Self {
        Self::Malformed(truncate(&error.to_string(), MAX_REASON_BYTES).into_owned())
    }
}

/// Formats namespace and name for error messages.
fn display_name(id: &PodId) -> String {
    match (id.namespace.as_str(), id.name.as_str()) {
        (_, "") => "a nameless object".to_owned(),
        ("", name) => name.to_owned(),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}

/// Decodes a pod in JSON.
///
/// # Errors
/// When the text is not a pod, or the pod has no name or uid.
pub fn decode_json_pod(json: &[u8]) -> Result<PodFacts, UndecodableObject> {
    from_json_lossy::<Pod>(json).map_err(|error| malformed_json(json, &error))?.into_facts()
}

/// Decodes JSON. Replaces invalid UTF-8, as Go's decoder does.
pub(super) fn from_json_lossy<T: for<'a> Deserialize<'a>>(json: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(json).or_else(|error| match String::from_utf8_lossy(json) {
        std::borrow::Cow::Owned(text) => serde_json::from_str(&text),
        std::borrow::Cow::Borrowed(_) => Err(error),
    })
}

/// Returns the error for an object in JSON that is not a pod.
fn malformed_json(json: &[u8], error: &serde_json::Error) -> UndecodableObject {
    UndecodableObject { id: EventHeader::from_json_object(json).id, problem: UndecodableReason::malformed(error) }
}

/// Returns the error for an object in protobuf that is not a pod.
pub(super) fn malformed_protobuf(object: &[u8], error: InvalidProtobuf) -> UndecodableObject {
    UndecodableObject {
        id: EventHeader::from_protobuf_object(object).id,
        problem: UndecodableReason::malformed(&error),
    }
}

/// Decodes null as the default value, as the API server does.
pub(super) fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A pod.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    pub(super) metadata: Option<PodMetadata>,
    spec: Option<PodSpec>,
    status: Option<PodStatus>,
}
message!(Pod { 1 => metadata, 2 => spec, 3 => status });

/// The metadata of a pod.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodMetadata {
    name: BoundedText<MAX_NAME>,
    namespace: BoundedText<MAX_LABEL>,
    uid: BoundedText<MAX_LABEL>,
    pub(super) resource_version: BoundedText<MAX_LABEL>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Labels,
    owner_references: BoundedList<OwnerReference, 1>,
}
message!(PodMetadata {
    1 => name,
    3 => namespace,
    5 => uid,
    6 => resource_version,
    8 => creation_timestamp,
    9 => deletion_timestamp,
    11 => labels,
    13 => owner_references,
});

/// The label with the suffix of a ReplicaSet's name that its Deployment appended.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// The only label that is decoded.
#[derive(Debug, Default, PartialEq)]
struct Labels {
    template_hash: BoundedText<MAX_LABEL>,
}

impl Field for Labels {
    fn read(&mut self, value: FieldValue<'_>) -> Result<(), InvalidProtobuf> {
        read_map_value(value, TEMPLATE_HASH, &mut self.template_hash)
    }

    fn exceeded(&self) -> bounded::ExceededLimits {
        self.template_hash.exceeded()
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { template_hash: deserialize_map_value(deserializer, TEMPLATE_HASH)? })
    }
}

/// Decodes an entry of a protobuf map and stores its value if the key matches.
pub(super) fn read_map_value<const MAX: usize>(
    entry: FieldValue<'_>,
    wanted: &str,
    text: &mut BoundedText<MAX>,
) -> Result<(), InvalidProtobuf> {
    let entry = Fields::new(entry.bytes()?);
    if entry.clone().last_bytes(1)? == Some(wanted.as_bytes()) {
        text.read(FieldValue::Bytes(entry.last_bytes(2)?.unwrap_or_default()))?;
    }
    Ok(())
}

/// Decodes the value of one key of a JSON object of strings.
pub(super) fn deserialize_map_value<'de, D: Deserializer<'de>, const MAX: usize>(
    deserializer: D,
    wanted: &'static str,
) -> Result<BoundedText<MAX>, D::Error> {
    struct Entries<const MAX: usize>(&'static str);
    impl<'de, const MAX: usize> Visitor<'de> for Entries<MAX> {
        type Value = BoundedText<MAX>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a map of texts")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut text = BoundedText::default();
            while let Some(is_wanted) = entries.next_key_seed(KeyEquals(self.0))? {
                if is_wanted {
                    text = entries.next_value()?;
                } else {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
            Ok(text)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(BoundedText::default())
        }
    }
    deserializer.deserialize_any(Entries(wanted))
}

/// Compares a key without copying it.
struct KeyEquals(&'static str);

impl<'de> DeserializeSeed<'de> for KeyEquals {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyEquals {
    type Value = bool;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<bool, E> {
        Ok(key == self.0)
    }
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

    fn exceeded(&self) -> bounded::ExceededLimits {
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

    fn exceeded(&self) -> bounded::ExceededLimits {
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

/// The conditions whose transition times are used.
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
        CONDITIONS.contains(&self.kind.as_str()) && self.status.as_str() == "True"
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
}
message!(ContainerStatus { 1 => name, 2 => state, 3 => last_state, 5 => restart_count, 6 => image, 7 => image_id });

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

/// A point in time. Go's zero time, which protobuf encodes as an empty message, and unparsable times read as unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Time {
    seconds: i64,
    nanos: i64,
}
message!(Time { 1 => seconds, 2 => nanos });

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = BoundedText::<MAX_LABEL>::deserialize(deserializer)?;
        Ok(text.as_str().parse::<jiff::Timestamp>().map_or_else(
            |_| Self::default(),
            |at| Self { seconds: at.as_second(), nanos: at.subsec_nanosecond().into() },
        ))
    }
}

#[cfg(test)]
mod tests;
