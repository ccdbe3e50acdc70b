//! Applies the events of a simulated cluster to a store, in real time or faster.

use tokio::time;

use super::super::{
    cluster::{Cluster, EventType},
    resource::Resource,
    store::key_of,
    time::SimTime,
};
use super::shared_store::SharedStore;

/// Advances `cluster` by `clock` and writes its pods and Events to `store`. Returns when nothing more is scheduled.
///
/// `speed` is the number of simulated seconds per real second.
pub async fn run_cluster(mut cluster: Cluster, store: SharedStore, clock: impl Fn() -> SimTime, speed: f64) {
    while let Some(next) = cluster.next_wakeup() {
        time::sleep(next.since(clock()).div_f64(speed)).await;
        advance_cluster(&mut cluster, &store, clock());
    }
}

/// Advances `cluster` to `now` and writes its pods and Events to `store`.
pub fn advance_cluster(cluster: &mut Cluster, store: &SharedStore, now: SimTime) {
    for event in cluster.step(now) {
        match event.change {
            EventType::Added | EventType::Modified => {
                store.put(event.object);
            }
            EventType::Deleted => {
                let (namespace, name) = key_of(&event.object);
                match event.resource() {
                    Resource::Pods => store.delete(&namespace, &name),
                    Resource::Events => store.delete_event(&namespace, &name),
                };
            }
        }
    }
}
