//! Watches the cluster: everything that knows of Kubernetes' API and nothing else.
//!
//! What happens there goes out as [`PodEvent`]s. That is the whole boundary: whoever takes them knows no client, no
//! resource version and no retry.

pub mod client;
pub mod pods;
pub mod wire;

use crate::pull::facts::{PodFacts, Scope};

/// What the cluster tells.
#[derive(Debug)]
pub enum PodEvent {
    /// A list of all pods of a scope begins. What it does not have when it ends is gone.
    ListBegins(Scope),
    /// A pod as the list shows it.
    Listed(PodFacts),
    /// The list is complete.
    ListEnds(Scope),
    /// A pod was added or changed.
    Applied(PodFacts),
    /// A pod shows up for the first time, as it was before anybody watched.
    Found(PodFacts),
    /// A pod was deleted, or matches the selector no longer.
    Deleted(PodFacts),
    /// An object made no sense and is skipped.
    Undecodable(wire::Undecodable),
    /// A request failed or the watch broke. It goes on after a while.
    Failed(WatchFailure),
}

/// What kind of failure it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchCause {
    /// The API server cannot be reached, or the connection broke.
    Connection,
    /// What it sent makes no sense.
    Decode,
    /// The credentials are not accepted.
    Unauthorized,
    /// A right is missing.
    Forbidden,
    /// The watch fell behind: the server remembers its place no longer.
    Gone,
    /// The server has too much to do.
    TooManyRequests,
    /// The server failed.
    ServerError,
    /// Anything else.
    Other,
}

impl WatchCause {
    /// Every one of them.
    pub const ALL: [Self; 8] = [
        Self::Connection,
        Self::Decode,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Gone,
        Self::TooManyRequests,
        Self::ServerError,
        Self::Other,
    ];

    /// The value of the label `cause`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Decode => "decode",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Gone => "gone",
            Self::TooManyRequests => "too_many_requests",
            Self::ServerError => "server_error",
            Self::Other => "other",
        }
    }
}

/// Why a request failed.
#[derive(Debug)]
pub struct WatchFailure {
    /// For the metric.
    pub cause: WatchCause,
    /// For a person.
    pub error: String,
}
