//! The fields of Kubernetes objects that the exporter uses, for both encodings.
//!
//! One type serves JSON (serde) and protobuf (`protobuf`), so a pod decodes to the same value from either. Texts and
//! lists are [`bounded`], which limits the memory of a decoded pod. Every field is optional, and null equals absent. An
//! object with a field of the wrong type is undecodable; callers count it. Field numbers are those of
//! k8s.io/api/core/v1/generated.proto and k8s.io/apimachinery/pkg/apis/meta/v1/generated.proto; a test compares them
//! with the published messages.

pub(super) mod bounded;
pub(super) mod event;
pub(super) mod event_header;
pub(super) mod json;
pub(super) mod map_value;
mod pod;
pub(super) mod protobuf;
mod time;
mod undecodable;

pub(super) use pod::Pod;
pub use pod::decode_json_pod;
pub use undecodable::{UndecodableObject, UndecodableReason};
pub(super) use undecodable::{malformed_json, malformed_protobuf};

#[cfg(test)]
mod tests;
