//! Applies the events of a simulated cluster to a store, in real time or faster.

use tokio::time;

use super::super::{
    cluster::{Cluster, EventType},
    time::SimTime,
};
use super::shared_store::SharedStore;

/// Advances `cluster` by `clock` and writes its pods to `store`. Returns when nothing more is scheduled.
///
/// `speed` is the number of simulated seconds per real second.
pub async fn run_cluster(mut cluster: Cluster, store: SharedStore, clock: impl Fn() -> SimTime, speed: f64) {
    while let Some(next) = cluster.next_wakeup() {
        time::sleep(next.since(clock()).div_f64(speed)).await;
        advance_cluster(&mut cluster, &store, clock());
    }
}

/// Advances `cluster` to `now` and writes its pods to `store`.
pub fn advance_cluster(cluster: &mut Cluster, store: &SharedStore, now: SimTime) {
    for event in cluster.step(now) {
        match event.change {
            EventType::Added | EventType::Modified => {
                store.put(event.pod);
            }
            EventType::Deleted => {
                let field =
                    |pointer: &str| event.pod.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default();
                store.delete(field("/metadata/namespace"), field("/metadata/name"));
            }
        }
    }
}
