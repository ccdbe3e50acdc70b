//! Watch events of the simulated cluster.

use serde_json::Value;

use super::{resource::Resource, time::SimTime};

/// The type of a watch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// The object was created.
    Added,
    /// The object was written.
    Modified,
    /// The object was deleted; the object of the event is its last state.
    Deleted,
}

impl EventType {
    /// Returns the type's name in the watch protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "ADDED",
            Self::Modified => "MODIFIED",
            Self::Deleted => "DELETED",
        }
    }
}

/// One watch event of a simulated cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct WatchEvent {
    /// Time of the event.
    pub at: SimTime,
    /// Type of the event.
    pub change: EventType,
    /// The pod or Event after the watch event.
    pub object: Value,
}

impl WatchEvent {
    /// Returns the resource of the object.
    pub fn resource(&self) -> Resource {
        Resource::of(&self.object)
    }
}
