//! Watches the pods of one scope.

use futures::{Stream, StreamExt, future};

use super::PodEvent;
use super::client::Connection;
use super::informer::Informer;
use super::pod_object::PodObject;
use super::request::RequestTarget;
use super::selection::{PodSelection, Shard};
use super::watched_object::WatchedObject;
use super::watcher::{self, random_seed};
use image_pull_model::facts::WatchScope;

/// The pods to watch and how to reach them.
#[derive(Clone)]
pub struct PodSource {
    /// Connection to the API server.
    pub connection: Connection,
    /// A namespace, or the whole cluster.
    pub scope: WatchScope,
    /// The pods of the scope.
    pub selection: PodSelection,
    /// Whether the API server may compress lists. Saves bandwidth and costs CPU time on both sides.
    pub compress_lists: bool,
}

impl PodSource {
    /// All pods of `scope`, in uncompressed lists.
    #[must_use]
    pub fn all_pods(connection: impl Into<Connection>, scope: WatchScope) -> Self {
        Self { connection: connection.into(), scope, selection: PodSelection::default(), compress_lists: false }
    }
}

/// Returns an endless stream of the events of `source`. It begins with a list of all pods.
pub fn watch(source: PodSource) -> impl Stream<Item = PodEvent> {
    watch_with_seed(source, random_seed())
}

/// Like [`watch`], with a seed for the jitter of retries, which makes tests reproducible.
pub fn watch_with_seed(source: PodSource, seed: u64) -> impl Stream<Item = PodEvent> {
    events(source, Informer::new(seed))
}

/// Like [`watch`], with a paged list first, which needs the verb `list` only. The caller stops at
/// [`PodEvent::ListCompleted`].
pub fn list(source: PodSource) -> impl Stream<Item = PodEvent> {
    events(source, Informer::with_paged_list(random_seed()))
}

fn events(source: PodSource, informer: Informer<PodObject>) -> impl Stream<Item = PodEvent> {
    let PodSource { connection, scope, selection, compress_lists } = source;
    let informer = if selection.shard.is_some() { informer.with_server_sharding() } else { informer };
    let target = RequestTarget {
        resource: PodObject::RESOURCE,
        scope,
        field_selector: selection.field_selector(),
        label_selector: selection.label_selector.clone(),
        shard_selector: selection.shard.map(Shard::shard_selector).unwrap_or_default(),
        compress_lists,
    };
    watcher::events(connection, target, informer).filter_map(move |event| future::ready(selection.filter_shard(event)))
}
