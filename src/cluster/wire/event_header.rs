//! Decodes the type and identity of an event that is truncated or has fields of the wrong type.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::protobuf::{FieldValue, Fields};
use image_pull_model::facts::PodId;
use image_pull_model::limits::{MAX_LABEL, MAX_NAME, truncate};

/// The type and identity of an event; parts that could not be decoded are empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cluster) struct EventHeader {
    /// The event type.
    pub(in crate::cluster) event_type: String,
    /// Whether the event has an object.
    pub(in crate::cluster) has_object: bool,
    pub(in crate::cluster) id: PodId,
}

impl EventHeader {
    /// Decodes a watch event in JSON.
    pub(in crate::cluster) fn from_json_event(json: &[u8]) -> Self {
        let mut outline = Self::default();
        outline.read_json(json, Self::event);
        outline
    }

    /// Decodes an object in JSON.
    pub(in crate::cluster) fn from_json_object(json: &[u8]) -> Self {
        let mut outline = Self::default();
        outline.read_json(json, Self::object);
        outline
    }

    /// Decodes an object in protobuf.
    pub(in crate::cluster) fn from_protobuf_object(object: &[u8]) -> Self {
        let mut outline = Self::default();
        for metadata in bytes_fields(object, 1) {
            for (number, value) in Fields::new_truncated(metadata).map_while(Result::ok) {
                let FieldValue::Bytes(text) = value else { continue };
                let text = String::from_utf8_lossy(text);
                match number {
                    1 => outline.id.name = truncate(&text, MAX_NAME).into_owned(),
                    3 => outline.id.namespace = truncate(&text, MAX_LABEL).into_owned(),
                    5 => outline.id.uid = truncate(&text, MAX_LABEL).into_owned(),
                    _ => {}
                }
            }
        }
        outline
    }

    /// Decodes up to the first error. `part` is the kind of value that the text is.
    fn read_json(&mut self, json: &[u8], part: fn(&mut Self) -> HeaderPart<'_>) {
        let text = String::from_utf8_lossy(json);
        let _ = part(self).deserialize(&mut serde_json::Deserializer::from_str(&text));
    }

    fn event(&mut self) -> HeaderPart<'_> {
        HeaderPart::Event(self)
    }

    fn object(&mut self) -> HeaderPart<'_> {
        HeaderPart::Object(&mut self.id)
    }
}

/// Returns the bytes of every field with this number, in a message that may be truncated.
pub(in crate::cluster) fn bytes_fields(message: &[u8], number: u32) -> impl Iterator<Item = &[u8]> {
    Fields::new_truncated(message).map_while(Result::ok).filter_map(move |field| match field {
        (found, FieldValue::Bytes(bytes)) if found == number => Some(bytes),
        _ => None,
    })
}

/// A part of an event and where to store it. Ignores values of unexpected types.
enum HeaderPart<'a> {
    Event(&'a mut EventHeader),
    Object(&'a mut PodId),
    Metadata(&'a mut PodId),
    Text(&'a mut String, usize),
}

impl<'de> DeserializeSeed<'de> for HeaderPart<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for HeaderPart<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut key = String::new();
        while map.next_key_seed(HeaderPart::Text(&mut key, MAX_LABEL))?.is_some() {
            match (&mut self, key.as_str()) {
                (HeaderPart::Event(outline), "type") => {
                    map.next_value_seed(HeaderPart::Text(&mut outline.event_type, MAX_LABEL))?;
                }
                (HeaderPart::Event(outline), "object") => {
                    outline.has_object = true;
                    map.next_value_seed(HeaderPart::Object(&mut outline.id))?;
                }
                (HeaderPart::Object(id), "metadata") => map.next_value_seed(HeaderPart::Metadata(id))?,
                (HeaderPart::Metadata(id), "name") => map.next_value_seed(HeaderPart::Text(&mut id.name, MAX_NAME))?,
                (HeaderPart::Metadata(id), "namespace") => {
                    map.next_value_seed(HeaderPart::Text(&mut id.namespace, MAX_LABEL))?;
                }
                (HeaderPart::Metadata(id), "uid") => map.next_value_seed(HeaderPart::Text(&mut id.uid, MAX_LABEL))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if let HeaderPart::Text(slot, max) = self {
            *slot = truncate(text, max).into_owned();
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(namespace: &str, name: &str, uid: &str) -> PodId {
        PodId { namespace: namespace.to_owned(), name: name.to_owned(), uid: uid.to_owned() }
    }

    #[test]
    fn a_truncated_object_is_identified() {
        let event = r#"{"type":"DELETED","object":{"kind":"Pod","metadata":{"name":"web","namespace":"shop","uid":"u1","labels":{"a":"b"}}}}"#;
        for (end, expected) in [
            (event.len(), id("shop", "web", "u1")),
            (event.find("labels").unwrap(), id("shop", "web", "u1")),
            (event.find("u1").unwrap(), id("shop", "web", "")),
            (event.find("web").unwrap(), PodId::default()),
        ] {
            let outline = EventHeader::from_json_event(&event.as_bytes()[..end]);
            assert_eq!(outline, EventHeader { event_type: "DELETED".to_owned(), has_object: true, id: expected });
        }
        let object = b"\x0a\x11\x0a\x03web\x1a\x04shop\x2a\x02u1\x32\x00\x12\x03abc";
        for (end, expected) in [
            (object.len(), id("shop", "web", "u1")),
            (17, id("shop", "web", "u1")),
            (13, id("shop", "web", "")),
            (6, id("", "we", "")),
            (1, PodId::default()),
        ] {
            assert_eq!(EventHeader::from_protobuf_object(&object[..end]).id, expected, "{end}");
        }
    }

    #[test]
    fn a_field_of_a_wrong_type_is_ignored() {
        for wrong in ["null", "7", "-7", "1.5", "true", "[{}]", "{\"a\":{}}"] {
            let object = format!(r#"{{"metadata":{{"name":{wrong},"uid":"u1","namespace":"shop"}},"spec":7}}"#);
            assert_eq!(EventHeader::from_json_object(object.as_bytes()).id, id("shop", "", "u1"), "{wrong}");
            for object in [wrong.to_owned(), format!(r#"{{"metadata":{wrong}}}"#)] {
                assert_eq!(EventHeader::from_json_object(object.as_bytes()).id, PodId::default(), "{object}");
            }
        }
        let object = b"{\"metadata\":{\"name\":\"w\xff\",\"uid\":\"u1\"}}";
        assert_eq!(EventHeader::from_json_object(object).id, id("", "w\u{fffd}", "u1"));
    }
}
