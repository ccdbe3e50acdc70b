//! Watches the core/v1 Events that kubelets write about the pods of one scope.
//!
//! API servers have no watch cache for Events: each watch is one of etcd. It has no bookmarks, so the informer renews it
//! while it is quiet, and lists again once the resourceVersion is compacted.

use futures::{Stream, StreamExt, future};

use super::KubeletEvent;
use super::event_object::EventObject;
use super::informer::Informer;
use super::pod_watch::PodSource;
use super::request::RequestTarget;
use super::watched_object::WatchedObject;
use super::watcher::{self, random_seed};

/// Returns an endless stream of the Events about the pods of `source`. It begins with a list. Events have no labels of
/// their pod, so a label selector has no effect.
pub fn watch(source: PodSource) -> impl Stream<Item = KubeletEvent> {
    watch_with_seed(source, random_seed())
}

/// Like [`watch`], with a seed for the jitter of retries, which makes tests reproducible.
pub fn watch_with_seed(source: PodSource, seed: u64) -> impl Stream<Item = KubeletEvent> {
    let PodSource { connection, scope, selection, compress_lists } = source;
    let target = RequestTarget {
        resource: EventObject::RESOURCE,
        scope,
        field_selector: selection.event_field_selector(),
        label_selector: String::new(),
        // The API server would hash the uid of the Event, not of its pod.
        shard_selector: String::new(),
        compress_lists,
    };
    watcher::events(connection, target, Informer::new(seed))
        .filter_map(move |event| future::ready(selection.filter_event(event)))
}
