//! The API server's view of the cluster: the revision, live Events, and the watch events to send.

use std::{collections::BTreeMap, time::Duration};

use jiff::{Timestamp, tz::TimeZone};
use serde_json::Value;

use super::super::{
    event::{EventType, WatchEvent},
    resource::Resource,
    store::{ObjectKey, key_of, with_revision},
    time::SimTime,
};
use super::pod::Pod;

/// Time to live of Events after their last write (`--event-ttl`).
const EVENT_TTL: Duration = Duration::from_hours(1);

/// The API server's revision and Events, and the watch events that were not drained yet.
#[derive(Debug)]
pub(crate) struct WatchLog {
    epoch: Timestamp,
    revision: u64,
    drained: Vec<WatchEvent>,
    /// Live Events: the time of the last write, and their metadata.
    events: BTreeMap<ObjectKey, (SimTime, Value)>,
    events_named: u64,
}

/// A new Event, and when it expires unless it is written again.
pub(super) struct CreatedEvent {
    pub(super) key: ObjectKey,
    pub(super) expires: SimTime,
}

impl WatchLog {
    pub(crate) fn new(epoch: Timestamp) -> Self {
        Self { epoch, revision: 0, drained: Vec::new(), events: BTreeMap::new(), events_named: 0 }
    }

    pub(crate) fn drain_events(&mut self) -> Vec<WatchEvent> {
        std::mem::take(&mut self.drained)
    }

    pub(crate) fn object(&self, pod: &Pod) -> Value {
        pod.object(|at| self.rfc3339(at))
    }

    pub(super) fn record(&mut self, at: SimTime, change: EventType, pod: &mut Pod) {
        self.revision += 1;
        pod.revision = self.revision;
        self.drained.push(WatchEvent { at, change, object: self.object(pod) });
    }

    /// Returns the name of a new Event: the pod's name and a time in nanoseconds, here unique.
    pub(super) fn event_name(&mut self, at: SimTime, pod: &str) -> String {
        self.events_named += 1;
        let millis = self.epoch.as_millisecond().saturating_add(at.as_millis());
        let nanos = i128::from(millis) * 1_000_000 + i128::from(self.events_named % 1_000_000);
        format!("{pod}.{nanos:x}")
    }

    /// Creates or patches an Event. A patch keeps uid and creation time, and creates the Event again if it has expired
    /// (client-go/tools/record/event.go, recordEvent).
    pub(super) fn write_event(&mut self, at: SimTime, mut event: Value) -> Option<CreatedEvent> {
        self.revision += 1;
        let key = key_of(&event);
        let known = self.events.get_mut(&key);
        let is_new = known.is_none();
        if let (Some((written, metadata)), Some(event)) = (known, event.as_object_mut()) {
            *written = at;
            event.insert("metadata".to_owned(), metadata.clone());
        } else {
            let metadata = event.get("metadata").cloned().unwrap_or_default();
            self.events.insert(key.clone(), (at, metadata));
        }
        let change = if is_new { EventType::Added } else { EventType::Modified };
        self.drained.push(WatchEvent { at, change, object: with_revision(event, self.revision) });
        is_new.then(|| CreatedEvent { key, expires: at + EVENT_TTL })
    }

    /// Deletes an Event whose time is over; the watch event has only its metadata. Returns the time to check again if it
    /// was written since.
    pub(crate) fn expire_event(&mut self, at: SimTime, key: &ObjectKey) -> Option<SimTime> {
        let expires = self.events.get(key).map(|(written, _)| *written + EVENT_TTL)?;
        if expires > at {
            return Some(expires);
        }
        let (_, metadata) = self.events.remove(key)?;
        self.revision += 1;
        let object = with_revision(Resource::Events.empty_object(&metadata), self.revision);
        self.drained.push(WatchEvent { at, change: EventType::Deleted, object });
        None
    }

    /// Formats a time as the API does: whole seconds, UTC.
    pub(super) fn rfc3339(&self, at: SimTime) -> String {
        let millis = self.epoch.as_millisecond().saturating_add(at.as_millis());
        let instant = Timestamp::from_millisecond(millis).unwrap_or(self.epoch);
        instant.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}
