//! The events of a watch, which are the output of this module.

use super::pod_object::PodObject;
use super::wire::UndecodableObject;
use crate::watch_restart_cause::WatchRestartCause;

/// A change in the view of one scope.
#[derive(Debug)]
pub enum PodEvent {
    /// A list of all pods of the scope starts. Pods that it does not contain when it completes are gone.
    ListStarted,
    /// A pod of the list.
    Listed(PodObject),
    /// The list is complete.
    ListCompleted,
    /// A pod was added or modified.
    Applied(PodObject),
    /// A pod in the state it had before the watch started.
    AppliedInitial(PodObject),
    /// A pod was deleted, or no longer matches the selector.
    Deleted(PodObject),
    /// The watch resumes after an interruption. The changes missed meanwhile follow; when they happened is unknown.
    ResumedAfterGap,
    /// Every change up to now has been received: the watch has started, or the API server sent a bookmark.
    Synced,
    /// The watch made progress with an event about a pod of another shard.
    Progress,
    /// A pod could not be decoded.
    Undecodable(UndecodableObject),
    /// A pod was deleted, or no longer matches the selector, and could not be decoded.
    UndecodableDeletion(UndecodableObject),
    /// The API server ended the watch, as it does regularly. The watch resumes at once.
    WatchEnded,
    /// A request failed or the watch broke. It is retried after a delay.
    WatchFailed(WatchFailure),
}

/// A failed request.
#[derive(Debug)]
pub struct WatchFailure {
    /// Label value of the restart counter.
    pub cause: WatchRestartCause,
    /// Error message for logs and the page.
    pub error: String,
}
