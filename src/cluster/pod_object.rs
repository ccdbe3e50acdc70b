//! A pod object as received, decoded no further than needed.
//!
//! Nearly every pod of a cluster runs and needs no further decoding. In protobuf, a partial decode finds the identity
//! of the pod and whether it may wait for an image; the rest stays undecoded in the bytes of the response. JSON is
//! always decoded in full.

use bytes::Bytes;
use serde::{Deserialize, Deserializer};

use super::watched_object::WatchedObject;
use super::wire::bounded::BoundedText;
use super::wire::protobuf::{FieldValue, Fields, InvalidProtobuf, Message, message};
use super::wire::{self, Pod, UndecodableObject, UndecodableReason};
use image_pull_model::facts::{PodFacts, PodId, PodPhase, StateFacts};
use image_pull_model::limits::{MAX_LABEL, MAX_NAME};

/// A pod object, decoded in part or in full.
#[derive(Debug, PartialEq)]
pub enum PodObject {
    /// Facts that are already extracted.
    Facts(Box<PodFacts>),
    /// Fully decoded from JSON.
    Decoded(DecodedPod),
    /// Partially decoded from protobuf.
    Partial(PartialPod),
}

/// A fully decoded pod.
#[derive(Debug, PartialEq)]
pub struct DecodedPod {
    id: PodId,
    may_wait: bool,
    pod: Box<Pod>,
}

/// The identity and wait state of a pod, and its undecoded bytes.
#[derive(Debug, PartialEq)]
pub struct PartialPod {
    id: PodId,
    may_wait: bool,
    object: Bytes,
}

impl PodObject {
    /// Decodes the identity and wait state of a pod in protobuf. Also returns its resourceVersion, empty if it has
    /// none.
    ///
    /// # Errors
    /// When the object is not a pod, or has no name or uid. Errors in other fields appear in
    /// [`into_facts`](Self::into_facts).
    pub(super) fn decode_partial(object: &Bytes) -> (String, Result<Self, UndecodableObject>) {
        match PodSummary::decode(object) {
            Ok(summary) => {
                let may_wait = summary.may_wait(object);
                let PodSummary { metadata, .. } = summary;
                let SummaryMetadata { name, namespace, uid, resource_version } = metadata.unwrap_or_default();
                let id = PodId { namespace: namespace.into(), name: name.into(), uid: uid.into() };
                let pod = if id.name.is_empty() || id.uid.is_empty() {
                    Err(UndecodableObject { id, problem: UndecodableReason::MissingIdentity })
                } else {
                    Ok(Self::Partial(PartialPod { id, may_wait, object: object.clone() }))
                };
                (resource_version.into_untruncated(), pod)
            }
            Err(error) => (String::new(), Err(wire::malformed_protobuf(object, error))),
        }
    }

    /// Wraps a decoded pod.
    ///
    /// # Errors
    /// When the pod has no name or uid.
    pub(super) fn from_pod(pod: Pod) -> Result<Self, UndecodableObject> {
        Ok(Self::Decoded(DecodedPod { id: pod.id()?, may_wait: pod.may_wait(), pod: Box::new(pod) }))
    }

    /// Returns the identity of the pod.
    #[must_use]
    pub fn id(&self) -> &PodId {
        match self {
            Self::Facts(pod) => &pod.id,
            Self::Decoded(pod) => &pod.id,
            Self::Partial(pod) => &pod.id,
        }
    }

    /// Returns whether a container may wait for its image: one waits for any reason, or the pod has a node and no
    /// container has a status, and it has not finished. Some virtual kubelets write no statuses.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        match self {
            Self::Facts(pod) => {
                let mut states = pod.containers.iter().map(|container| &container.state);
                let is_unreported = states.clone().all(|state| *state == StateFacts::Absent);
                states.any(|state| matches!(state, StateFacts::Waiting { .. }))
                    || is_unreported && !pod.node.is_empty() && pod.phase != PodPhase::Finished
            }
            Self::Decoded(pod) => pod.may_wait,
            Self::Partial(pod) => pod.may_wait,
        }
    }

    /// Decodes the rest of the pod.
    ///
    /// # Errors
    /// When the object violates the API.
    pub fn into_facts(self) -> Result<PodFacts, UndecodableObject> {
        match self {
            Self::Facts(pod) => Ok(*pod),
            Self::Decoded(DecodedPod { pod, .. }) => pod.into_facts(),
            Self::Partial(PartialPod { object, .. }) => {
                Pod::decode(&object).map_err(|error| wire::malformed_protobuf(&object, error)).and_then(Pod::into_facts)
            }
        }
    }
}

impl WatchedObject for PodObject {
    const RESOURCE: &'static str = "pods";

    fn uid(&self) -> &str {
        &self.id().uid
    }

    fn decode_protobuf(object: &Bytes) -> (String, Result<Self, UndecodableObject>) {
        Self::decode_partial(object)
    }

    fn decode_json<'de, D: Deserializer<'de>>(
        object: D,
    ) -> Result<(String, Result<Self, UndecodableObject>), D::Error> {
        let mut pod = Pod::deserialize(object)?;
        let version = pod.metadata.as_mut().map(|metadata| std::mem::take(&mut metadata.resource_version));
        Ok((version.unwrap_or_default().into_untruncated(), Self::from_pod(pod)))
    }
}

impl From<PodFacts> for PodObject {
    fn from(pod: PodFacts) -> Self {
        Self::Facts(Box::new(pod))
    }
}

/// The fields that a partial decode reads.
#[derive(Debug, Default)]
struct PodSummary {
    metadata: Option<SummaryMetadata>,
    has_waiting_container: bool,
    has_container_status: bool,
    is_finished: bool,
}

/// `spec` of a pod.
const SPEC_FIELD: u32 = 2;
/// `nodeName` of a pod's spec.
const NODE_NAME_FIELD: u32 = 10;

impl PodSummary {
    /// See [`PodObject::may_wait`]. Reads the spec only if no container has a status. A malformed spec counts as one with a
    /// node, so that the complete decode reports it.
    fn may_wait(&self, object: &[u8]) -> bool {
        let has_node = || -> Result<bool, InvalidProtobuf> {
            let spec = Fields::new(object).last_bytes(SPEC_FIELD)?.unwrap_or_default();
            Ok(Fields::new(spec).last_bytes(NODE_NAME_FIELD)?.is_some_and(|name| !name.is_empty()))
        };
        self.has_waiting_container || !self.has_container_status && !self.is_finished && has_node().unwrap_or(true)
    }
}

impl Message for PodSummary {
    fn read_field(&mut self, number: u32, value: FieldValue<'_>) -> Result<(), InvalidProtobuf> {
        match number {
            1 => self.metadata.get_or_insert_default().read_message(value.bytes()?),
            3 => {
                for field in Fields::new(value.bytes()?) {
                    match field? {
                        (1, FieldValue::Bytes(phase)) => self.is_finished = matches!(phase, b"Succeeded" | b"Failed"),
                        // The statuses of containers, init containers and ephemeral containers.
                        (8 | 10 | 13, FieldValue::Bytes(status)) => {
                            self.has_container_status = true;
                            self.has_waiting_container =
                                self.has_waiting_container || has_nested_field(status, &[STATE_FIELD, WAITING_FIELD])?;
                        }
                        _ => {}
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

/// `state` of a container status.
const STATE_FIELD: u32 = 2;
/// `waiting` of a container's state.
const WAITING_FIELD: u32 = 1;

/// Returns whether a message has a nested field at this path of field numbers.
fn has_nested_field(message: &[u8], path: &[u32]) -> Result<bool, InvalidProtobuf> {
    let Some((wanted, path)) = path.split_first() else { return Ok(true) };
    for field in Fields::new(message) {
        if let (number, FieldValue::Bytes(inner)) = field?
            && number == *wanted
            && has_nested_field(inner, path)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

#[derive(Debug, Default)]
struct SummaryMetadata {
    name: BoundedText<MAX_NAME>,
    namespace: BoundedText<MAX_LABEL>,
    uid: BoundedText<MAX_LABEL>,
    resource_version: BoundedText<MAX_LABEL>,
}
message!(SummaryMetadata { 1 => name, 3 => namespace, 5 => uid, 6 => resource_version });
