//! Groups failures with the same cause and cause group at the same registry.

use std::collections::{BTreeMap, BTreeSet};

use image_pull_model::cause::{Cause, CauseGroup};
use image_pull_model::cause_history::CauseStart;
use image_pull_model::snapshot::FailureRef;
use image_pull_model::time::Timestamp;
use image_pull_model::workload::workload_of;

/// The failures with one cause at one registry.
#[derive(Debug)]
pub struct Outage<'a> {
    /// The common cause.
    pub cause: Cause,
    /// The common cause group.
    pub group: CauseGroup,
    /// The common registry; empty if the image references are invalid.
    pub registry: &'a str,
    /// The failures, in the order of the input.
    pub failures: Vec<FailureRef<'a>>,
    /// Impact of the outage.
    pub reach: Impact,
}

/// The impact of a set of failures: affected objects and times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Impact {
    /// Number of containers.
    pub containers: usize,
    /// Number of pods.
    pub pods: usize,
    /// Number of workloads.
    pub workloads: usize,
    /// Number of namespaces.
    pub namespaces: usize,
    /// Number of nodes.
    pub nodes: usize,
    /// Number of registries.
    pub registries: usize,
    /// When the oldest failure began; `None` without failures.
    pub since: Option<Timestamp>,
    /// Earliest start of the current cause of a failure.
    pub cause_since: Option<CauseStart>,
    /// Latest start of the current cause of a failure.
    pub newest_cause: Option<Timestamp>,
    /// Earliest expected next attempt.
    pub next_attempt: Option<Timestamp>,
}

impl Impact {
    /// Returns the impact of a set of failures.
    #[must_use]
    pub fn of(failures: &[FailureRef<'_>]) -> Self {
        let mut pods = BTreeSet::new();
        let mut workloads = BTreeSet::new();
        let mut namespaces = BTreeSet::new();
        let mut nodes = BTreeSet::new();
        let mut registries = BTreeSet::new();
        for (pod, _, failure) in failures {
            let workload = workload_of(&pod.id, &pod.owner);
            pods.insert(&pod.id.uid);
            workloads.insert((&pod.id.namespace, workload.kind, workload.name));
            namespaces.insert(&pod.id.namespace);
            nodes.extend(Some(&pod.node).filter(|node| !node.is_empty()));
            registries.extend(Some(failure.image.registry()).filter(|registry| !registry.is_empty()));
        }
        Self {
            containers: failures.len(),
            pods: pods.len(),
            workloads: workloads.len(),
            namespaces: namespaces.len(),
            nodes: nodes.len(),
            registries: registries.len(),
            since: failures.iter().map(|(_, _, failure)| failure.start.at).min(),
            cause_since: failures.iter().map(|(_, _, failure)| failure.cause_start()).min_by_key(|since| since.at),
            newest_cause: failures.iter().map(|(_, _, failure)| failure.cause_start().at).max(),
            next_attempt: failures.iter().filter_map(|(_, _, failure)| failure.next_attempt()).min(),
        }
    }
}

/// Groups failures into outages, largest first.
#[must_use]
pub fn outages<'a>(failures: impl IntoIterator<Item = FailureRef<'a>>) -> Vec<Outage<'a>> {
    let mut by_cause: BTreeMap<(Cause, CauseGroup, &str), Vec<FailureRef<'a>>> = BTreeMap::new();
    for failing @ (_, _, failure) in failures {
        by_cause.entry((failure.cause(), failure.cause_group(), failure.image.registry())).or_default().push(failing);
    }
    let outage = |((cause, group, registry), failures): ((Cause, CauseGroup, &'a str), Vec<FailureRef<'a>>)| {
        let reach = Impact::of(&failures);
        Outage { cause, group, registry, failures, reach }
    };
    let mut outages: Vec<Outage<'a>> = by_cause.into_iter().map(outage).collect();
    outages.sort_by_key(|outage| std::cmp::Reverse(outage.failures.len()));
    outages
}
