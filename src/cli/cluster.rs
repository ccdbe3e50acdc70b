//! The flags that select the pods to watch.

use std::time::Duration;

use clap::Args;

use super::{ConnectionArgs, parse_seconds};
use crate::cluster::selection::{InvalidShard, KubernetesName, PodSelection, Shard};

/// The flags that select the cluster and its pods.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Comma-separated list of namespaces to watch, each with its own watch [default: all namespaces, with one watch]
    #[arg(long, value_name = "NAMES", env = "IMAGE_PULL_EXPORTER_NAMESPACES", value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// Comma-separated list of namespaces not to watch
    #[arg(
        long,
        value_name = "NAMES",
        env = "IMAGE_PULL_EXPORTER_NAMESPACES_DENYLIST",
        value_delimiter = ',',
        conflicts_with = "namespaces"
    )]
    pub namespaces_denylist: Vec<KubernetesName>,
    /// Watch only the pods of this node, for example in a DaemonSet
    #[arg(long, value_name = "NAME", env = "IMAGE_PULL_EXPORTER_NODE")]
    pub node: Option<KubernetesName>,
    /// Watch only the pods that match this label selector
    #[arg(
        long,
        value_name = "SELECTOR",
        env = "IMAGE_PULL_EXPORTER_LABEL_SELECTOR",
        default_value = "",
        hide_default_value = true
    )]
    pub label_selector: String,
    /// Zero-based index of this shard. Only pods in the shard are reported
    #[arg(long, value_name = "N", env = "IMAGE_PULL_EXPORTER_SHARD", default_value_t = 0)]
    pub shard: u32,
    /// Total number of shards
    #[arg(long, value_name = "N", env = "IMAGE_PULL_EXPORTER_TOTAL_SHARDS", default_value_t = 1)]
    pub total_shards: u32,
    /// Seconds of a failing watch before /readyz reports that the view is stale
    #[arg(
        id = "watch.stale-after",
        long = "watch.stale-after",
        value_name = "SECONDS",
        env = "IMAGE_PULL_EXPORTER_WATCH_STALE_AFTER",
        default_value = "300",
        value_parser = parse_seconds
    )]
    pub stale_after: Duration,
    /// Request compressed lists from the API server: less network traffic, more CPU time
    #[arg(
        id = "watch.compress-lists",
        long = "watch.compress-lists",
        env = "IMAGE_PULL_EXPORTER_WATCH_COMPRESS_LISTS"
    )]
    pub compress_lists: bool,
    /// Also watch core/v1 Events of kubelets about images, which needs the right to list and watch events: durations and
    /// sizes of pulls, failing sandbox images, missing pull secrets
    #[arg(long, env = "IMAGE_PULL_EXPORTER_EVENTS")]
    pub events: bool,
    /// Also watch finished pods, for the same view as kube-state-metrics at a higher cost
    #[arg(long, env = "IMAGE_PULL_EXPORTER_INCLUDE_FINISHED_PODS")]
    pub include_finished_pods: bool,
}

impl ClusterArgs {
    /// Returns the selection of pods. Fails if the index of the shard is out of range.
    pub fn selection(&self) -> Result<PodSelection, InvalidShard> {
        Ok(PodSelection {
            include_finished: self.include_finished_pods,
            excluded_namespaces: self.namespaces_denylist.iter().cloned().map(String::from).collect(),
            node_name: self.node.clone().map(String::from),
            label_selector: self.label_selector.clone(),
            shard: Some(Shard::new(self.shard, self.total_shards)?).filter(|_| self.total_shards > 1),
        })
    }
}
