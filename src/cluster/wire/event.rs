//! The core/v1 Event.

use serde::Deserialize;

use super::bounded::BoundedText;
use super::json::null_as_default;
use super::protobuf::{Message, message};
use super::time::{Time, to_timestamp};
use super::undecodable::{UndecodableObject, UndecodableReason};
use image_pull_model::facts::PodId;
use image_pull_model::kubelet_event::{EventFacts, EventReport};
use image_pull_model::limits::{MAX_LABEL, MAX_MESSAGE, MAX_NAME};

/// Maximum length of `involvedObject.fieldPath`: a list of containers and the name of one.
const MAX_FIELD_PATH: usize = MAX_NAME;

/// An Event.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::cluster) struct Event {
    pub(in crate::cluster) metadata: Option<EventMetadata>,
    involved_object: Option<ObjectReference>,
    reason: BoundedText<MAX_LABEL>,
    message: BoundedText<MAX_MESSAGE>,
    source: Option<EventSource>,
    first_timestamp: Option<Time>,
    last_timestamp: Option<Time>,
    #[serde(deserialize_with = "null_as_default")]
    count: i64,
    #[serde(rename = "eventTime")]
    occurred: Option<Time>,
    series: Option<EventSeries>,
}
message!(Event {
    1 => metadata,
    2 => involved_object,
    3 => reason,
    4 => message,
    5 => source,
    6 => first_timestamp,
    7 => last_timestamp,
    8 => count,
    10 => occurred,
    11 => series,
});

/// The metadata of an Event.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::cluster) struct EventMetadata {
    name: BoundedText<MAX_NAME>,
    namespace: BoundedText<MAX_LABEL>,
    pub(in crate::cluster) uid: BoundedText<MAX_LABEL>,
    pub(in crate::cluster) resource_version: BoundedText<MAX_LABEL>,
}
message!(EventMetadata { 1 => name, 3 => namespace, 5 => uid, 6 => resource_version });

/// The object of an Event.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ObjectReference {
    kind: BoundedText<MAX_LABEL>,
    namespace: BoundedText<MAX_LABEL>,
    name: BoundedText<MAX_NAME>,
    uid: BoundedText<MAX_LABEL>,
    field_path: BoundedText<MAX_FIELD_PATH>,
}
message!(ObjectReference { 1 => kind, 2 => namespace, 3 => name, 4 => uid, 7 => field_path });

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct EventSource {
    host: BoundedText<MAX_NAME>,
}
message!(EventSource { 2 => host });

/// The repetitions of an Event that was written with the events.k8s.io API.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct EventSeries {
    #[serde(deserialize_with = "null_as_default")]
    count: i64,
    last_observed_time: Option<Time>,
}
message!(EventSeries { 1 => count, 2 => last_observed_time });

/// The facts of an Event, and the number of texts that exceeded the limits.
pub(in crate::cluster) struct BoundedFacts {
    pub(in crate::cluster) facts: EventFacts,
    pub(in crate::cluster) truncated_texts: u64,
}

impl EventMetadata {
    /// Returns the identity of the Event.
    fn id(&self) -> PodId {
        PodId {
            namespace: self.namespace.as_str().to_owned(),
            name: self.name.as_str().to_owned(),
            uid: self.uid.as_str().to_owned(),
        }
    }

    /// Checks that the Event has a name and a uid.
    ///
    /// # Errors
    /// When one is missing.
    pub(in crate::cluster) fn check_identity(&self) -> Result<(), UndecodableObject> {
        if self.name.is_empty() || self.uid.is_empty() {
            return Err(UndecodableObject { id: self.id(), problem: UndecodableReason::MissingIdentity });
        }
        Ok(())
    }
}

impl Event {
    /// Returns what the Event reports about the image of a pod; `None` if it reports nothing about one.
    pub(in crate::cluster) fn into_facts(self) -> Option<BoundedFacts> {
        let truncated_texts = self.exceeded().texts;
        let pod = self.involved_object.filter(|object| object.kind.as_str() == "Pod")?;
        let report = EventReport::parse(self.reason.as_str(), self.message.as_str())?;
        let metadata = self.metadata.unwrap_or_default();
        let series = self.series.unwrap_or_default();
        let count = if self.count > 0 { self.count } else { series.count };
        let occurred = to_timestamp(self.occurred.as_ref());
        let facts = EventFacts {
            uid: metadata.uid.into(),
            resource_version: metadata.resource_version.into_untruncated().parse().unwrap_or(0),
            container: container_of(pod.field_path.as_str()).to_owned(),
            pod: PodId { namespace: pod.namespace.into(), name: pod.name.into(), uid: pod.uid.into() },
            node: self.source.unwrap_or_default().host.into(),
            count: u32::try_from(count.max(1)).unwrap_or(u32::MAX),
            first_at: to_timestamp(self.first_timestamp.as_ref()).or(occurred),
            last_at: to_timestamp(self.last_timestamp.as_ref())
                .or_else(|| to_timestamp(series.last_observed_time.as_ref()))
                .or(occurred),
            report,
        };
        Some(BoundedFacts { facts, truncated_texts })
    }
}

/// Returns the container in a field path, for example `spec.initContainers{init}`; empty if it has none
/// (pkg/kubelet/container/ref.go, v1.36.2).
fn container_of(field_path: &str) -> &str {
    let lists = ["spec.containers{", "spec.initContainers{", "spec.ephemeralContainers{"];
    let name = lists.into_iter().find_map(|list| field_path.strip_prefix(list)?.strip_suffix('}'));
    name.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use image_pull_model::time::Timestamp;

    fn pulling() -> Value {
        json!({
            "metadata": { "namespace": "shop", "name": "web.1", "uid": "e1", "resourceVersion": "77" },
            "involvedObject": { "kind": "Pod", "namespace": "shop", "name": "web", "uid": "u1",
                "fieldPath": "spec.initContainers{init}" },
            "reason": "Pulling", "message": "Pulling image \"web:1\"",
            "source": { "component": "kubelet", "host": "node-1" },
            "firstTimestamp": "2026-11-23T21:22:00Z", "lastTimestamp": "2026-11-23T21:22:05Z", "count": 3,
            "eventTime": null, "type": "Normal", "reportingComponent": "kubelet",
        })
    }

    fn facts(event: &Value) -> Option<EventFacts> {
        let event: Event = serde_json::from_value(event.clone()).unwrap();
        event.into_facts().map(|bounded| bounded.facts)
    }

    /// 2026-11-23T21:22:00Z plus `seconds`.
    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_unix_millis(1_795_468_920_000).saturating_add(Duration::from_secs(seconds))
    }

    #[test]
    fn every_used_field_is_decoded() {
        let expected = EventFacts {
            uid: "e1".to_owned(),
            resource_version: 77,
            pod: PodId { namespace: "shop".to_owned(), name: "web".to_owned(), uid: "u1".to_owned() },
            container: "init".to_owned(),
            node: "node-1".to_owned(),
            count: 3,
            first_at: Some(at(0)),
            last_at: Some(at(5)),
            report: EventReport::Pulling { image: "web:1".to_owned() },
        };
        assert_eq!(facts(&pulling()), Some(expected));
    }

    #[test]
    fn an_event_without_count_and_times_happened_once_at_its_event_time() {
        let mut event = pulling();
        for field in ["count", "firstTimestamp", "lastTimestamp"] {
            event[field] = Value::Null;
        }
        let bare = facts(&event).unwrap();
        assert_eq!((bare.count, bare.first_at, bare.last_at), (1, None, None));
        event["eventTime"] = "2026-11-23T21:22:01.000000Z".into();
        let once = facts(&event).unwrap();
        assert_eq!((once.count, once.first_at, once.last_at), (1, Some(at(1)), Some(at(1))));
        event["series"] = json!({ "count": 7, "lastObservedTime": "2026-11-23T21:22:09.000000Z" });
        let series = facts(&event).unwrap();
        assert_eq!((series.count, series.first_at, series.last_at), (7, Some(at(1)), Some(at(9))));
        for (count, expected) in [(json!(-4), 1), (json!(i64::MAX), u32::MAX)] {
            event["series"] = Value::Null;
            event["count"] = count;
            assert_eq!(facts(&event).unwrap().count, expected);
        }
    }

    #[test]
    fn only_field_paths_of_containers_name_one() {
        for (path, container) in [
            ("spec.containers{app}", "app"),
            ("spec.initContainers{init}", "init"),
            ("spec.ephemeralContainers{debug}", "debug"),
            ("", ""),
            ("spec.containers[2]", ""),
            ("spec.containers{app", ""),
            ("implicitly required container POD", ""),
        ] {
            assert_eq!(container_of(path), container, "{path}");
        }
    }

    #[test]
    fn events_about_other_things_have_no_facts() {
        for (field, value) in [("reason", "Created"), ("message", "Pulling artifacts")] {
            let mut event = pulling();
            event[field] = value.into();
            assert_eq!(facts(&event), None, "{field}");
        }
        let mut event = pulling();
        event["involvedObject"]["kind"] = "Node".into();
        assert_eq!(facts(&event), None);
        assert_eq!(facts(&json!({})), None);
    }

    #[test]
    fn a_long_text_is_truncated_and_counted() {
        let mut event = pulling();
        event["reason"] = "Failed".into();
        event["message"] = format!("Failed to pull image \"web:1\": {}", "x ".repeat(10_000)).into();
        let event: Event = serde_json::from_value(event).unwrap();
        let bounded = event.into_facts().unwrap();
        let EventReport::PullFailed { image, error } = bounded.facts.report else { panic!("a failed pull") };
        assert!(image == "web:1" && error.len() < MAX_MESSAGE);
        assert_eq!(bounded.truncated_texts, 1);
    }
}
