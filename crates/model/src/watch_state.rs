//! How far the watch of one scope is: the one record of whether the view of that scope is current.

use super::clock_step::ClockStep;
use super::facts::Scope;
use super::provenance::Provenance;
use super::time::Timestamp;

/// The state of the watch of one scope.
#[derive(Debug)]
pub struct WatchState {
    scope: Scope,
    progress: Progress,
    complete_at: Option<Timestamp>,
    last_response: Option<Timestamp>,
    /// What failed last, where nothing was received since.
    failure: Option<String>,
    listed: u64,
    listing: u64,
    /// Whether each pod of the last list begun is known by name or uid.
    is_identified: bool,
}

/// What the next event of a pod says about the time of its change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The scope is being listed, or waits for its first list.
    Listing,
    /// The watch was interrupted and goes on: what happened meanwhile is still to come.
    CatchingUp,
    /// Every change has been received up to now.
    Synced,
}

impl WatchState {
    pub(super) fn new(scope: &Scope) -> Self {
        Self {
            scope: scope.clone(),
            progress: Progress::Listing,
            complete_at: None,
            last_response: None,
            failure: None,
            listed: 0,
            listing: 0,
            is_identified: true,
        }
    }

    /// The scope.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// When the view of the scope was last known to be complete; `None` before its first list.
    #[must_use]
    pub const fn complete_at(&self) -> Option<Timestamp> {
        self.complete_at
    }

    /// When the API server last responded.
    #[must_use]
    pub const fn last_response(&self) -> Option<Timestamp> {
        self.last_response
    }

    /// Whether nothing was received since a request failed or the watch broke.
    #[must_use]
    pub const fn is_failing(&self) -> bool {
        self.failure.is_some()
    }

    /// What failed, where nothing was received since.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Whether the view of the scope is complete and being kept up.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.is_complete() && !self.is_failing()
    }

    /// The number of pods in the last complete list.
    #[must_use]
    pub const fn listed_pods(&self) -> u64 {
        self.listed
    }

    /// Whether the view is complete, and no list of the scope is under way.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete_at.is_some() && self.progress != Progress::Listing
    }

    /// How the change is known that the next event of a pod shows.
    #[must_use]
    pub(super) fn provenance(&self) -> Provenance {
        match (self.progress, self.complete_at) {
            (_, None) => Provenance::Initial,
            (Progress::Synced, Some(_)) => Provenance::Observed,
            (Progress::Listing | Progress::CatchingUp, Some(complete_at)) => Provenance::FoundAfter(complete_at),
        }
    }

    /// Records that a request failed or the watch broke, and why.
    pub fn fail(&mut self, why: String) {
        self.failure = Some(why);
    }

    /// Records that the API server sent something.
    pub fn respond(&mut self, now: Timestamp) {
        (self.failure, self.last_response) = (None, Some(now));
        if self.progress == Progress::Synced {
            self.complete_at = Some(now);
        }
    }

    /// Records that every change up to `now` was received. Ends no list.
    pub fn sync(&mut self, now: Timestamp) {
        if self.progress == Progress::CatchingUp {
            self.progress = Progress::Synced;
        }
        self.respond(now);
    }

    /// Records that the watch goes on after an interruption, of which changes are still to come.
    pub fn resume_after_gap(&mut self, now: Timestamp) {
        if self.progress == Progress::Synced {
            self.progress = Progress::CatchingUp;
        }
        self.respond(now);
    }

    pub(super) fn clock_stepped(&mut self, step: ClockStep) {
        self.complete_at = self.complete_at.map(|at| step.corrected(at));
        self.last_response = self.last_response.map(|at| step.corrected(at));
    }

    /// Counts a pod of the list under way.
    pub fn count_listed_pod(&mut self) {
        self.listing += 1;
    }

    pub(super) fn begin_list(&mut self) {
        self.progress = Progress::Listing;
        self.listing = 0;
        self.is_identified = true;
    }

    /// Records that a pod is neither known by name nor by uid.
    pub(super) fn list_unidentified(&mut self) {
        self.is_identified &= self.progress != Progress::Listing;
    }

    /// Whether each pod of the last list begun is known by name or uid.
    pub(super) const fn is_identified(&self) -> bool {
        self.is_identified
    }

    pub(super) fn end_list(&mut self, now: Timestamp) {
        self.progress = Progress::Synced;
        self.listed = self.listing;
        self.complete_at = Some(now);
        self.respond(now);
    }
}

#[cfg(test)]
mod tests;
