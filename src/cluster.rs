//! Watches the cluster: everything that knows of Kubernetes' API and nothing else.
//!
//! What happens there goes out as [`PodEvent`]s. That is the whole boundary: whoever takes them knows no client, no
//! resource version and no retry. Inside, `informer` decides what to ask and what an answer means, without IO; [`pods`]
//! asks; [`frames`], [`codec`], [`sighting`] and [`wire`] read the answers.

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

/// What the cluster tells of one scope.
#[derive(Debug)]
pub enum PodEvent {
    /// A list of all pods of the scope begins. What it does not have when it ends is gone.
    ListStarted,
    /// A pod as the list shows it.
    Listed(PodObject),
    /// The list is complete.
    ListCompleted,
    /// A pod was added or changed.
    Applied(PodObject),
    /// A pod shows up for the first time, as it was before anybody watched.
    AppliedInitial(PodObject),
    /// A pod was deleted, or matches the selector no longer.
    Deleted(PodObject),
    /// The watch goes on after an interruption. What happened meanwhile comes next; when it happened, nobody saw.
    ResumedAfterGap,
    /// Every change up to now has been received: the watch stands, or the API server sent a bookmark.
    Synced,
    /// Something was received that is about none of the pods that are watched.
    Progress,
    /// A pod that is there could not be decoded.
    Undecodable(wire::UndecodableObject),
    /// A pod was deleted, or matches the selector no longer, and could not be decoded.
    UndecodableDeletion(wire::UndecodableObject),
    /// The API server ended the watch, as it does from time to time. It goes on at once.
    WatchEnded,
    /// A request failed or the watch broke. It goes on after a while.
    WatchFailed(WatchFailure),
}

/// Why a watch has to begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchRestartCause {
    /// The API server ended it, as it does from time to time.
    Ended,
    /// The API server ended it before it had said anything.
    Closed,
    /// The API server cannot be reached, or the connection broke.
    Connection,
    /// Nothing, or too little, came for too long.
    Timeout,
    /// What it sent makes no sense.
    Decode,
    /// There are no credentials: a credential plugin failed, or a token file is empty.
    Credentials,
    /// The credentials are not accepted.
    Unauthorized,
    /// A right is missing.
    Forbidden,
    /// The watch fell behind: the server remembers its place no longer.
    Gone,
    /// The server is behind what it said before, as after etcd was restored from a backup.
    Rewound,
    /// The server has too much to do.
    TooManyRequests,
    /// The server failed.
    ServerError,
    /// The server does not know what was asked for; something simpler is asked next.
    Unsupported,
    /// Anything else.
    Other,
}

impl WatchRestartCause {
    /// Every one of them.
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

    /// The value of the label `cause`.
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

/// Why a request failed.
#[derive(Debug)]
pub struct WatchFailure {
    /// For the metric.
    pub cause: WatchRestartCause,
    /// For a person.
    pub error: String,
}

/// An error and what caused it, in one line. Most wrappers repeat what they wrap, so each fact stands once.
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
