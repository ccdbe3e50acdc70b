//! A store shared between tasks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync;

use super::super::store::Store;

/// A store shared between tasks: the server reads it, and a test or [`run_cluster`](super::run_cluster) writes it.
#[derive(Clone, Debug)]
pub struct SharedStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// A std mutex, since it is never held across an await.
    store: Mutex<Store>,
    /// The revision of the last change.
    changed: sync::watch::Sender<u64>,
}

impl Default for SharedStore {
    fn default() -> Self {
        Self::new(Store::default())
    }
}

impl SharedStore {
    /// Shares a store.
    pub fn new(store: Store) -> Self {
        let changed = sync::watch::Sender::new(store.revision());
        Self(Arc::new(Inner { store: Mutex::new(store), changed }))
    }

    /// Creates or replaces a pod, or an Event if that is its kind. Returns its resourceVersion.
    pub fn put(&self, object: Value) -> u64 {
        self.change(|store| store.put(object))
    }

    /// Deletes a pod. Returns false if it does not exist.
    pub fn delete(&self, namespace: &str, name: &str) -> bool {
        self.change(|store| store.delete(namespace, name))
    }

    /// Deletes an Event. Returns false if it does not exist.
    pub fn delete_event(&self, namespace: &str, name: &str) -> bool {
        self.change(|store| store.delete_event(namespace, name))
    }

    fn change<T>(&self, change: impl FnOnce(&mut Store) -> T) -> T {
        let (result, revision) = {
            let mut store = self.lock();
            (change(&mut store), store.revision())
        };
        self.0.changed.send_replace(revision);
        result
    }

    /// Compacts the history: watches and continue tokens from earlier revisions expire with 410 Gone.
    pub fn compact(&self) {
        self.lock().compact();
    }

    /// Returns a copy of the store for [`Self::restore`].
    pub fn snapshot(&self) -> Store {
        self.lock().clone()
    }

    /// Restores an earlier state with its resourceVersion, like a restore of etcd from a backup. Open watches are not
    /// interrupted; a real API server is restarted, so disconnect them too.
    pub fn restore(&self, store: Store) {
        let revision = store.revision();
        *self.lock() = store;
        self.0.changed.send_replace(revision);
    }

    /// Locks the store. A poisoned lock is safe to use, since each change is a single step.
    pub(super) fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn subscribe(&self) -> sync::watch::Receiver<u64> {
        self.0.changed.subscribe()
    }
}
