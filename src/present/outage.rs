//! Puts failures together that one thing caused: the same cause at the same registry.

use std::collections::{BTreeMap, BTreeSet};

use image_pull_model::cause::Cause;
use image_pull_model::replaced::CauseSince;
use image_pull_model::snapshot::Failing;
use image_pull_model::time::Timestamp;
use image_pull_model::workload::workload;

/// Failures of one cause at one registry.
#[derive(Debug)]
pub struct Outage<'a> {
    /// What keeps the containers from their images.
    pub cause: Cause,
    /// The registry; empty where the images name none.
    pub registry: &'a str,
    /// The failures, in the order they came.
    pub failures: Vec<Failing<'a>>,
    /// Whom it affects.
    pub reach: Reach,
}

/// How much of the cluster some failures affect, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Containers.
    pub containers: usize,
    /// Pods.
    pub pods: usize,
    /// Workloads.
    pub workloads: usize,
    /// Namespaces.
    pub namespaces: usize,
    /// Nodes.
    pub nodes: usize,
    /// Registries.
    pub registries: usize,
    /// When the oldest failure began; `None` of no failure.
    pub since: Option<Timestamp>,
    /// When the present cause of one of them began first.
    pub cause_since: Option<CauseSince>,
    /// When the present cause of one of them began last.
    pub newest_cause: Option<Timestamp>,
    /// When the kubelet is expected to try one of them next.
    pub next_attempt: Option<Timestamp>,
}

impl Reach {
    /// Measures.
    #[must_use]
    pub fn of(failures: &[Failing<'_>]) -> Self {
        let mut pods = BTreeSet::new();
        let mut workloads = BTreeSet::new();
        let mut namespaces = BTreeSet::new();
        let mut nodes = BTreeSet::new();
        let mut registries = BTreeSet::new();
        for (pod, _, failure) in failures {
            let workload = workload(&pod.id, &pod.owner);
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
            since: failures.iter().map(|(_, _, failure)| failure.since.at).min(),
            cause_since: failures.iter().map(|(_, _, failure)| failure.cause_since()).min_by_key(|since| since.at),
            newest_cause: failures.iter().map(|(_, _, failure)| failure.cause_since().at).max(),
            next_attempt: failures.iter().filter_map(|(_, _, failure)| failure.next_attempt()).min(),
        }
    }
}

/// Puts failures together, those that affect most first.
#[must_use]
pub fn outages<'a>(failures: impl IntoIterator<Item = Failing<'a>>) -> Vec<Outage<'a>> {
    let mut by_cause: BTreeMap<(Cause, &str), Vec<Failing<'a>>> = BTreeMap::new();
    for failing @ (_, _, failure) in failures {
        by_cause.entry((failure.cause(), failure.image.registry())).or_default().push(failing);
    }
    let outage = |((cause, registry), failures): ((Cause, &'a str), Vec<Failing<'a>>)| {
        let reach = Reach::of(&failures);
        Outage { cause, registry, failures, reach }
    };
    let mut outages: Vec<Outage<'a>> = by_cause.into_iter().map(outage).collect();
    outages.sort_by_key(|outage| std::cmp::Reverse(outage.failures.len()));
    outages
}
