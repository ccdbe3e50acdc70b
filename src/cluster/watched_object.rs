//! The kinds of objects that can be watched.

use std::fmt::Debug;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};

use super::wire::UndecodableObject;

/// A kind of object that can be listed and watched, decoded no further than needed.
pub trait WatchedObject: Debug + Sized {
    /// The name of the resource in paths, for example `pods`.
    const RESOURCE: &'static str;

    /// Returns `metadata.uid`.
    fn uid(&self) -> &str;

    /// Decodes an object in protobuf. Also returns its resourceVersion, empty if it has none.
    fn decode_protobuf(object: &Bytes) -> (String, Result<Self, UndecodableObject>);

    /// Decodes an object in JSON. Also returns its resourceVersion, empty if it has none. An error of the deserializer means
    /// that a field has the wrong type.
    fn decode_json<'de, D: Deserializer<'de>>(object: D)
    -> Result<(String, Result<Self, UndecodableObject>), D::Error>;
}

/// A value in JSON that is decoded by [`WatchedObject::decode_json`]. Also has its resourceVersion.
pub(super) struct JsonObject<O> {
    pub(super) version: String,
    pub(super) object: Result<O, UndecodableObject>,
}

impl<'de, O: WatchedObject> Deserialize<'de> for JsonObject<O> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (version, object) = O::decode_json(deserializer)?;
        Ok(Self { version, object })
    }
}
