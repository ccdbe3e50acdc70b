//! The events of a watch, which are the output of this module.

use strum::{IntoStaticStr, VariantArray, VariantNames};

use super::pod_object::PodObject;
use super::wire::UndecodableObject;

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

/// The reason of a watch restart: the label `cause` of `image_pull_exporter_watch_restarts_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum WatchRestartCause {
    /// The API server ended the watch, as it does regularly.
    Ended,
    /// The API server ended the watch before the first event.
    Closed,
    /// The API server is unreachable, or the connection broke.
    Connection,
    /// A timeout: no data, or too little, was received.
    Timeout,
    /// The response could not be decoded.
    Decode,
    /// No credentials are available: a credential plugin failed, or a token file is empty.
    Credentials,
    /// 401: the API server rejected the credentials.
    Unauthorized,
    /// 403: a permission is missing.
    Forbidden,
    /// 410: the resourceVersion has expired.
    Gone,
    /// The server's resourceVersion went back, for example after etcd was restored from a backup.
    Rewound,
    /// 429: the server is overloaded.
    TooManyRequests,
    /// 5xx: the server failed.
    ServerError,
    /// The server does not support the request. A simpler one follows.
    Unsupported,
    /// Any other error.
    Other,
}

impl WatchRestartCause {
    /// All causes.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;
    /// The label values of all causes.
    pub const NAMES: &'static [&'static str] = <Self as VariantNames>::VARIANTS;

    /// Returns the label value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A failed request.
#[derive(Debug)]
pub struct WatchFailure {
    /// Label value of the restart counter.
    pub cause: WatchRestartCause,
    /// Error message for logs and the page.
    pub error: String,
}
