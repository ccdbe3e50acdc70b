//! Watch events of the simulated cluster.

use serde_json::Value;

use super::time::SimTime;

/// The type of a watch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// The pod was created.
    Added,
    /// Its spec or status was written.
    Modified,
    /// The pod was deleted; the object is its last state.
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
pub struct Event {
    /// Time of the event.
    pub at: SimTime,
    /// Type of the event.
    pub change: EventType,
    /// The pod object after the event.
    pub pod: Value,
}
