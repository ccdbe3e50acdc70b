//! A node: its kubelet's memory, its images and its pull results.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    fault::Reference,
    random::Random,
    script::{PullBehavior, PullOutcome, SandboxReport},
    time::SimTime,
};
use super::{backoff::BackOff, event_correlator::EventCorrelator, job_queue::PodId, pull_queue::PullQueue};

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) ip: String,
    pub(crate) is_up: bool,
    /// Result of every pull on this node, if set by the script.
    pub(crate) pull_behavior: Option<PullBehavior>,
    /// Result of pulls of the pause image. Without one the image is present.
    pub(crate) sandbox_pull: Option<PullBehavior>,
    /// `serializeImagePulls: false`.
    pub(crate) pulls_in_parallel: bool,
    pub(crate) sandbox_report: SandboxReport,
    pub(super) images: BTreeSet<String>,
    pub(super) kubelet_memory: KubeletMemory,
    pub(super) pod_subnet: usize,
    pub(super) pod_ips_assigned: u32,
    /// Phase of the node's 1 s tickers (sync loop and relist), in milliseconds.
    tick_millis: i64,
}

/// State that a kubelet loses when it restarts. The reason cache is part of [`super::pod::Container`].
#[derive(Debug, Default)]
pub(super) struct KubeletMemory {
    pub(super) pulls: BackOff<(PodId, String)>,
    pub(super) last_pull_error: BTreeMap<(PodId, String), String>,
    pub(super) restarts: BackOff<(PodId, usize)>,
    pub(super) pull_queue: PullQueue,
    pub(super) events: EventCorrelator,
}

impl Node {
    pub(crate) fn new(name: &str, index: usize, random: &mut Random) -> Self {
        Self {
            name: name.to_owned(),
            ip: format!("192.0.2.{}", index % 250 + 2),
            is_up: true,
            pull_behavior: None,
            sandbox_pull: None,
            pulls_in_parallel: false,
            sandbox_report: SandboxReport::default(),
            images: BTreeSet::new(),
            kubelet_memory: KubeletMemory::default(),
            pod_subnet: index % 250,
            pod_ips_assigned: 0,
            tick_millis: i64::try_from(random.next() % 1000).unwrap_or_default(),
        }
    }

    /// Stops the kubelet; the images stay on disk.
    pub(crate) fn stop_kubelet(&mut self) {
        self.is_up = false;
        self.kubelet_memory = KubeletMemory::default();
    }

    /// Drops the kubelet's state about a removed pod.
    pub(crate) fn remove_pod(&mut self, pod: PodId) {
        let memory = &mut self.kubelet_memory;
        memory.pulls.retain(|(of, _)| *of != pod);
        memory.last_pull_error.retain(|(of, _), _| *of != pod);
        memory.restarts.retain(|(of, _)| *of != pod);
    }

    /// Returns the next tick of sync loop and relist after `now`.
    pub(super) fn next_tick_after(&self, now: SimTime) -> SimTime {
        let passed = (now.as_millis() - self.tick_millis).rem_euclid(1000);
        SimTime::from_millis(now.as_millis() - passed + 1000)
    }

    pub(super) fn assign_pod_ip(&mut self) -> String {
        self.pod_ips_assigned += 1;
        format!("10.244.{}.{}", self.pod_subnet, self.pod_ips_assigned % 250 + 4)
    }
}

/// Pull results by registry and by image.
#[derive(Debug, Default)]
pub(crate) struct PullRules {
    images: BTreeMap<String, PullBehavior>,
    registries: BTreeMap<String, PullBehavior>,
}

impl PullRules {
    pub(crate) fn set_image(&mut self, image: String, pull: PullBehavior) {
        self.images.insert(image, pull);
    }

    pub(crate) fn set_registry(&mut self, host: String, pull: PullBehavior) {
        self.registries.insert(host, pull);
    }

    /// Returns the result of a pull: the first fault among node, registry and image, else the first entry.
    pub(super) fn behavior_for(&self, node: &Node, image: &str) -> Option<PullBehavior> {
        let host = Reference::parse(image).host;
        let said = [node.pull_behavior.as_ref(), self.registries.get(&host), self.images.get(image)];
        let mut said = said.into_iter().flatten();
        said.clone().find(|pull| pull.outcome != PullOutcome::Success).or_else(|| said.next()).cloned()
    }
}

/// Returns the size of an image whose size the script does not set: 4 to 300 MB.
pub(super) fn image_size(image: &str) -> u64 {
    4_000_000 + Random::from_text(&Reference::parse(image).full).next() % 296_000_000
}
