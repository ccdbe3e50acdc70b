//! Selects the failing containers that have series of their own when more fail than `--max-container-series` allows.
//!
//! The limit is shared evenly among namespaces, and the share of a namespace evenly among its workloads. Within a
//! workload, the oldest failures are selected first. An unused part of a share goes to the others.
//!
//! The selection is stable. A selected container stays selected while its workload's share allows it. An omitted one is
//! selected again only below 95 % of the limit. Series do not appear and disappear with each unrelated failure.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use image_pull_model::facts::{ContainerKind, PodId};
use image_pull_model::snapshot::{FailureRef, TrackedContainer, TrackedPod};
use image_pull_model::workload::workload_of;

/// `1 / RESERVE_DIVISOR` of the limit is reserved for new failures.
const RESERVE_DIVISOR: usize = 20;

type ContainerKey = (Arc<PodId>, ContainerKind, Arc<str>);

/// Holds the selection of the last scrape.
#[derive(Debug, Default)]
pub(crate) struct SeriesLimiter {
    /// The selected containers. `None` while all are selected.
    selected: Mutex<Option<HashSet<ContainerKey>>>,
}

impl SeriesLimiter {
    /// Selects at most `max` of `failing`. Returns for each container whether it is selected, or an empty vector if all are.
    pub(crate) fn select(&self, failing: &[FailureRef<'_>], max: usize) -> Vec<bool> {
        let mut last = self.selected.lock().unwrap_or_else(PoisonError::into_inner);
        let unreserved = max - max / RESERVE_DIVISOR;
        if failing.len() <= unreserved || (failing.len() <= max && last.is_none()) {
            *last = None;
            return Vec::new();
        }
        let was_selected: Vec<bool> = failing
            .iter()
            .map(|(pod, container, _)| last.as_ref().is_none_or(|last| last.contains(&container_key(pod, container))))
            .collect();
        let selected = select_fairly(failing, &was_selected, max, unreserved);
        let keys = failing.iter().zip(&selected).filter(|(_, is_selected)| **is_selected);
        *last = Some(keys.map(|((pod, container, _), _)| container_key(pod, container)).collect());
        selected
    }
}

fn container_key(pod: &TrackedPod, container: &TrackedContainer) -> ContainerKey {
    (Arc::clone(&pod.id), container.kind, Arc::clone(&container.name))
}

fn select_fairly(failing: &[FailureRef<'_>], was_selected: &[bool], max: usize, unreserved: usize) -> Vec<bool> {
    let mut namespaces: BTreeMap<&str, BTreeMap<(&str, &str), Vec<_>>> = BTreeMap::new();
    for ((index, (pod, _, failure)), was_selected) in failing.iter().enumerate().zip(was_selected) {
        let workload = workload_of(&pod.id, &pod.owner);
        let workloads = namespaces.entry(&pod.id.namespace).or_default();
        let failures = workloads.entry((workload.kind, workload.name)).or_default();
        failures.push((!was_selected, failure.start.at, index));
    }
    let mut chosen = vec![false; failing.len()];
    let sizes: Vec<usize> = namespaces.values().map(|workloads| workloads.values().map(Vec::len).sum()).collect();
    let bounds = fair_shares(&sizes, unreserved).into_iter().zip(fair_shares(&sizes, max));
    for (workloads, (least, most)) in namespaces.into_values().zip(bounds) {
        let sizes: Vec<usize> = workloads.values().map(Vec::len).collect();
        let bounds = fair_shares(&sizes, least).into_iter().zip(fair_shares(&sizes, most));
        for (mut failures, (least, most)) in workloads.into_values().zip(bounds) {
            failures.sort_unstable();
            let kept = failures.iter().filter(|(was_omitted, ..)| !was_omitted).count();
            for (_, _, index) in failures.into_iter().take(kept.max(least).min(most)) {
                if let Some(chosen) = chosen.get_mut(index) {
                    *chosen = true;
                }
            }
        }
    }
    chosen
}

/// Divides `places` evenly into shares of at most the given sizes. A remainder goes to the first shares, one place each.
/// More places make no share smaller.
fn fair_shares(sizes: &[usize], places: usize) -> Vec<usize> {
    let mut ascending = sizes.to_vec();
    ascending.sort_unstable();
    let (mut left, mut level, mut more) = (places, usize::MAX, 0);
    for (before, size) in ascending.iter().enumerate() {
        let sharing = sizes.len() - before;
        if size.saturating_mul(sharing) > left {
            (level, more) = (left / sharing, left % sharing);
            break;
        }
        left -= size;
    }
    let mut share = |size: usize| {
        if size <= level {
            return size;
        }
        let one = usize::from(more > 0);
        more -= one;
        level + one
    };
    sizes.iter().map(|size| share(*size)).collect()
}

#[cfg(test)]
mod tests;
