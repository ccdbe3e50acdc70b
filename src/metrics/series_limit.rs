//! Chooses which failing containers have series of their own where there are more than the limit.
//!
//! The places are shared out evenly among namespaces, those of a namespace evenly among its workloads, and in a
//! workload the oldest failures come first. Who needs less than an even share leaves the rest to the others.
//!
//! The choice is stable: what is shown stays shown for as long as its workload's share allows, and what was left out is
//! shown again only when there is room for it below 95 % of the limit. So a series does not come and go with every
//! failure that begins or ends elsewhere.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use image_pull_model::facts::{ContainerKind, PodId};
use image_pull_model::snapshot::{FailureRef, TrackedContainer, TrackedPod};
use image_pull_model::workload::workload_of;

/// One part in so many of the limit is kept free for failures that are new.
const RESERVE_DIVISOR: usize = 20;

type ContainerKey = (Arc<PodId>, ContainerKind, Arc<str>);

/// Remembers the choice of the last scrape.
#[derive(Debug, Default)]
pub struct SeriesLimiter {
    /// What was shown; `None` while everything is.
    selected: Mutex<Option<HashSet<ContainerKey>>>,
}

impl SeriesLimiter {
    /// Chooses at most `max` of `failing`. Returns for each whether it is shown, or nothing where all are.
    pub fn select(&self, failing: &[FailureRef<'_>], max: usize) -> Vec<bool> {
        let mut last = self.selected.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = max - max / RESERVE_DIVISOR;
        if failing.len() <= enough || (failing.len() <= max && last.is_none()) {
            *last = None;
            return Vec::new();
        }
        let was_shown: Vec<bool> = failing
            .iter()
            .map(|(pod, container, _)| last.as_ref().is_none_or(|last| last.contains(&container_key(pod, container))))
            .collect();
        let shown = select_fairly(failing, &was_shown, max, enough);
        let keys = failing.iter().zip(&shown).filter(|(_, is_shown)| **is_shown);
        *last = Some(keys.map(|((pod, container, _), _)| container_key(pod, container)).collect());
        shown
    }
}

fn container_key(pod: &TrackedPod, container: &TrackedContainer) -> ContainerKey {
    (Arc::clone(&pod.id), container.kind, Arc::clone(&container.name))
}

fn select_fairly(failing: &[FailureRef<'_>], was_shown: &[bool], max: usize, enough: usize) -> Vec<bool> {
    let mut namespaces: BTreeMap<&str, BTreeMap<(&str, &str), Vec<_>>> = BTreeMap::new();
    for ((place, (pod, _, failure)), was_shown) in failing.iter().enumerate().zip(was_shown) {
        let workload = workload_of(&pod.id, &pod.owner);
        let workloads = namespaces.entry(&pod.id.namespace).or_default();
        let failures = workloads.entry((workload.kind, workload.name)).or_default();
        failures.push((!was_shown, failure.start.at, place));
    }
    let mut chosen = vec![false; failing.len()];
    let sizes: Vec<usize> = namespaces.values().map(|workloads| workloads.values().map(Vec::len).sum()).collect();
    let bounds = fair_shares(&sizes, enough).into_iter().zip(fair_shares(&sizes, max));
    for (workloads, (least, most)) in namespaces.into_values().zip(bounds) {
        let sizes: Vec<usize> = workloads.values().map(Vec::len).collect();
        let bounds = fair_shares(&sizes, least).into_iter().zip(fair_shares(&sizes, most));
        for (mut failures, (least, most)) in workloads.into_values().zip(bounds) {
            failures.sort_unstable();
            let kept = failures.iter().filter(|(was_left_out, ..)| !was_left_out).count();
            for (_, _, place) in failures.into_iter().take(kept.max(least).min(most)) {
                if let Some(chosen) = chosen.get_mut(place) {
                    *chosen = true;
                }
            }
        }
    }
    chosen
}

/// Shares `places` out evenly: nobody gets more than its size, and nobody less than another one unless that is its size
/// or the places do not go round; then those that come first get one more. With more places no share is smaller.
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
