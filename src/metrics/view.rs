//! Holds what one scrape shows: everything read at one instant, so that no number contradicts another.

use std::ops::RangeFrom;
use std::sync::Arc;

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::MetricFamily;

use super::process::Process;
use crate::pull::failure::Failure;
use crate::pull::history::Forgotten;
use crate::pull::snapshot::{Failing, Snapshot, TrackedContainer, TrackedPod};
use crate::pull::time::Timestamp;

/// Everything a scrape shows.
#[derive(Clone, Debug)]
pub struct View {
    /// What fails.
    pub snapshot: Arc<Snapshot>,
    /// What was counted.
    pub counted: Vec<MetricFamily>,
    /// How the watch is.
    pub watch: Watch,
    /// What the history had no place for.
    pub forgotten: Forgotten,
    /// What the process uses; `None` in a replay, where that is of no interest and never twice the same.
    pub process: Option<(Timestamp, Process)>,
    /// For how many containers series are shown.
    pub max_containers: usize,
    /// What the HTTP server tells of itself; `None` where there is none.
    pub web: Option<Web>,
}

/// How the HTTP server fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Web {
    /// Requests that were refused, by why.
    pub refused: Vec<(&'static str, u64)>,
    /// Whether the latest change of the configuration file was taken over, and when what holds was read; `None` without
    /// such a file.
    pub reload: Option<(bool, Timestamp)>,
}

/// How the watch of the cluster is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// Whether the view is complete and being kept up.
    pub synced: bool,
    /// When the cluster was last heard of.
    pub last_event: Option<Timestamp>,
    /// How many pods the last complete list had.
    pub listed_pods: u64,
}

/// What of a [`View`] is shown, container by container.
#[derive(Debug)]
pub struct Shown<'a> {
    /// The view.
    pub view: &'a View,
    /// The failing containers, by namespace, pod and uid; where there are too many, those that fail longest.
    pub failing: Vec<Failing<'a>>,
    /// Where there are too many: the failure from which on, by start and place, none is shown.
    cut: Option<(Timestamp, usize)>,
    /// How many are left out.
    pub truncated: usize,
}

impl<'a> Shown<'a> {
    /// Picks what is shown.
    #[must_use]
    pub fn of(view: &'a View) -> Self {
        let mut failing: Vec<Failing<'a>> = view.snapshot.failures().collect();
        let truncated = failing.len().saturating_sub(view.max_containers);
        let mut ages: Vec<(Timestamp, usize)> = if truncated > 0 {
            failing.iter().map(|(_, _, failure)| failure.since.at).zip(0..).collect()
        } else {
            Vec::new()
        };
        ages.sort_unstable();
        let cut = ages.get(view.max_containers).copied();
        if let Some(cut) = cut {
            let mut place = 0..;
            failing.retain(|(_, _, failure)| is_before(cut, failure, &mut place));
        }
        Self { view, failing, cut, truncated }
    }

    /// Every container whose waiting reason is mirrored, less those whose failure is left out.
    pub fn mirrored(&self) -> impl Iterator<Item = (&'a TrackedPod, &'a TrackedContainer, &'a str)> {
        let mut place = 0..;
        let cut = self.cut;
        self.view.snapshot.containers().filter_map(move |(pod, container)| {
            let is_shown = match (&container.failure, cut) {
                (Some(failure), Some(cut)) => is_before(cut, failure, &mut place),
                (None, _) | (_, None) => true,
            };
            Some((pod, container, container.mirrored.as_deref()?)).filter(|_| is_shown)
        })
    }
}

/// Whether a failure, the next one by `places`, comes before the first that is left out.
fn is_before(cut: (Timestamp, usize), failure: &Failure, places: &mut RangeFrom<usize>) -> bool {
    places.next().is_some_and(|place| (failure.since.at, place) < cut)
}
