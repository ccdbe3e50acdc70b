//! The events of a watch, which are the output of this module.

use super::event_object::EventObject;
use super::pod_object::PodObject;
use super::wire::UndecodableObject;
use crate::watch_restart_cause::WatchRestartCause;

/// A change in the view of the pods of one scope.
pub type PodEvent = InformerEvent<PodObject>;

/// A change in the view of the core/v1 Events of one scope.
pub type KubeletEvent = InformerEvent<EventObject>;

/// A change in the view of the objects of one scope.
#[derive(Debug)]
pub enum InformerEvent<O> {
    /// A list of all objects of the scope starts. Objects that it does not contain when it completes are gone.
    ListStarted,
    /// An object of the list.
    Listed(O),
    /// The list is complete.
    ListCompleted,
    /// An object was added or modified.
    Applied(O),
    /// An object in the state it had before the watch started.
    AppliedInitial(O),
    /// An object was deleted, or no longer matches the selector.
    Deleted(O),
    /// The watch resumes after an interruption. The changes missed meanwhile follow; when they happened is unknown.
    ResumedAfterGap,
    /// Every change up to now has been received: the watch has started, or the API server sent a bookmark.
    Synced,
    /// The watch made progress with an event that is not for this exporter, for example about a pod of another shard.
    Progress,
    /// An object could not be decoded.
    Undecodable(UndecodableObject),
    /// An object was deleted, or no longer matches the selector, and could not be decoded.
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
