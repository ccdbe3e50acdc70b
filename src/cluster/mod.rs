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

/// Why a request failed.
#[derive(Debug)]
pub struct WatchFailure {
    /// A word of a closed set, for the metric.
    pub cause: &'static str,
    /// For a person.
    pub error: String,
}
