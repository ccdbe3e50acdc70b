//! Decodes responses of the API server, in JSON and protobuf.
//!
//! A protobuf object comes in an envelope: four magic bytes, then a `runtime.Unknown` whose `raw` is the object
//! (apimachinery, pkg/runtime/serializer/protobuf). A watch sends bare `WatchEvent`s whose objects have the envelope.
//! An undecodable object is skipped; an undecodable frame is an error, since events may be lost.

mod event;
mod list;
mod messages;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::frames::Framing;
use super::watched_object::{JsonObject, WatchedObject};
use super::wire::event_header::{EventHeader, bytes_fields};
use super::wire::json::from_json_lossy;
use super::wire::protobuf::{Fields, Message};
use super::wire::{UndecodableObject, UndecodableReason};
use event::decode_error;
use image_pull_model::facts::PodId;
use image_pull_model::limits::{MAX_LABEL, MAX_MESSAGE, truncate};
use messages::{Bookmark, StatusObject};

pub use event::{ApiStatus, DecodeError, ObjectChange, PageMetadata, WatchEvent};
pub use list::{JsonItems, ListItems};

/// The media type of Kubernetes' protobuf encoding.
pub const PROTOBUF_MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
/// The media type of JSON.
pub const JSON_MEDIA_TYPE: &str = "application/json";
/// The first bytes of a protobuf object.
const PROTOBUF_MAGIC: &[u8] = b"k8s\0";

/// The encoding of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`
    Json,
    /// `application/vnd.kubernetes.protobuf`
    Protobuf,
}

impl Encoding {
    /// Returns the encoding for a `Content-Type`; `None` for other media types.
    pub(crate) fn from_content_type(content_type: &str) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        [(PROTOBUF_MEDIA_TYPE, Self::Protobuf), (JSON_MEDIA_TYPE, Self::Json)]
            .into_iter()
            .find_map(|(name, encoding)| media_type.eq_ignore_ascii_case(name).then_some(encoding))
    }

    /// Returns how the events of a watch are delimited.
    pub const fn framing(self) -> Framing {
        match self {
            Self::Json => Framing::Lines,
            Self::Protobuf => Framing::LengthDelimited,
        }
    }

    /// Decodes a watch event.
    pub fn decode_event<O: WatchedObject>(self, frame: &Bytes) -> Result<WatchEvent<O>, DecodeError> {
        match self {
            Self::Json => decode_json_event(frame),
            Self::Protobuf => decode_protobuf_event(frame),
        }
    }

    /// Returns an undecodable event for one that exceeds the size limit. Its type and identity come from its first
    /// bytes.
    pub(crate) fn decode_oversized_event<O>(self, beginning: &[u8], bytes: usize) -> WatchEvent<O> {
        let outline = match self {
            Self::Json => EventHeader::from_json_event(beginning),
            Self::Protobuf => header_of_protobuf_event(beginning),
        };
        undecodable_event(&outline.event_type, outline.id, UndecodableReason::TooLarge { bytes })
    }

    /// Decodes a page of a list item by item.
    ///
    /// # Errors
    /// When the body is not a list.
    pub fn decode_list(self, body: Bytes) -> Result<ListItems, DecodeError> {
        match self {
            Self::Json => Ok(ListItems::from_json(body)),
            Self::Protobuf => unwrap_envelope(&body).map(ListItems::from_protobuf),
        }
    }

    /// Decodes the body of an error response. A body that is not a `Status` becomes the message.
    pub(crate) fn decode_status(encoding: Option<Self>, code: u16, body: &Bytes) -> ApiStatus {
        let said = match encoding {
            Some(Self::Json) => from_json_lossy(body).ok(),
            Some(Self::Protobuf) => unwrap_envelope(body).ok().and_then(|raw| StatusObject::decode(&raw).ok()),
            None => None,
        };
        let mut status = said.map(StatusObject::into_status).unwrap_or_default();
        status.code = code;
        if status.message.is_empty() {
            let text = String::from_utf8_lossy(body).split_whitespace().collect::<Vec<_>>().join(" ");
            status.message = truncate(&text, MAX_MESSAGE).into_owned();
        }
        status
    }
}

fn decode_json_event<O: WatchedObject>(line: &Bytes) -> Result<WatchEvent<O>, DecodeError> {
    // Events of objects need one pass, all others more.
    match from_json_lossy(line) {
        Ok(JsonObjectEvent { change, object: JsonObject { version, object } }) => {
            Ok(WatchEvent::Object { change, version, object })
        }
        Err(error) => decode_other_json_event(line, &error),
    }
}

/// Decodes an event that is not an object's, or whose object failed to decode with `error`.
fn decode_other_json_event<O>(line: &Bytes, error: &serde_json::Error) -> Result<WatchEvent<O>, DecodeError> {
    let _: IgnoredAny = serde_json::from_slice(line).map_err(decode_error)?;
    let EventHeader { event_type: kind, has_object, id } = EventHeader::from_json_event(line);
    match &*kind {
        _ if !has_object => Err(decode_error("an event without an object")),
        "BOOKMARK" => {
            from_json_lossy::<JsonEvent<Bookmark>>(line).map(|event| event.object.into_event()).map_err(decode_error)
        }
        "ERROR" => from_json_lossy::<JsonEvent<StatusObject>>(line)
            .map(|event| WatchEvent::Error(event.object.into_status()))
            .map_err(decode_error),
        kind => Ok(undecodable_event(kind, id, UndecodableReason::malformed(error))),
    }
}

fn decode_protobuf_event<O: WatchedObject>(frame: &Bytes) -> Result<WatchEvent<O>, DecodeError> {
    let (mut kind, mut extension) = (&b""[..], &b""[..]);
    for field in Fields::new(frame) {
        match field.map_err(decode_error)? {
            (1, value) => kind = value.bytes().map_err(decode_error)?,
            (2, value) => extension = value.bytes().map_err(decode_error)?,
            _ => {}
        }
    }
    let raw = Fields::new(extension).last_bytes(1).map_err(decode_error)?.unwrap_or_default();
    let object = unwrap_envelope(&frame.slice_ref(raw))?;
    match kind {
        b"BOOKMARK" => Ok(Bookmark::decode(&object).map_err(decode_error)?.into_event()),
        b"ERROR" => Ok(WatchEvent::Error(StatusObject::decode(&object).map_err(decode_error)?.into_status())),
        kind => {
            let kind = String::from_utf8_lossy(kind);
            Ok(match ObjectChange::from_event_type(&kind) {
                Some(change) => {
                    let (version, object) = O::decode_protobuf(&object);
                    WatchEvent::Object { change, version, object }
                }
                None => WatchEvent::Malformed(unknown_event_type(&kind, EventHeader::from_protobuf_object(&object).id)),
            })
        }
    }
}

/// Returns the type and identity of a protobuf event from its first bytes.
fn header_of_protobuf_event(event: &[u8]) -> EventHeader {
    let kind = bytes_fields(event, 1).last().map(String::from_utf8_lossy);
    let kind = kind.map(|kind| truncate(&kind, MAX_LABEL).into_owned()).unwrap_or_default();
    let envelope = bytes_fields(event, 2).last().and_then(|extension| bytes_fields(extension, 1).last());
    let object = envelope.and_then(|envelope| bytes_fields(envelope.strip_prefix(PROTOBUF_MAGIC)?, 2).last());
    EventHeader { event_type: kind, ..object.map(EventHeader::from_protobuf_object).unwrap_or_default() }
}

/// Returns an event whose object cannot be decoded.
fn undecodable_event<O>(kind: &str, id: PodId, problem: UndecodableReason) -> WatchEvent<O> {
    match ObjectChange::from_event_type(kind) {
        Some(change) => {
            WatchEvent::Object { change, version: String::new(), object: Err(UndecodableObject { id, problem }) }
        }
        None => WatchEvent::Malformed(unknown_event_type(kind, id)),
    }
}

fn unknown_event_type(kind: &str, id: PodId) -> UndecodableObject {
    let problem = format!("a watch event of unknown type \"{}\"", truncate(kind, MAX_LABEL));
    UndecodableObject { id, problem: UndecodableReason::Malformed(problem) }
}

/// Removes the protobuf envelope of an object.
fn unwrap_envelope(bytes: &Bytes) -> Result<Bytes, DecodeError> {
    let Some(envelope) = bytes.strip_prefix(PROTOBUF_MAGIC) else {
        return Err(decode_error("an object without the magic bytes of Kubernetes' protobuf"));
    };
    let raw = Fields::new(envelope).last_bytes(2).map_err(decode_error)?;
    Ok(raw.map(|raw| bytes.slice_ref(raw)).unwrap_or_default())
}

/// The event of an object.
#[derive(Deserialize)]
#[serde(bound(deserialize = "O: WatchedObject"))]
struct JsonObjectEvent<O> {
    #[serde(rename = "type")]
    change: ObjectChange,
    object: JsonObject<O>,
}

/// An event with an object of another type.
#[derive(Deserialize)]
struct JsonEvent<T> {
    object: T,
}

#[cfg(test)]
mod tests;
