//! The error of an object that cannot be decoded.

use super::event_header::EventHeader;
use super::protobuf::InvalidProtobuf;
use image_pull_model::facts::PodId;
use image_pull_model::limits::truncate;

/// Maximum length of a decode error, which may quote the object.
const MAX_REASON_BYTES: usize = 512;

/// An object that cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {problem}", display_name(.id))]
pub struct UndecodableObject {
    /// The identity of the object; fields that could not be decoded are empty.
    pub id: PodId,
    /// The reason that the object is undecodable.
    pub problem: UndecodableReason,
}

/// The reason that makes an object undecodable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UndecodableReason {
    /// The object violates the API. Contains the decoder's error.
    #[error("{0}")]
    Malformed(String),
    /// The object has no name or uid.
    #[error("metadata.name or metadata.uid is missing")]
    MissingIdentity,
    /// The object exceeds the size limit of etcd.
    #[error("the object of {bytes} bytes exceeds the size limit")]
    TooLarge {
        /// Its size in bytes.
        bytes: usize,
    },
}

impl UndecodableReason {
    /// Wraps an error of a decoder.
    pub(in crate::cluster) fn malformed(error: &impl ToString) -> Self {
        Self::Malformed(truncate(&error.to_string(), MAX_REASON_BYTES).into_owned())
    }
}

/// Formats namespace and name for error messages.
fn display_name(id: &PodId) -> String {
    match (id.namespace.as_str(), id.name.as_str()) {
        (_, "") => "an unnamed object".to_owned(),
        ("", name) => name.to_owned(),
        (namespace, name) => format!("{namespace}/{name}"),
    }
}

/// Returns the error for an object in JSON that has another type.
pub(in crate::cluster) fn malformed_json(json: &[u8], error: &serde_json::Error) -> UndecodableObject {
    UndecodableObject { id: EventHeader::from_json_object(json).id, problem: UndecodableReason::malformed(error) }
}

/// Returns the error for an object in protobuf that has another type.
pub(in crate::cluster) fn malformed_protobuf(object: &[u8], error: InvalidProtobuf) -> UndecodableObject {
    UndecodableObject {
        id: EventHeader::from_protobuf_object(object).id,
        problem: UndecodableReason::malformed(&error),
    }
}
