//! A pod as the API server shows it, of which no more is read than somebody wants.
//!
//! Nearly every pod of a cluster has its image, and nothing is to be learnt from it. In protobuf a glimpse, past the spec
//! and most of the rest, tells that; the bytes of the pod stay in the part of the answer they came in. JSON has to be read
//! to its end anyway.

use bytes::Bytes;
use prost::Message;

use super::wire::{self, Pod, Undecodable};
use crate::pull::facts::{PodFacts, PodId, State};

/// A pod that was seen.
#[derive(Debug, PartialEq)]
pub enum Sighting {
    /// All of it is read.
    Read(Box<PodFacts>),
    /// It was glimpsed only.
    Glimpsed(Glimpsed),
}

/// What a glimpse tells.
#[derive(Debug, PartialEq)]
pub struct Glimpsed {
    id: PodId,
    waits: bool,
    object: Bytes,
}

impl Sighting {
    /// Glimpses a pod in protobuf; returns its resourceVersion too.
    ///
    /// # Errors
    /// When it is no pod, or one that cannot be told from others. What is wrong with the rest of it comes out when it is
    /// read.
    pub(super) fn glimpse(object: &Bytes) -> Result<(String, Result<Self, Undecodable>), Undecodable> {
        let pod = Glimpse::decode(object.clone()).map_err(|error| wire::malformed_protobuf(object, &error))?;
        let GlimpsedMetadata { name, namespace, uid, resource_version } = pod.metadata.unwrap_or_default();
        if name.is_empty() || uid.is_empty() {
            return Ok((resource_version, Err(Undecodable::Anonymous)));
        }
        let status = pod.status.unwrap_or_default();
        let mut statuses = status.containers.iter().chain(&status.init_containers).chain(&status.ephemeral_containers);
        let waits = statuses.any(|status| status.state.as_ref().is_some_and(|state| state.waiting.is_some()));
        let id = PodId { namespace, name, uid };
        Ok((resource_version, Ok(Self::Glimpsed(Glimpsed { id, waits, object: object.clone() }))))
    }

    /// Which pod it is.
    #[must_use]
    pub fn id(&self) -> &PodId {
        match self {
            Self::Read(pod) => &pod.id,
            Self::Glimpsed(pod) => &pod.id,
        }
    }

    /// Whether a container of it waits, be it for its image or for something else.
    #[must_use]
    pub fn waits(&self) -> bool {
        match self {
            Self::Read(pod) => pod.containers.iter().any(|container| matches!(container.state, State::Waiting { .. })),
            Self::Glimpsed(pod) => pod.waits,
        }
    }

    /// Reads all that is known of the pod.
    ///
    /// # Errors
    /// When it is not what the API defines.
    pub fn read(self) -> Result<PodFacts, Undecodable> {
        match self {
            Self::Read(pod) => Ok(*pod),
            Self::Glimpsed(Glimpsed { object, .. }) => Pod::decode(object.clone())
                .map_err(|error| wire::malformed_protobuf(&object, &error))
                .and_then(Pod::into_facts),
        }
    }
}

impl From<PodFacts> for Sighting {
    fn from(pod: PodFacts) -> Self {
        Self::Read(Box::new(pod))
    }
}

/// A pod, less what a glimpse passes over.
#[derive(Clone, PartialEq, Message)]
struct Glimpse {
    #[prost(message, optional, tag = "1")]
    metadata: Option<GlimpsedMetadata>,
    #[prost(message, optional, tag = "3")]
    status: Option<GlimpsedStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct GlimpsedMetadata {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "3")]
    namespace: String,
    #[prost(string, tag = "5")]
    uid: String,
    #[prost(string, tag = "6")]
    resource_version: String,
}

#[derive(Clone, PartialEq, Message)]
struct GlimpsedStatus {
    #[prost(message, repeated, tag = "8")]
    containers: Vec<GlimpsedContainer>,
    #[prost(message, repeated, tag = "10")]
    init_containers: Vec<GlimpsedContainer>,
    #[prost(message, repeated, tag = "13")]
    ephemeral_containers: Vec<GlimpsedContainer>,
}

#[derive(Clone, PartialEq, Message)]
struct GlimpsedContainer {
    #[prost(message, optional, tag = "2")]
    state: Option<GlimpsedState>,
}

#[derive(Clone, PartialEq, Message)]
struct GlimpsedState {
    #[prost(message, optional, tag = "1")]
    waiting: Option<()>,
}
