//! Holds the few fields of Kubernetes' objects that are used, as both of its encodings have them.
//!
//! One type with two derives serves JSON and protobuf, so that a pod is the same whichever way it came. Every field is
//! optional, and null is the same as absent: an API server may leave out anything. What has the wrong type altogether does
//! not decode, and whoever called counts it. The numbers are those of k8s.io/api/core/v1/generated.proto and
//! k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto; the test against the published messages holds them to it.

mod facts;

use std::fmt;

use prost::Message;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::pull::facts::PodFacts;

/// Why an object is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// It is not what the API defines.
    #[error("{name}: {problem}")]
    Malformed {
        /// The object's namespace and name, as far as they could be read.
        name: String,
        /// What is wrong, with the place where that is known.
        problem: String,
    },
    /// It has no name or no uid.
    #[error("an object without metadata.name or metadata.uid")]
    Anonymous,
    /// It is larger than anything etcd takes.
    #[error("an object of {bytes} bytes")]
    TooLarge {
        /// Its size, as far as it is known.
        bytes: usize,
    },
}

/// Reads the facts out of a pod's JSON.
///
/// # Errors
/// When the text is no pod, or one that cannot be told from others.
pub fn decode(json: &str) -> Result<PodFacts, Undecodable> {
    let pod: Pod = serde_json::from_str(json).map_err(|error| malformed(json, &error))?;
    pod.into_facts()
}

/// Says what is wrong with an object whose JSON is no pod.
pub(super) fn malformed(json: &str, error: &serde_json::Error) -> Undecodable {
    named(serde_json::from_str(json).unwrap_or_default(), error)
}

/// Says what is wrong with an object whose protobuf is no pod.
pub(super) fn malformed_protobuf(bytes: &[u8], error: &prost::DecodeError) -> Undecodable {
    named(Named::decode(bytes).unwrap_or_default(), error)
}

fn named(named: Named, problem: &impl ToString) -> Undecodable {
    let metadata = named.metadata.unwrap_or_default();
    let name = match (metadata.namespace.as_str(), metadata.name.as_str()) {
        (_, "") => "a nameless object".to_owned(),
        ("", name) => name.to_owned(),
        (namespace, name) => format!("{namespace}/{name}"),
    };
    Undecodable::Malformed { name, problem: problem.to_string() }
}

/// The part of an object that tells what it is, where the rest does not decode.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
struct Named {
    #[prost(message, optional, tag = "1")]
    metadata: Option<NamedMetadata>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
struct NamedMetadata {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[prost(string, tag = "3")]
    #[serde(deserialize_with = "nullable")]
    namespace: String,
}

/// Reads null as the default, as the API server's own decoder does.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a list, of which null is no less than an empty one, and neither is an element that is null.
fn list<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let elements: Option<Vec<Option<T>>> = Option::deserialize(deserializer)?;
    Ok(elements.unwrap_or_default().into_iter().map(Option::unwrap_or_default).collect())
}

/// A pod.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub(super) struct Pod {
    #[prost(message, optional, tag = "1")]
    pub(super) metadata: Option<Metadata>,
    #[prost(message, optional, tag = "2")]
    spec: Option<Spec>,
    #[prost(message, optional, tag = "3")]
    status: Option<Status>,
}

/// The metadata of a pod.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Metadata {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[prost(string, tag = "3")]
    #[serde(deserialize_with = "nullable")]
    namespace: String,
    #[prost(string, tag = "5")]
    #[serde(deserialize_with = "nullable")]
    uid: String,
    #[prost(string, tag = "6")]
    #[serde(deserialize_with = "nullable")]
    pub(super) resource_version: String,
    #[prost(message, optional, tag = "8")]
    creation_timestamp: Option<Time>,
    #[prost(message, optional, tag = "9")]
    deletion_timestamp: Option<Time>,
    #[prost(message, repeated, tag = "11")]
    #[serde(deserialize_with = "template_hash")]
    labels: Vec<Label>,
    #[prost(message, repeated, tag = "13")]
    #[serde(deserialize_with = "list")]
    owner_references: Vec<OwnerReference>,
}

#[derive(Clone, PartialEq, Message)]
struct Label {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// The label that a Deployment's ReplicaSets end their names with.
const TEMPLATE_HASH: &str = "pod-template-hash";

/// Reads the one label that is used out of an object of labels.
fn template_hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Label>, D::Error> {
    struct Labels;
    impl<'de> Visitor<'de> for Labels {
        type Value = Vec<Label>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("labels")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut labels: A) -> Result<Self::Value, A::Error> {
            let mut kept = Vec::new();
            while let Some(IsTemplateHash(is_wanted)) = labels.next_key()? {
                if is_wanted {
                    let value: Option<String> = labels.next_value()?;
                    kept.push(Label { key: TEMPLATE_HASH.to_owned(), value: value.unwrap_or_default() });
                } else {
                    labels.next_value::<IgnoredAny>()?;
                }
            }
            Ok(kept)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }
    }
    deserializer.deserialize_any(Labels)
}

/// Whether a label's name is the one wanted; nothing is copied to find out.
struct IsTemplateHash(bool);

impl<'de> Deserialize<'de> for IsTemplateHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = IsTemplateHash;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of a label")
            }

            fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
                Ok(IsTemplateHash(name == TEMPLATE_HASH))
            }
        }
        deserializer.deserialize_str(Name)
    }
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
struct OwnerReference {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "nullable")]
    kind: String,
    #[prost(string, tag = "3")]
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[prost(bool, tag = "6")]
    #[serde(deserialize_with = "nullable")]
    controller: bool,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    #[prost(message, repeated, tag = "1")]
    #[serde(deserialize_with = "list")]
    volumes: Vec<Volume>,
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "list")]
    containers: Vec<Container>,
    #[prost(string, tag = "8")]
    #[serde(deserialize_with = "nullable")]
    service_account_name: String,
    #[prost(string, tag = "10")]
    #[serde(deserialize_with = "nullable")]
    node_name: String,
    #[prost(message, repeated, tag = "15")]
    #[serde(deserialize_with = "list")]
    image_pull_secrets: Vec<PullSecret>,
    #[prost(message, repeated, tag = "20")]
    #[serde(deserialize_with = "list")]
    init_containers: Vec<Container>,
    #[prost(message, repeated, tag = "34")]
    #[serde(deserialize_with = "list")]
    ephemeral_containers: Vec<EphemeralContainer>,
}

/// What is in it is none of our business.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
struct PullSecret {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "nullable")]
    name: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Container {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "nullable")]
    image: String,
    #[prost(message, repeated, tag = "9")]
    #[serde(deserialize_with = "list")]
    volume_mounts: Vec<VolumeMount>,
    #[prost(string, tag = "14")]
    #[serde(deserialize_with = "nullable")]
    image_pull_policy: String,
    #[prost(string, tag = "24")]
    #[serde(deserialize_with = "nullable")]
    restart_policy: String,
}

/// A container that JSON writes like any other, and protobuf in a message of its own.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(from = "Container")]
struct EphemeralContainer {
    #[prost(message, optional, tag = "1")]
    common: Option<Container>,
}

impl From<Container> for EphemeralContainer {
    fn from(container: Container) -> Self {
        Self { common: Some(container) }
    }
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
struct VolumeMount {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "nullable")]
    name: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, from = "FlatVolume")]
struct Volume {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, optional, tag = "2")]
    source: Option<VolumeSource>,
}

#[derive(Clone, PartialEq, Message)]
struct VolumeSource {
    #[prost(message, optional, tag = "30")]
    image: Option<ImageVolume>,
}

/// A volume as JSON writes it, its source beside its name.
#[derive(Default, Deserialize)]
#[serde(default)]
struct FlatVolume {
    #[serde(deserialize_with = "nullable")]
    name: String,
    image: Option<ImageVolume>,
}

impl From<FlatVolume> for Volume {
    fn from(FlatVolume { name, image }: FlatVolume) -> Self {
        Self { name, source: Some(VolumeSource { image }) }
    }
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ImageVolume {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "nullable")]
    reference: String,
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "nullable")]
    pull_policy: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "nullable")]
    phase: String,
    #[prost(message, repeated, tag = "2")]
    #[serde(deserialize_with = "list")]
    conditions: Vec<Condition>,
    #[prost(message, optional, tag = "7")]
    start_time: Option<Time>,
    #[prost(message, repeated, tag = "8")]
    #[serde(deserialize_with = "list")]
    container_statuses: Vec<ContainerStatus>,
    #[prost(message, repeated, tag = "10")]
    #[serde(deserialize_with = "list")]
    init_container_statuses: Vec<ContainerStatus>,
    #[prost(message, repeated, tag = "13")]
    #[serde(deserialize_with = "list")]
    ephemeral_container_statuses: Vec<ContainerStatus>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Condition {
    #[prost(string, tag = "1")]
    #[serde(rename = "type", deserialize_with = "nullable")]
    kind: String,
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "nullable")]
    status: String,
    #[prost(message, optional, tag = "4")]
    last_transition_time: Option<Time>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ContainerStatus {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "nullable")]
    name: String,
    #[prost(message, optional, tag = "2")]
    state: Option<ContainerState>,
    #[prost(message, optional, tag = "3")]
    last_state: Option<ContainerState>,
    #[prost(int64, tag = "5")]
    #[serde(deserialize_with = "nullable")]
    restart_count: i64,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
struct ContainerState {
    #[prost(message, optional, tag = "1")]
    waiting: Option<Waiting>,
    #[prost(message, optional, tag = "2")]
    running: Option<Running>,
    #[prost(message, optional, tag = "3")]
    terminated: Option<Terminated>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
struct Waiting {
    #[prost(string, tag = "1")]
    #[serde(deserialize_with = "nullable")]
    reason: String,
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "nullable")]
    message: String,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Running {
    #[prost(message, optional, tag = "1")]
    started_at: Option<Time>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Terminated {
    #[prost(string, tag = "3")]
    #[serde(deserialize_with = "nullable")]
    reason: String,
    #[prost(message, optional, tag = "6")]
    finished_at: Option<Time>,
}

/// An instant. Go's zero time, which protobuf writes as an empty message, and one that is none of ours to judge read as
/// unknown.
#[derive(Clone, Copy, PartialEq, Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Ok(text
            .parse::<jiff::Timestamp>()
            .map_or_else(|_| Self::default(), |at| Self { seconds: at.as_second(), nanos: at.subsec_nanosecond() }))
    }
}

#[cfg(test)]
mod tests;
