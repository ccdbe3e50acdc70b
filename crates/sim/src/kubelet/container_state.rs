//! The runs of a container, and the reason why it waits.

use super::super::time::SimTime;

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// Sequence number among the container's runs.
    pub(super) number: u64,
    pub(super) image: String,
    pub(super) container_id: String,
    pub(super) started: SimTime,
    pub(super) end: Option<Exit>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Exit {
    pub(super) at: SimTime,
    pub(super) code: i32,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct WaitingState {
    pub(super) reason: String,
    pub(super) message: String,
}

/// A change of a container by a sync.
#[derive(Debug)]
pub(super) enum ContainerChange {
    Started(Run),
    NotStarted(WaitingState),
    Killed(Exit),
}
