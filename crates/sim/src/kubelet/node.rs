//! Holds a node: what its kubelet remembers, which images it has, and how pulls end.

use std::collections::{BTreeMap, BTreeSet};

use super::super::{
    fault::Reference,
    random::Random,
    script::{Outcome, Pull},
    time::SimTime,
};
use super::{agenda::PodId, backoff::BackOff};

#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) ip: String,
    pub(crate) up: bool,
    /// How every pull on this node ends, if the script said so.
    pub(crate) pull: Option<Pull>,
    pub(super) images: BTreeSet<String>,
    pub(super) memory: Memory,
    pub(super) pod_subnet: usize,
    pub(super) pods_seen: u32,
    /// Where in the second the 1 s tickers (sync loop and relist) of this node stand.
    tick_millis: i64,
}

/// What a kubelet forgets when it restarts. The reason cache is beside the containers it is about
/// ([`super::pod::Container`]).
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) pulls: BackOff<(PodId, String)>,
    pub(super) last_pull_error: BTreeMap<(PodId, String), String>,
    pub(super) restarts: BackOff<(PodId, usize)>,
}

impl Node {
    pub(crate) fn new(name: &str, index: usize, random: &mut Random) -> Self {
        Self {
            name: name.to_owned(),
            ip: format!("192.0.2.{}", index % 250 + 2),
            up: true,
            pull: None,
            images: BTreeSet::new(),
            memory: Memory::default(),
            pod_subnet: index % 250,
            pods_seen: 0,
            tick_millis: i64::try_from(random.next() % 1000).unwrap_or_default(),
        }
    }

    /// Stops the kubelet; the images stay on disk.
    pub(crate) fn stop(&mut self) {
        self.up = false;
        self.memory = Memory::default();
    }

    /// Returns the next tick after `now`: when the sync loop or the relist gets to see what has happened.
    pub(super) fn tick_after(&self, now: SimTime) -> SimTime {
        let passed = (now.as_millis() - self.tick_millis).rem_euclid(1000);
        SimTime::from_millis(now.as_millis() - passed + 1000)
    }

    pub(super) fn new_pod_ip(&mut self) -> String {
        self.pods_seen += 1;
        format!("10.244.{}.{}", self.pod_subnet, self.pods_seen % 250 + 4)
    }
}

/// How pulls end beyond the node: by registry, and by image as the pods write it.
#[derive(Debug, Default)]
pub(crate) struct Pulls {
    images: BTreeMap<String, Pull>,
    registries: BTreeMap<String, Pull>,
}

impl Pulls {
    pub(crate) fn set_image(&mut self, image: String, pull: Pull) {
        self.images.insert(image, pull);
    }

    pub(crate) fn set_registry(&mut self, host: String, pull: Pull) {
        self.registries.insert(host, pull);
    }

    /// Returns how a pull ends: the node's word, then the registry's, then the image's, and the first that is not ok.
    pub(super) fn of(&self, node: &Node, image: &str) -> Option<Pull> {
        let host = Reference::parse(image).host;
        let said = [node.pull.as_ref(), self.registries.get(&host), self.images.get(image)];
        let mut said = said.into_iter().flatten();
        said.clone().find(|pull| pull.outcome != Outcome::Ok).or_else(|| said.next()).cloned()
    }
}
