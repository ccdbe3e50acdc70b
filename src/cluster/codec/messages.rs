//! The messages of lists and watches other than pods.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::{ApiStatus, WatchEvent};
use crate::cluster::wire::bounded::{BoundedText, ExceededLimits};
use crate::cluster::wire::protobuf::{Field, FieldValue, InvalidProtobuf, message};
use crate::cluster::wire::{deserialize_map_value, null_as_default, read_map_value};
use image_pull_model::limits::{MAX_LABEL, MAX_MESSAGE};

/// The annotation of the bookmark that ends the initial events of a watch (KEP-3157).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";
/// Maximum length of a continue token. It encodes a key of etcd and becomes part of a URL.
pub(super) const MAX_CONTINUE_TOKEN_BYTES: usize = 8192;

/// `metav1.ListMeta`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ListMeta {
    pub(super) resource_version: BoundedText<MAX_LABEL>,
    pub(super) r#continue: BoundedText<MAX_CONTINUE_TOKEN_BYTES>,
}
message!(ListMeta { 2 => resource_version, 3 => r#continue });

/// The object of a bookmark event: a pod with metadata only.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Bookmark {
    metadata: Option<BookmarkMetadata>,
}
message!(Bookmark { 1 => metadata });

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BookmarkMetadata {
    resource_version: BoundedText<MAX_LABEL>,
    annotations: Annotations,
}
message!(BookmarkMetadata { 6 => resource_version, 12 => annotations });

/// The only annotation that is decoded.
#[derive(Debug, Default)]
struct Annotations {
    initial_events_end: BoundedText<MAX_LABEL>,
}

impl Field for Annotations {
    fn read(&mut self, value: FieldValue<'_>) -> Result<(), InvalidProtobuf> {
        read_map_value(value, INITIAL_EVENTS_END, &mut self.initial_events_end)
    }

    fn exceeded(&self) -> ExceededLimits {
        self.initial_events_end.exceeded()
    }
}

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { initial_events_end: deserialize_map_value(deserializer, INITIAL_EVENTS_END)? })
    }
}

impl Bookmark {
    pub(super) fn into_event(self) -> WatchEvent {
        let metadata = self.metadata.unwrap_or_default();
        let ends_list = metadata.annotations.initial_events_end.as_str() == "true";
        WatchEvent::Bookmark { version: metadata.resource_version.into_untruncated(), ends_list }
    }
}

/// `metav1.Status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StatusObject {
    message: BoundedText<MAX_MESSAGE>,
    details: Option<StatusDetails>,
    #[serde(deserialize_with = "null_as_default")]
    code: i64,
}
message!(StatusObject { 3 => message, 5 => details, 6 => code });

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StatusDetails {
    #[serde(deserialize_with = "null_as_default")]
    retry_after_seconds: i64,
}
message!(StatusDetails { 5 => retry_after_seconds });

impl StatusObject {
    pub(super) fn into_status(self) -> ApiStatus {
        let seconds = self.details.map_or(0, |details| details.retry_after_seconds);
        let retry_after = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs);
        ApiStatus { code: u16::try_from(self.code).unwrap_or(0), message: self.message.into(), retry_after }
    }
}
