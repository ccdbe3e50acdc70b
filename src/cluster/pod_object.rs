//! A pod object as received, decoded no further than needed.
//!
//! Nearly every pod of a cluster runs and needs no further decoding. In protobuf, a partial decode finds the identity
//! of the pod and whether a container waits; the rest stays undecoded in the bytes of the response. JSON is always
//! decoded in full.

use bytes::Bytes;

use super::wire::bounded::BoundedText;
use super::wire::protobuf::{FieldValue, Fields, InvalidProtobuf, Message, message};
use super::wire::{self, Pod, UndecodableObject, UndecodableReason};
use image_pull_model::facts::{PodFacts, PodId, StateFacts};
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
    has_waiting_container: bool,
    pod: Box<Pod>,
}

/// The identity and wait state of a pod, and its undecoded bytes.
#[derive(Debug, PartialEq)]
pub struct PartialPod {
    id: PodId,
    has_waiting_container: bool,
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
            Ok(PodSummary { metadata, has_waiting_container: waits }) => {
                let SummaryMetadata { name, namespace, uid, resource_version } = metadata.unwrap_or_default();
                let id = PodId { namespace: namespace.into(), name: name.into(), uid: uid.into() };
                let pod = if id.name.is_empty() || id.uid.is_empty() {
                    Err(UndecodableObject { id, problem: UndecodableReason::MissingIdentity })
                } else {
                    Ok(Self::Partial(PartialPod { id, has_waiting_container: waits, object: object.clone() }))
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
        Ok(Self::Decoded(DecodedPod {
            id: pod.id()?,
            has_waiting_container: pod.has_waiting_container(),
            pod: Box::new(pod),
        }))
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

    /// Returns whether any container waits, for its image or for another reason.
    #[must_use]
    pub fn has_waiting_container(&self) -> bool {
        match self {
            Self::Facts(pod) => {
                pod.containers.iter().any(|container| matches!(container.state, StateFacts::Waiting { .. }))
            }
            Self::Decoded(pod) => pod.has_waiting_container,
            Self::Partial(pod) => pod.has_waiting_container,
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
}

impl Message for PodSummary {
    fn read_field(&mut self, number: u32, value: FieldValue<'_>) -> Result<(), InvalidProtobuf> {
        match number {
            1 => self.metadata.get_or_insert_default().read_message(value.bytes()?),
            3 => {
                for field in Fields::new(value.bytes()?) {
                    // The statuses of containers, init containers and ephemeral containers.
                    if let (8 | 10 | 13, FieldValue::Bytes(status)) = field? {
                        self.has_waiting_container =
                            self.has_waiting_container || has_nested_field(status, &[STATE_FIELD, WAITING_FIELD])?;
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
