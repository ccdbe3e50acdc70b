//! Defines the flags that say which pods are watched.

use std::time::Duration;

use clap::Args;

use super::{ConnectionArgs, seconds};
use crate::cluster::selection::{InvalidShard, KubernetesName, PodSelection, Shard};

/// Which cluster, and what of it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ClusterArgs {
    /// Where it is.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// Watch these namespaces only, separated by commas, each with its own watch
    #[arg(long, value_name = "NAMES", env = "IMAGE_PULL_EXPORTER_NAMESPACES", value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// Watch none of these namespaces, separated by commas
    #[arg(
        long,
        value_name = "NAMES",
        env = "IMAGE_PULL_EXPORTER_NAMESPACES_DENYLIST",
        value_delimiter = ',',
        conflicts_with = "namespaces"
    )]
    pub namespaces_denylist: Vec<KubernetesName>,
    /// Watch the pods of this node only, as in a DaemonSet
    #[arg(long, value_name = "NAME", env = "IMAGE_PULL_EXPORTER_NODE")]
    pub node: Option<KubernetesName>,
    /// Watch the pods that match this label selector only
    #[arg(
        long,
        value_name = "SELECTOR",
        env = "IMAGE_PULL_EXPORTER_LABEL_SELECTOR",
        default_value = "",
        hide_default_value = true
    )]
    pub label_selector: String,
    /// Which of --total-shards this exporter is, from 0: it tells of its part of the pods only
    #[arg(long, value_name = "N", env = "IMAGE_PULL_EXPORTER_SHARD", default_value_t = 0)]
    pub shard: u32,
    /// How many exporters share the pods
    #[arg(long, value_name = "N", env = "IMAGE_PULL_EXPORTER_TOTAL_SHARDS", default_value_t = 1)]
    pub total_shards: u32,
    /// How long the watch may be broken before /readyz says that the view is out of date, in seconds
    #[arg(
        id = "watch.stale-after",
        long = "watch.stale-after",
        value_name = "SECONDS",
        env = "IMAGE_PULL_EXPORTER_WATCH_STALE_AFTER",
        default_value = "300",
        value_parser = seconds
    )]
    pub stale_after: Duration,
    /// Let the API server compress lists, which saves bytes on the wire and costs time on both sides
    #[arg(
        id = "watch.compress-lists",
        long = "watch.compress-lists",
        env = "IMAGE_PULL_EXPORTER_WATCH_COMPRESS_LISTS"
    )]
    pub compress_lists: bool,
    /// Watch finished pods too, which gives kube-state-metrics' exact view and costs more
    #[arg(long, env = "IMAGE_PULL_EXPORTER_INCLUDE_FINISHED_PODS")]
    pub include_finished_pods: bool,
}

impl ClusterArgs {
    /// Which pods of its scope are watched.
    ///
    /// # Errors
    /// When there is no such shard.
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
