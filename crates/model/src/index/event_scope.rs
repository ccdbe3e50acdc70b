//! Which Events of a scope happened since the last one that was seen.
//!
//! Events have no time that can be compared with the start of the watch: their times are those of many kubelets, in whole
//! seconds. Their resourceVersions are totally ordered within a cluster.

use crate::facts::WatchScope;

/// The Events of one scope that were seen so far.
#[derive(Debug)]
pub(super) struct EventScope {
    scope: WatchScope,
    /// The highest resourceVersion that was seen before the current list.
    newest: u64,
    /// Whether a list was complete.
    has_listed: bool,
    /// The highest resourceVersion in the current list.
    listing: Option<u64>,
}

/// The age of an Event relative to those seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventAge {
    /// It happened before the watch began.
    BeforeWatch,
    /// It was seen before.
    Repeated,
    /// It was found by a list after a gap.
    Found,
    /// It happened just now.
    Observed,
}

impl EventScope {
    pub(super) fn new(scope: &WatchScope) -> Self {
        Self { scope: scope.clone(), newest: 0, has_listed: false, listing: None }
    }

    pub(super) const fn scope(&self) -> &WatchScope {
        &self.scope
    }

    pub(super) fn begin_list(&mut self) {
        self.listing = Some(0);
    }

    /// Ends a list. New Events have a higher resourceVersion than all in it. That may be lower than the highest seen before: the
    /// Event expired, or the cluster was restored from a backup.
    pub(super) fn end_list(&mut self) {
        if let Some(newest) = self.listing.take() {
            (self.newest, self.has_listed) = (newest, true);
        }
    }

    /// Returns the age of an Event with this resourceVersion, and records that it was seen.
    pub(super) fn see(&mut self, resource_version: u64) -> EventAge {
        let is_new = resource_version > self.newest;
        let age = match (self.has_listed, &mut self.listing) {
            (false, _) => EventAge::BeforeWatch,
            (true, _) if !is_new => EventAge::Repeated,
            (true, Some(_)) => EventAge::Found,
            (true, None) => EventAge::Observed,
        };
        let newest = self.listing.as_mut().unwrap_or(&mut self.newest);
        *newest = (*newest).max(resource_version);
        age
    }
}
