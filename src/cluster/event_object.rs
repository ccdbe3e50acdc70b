//! A core/v1 Event as received, decoded no further than needed.
//!
//! Most Events of kubelets report nothing about images. In protobuf, those are recognized by their reason before anything
//! else is decoded.

use bytes::Bytes;
use serde::{Deserialize, Deserializer};

use super::watched_object::{JsonObject, WatchedObject};
use super::wire::event::{BoundedFacts, Event, EventMetadata};
use super::wire::json::from_json_lossy;
use super::wire::protobuf::{FieldValue, Fields, InvalidProtobuf, Message};
use super::wire::{self, UndecodableObject};
use image_pull_model::kubelet_event::{EventFacts, EventReport};

/// An Event.
#[derive(Debug, PartialEq)]
pub struct EventObject {
    /// `metadata.uid`.
    uid: String,
    /// The facts; `None` if the Event reports nothing about the image of a pod.
    facts: Option<Box<EventFacts>>,
    /// Number of truncated texts.
    truncated_texts: u64,
}

impl EventObject {
    /// Returns the facts; `None` if the Event reports nothing about the image of a pod.
    #[must_use]
    pub fn facts(&self) -> Option<&EventFacts> {
        self.facts.as_deref()
    }

    /// Returns the facts; `None` if the Event reports nothing about the image of a pod.
    #[must_use]
    pub(crate) fn into_facts(self) -> Option<EventFacts> {
        self.facts.map(|facts| *facts)
    }

    /// Returns the number of texts that exceeded the limits.
    #[must_use]
    pub fn truncated_texts(&self) -> u64 {
        self.truncated_texts
    }

    fn new(uid: String, facts: Option<BoundedFacts>) -> Self {
        let truncated_texts = facts.as_ref().map_or(0, |facts| facts.truncated_texts);
        Self { uid, facts: facts.map(|facts| Box::new(facts.facts)), truncated_texts }
    }

    /// Checks the identity of a decoded Event and takes its resourceVersion.
    fn from_event(event: Event) -> (String, Result<Self, UndecodableObject>) {
        let Some(metadata) = &event.metadata else {
            return (String::new(), EventMetadata::default().check_identity().map(|()| Self::new(String::new(), None)));
        };
        let version = metadata.resource_version.clone().into_untruncated();
        let uid = metadata.uid.as_str().to_owned();
        let checked = metadata.check_identity();
        (version, checked.map(|()| Self::new(uid, event.into_facts())))
    }
}

impl WatchedObject for EventObject {
    const RESOURCE: &'static str = "events";

    fn uid(&self) -> &str {
        &self.uid
    }

    fn decode_protobuf(object: &Bytes) -> (String, Result<Self, UndecodableObject>) {
        match decode_relevant(object) {
            Ok(event) => Self::from_event(event),
            Err(error) => (String::new(), Err(wire::malformed_protobuf(object, error))),
        }
    }

    fn decode_json<'de, D: Deserializer<'de>>(
        object: D,
    ) -> Result<(String, Result<Self, UndecodableObject>), D::Error> {
        Event::deserialize(object).map(Self::from_event)
    }
}

/// Decodes an Event in JSON.
///
/// # Errors
/// If a field has the wrong type, or the name or the uid is missing.
pub(crate) fn decode_json_event(json: &[u8]) -> Result<EventObject, UndecodableObject> {
    let decoded = from_json_lossy(json).map_err(|error| wire::malformed_json(json, &error));
    decoded.and_then(|JsonObject { object, .. }| object)
}

/// `metadata` of an Event.
const METADATA_FIELD: u32 = 1;
/// `reason` of an Event.
const REASON_FIELD: u32 = 3;

/// Decodes an Event in full if its reason may report something about images, and only its metadata otherwise.
fn decode_relevant(object: &[u8]) -> Result<Event, InvalidProtobuf> {
    let reason = Fields::new(object).last_bytes(REASON_FIELD)?.unwrap_or_default();
    if EventReport::REASONS.iter().any(|relevant| relevant.as_bytes() == reason) {
        return Event::decode(object);
    }
    let mut event = Event::default();
    if let Some(metadata) = Fields::new(object).last_bytes(METADATA_FIELD)? {
        event.read_field(METADATA_FIELD, FieldValue::Bytes(metadata))?;
    }
    Ok(event)
}
