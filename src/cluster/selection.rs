//! Selects the pods to watch: by field and label on the API server, and by shard.

use std::ops::Range;
use std::str::FromStr;

use super::event::{InformerEvent, KubeletEvent, PodEvent};
use super::event_object::EventObject;

/// Finished pods start no containers, and their old statuses would look like failures.
const UNFINISHED_PODS: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// The Events of kubelets about pods. API servers compare `source` with `source.component`
/// (pkg/registry/core/event/strategy.go, `ToSelectableFields`, v1.36.2).
const KUBELET_EVENTS: &str = "involvedObject.kind=Pod,source=kubelet";

/// The reasons of frequent Events of kubelets that report nothing about images, or only what `Failed` reports too. `Failed`
/// and `Pulled` are also written about other things, but with the same reason.
const EXCLUDED_REASONS: &[&str] = &[
    "Created",
    "Started",
    "Killing",
    "Unhealthy",
    "BackOff",
    "SandboxChanged",
    "ProbeWarning",
    "FailedMount",
    "DNSConfigForming",
    "MissingClusterDNS",
    "NetworkNotReady",
    "FailedSync",
    "InspectFailed",
    "ErrImageNeverPull",
];

/// The pods of a scope to watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodSelection {
    /// Whether to include finished pods.
    pub include_finished: bool,
    /// Namespaces to exclude.
    pub excluded_namespaces: Vec<String>,
    /// Only pods of this node.
    pub node_name: Option<String>,
    /// Label selector; empty for all pods.
    pub label_selector: String,
    /// Only pods of this shard.
    pub shard: Option<Shard>,
}

/// One of several exporters that share the pods of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    total: u32,
}

/// The index of a shard is not below their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("--shard {index} is out of range: the last of {total} shards (--total-shards) is {}", total.saturating_sub(1))]
pub struct InvalidShard {
    index: u32,
    total: u32,
}

impl PodSelection {
    /// Returns the field selector; empty for all pods.
    pub(super) fn field_selector(&self) -> String {
        let mut terms = Vec::new();
        if !self.include_finished {
            terms.push(UNFINISHED_PODS.to_owned());
        }
        terms.extend(self.excluded_namespaces.iter().map(|name| format!("metadata.namespace!={name}")));
        terms.extend(self.node_name.iter().map(|name| format!("spec.nodeName={name}")));
        terms.join(",")
    }

    /// Returns the field selector of the Events about the pods.
    pub(super) fn event_field_selector(&self) -> String {
        let mut terms = vec![KUBELET_EVENTS.to_owned()];
        terms.extend(EXCLUDED_REASONS.iter().map(|reason| format!("reason!={reason}")));
        terms.extend(self.excluded_namespaces.iter().map(|name| format!("metadata.namespace!={name}")));
        terms.join(",")
    }

    /// Filters an event by shard, for API servers without server-side sharding.
    pub(super) fn filter_shard(&self, event: PodEvent) -> Option<PodEvent> {
        match self.shard {
            Some(shard) => filter(event, |pod| shard.owns(&pod.id().uid)),
            None => Some(event),
        }
    }

    /// Filters an Event by what it reports, and by the shard and the node of its pod.
    pub(super) fn filter_event(&self, event: KubeletEvent) -> Option<KubeletEvent> {
        let is_selected = |event: &EventObject| {
            event.facts().is_some_and(|facts| {
                self.shard.is_none_or(|shard| shard.owns(&facts.pod.uid))
                    && self.node_name.as_ref().is_none_or(|node| *node == facts.node)
            })
        };
        filter(event, is_selected)
    }
}

/// Drops objects that are not selected. Their changes still show that the watch makes progress.
fn filter<O>(event: InformerEvent<O>, is_selected: impl FnOnce(&O) -> bool) -> Option<InformerEvent<O>> {
    use InformerEvent::{
        Applied, AppliedInitial, Deleted, ListCompleted, ListStarted, Listed, Progress, ResumedAfterGap, Synced,
        Undecodable, UndecodableDeletion, WatchEnded, WatchFailed,
    };
    match &event {
        Listed(object) | AppliedInitial(object) => is_selected(object).then_some(event),
        Applied(object) | Deleted(object) => Some(if is_selected(object) { event } else { Progress }),
        ListStarted
        | ListCompleted
        | ResumedAfterGap
        | Synced
        | Progress
        | Undecodable(_)
        | UndecodableDeletion(_)
        | WatchEnded
        | WatchFailed(_) => Some(event),
    }
}

impl Shard {
    /// Creates the shard with a zero-based index.
    ///
    /// # Errors
    /// When `index` is not below `total`.
    pub const fn new(index: u32, total: u32) -> Result<Self, InvalidShard> {
        if index < total { Ok(Self { index, total }) } else { Err(InvalidShard { index, total }) }
    }

    /// Returns whether a pod belongs to this shard.
    fn owns(self, uid: &str) -> bool {
        self.hash_range().contains(&u128::from(fnv1a(uid.as_bytes())))
    }

    /// Returns the hash range of this shard. All ranges have the same size.
    fn hash_range(self) -> Range<u128> {
        let begin = |index: u32| (u128::from(index) << 64).div_ceil(self.total.into());
        begin(self.index)..begin(self.index + 1)
    }

    /// Returns the range as a shard selector (KEP-5866; ListOptions.shardSelector, v1.36). Servers without the feature
    /// ignore it; others hash uids with [`fnv1a`] too (apimachinery, pkg/sharding/hash.go).
    pub(super) fn shard_selector(self) -> String {
        let Range { start, end } = self.hash_range();
        format!("shardRange(object.metadata.uid, '{start:#x}', '{end:#x}')")
    }
}

/// 64-bit FNV-1a. Hand-written in one line because std's hashers are not stable across versions.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A name that Kubernetes accepts, safe to use in a selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesName(String);

impl FromStr for KubernetesName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        if text.is_empty() || text.len() > 253 || !text.bytes().all(is_plain) {
            return Err(format!("invalid Kubernetes name \"{text}\""));
        }
        Ok(Self(text.to_owned()))
    }
}

impl From<KubernetesName> for String {
    fn from(name: KubernetesName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::{EXCLUDED_REASONS, InvalidShard, KubernetesName, PodSelection, Shard, fnv1a};
    use image_pull_model::kubelet_event::EventReport;

    fn uids() -> impl Iterator<Item = String> {
        (0..10_000).map(|number: u32| format!("3d7c0f5e-{:04x}-4c1a-9d2e-{number:012x}", number % 65_536))
    }

    #[test]
    fn every_pod_belongs_to_exactly_one_shard_and_shards_are_balanced() {
        for total in 1..8 {
            let shards: Vec<Shard> = (0..total).map(|index| Shard::new(index, total).unwrap()).collect();
            let mut pods = vec![0; shards.len()];
            for uid in uids() {
                let owners: Vec<usize> = (0..shards.len()).filter(|index| shards[*index].owns(&uid)).collect();
                assert_eq!(owners.len(), 1, "{uid} of {total}");
                pods[owners[0]] += 1;
            }
            let fair = 10_000 / total;
            assert!(pods.iter().all(|count| (fair * 9 / 10..=fair * 11 / 10).contains(count)), "{pods:?}");
        }
        assert_eq!(Shard::new(2, 2), Err(InvalidShard { index: 2, total: 2 }));
    }

    #[test]
    fn the_shard_selector_matches_the_api_servers_hash() {
        // The test vectors of the FNV authors.
        for (text, hash) in
            [("", 0xcbf2_9ce4_8422_2325), ("a", 0xaf63_dc4c_8601_ec8c), ("foobar", 0x8594_4171_f739_67e8)]
        {
            assert_eq!(fnv1a(text.as_bytes()), hash);
        }
        let selectors: Vec<String> = (0..2).map(|index| Shard::new(index, 2).unwrap().shard_selector()).collect();
        assert_eq!(
            selectors,
            [
                "shardRange(object.metadata.uid, '0x0', '0x8000000000000000')",
                "shardRange(object.metadata.uid, '0x8000000000000000', '0x10000000000000000')",
            ]
        );
    }

    #[test]
    fn the_field_selector_of_events_excludes_no_reason_that_is_read() {
        let selection = PodSelection { excluded_namespaces: vec!["dev".to_owned()], ..PodSelection::default() };
        let selector = selection.event_field_selector();
        assert!(selector.starts_with("involvedObject.kind=Pod,source=kubelet,reason!=Created,reason!=Started,"));
        assert!(selector.ends_with(",metadata.namespace!=dev"), "{selector}");
        assert!(EventReport::REASONS.iter().all(|reason| !EXCLUDED_REASONS.contains(reason)));
    }

    #[test]
    fn the_field_selector_excludes_unwanted_pods() {
        let selection = PodSelection {
            excluded_namespaces: vec!["kube-system".to_owned(), "dev".to_owned()],
            node_name: Some("node-1.example".to_owned()),
            ..PodSelection::default()
        };
        let expected = "status.phase!=Succeeded,status.phase!=Failed,metadata.namespace!=kube-system,\
                        metadata.namespace!=dev,spec.nodeName=node-1.example";
        assert_eq!(selection.field_selector(), expected);
        assert_eq!(PodSelection { include_finished: true, ..PodSelection::default() }.field_selector(), "");
        assert!("node-1.example".parse::<KubernetesName>().is_ok());
        for bad in ["", "a,b", "a=b", "A", "a b", &"a".repeat(254)] {
            assert!(bad.parse::<KubernetesName>().is_err(), "{bad}");
        }
    }
}
