//! Watches the pods of a cluster. Only this module and `review` use the Kubernetes API.
//!
//! The output is a stream of [`PodEvent`]s for each scope. Its consumers need no knowledge of clients, resourceVersions
//! and retries.
//!
//! | module | job |
//! |---|---|
//! | [`client`] | connects to the API server and reloads changed credentials |
//! | [`selection`] | selects pods by field, label and shard |
//! | `informer` | state machine of list and watch, without I/O |
//! | [`pod_watch`] | sends the informer's requests and reads the responses |
//! | `request` | builds the HTTP requests |
//! | [`frames`] | splits the body of a watch into events |
//! | [`codec`] | decodes events and lists in JSON and protobuf |
//! | [`pod_object`] | a pod, decoded no further than needed |
//! | [`wire`] | the fields of Kubernetes objects that are used |

pub mod client;
pub mod codec;
pub mod frames;
mod informer;
pub mod pod_object;
pub mod pod_watch;
mod request;
pub mod selection;
pub mod wire;

use pod_object::PodObject;

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
    Undecodable(wire::UndecodableObject),
    /// A pod was deleted, or no longer matches the selector, and could not be decoded.
    UndecodableDeletion(wire::UndecodableObject),
    /// The API server ended the watch, as it does regularly. The watch resumes at once.
    WatchEnded,
    /// A request failed or the watch broke. It is retried after a delay.
    WatchFailed(WatchFailure),
}

/// The reason of a watch restart: the label `cause` of `image_pull_exporter_watch_restarts_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    pub const ALL: [Self; 14] = [
        Self::Ended,
        Self::Closed,
        Self::Connection,
        Self::Timeout,
        Self::Decode,
        Self::Credentials,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Gone,
        Self::Rewound,
        Self::TooManyRequests,
        Self::ServerError,
        Self::Unsupported,
        Self::Other,
    ];

    /// Returns the label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Closed => "closed",
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::Decode => "decode",
            Self::Credentials => "credentials",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Gone => "gone",
            Self::Rewound => "rewound",
            Self::TooManyRequests => "too_many_requests",
            Self::ServerError => "server_error",
            Self::Unsupported => "unsupported",
            Self::Other => "other",
        }
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

/// Formats an error and its sources in one line. Omits sources whose text is already part of the message.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}
