//! Lets a simulated cluster happen in a store, in real time or faster.

use tokio::time;

use super::super::{
    cluster::{Cluster, EventType},
    time::SimTime,
};
use super::SharedStore;

/// Steps `cluster` by `clock` and writes its pods into `store`; ends only when nothing is left to happen, so the caller
/// drops it.
///
/// `speed` is how many simulated seconds `clock` counts in one real second.
pub async fn drive(mut cluster: Cluster, store: SharedStore, clock: impl Fn() -> SimTime, speed: f64) {
    while let Some(next) = cluster.next_wakeup() {
        time::sleep(next.since(clock()).div_f64(speed)).await;
        advance(&mut cluster, &store, clock());
    }
}

/// Lets everything happen up to `now`, in `store` too.
pub fn advance(cluster: &mut Cluster, store: &SharedStore, now: SimTime) {
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
