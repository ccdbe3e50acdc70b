//! The state of the watch of one scope, which determines the provenance of its pods.

use super::clock_step::ClockStep;
use super::facts::WatchScope;
use super::provenance::Provenance;
use super::time::Timestamp;

/// The state of the watch of one scope.
#[derive(Debug)]
pub struct WatchState {
    scope: WatchScope,
    sync_state: SyncState,
    complete_at: Option<Timestamp>,
    last_response: Option<Timestamp>,
    /// The last error, if nothing was received since.
    error: Option<String>,
    listed_pods: u64,
    pods_in_list: u64,
    /// Whether every pod of the current or last list has a known name or uid.
    all_identified: bool,
}

/// The progress of the watch. Determines what the next event of a pod says about the time of its change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SyncState {
    /// The scope is being listed or was never listed.
    Listing,
    /// The watch was resumed after a gap. Changes during the gap may still arrive.
    CatchingUp,
    /// All changes up to now were received.
    Synced,
}

impl WatchState {
    pub(super) fn new(scope: &WatchScope) -> Self {
        Self {
            scope: scope.clone(),
            sync_state: SyncState::Listing,
            complete_at: None,
            last_response: None,
            error: None,
            listed_pods: 0,
            pods_in_list: 0,
            all_identified: true,
        }
    }

    /// The scope that this watch covers.
    #[must_use]
    pub const fn scope(&self) -> &WatchScope {
        &self.scope
    }

    /// When the view of the scope was last complete; `None` before the first complete list.
    #[must_use]
    pub const fn complete_at(&self) -> Option<Timestamp> {
        self.complete_at
    }

    /// When the API server last sent something.
    #[must_use]
    pub const fn last_response(&self) -> Option<Timestamp> {
        self.last_response
    }

    /// Whether a request or the watch failed, and nothing was received since.
    #[must_use]
    pub const fn is_failing(&self) -> bool {
        self.error.is_some()
    }

    /// The last error, if nothing was received since.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Whether the view of the scope is complete and the watch does not fail.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.is_complete() && !self.is_failing()
    }

    /// The number of pods in the last complete list.
    #[must_use]
    pub const fn listed_pods(&self) -> u64 {
        self.listed_pods
    }

    /// Whether the view is complete and no list is in progress.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete_at.is_some() && self.sync_state != SyncState::Listing
    }

    /// The provenance of the next event of a pod.
    #[must_use]
    pub(super) fn provenance(&self) -> Provenance {
        match (self.sync_state, self.complete_at) {
            (_, None) => Provenance::Initial,
            (SyncState::Synced, Some(_)) => Provenance::Observed,
            (SyncState::Listing | SyncState::CatchingUp, Some(complete_at)) => Provenance::FoundAfter(complete_at),
        }
    }

    /// Records that a request or the watch failed.
    pub fn record_error(&mut self, why: String) {
        self.error = Some(why);
    }

    /// Records that the API server sent something. Clears the last error.
    pub fn record_response(&mut self, now: Timestamp) {
        (self.error, self.last_response) = (None, Some(now));
        if self.sync_state == SyncState::Synced {
            self.complete_at = Some(now);
        }
    }

    /// Records that all changes up to `now` were received, for example by a bookmark. Does not end a list.
    pub fn record_sync(&mut self, now: Timestamp) {
        if self.sync_state == SyncState::CatchingUp {
            self.sync_state = SyncState::Synced;
        }
        self.record_response(now);
    }

    /// Records that the watch was resumed after a gap. Changes during the gap may still arrive.
    pub fn record_gap(&mut self, now: Timestamp) {
        if self.sync_state == SyncState::Synced {
            self.sync_state = SyncState::CatchingUp;
        }
        self.record_response(now);
    }

    pub(super) fn on_clock_step(&mut self, step: ClockStep) {
        self.complete_at = self.complete_at.map(|at| step.correct(at));
        self.last_response = self.last_response.map(|at| step.correct(at));
    }

    /// Counts a pod of the current list.
    pub fn count_listed_pod(&mut self) {
        self.pods_in_list += 1;
    }

    pub(super) fn begin_list(&mut self) {
        self.sync_state = SyncState::Listing;
        self.pods_in_list = 0;
        self.all_identified = true;
    }

    /// Records a pod of the current list without a known name and uid.
    pub(super) fn record_unidentified(&mut self) {
        self.all_identified &= self.sync_state != SyncState::Listing;
    }

    /// Whether each pod of the last list begun is known by name or uid.
    pub(super) const fn all_identified(&self) -> bool {
        self.all_identified
    }

    pub(super) fn end_list(&mut self, now: Timestamp) {
        self.sync_state = SyncState::Synced;
        self.listed_pods = self.pods_in_list;
        self.complete_at = Some(now);
        self.record_response(now);
    }
}

#[cfg(test)]
mod tests;
