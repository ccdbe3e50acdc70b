//! Decoded watch events, list metadata and errors of the API server.

use std::time::Duration;

use serde::Deserialize;

use crate::cluster::wire::UndecodableObject;
use crate::cluster::wire::bounded::BoundedText;
use image_pull_model::limits::{MAX_LABEL, MAX_MESSAGE, truncate};

/// The type of an object's watch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectChange {
    /// The object was created, or now matches the selector.
    Added,
    /// The object changed.
    Modified,
    /// The object was deleted, or no longer matches the selector.
    Deleted,
}

/// A watch event.
#[derive(Debug, PartialEq)]
pub enum WatchEvent<O> {
    /// An event about an object.
    Object {
        /// The event type.
        change: ObjectChange,
        /// The resourceVersion of the object; empty if it has none.
        version: String,
        /// The object, or why it cannot be decoded.
        object: Result<O, UndecodableObject>,
    },
    /// A bookmark: all changes up to `version` have been sent.
    Bookmark {
        /// The resourceVersion of the bookmark.
        version: String,
        /// Whether the bookmark ends the initial events of a WatchList.
        ends_list: bool,
    },
    /// An error event, which ends the watch.
    Error(ApiStatus),
    /// An event of unknown type.
    Malformed(UndecodableObject),
}

/// The metadata of a page of a list.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct PageMetadata {
    /// The resourceVersion of the list.
    pub resource_version: String,
    /// The `continue` parameter of the next page; empty on the last page.
    pub continue_token: String,
    /// Number of items, decodable or not.
    pub item_count: usize,
}

/// An error of the API server (`metav1.Status`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiStatus {
    /// The HTTP status code.
    pub code: u16,
    /// The error message.
    pub message: String,
    /// The delay before a retry that the server requests.
    pub retry_after: Option<Duration>,
}

/// A response that cannot be decoded, so that events may be lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DecodeError(String);

#[expect(clippy::needless_pass_by_value, reason = "signature required by map_err")]
pub(super) fn decode_error(error: impl ToString) -> DecodeError {
    DecodeError(truncate(&error.to_string(), MAX_MESSAGE).into_owned())
}

impl ObjectChange {
    /// Parses the type of an object's event.
    pub(super) fn from_event_type(kind: &str) -> Option<Self> {
        match kind {
            "ADDED" => Some(Self::Added),
            "MODIFIED" => Some(Self::Modified),
            "DELETED" => Some(Self::Deleted),
            _ => None,
        }
    }
}

impl<'de> Deserialize<'de> for ObjectChange {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let kind = BoundedText::<MAX_LABEL>::deserialize(deserializer)?;
        Self::from_event_type(kind.as_str()).ok_or_else(|| serde::de::Error::custom("no object's event"))
    }
}
