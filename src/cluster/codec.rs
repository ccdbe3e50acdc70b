//! Reads what the API server says, in either of its encodings.
//!
//! Protobuf comes in an envelope: four magic bytes, then a `runtime.Unknown` whose `raw` is the object
//! (apimachinery, pkg/runtime/serializer/protobuf). A watch sends bare `WatchEvent`s whose objects have the envelope.
//! An object that makes no sense costs itself only; a frame that makes none means that something is lost.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::frames::Framing;
use super::sighting::Sighting;
use super::wire::{self, Pod, Undecodable, nullable};

/// The media type of protobuf.
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// The media type of JSON.
pub const JSON: &str = "application/json";
/// What an object in protobuf begins with.
const MAGIC: &[u8] = b"k8s\0";
/// The annotation of the bookmark that ends the initial events of a watch (KEP-3157).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

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
pub enum Change {
    /// It came to be, or into what is watched.
    Added,
    /// It changed.
    Modified,
    /// It is no more, or no longer in what is watched.
    Deleted,
}

/// One event of a watch.
#[derive(Debug, PartialEq)]
pub enum Word {
    /// A pod changed.
    Pod {
        /// How.
        change: Change,
        /// The resourceVersion of the change.
        version: String,
        /// The pod, or why it is of no use.
        pod: Result<Sighting, Undecodable>,
    },
    /// Everything up to here has been said.
    Bookmark {
        /// The resourceVersion of what has been said.
        version: String,
        /// Whether this ends the initial events of a watch.
        ends_list: bool,
    },
    /// The watch failed.
    Error(Status),
    /// An event that is none of these.
    Senseless(Undecodable),
}

/// What a page of a list says about itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The resourceVersion of the list.
    pub version: String,
    /// What to ask for the next page with; empty after the last.
    pub token: String,
    /// How many objects it had.
    pub objects: usize,
}

/// An error as the API server reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
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
pub struct Garbled(String);

impl Encoding {
    /// The encoding of a response, by its `Content-Type`.
    pub fn of(content_type: &str) -> Option<Self> {
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        [(PROTOBUF, Self::Protobuf), (JSON, Self::Json)]
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
    pub fn word(self, frame: &Bytes) -> Result<Word, Garbled> {
        match self {
            Self::Json => json_word(frame),
            Self::Protobuf => protobuf_word(frame),
        }
    }

    /// Reads a page of a list, and hands its pods to `each`.
    pub fn page(self, body: &Bytes, mut each: impl FnMut(Result<Sighting, Undecodable>)) -> Result<Page, Garbled> {
        match self {
            Self::Json => {
                // One pass, and a second only where an object is broken.
                if let Ok(list) = serde_json::from_slice::<List<Pod>>(body) {
                    return Ok(list.read(|pod| each(pod.into_facts().map(Sighting::from))));
                }
                let list: List<&RawValue> = serde_json::from_slice(body).map_err(garbled)?;
                Ok(list.read(|object| each(wire::decode(object.get()).map(Sighting::from))))
            }
            Self::Protobuf => {
                let list = ProtobufList::decode(unwrapped(body)?).map_err(garbled)?;
                let metadata = list.metadata.unwrap_or_default();
                let page =
                    Page { version: metadata.resource_version, token: metadata.r#continue, objects: list.items.len() };
                list.items.iter().for_each(|object| each(Sighting::glimpse(object).and_then(|(_, pod)| pod)));
                Ok(page)
            }
        }
    }

    /// Reads the body of an error; one that is no Status is its own message.
    pub fn status(encoding: Option<Self>, code: u16, body: &Bytes) -> Status {
        let said = match encoding {
            Some(Self::Json) => serde_json::from_slice(body).ok(),
            Some(Self::Protobuf) => unwrapped(body).ok().and_then(|raw| StatusObject::decode(raw).ok()),
            None => None,
        };
        let mut status = said.map(StatusObject::read).unwrap_or_default();
        status.code = code;
        if status.message.is_empty() {
            status.message = String::from_utf8_lossy(body).split_whitespace().collect::<Vec<_>>().join(" ");
        }
        status
    }
}

fn json_word(line: &Bytes) -> Result<Word, Garbled> {
    // One pass for what comes all the time; a second for what does not.
    if let Ok(JsonPodEvent { change, object }) = serde_json::from_slice(line) {
        return Ok(pod_word(change, object));
    }
    let JsonEvent { kind, object } = serde_json::from_slice(line).map_err(garbled)?;
    let json = object.get();
    Ok(match &*kind {
        "ADDED" | "MODIFIED" | "DELETED" => Word::Senseless(wire::decode(json).err().unwrap_or(Undecodable::Anonymous)),
        "BOOKMARK" => serde_json::from_str::<Bookmark>(json).map_err(garbled)?.read(),
        "ERROR" => Word::Error(serde_json::from_str::<StatusObject>(json).map_err(garbled)?.read()),
        _ => Word::Senseless(unknown_event(&kind)),
    })
}

fn protobuf_word(frame: &Bytes) -> Result<Word, Garbled> {
    let event = ProtobufEvent::decode(frame.clone()).map_err(garbled)?;
    let object = unwrapped(&event.object.unwrap_or_default().raw)?;
    let change = match &*event.kind {
        "ADDED" => Change::Added,
        "MODIFIED" => Change::Modified,
        "DELETED" => Change::Deleted,
        "BOOKMARK" => return Ok(Bookmark::decode(object).map_err(garbled)?.read()),
        "ERROR" => return Ok(Word::Error(StatusObject::decode(object).map_err(garbled)?.read())),
        kind => return Ok(Word::Senseless(unknown_event(kind))),
    };
    Ok(match Sighting::glimpse(&object) {
        Ok((version, pod)) => Word::Pod { change, version, pod },
        Err(problem) => Word::Senseless(problem),
    })
}

fn pod_word(change: Change, mut pod: Pod) -> Word {
    let version = pod.metadata.as_mut().map(|metadata| std::mem::take(&mut metadata.resource_version));
    Word::Pod { change, version: version.unwrap_or_default(), pod: pod.into_facts().map(Sighting::from) }
}

fn unknown_event(kind: &str) -> Undecodable {
    let problem = format!("unknown type \"{}\"", kind.chars().take(40).collect::<String>());
    Undecodable::Malformed { name: "a watch event".to_owned(), problem }
}

/// Takes an object out of its envelope.
fn unwrapped(bytes: &Bytes) -> Result<Bytes, Garbled> {
    if !bytes.starts_with(MAGIC) {
        return Err(Garbled("an object without the magic bytes of Kubernetes' protobuf".to_owned()));
    }
    Ok(Unknown::decode(bytes.slice(MAGIC.len()..)).map_err(garbled)?.raw)
}

#[expect(clippy::needless_pass_by_value, reason = "so that it fits map_err")]
fn garbled(error: impl ToString) -> Garbled {
    Garbled(error.to_string())
}

/// A pod's event.
#[derive(Deserialize)]
struct JsonPodEvent {
    #[serde(rename = "type")]
    change: Change,
    object: Pod,
}

impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(rename_all = "UPPERCASE")]
        enum Written {
            Added,
            Modified,
            Deleted,
        }
        Ok(match Written::deserialize(deserializer)? {
            Written::Added => Self::Added,
            Written::Modified => Self::Modified,
            Written::Deleted => Self::Deleted,
        })
    }
}

/// Any event.
#[derive(Deserialize)]
struct JsonEvent<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// A list in JSON.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
struct List<T> {
    #[serde(default)]
    metadata: ListMeta,
    #[serde(default = "Vec::new", deserialize_with = "items")]
    items: Vec<T>,
}

/// Go writes an empty list as null.
fn items<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl<T> List<T> {
    fn read(self, each: impl FnMut(T)) -> Page {
        let Self { metadata, items } = self;
        let page = Page { version: metadata.resource_version, token: metadata.r#continue, objects: items.len() };
        items.into_iter().for_each(each);
        page
    }
}

/// A list in protobuf, its objects still to be read.
#[derive(Clone, PartialEq, Message)]
struct ProtobufList {
    #[prost(message, optional, tag = "1")]
    metadata: Option<ListMeta>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    items: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ListMeta {
    #[prost(string, tag = "2")]
    #[serde(deserialize_with = "nullable")]
    resource_version: String,
    #[prost(string, tag = "3")]
    #[serde(deserialize_with = "nullable")]
    r#continue: String,
}

#[derive(Clone, PartialEq, Message)]
struct ProtobufEvent {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(message, optional, tag = "2")]
    object: Option<RawExtension>,
}

#[derive(Clone, PartialEq, Message)]
struct RawExtension {
    #[prost(bytes = "bytes", tag = "1")]
    raw: Bytes,
}

/// `runtime.Unknown`.
#[derive(Clone, PartialEq, Message)]
struct Unknown {
    #[prost(bytes = "bytes", tag = "2")]
    raw: Bytes,
}

/// The object of a bookmark: an empty pod.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
struct Bookmark {
    #[prost(message, optional, tag = "1")]
    metadata: Option<BookmarkMetadata>,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BookmarkMetadata {
    #[prost(string, tag = "6")]
    #[serde(deserialize_with = "nullable")]
    resource_version: String,
    #[prost(map = "string, string", tag = "12")]
    #[serde(deserialize_with = "nullable")]
    annotations: std::collections::HashMap<String, String>,
}

impl Bookmark {
    fn read(self) -> Word {
        let metadata = self.metadata.unwrap_or_default();
        let ends_list = metadata.annotations.get(INITIAL_EVENTS_END).is_some_and(|value| value == "true");
        Word::Bookmark { version: metadata.resource_version, ends_list }
    }
}

/// `metav1.Status`.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
struct StatusObject {
    #[prost(string, tag = "3")]
    #[serde(deserialize_with = "nullable")]
    message: String,
    #[prost(message, optional, tag = "5")]
    details: Option<StatusDetails>,
    #[prost(int32, tag = "6")]
    #[serde(deserialize_with = "nullable")]
    code: i32,
}

#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StatusDetails {
    #[prost(int32, tag = "5")]
    #[serde(deserialize_with = "nullable")]
    retry_after_seconds: i32,
}

impl StatusObject {
    fn read(self) -> Status {
        let seconds = self.details.map_or(0, |details| details.retry_after_seconds);
        let retry_after = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs);
        Status { code: u16::try_from(self.code).unwrap_or(0), message: self.message, retry_after }
    }
}

#[cfg(test)]
mod tests;
