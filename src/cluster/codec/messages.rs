//! The messages of lists and watches other than their objects.

use std::time::Duration;

use serde::Deserialize;

use super::event::{ApiStatus, WatchEvent};
use crate::cluster::wire::bounded::BoundedText;
use crate::cluster::wire::json::null_as_default;
use crate::cluster::wire::map_value::{MapKey, MapValue};
use crate::cluster::wire::protobuf::message;
use image_pull_model::limits::{MAX_LABEL, MAX_MESSAGE};

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

/// The object of a bookmark event, which has metadata only.
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
    #[serde(rename = "annotations")]
    initial_events_end: MapValue<InitialEventsEnd>,
}
message!(BookmarkMetadata { 6 => resource_version, 12 => initial_events_end });

/// The annotation of the bookmark that ends the initial events of a watch (KEP-3157).
#[derive(Debug, Default)]
struct InitialEventsEnd;

impl MapKey for InitialEventsEnd {
    const KEY: &'static str = "k8s.io/initial-events-end";
}

impl Bookmark {
    pub(super) fn into_event<O>(self) -> WatchEvent<O> {
        let metadata = self.metadata.unwrap_or_default();
        let ends_list = metadata.initial_events_end.as_str() == "true";
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
