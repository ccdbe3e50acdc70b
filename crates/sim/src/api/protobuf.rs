//! Encodes pods and Events as `application/vnd.kubernetes.protobuf`, as an API server does.
//!
//! An object goes out as four bytes of magic and a `runtime.Unknown` around the message (apimachinery,
//! `pkg/runtime/serializer/protobuf/protobuf.go`). A watch is a sequence of `meta/v1.WatchEvent`, each after its length
//! in four bytes, big-endian, and without magic of its own; the object inside has its own (`pkg/util/framer/framer.go`;
//! apiserver, `pkg/endpoints/handlers/response.go`, watchEncoder).

mod fields;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use serde_json::{Map, Value};

use fields::{Field, Kind, Message};

const MAGIC: &[u8] = b"k8s\0";

/// Wire types (protobuf.dev/programming-guides/encoding).
const VARINT: u32 = 0;
const LENGTH_DELIMITED: u32 = 2;

/// Returns an object as the body of a response: a pod, an Event, a `Status`, or something else as if it were a pod.
pub fn object(object: &Value) -> Vec<u8> {
    let of = match object.get("kind").and_then(Value::as_str) {
        Some("Status") => fields::STATUS,
        Some("Event") => fields::EVENT,
        Some(_) | None => fields::POD,
    };
    envelope(object, &message(of, object))
}

/// Returns the message of a pod, as it is in a list.
pub fn pod(pod: &Value) -> Vec<u8> {
    message(fields::POD, pod)
}

/// Returns the message of a core/v1 Event, as it is in a list.
pub fn core_event(event: &Value) -> Vec<u8> {
    message(fields::EVENT, event)
}

/// Returns a list of pods, each written by [`pod`], as the body of a response.
pub fn pod_list(metadata: &Value, pods: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
    list("PodList", metadata, pods)
}

/// Returns a list of Events, each written by [`core_event`], as the body of a response.
pub fn event_list(metadata: &Value, events: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
    list("EventList", metadata, events)
}

fn list(kind: &str, metadata: &Value, items: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Vec<u8> {
    let mut list = Vec::new();
    bytes(&mut list, 1, &message(fields::LIST_META, metadata));
    for item in items {
        bytes(&mut list, 2, item.as_ref());
    }
    envelope(&serde_json::json!({ "apiVersion": "v1", "kind": kind }), &list)
}

/// Returns an event of a watch; `object` is what [`object`] returns.
pub fn event(kind: &str, object: &[u8]) -> Vec<u8> {
    let mut extension = Vec::with_capacity(object.len() + 8);
    bytes(&mut extension, 1, object);
    let mut event = Vec::with_capacity(extension.len() + 32);
    bytes(&mut event, 1, kind.as_bytes());
    bytes(&mut event, 2, &extension);
    // Lengths here are far below the maximum.
    let length = u32::try_from(event.len()).unwrap_or(u32::MAX);
    let mut frame = length.to_be_bytes().to_vec();
    frame.append(&mut event);
    frame
}

/// Wraps a message in `runtime.Unknown`; contentEncoding and contentType are written though they are empty.
fn envelope(object: &Value, message: &[u8]) -> Vec<u8> {
    let mut type_meta = Vec::new();
    for (number, name) in [(1, "apiVersion"), (2, "kind")] {
        bytes(&mut type_meta, number, text(object.get(name)).as_bytes());
    }
    let mut envelope = MAGIC.to_vec();
    bytes(&mut envelope, 1, &type_meta);
    bytes(&mut envelope, 2, message);
    bytes(&mut envelope, 3, b"");
    bytes(&mut envelope, 4, b"");
    envelope
}

fn message(of: Message, object: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for field in of {
        let value = match field.kind {
            Kind::Inline(_) => Some(object),
            _ => object.get(field.name).filter(|value| !value.is_null()),
        };
        match value {
            Some(Value::Array(items)) => items.iter().for_each(|item| write(&mut out, field, item)),
            Some(value) => write(&mut out, field, value),
            None if field.always => write(&mut out, field, &Value::Null),
            None => {}
        }
    }
    out
}

/// Writes a field; what is of a wrong type is written as if it were not set.
fn write(out: &mut Vec<u8>, field: &Field, value: &Value) {
    let number = field.number;
    match field.kind {
        Kind::Text => bytes(out, number, text(Some(value)).as_bytes()),
        Kind::Number => integer(out, number, value.as_i64().unwrap_or_default()),
        Kind::Bool => integer(out, number, value.as_bool().unwrap_or_default().into()),
        Kind::Time => bytes(out, number, &time(text(Some(value)), |_| 0)),
        Kind::MicroTime => bytes(out, number, &time(text(Some(value)), Timestamp::subsec_nanosecond)),
        Kind::Fields => bytes(out, number, &single_string(&value.to_string())),
        Kind::Quantity => bytes(out, number, &single_string(text(Some(value)))),
        Kind::IntOrString => bytes(out, number, &int_or_string(value)),
        Kind::TextMap => map(out, number, value, |value| value.as_bytes().to_vec()),
        Kind::QuantityMap => map(out, number, value, single_string),
        Kind::Object(of) | Kind::Inline(of) => bytes(out, number, &message(of, value)),
    }
}

fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

/// A message of one string, or of bytes, in field 1.
fn single_string(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    bytes(&mut out, 1, text.as_bytes());
    out
}

/// A message of seconds and nanoseconds, the latter always 0 in a `Time`; nothing for no time (`meta/v1/time_proto.go`,
/// `meta/v1/micro_time_proto.go`).
fn time(rfc3339: &str, nanos: impl FnOnce(Timestamp) -> i32) -> Vec<u8> {
    let mut out = Vec::new();
    if let Ok(time) = rfc3339.parse::<Timestamp>() {
        integer(&mut out, 1, time.as_second());
        integer(&mut out, 2, nanos(time).into());
    }
    out
}

/// `intstr.IntOrString`: which of the two it is, and both.
fn int_or_string(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    integer(&mut out, 1, value.is_string().into());
    integer(&mut out, 2, value.as_i64().unwrap_or_default());
    bytes(&mut out, 3, text(Some(value)).as_bytes());
    out
}

fn map(out: &mut Vec<u8>, number: u32, value: &Value, write: impl Fn(&str) -> Vec<u8>) {
    for (key, value) in value.as_object().into_iter().flat_map(Map::iter) {
        let mut entry = Vec::new();
        bytes(&mut entry, 1, key.as_bytes());
        bytes(&mut entry, 2, &write(text(Some(value))));
        bytes(out, number, &entry);
    }
}

fn bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    varint(out, u64::from(number << 3 | LENGTH_DELIMITED));
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes an int32, int64 or bool: negative ones take ten bytes.
fn integer(out: &mut Vec<u8>, number: u32, value: i64) {
    varint(out, u64::from(number << 3 | VARINT));
    varint(out, value.cast_unsigned());
}

/// Writes seven bits at a time, the lowest first, with a mark on all bytes but the last.
fn varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}
