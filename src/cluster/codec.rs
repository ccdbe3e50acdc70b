//! Reads what the API server says, in either of its encodings.
//!
//! Protobuf comes in an envelope: four magic bytes, then a `runtime.Unknown` whose `raw` is the object
//! (apimachinery, pkg/runtime/serializer/protobuf). A watch sends bare `WatchEvent`s whose objects have the envelope.
//! An object that makes no sense costs itself only; a frame that makes none means that something is lost.

mod list;
mod messages;

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::frames::Framing;
use super::pod_object::PodObject;
use super::wire::bounded::BoundedText;
use super::wire::event_header::{EventHeader, bytes_fields};
use super::wire::protobuf::{Fields, Message};
use super::wire::{self, Pod, UndecodableObject, UndecodableReason};
use image_pull_model::facts::PodId;
use image_pull_model::limits::{MAX_LABEL, MAX_MESSAGE, truncate};
use messages::{Bookmark, StatusObject};

pub use list::{JsonItems, ListItems};

/// The media type of protobuf.
pub const PROTOBUF_MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";
/// The media type of JSON.
pub const JSON_MEDIA_TYPE: &str = "application/json";
/// What an object in protobuf begins with.
const PROTOBUF_MAGIC: &[u8] = b"k8s\0";

/// How the API server writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As text.
    Json,
    /// In binary.
    Protobuf,
}

/// What happened to a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodChange {
    /// It came to be, or into what is watched.
    Added,
    /// It changed.
    Modified,
    /// It is no more, or no longer in what is watched.
    Deleted,
}

/// One event of a watch.
#[derive(Debug, PartialEq)]
pub enum WatchEvent {
    /// A pod changed.
    Pod {
        /// How.
        change: PodChange,
        /// The resourceVersion of the change.
        version: String,
        /// The pod, or why it is of no use.
        pod: Result<PodObject, UndecodableObject>,
    },
    /// Everything up to here has been said.
    Bookmark {
        /// The resourceVersion of what has been said.
        version: String,
        /// Whether this ends the initial events of a watch.
        ends_list: bool,
    },
    /// The watch failed.
    Error(ApiStatus),
    /// An event that is none of these.
    Malformed(UndecodableObject),
}

/// What a page of a list says about itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PageMetadata {
    /// The resourceVersion of the list.
    pub resource_version: String,
    /// What to ask for the next page with; empty after the last.
    pub continue_token: String,
    /// How many objects it had.
    pub item_count: usize,
}

/// An error as the API server reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiStatus {
    /// The HTTP status.
    pub code: u16,
    /// What is wrong.
    pub message: String,
    /// After how long to ask again, where it says.
    pub retry_after: Option<Duration>,
}

/// What cannot be read, and so cannot be skipped either.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(String);

impl Encoding {
    /// The encoding of a response, by its `Content-Type`.
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        [(PROTOBUF_MEDIA_TYPE, Self::Protobuf), (JSON_MEDIA_TYPE, Self::Json)]
            .into_iter()
            .find_map(|(name, encoding)| media_type.eq_ignore_ascii_case(name).then_some(encoding))
    }

    /// How the events of a watch follow each other.
    pub const fn framing(self) -> Framing {
        match self {
            Self::Json => Framing::Lines,
            Self::Protobuf => Framing::LengthDelimited,
        }
    }

    /// Reads an event of a watch.
    pub fn decode_event(self, frame: &Bytes) -> Result<WatchEvent, DecodeError> {
        match self {
            Self::Json => decode_json_event(frame),
            Self::Protobuf => decode_protobuf_event(frame),
        }
    }

    /// Reads what is known of an event that is too large to be held, from its beginning.
    pub fn decode_oversized_event(self, beginning: &[u8], bytes: usize) -> WatchEvent {
        let outline = match self {
            Self::Json => EventHeader::from_json_event(beginning),
            Self::Protobuf => header_of_protobuf_event(beginning),
        };
        undecodable_event(&outline.event_type, outline.id, UndecodableReason::TooLarge { bytes })
    }

    /// Reads a page of a list item by item.
    ///
    /// # Errors
    /// When it is no list.
    pub fn decode_list(self, body: Bytes) -> Result<ListItems, DecodeError> {
        match self {
            Self::Json => Ok(ListItems::from_json(body)),
            Self::Protobuf => unwrap_envelope(&body).map(ListItems::from_protobuf),
        }
    }

    /// Reads the body of an error; one that is no Status is its own message.
    pub fn decode_status(encoding: Option<Self>, code: u16, body: &Bytes) -> ApiStatus {
        let said = match encoding {
            Some(Self::Json) => wire::from_json_lossy(body).ok(),
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

fn decode_json_event(line: &Bytes) -> Result<WatchEvent, DecodeError> {
    // One pass for what comes all the time; more for what does not.
    match wire::from_json_lossy(line) {
        Ok(JsonPodEvent { change, object }) => Ok(pod_event(change, object)),
        Err(error) => decode_other_json_event(line, &error),
    }
}

/// Reads an event that is not a pod's, or whose object does not decode for this reason.
fn decode_other_json_event(line: &Bytes, error: &serde_json::Error) -> Result<WatchEvent, DecodeError> {
    let _: IgnoredAny = serde_json::from_slice(line).map_err(decode_error)?;
    let EventHeader { event_type: kind, has_object, id } = EventHeader::from_json_event(line);
    match &*kind {
        _ if !has_object => Err(decode_error("an event without an object")),
        "BOOKMARK" => wire::from_json_lossy::<JsonEvent<Bookmark>>(line)
            .map(|event| event.object.into_event())
            .map_err(decode_error),
        "ERROR" => wire::from_json_lossy::<JsonEvent<StatusObject>>(line)
            .map(|event| WatchEvent::Error(event.object.into_status()))
            .map_err(decode_error),
        kind => Ok(undecodable_event(kind, id, UndecodableReason::malformed(error))),
    }
}

fn decode_protobuf_event(frame: &Bytes) -> Result<WatchEvent, DecodeError> {
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
            Ok(match PodChange::from_event_type(&kind) {
                Some(change) => {
                    let (version, pod) = PodObject::decode_partial(&object);
                    WatchEvent::Pod { change, version, pod }
                }
                None => WatchEvent::Malformed(unknown_event_type(&kind, EventHeader::from_protobuf_object(&object).id)),
            })
        }
    }
}

/// What is known of an event in protobuf, from its beginning.
fn header_of_protobuf_event(event: &[u8]) -> EventHeader {
    let kind = bytes_fields(event, 1).last().map(String::from_utf8_lossy);
    let kind = kind.map(|kind| truncate(&kind, MAX_LABEL).into_owned()).unwrap_or_default();
    let envelope = bytes_fields(event, 2).last().and_then(|extension| bytes_fields(extension, 1).last());
    let object = envelope.and_then(|envelope| bytes_fields(envelope.strip_prefix(PROTOBUF_MAGIC)?, 2).last());
    EventHeader { event_type: kind, ..object.map(EventHeader::from_protobuf_object).unwrap_or_default() }
}

fn pod_event(change: PodChange, mut pod: Pod) -> WatchEvent {
    let version =
        pod.metadata.as_mut().map(|metadata| std::mem::take(&mut metadata.resource_version).into_untruncated());
    WatchEvent::Pod { change, version: version.unwrap_or_default(), pod: PodObject::from_pod(pod) }
}

/// An event of this type whose object cannot be read.
fn undecodable_event(kind: &str, id: PodId, problem: UndecodableReason) -> WatchEvent {
    match PodChange::from_event_type(kind) {
        Some(change) => WatchEvent::Pod { change, version: String::new(), pod: Err(UndecodableObject { id, problem }) },
        None => WatchEvent::Malformed(unknown_event_type(kind, id)),
    }
}

fn unknown_event_type(kind: &str, id: PodId) -> UndecodableObject {
    let problem = format!("a watch event of unknown type \"{}\"", truncate(kind, MAX_LABEL));
    UndecodableObject { id, problem: UndecodableReason::Malformed(problem) }
}

/// Takes an object out of its envelope.
fn unwrap_envelope(bytes: &Bytes) -> Result<Bytes, DecodeError> {
    let Some(envelope) = bytes.strip_prefix(PROTOBUF_MAGIC) else {
        return Err(DecodeError("an object without the magic bytes of Kubernetes' protobuf".to_owned()));
    };
    let raw = Fields::new(envelope).last_bytes(2).map_err(decode_error)?;
    Ok(raw.map(|raw| bytes.slice_ref(raw)).unwrap_or_default())
}

#[expect(clippy::needless_pass_by_value, reason = "so that it fits map_err")]
fn decode_error(error: impl ToString) -> DecodeError {
    DecodeError(truncate(&error.to_string(), MAX_MESSAGE).into_owned())
}

/// A pod's event.
#[derive(Deserialize)]
struct JsonPodEvent {
    #[serde(rename = "type")]
    change: PodChange,
    object: Pod,
}

/// Any event.
#[derive(Deserialize)]
struct JsonEvent<T> {
    object: T,
}

impl PodChange {
    /// The change that an event of this type tells.
    fn from_event_type(kind: &str) -> Option<Self> {
        match kind {
            "ADDED" => Some(Self::Added),
            "MODIFIED" => Some(Self::Modified),
            "DELETED" => Some(Self::Deleted),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for PodChange {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = BoundedText::<MAX_LABEL>::deserialize(deserializer)?;
        Self::from_event_type(kind.as_str()).ok_or_else(|| serde::de::Error::custom("no pod's event"))
    }
}

#[cfg(test)]
mod tests;
