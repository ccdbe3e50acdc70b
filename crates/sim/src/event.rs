//! Watch events of the simulated cluster.

use serde_json::Value;

use super::time::SimTime;

/// What a watch says about a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventType {
    /// The pod was created.
    Added,
    /// Its spec or status was written.
    Modified,
    /// It is gone; the object is its last state.
    Deleted,
}

impl EventType {
    /// Returns the word of the watch protocol.
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
    /// When it happened.
    pub at: SimTime,
    /// What happened.
    pub change: EventType,
    /// The pod as the API server would send it.
    pub pod: Value,
}
