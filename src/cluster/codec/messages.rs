//! The messages of a list or a watch that are no pods.

use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::{ApiStatus, WatchEvent};
use crate::cluster::wire::bounded::{Exceeded, Text};
use crate::cluster::wire::protobuf::{Field, Invalid, Value, message};
use crate::cluster::wire::{entry, nullable, read_entry};
use image_pull_model::limits::{MAX_LABEL, MAX_MESSAGE};

/// The annotation of the bookmark that ends the initial events of a watch (KEP-3157).
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";
/// Maximum length of the token of a page: it encodes a key of etcd and goes into a URL.
pub(super) const MAX_TOKEN: usize = 8192;

/// What a list says about itself.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ListMeta {
    pub(super) resource_version: Text<MAX_LABEL>,
    pub(super) r#continue: Text<MAX_TOKEN>,
}
message!(ListMeta { 2 => resource_version, 3 => r#continue });

/// The object of a bookmark: an empty pod.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Bookmark {
    metadata: Option<BookmarkMetadata>,
}
message!(Bookmark { 1 => metadata });

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BookmarkMetadata {
    resource_version: Text<MAX_LABEL>,
    annotations: Annotations,
}
message!(BookmarkMetadata { 6 => resource_version, 12 => annotations });

/// The one annotation that is used.
#[derive(Debug, Default)]
struct Annotations {
    initial_events_end: Text<MAX_LABEL>,
}

impl Field for Annotations {
    fn read(&mut self, value: Value<'_>) -> Result<(), Invalid> {
        read_entry(value, INITIAL_EVENTS_END, &mut self.initial_events_end)
    }

    fn exceeded(&self) -> Exceeded {
        self.initial_events_end.exceeded()
    }
}

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { initial_events_end: entry(deserializer, INITIAL_EVENTS_END)? })
    }
}

impl Bookmark {
    pub(super) fn read(self) -> WatchEvent {
        let metadata = self.metadata.unwrap_or_default();
        let ends_list = metadata.annotations.initial_events_end.as_str() == "true";
        WatchEvent::Bookmark { version: metadata.resource_version.whole(), ends_list }
    }
}

/// `metav1.Status`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct StatusObject {
    message: Text<MAX_MESSAGE>,
    details: Option<StatusDetails>,
    #[serde(deserialize_with = "nullable")]
    code: i64,
}
message!(StatusObject { 3 => message, 5 => details, 6 => code });

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct StatusDetails {
    #[serde(deserialize_with = "nullable")]
    retry_after_seconds: i64,
}
message!(StatusDetails { 5 => retry_after_seconds });

impl StatusObject {
    pub(super) fn read(self) -> ApiStatus {
        let seconds = self.details.map_or(0, |details| details.retry_after_seconds);
        let retry_after = u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs);
        ApiStatus { code: u16::try_from(self.code).unwrap_or(0), message: self.message.into(), retry_after }
    }
}
