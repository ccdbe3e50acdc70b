//! Store of pods and their history, like etcd behind an API server.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::Value;

/// Namespace and name.
pub(super) type PodKey = (String, String);

/// Default capacity of the history.
const DEFAULT_HISTORY_CAPACITY: usize = 10_000;

/// Pods by namespace and name, and the changes since the oldest version that a watch can start at.
#[derive(Clone, Debug)]
pub struct Store {
    pods: BTreeMap<PodKey, Arc<Value>>,
    history: VecDeque<StoredChange>,
    capacity: usize,
    revision: u64,
    /// The last revision without history; a watch from before it gets 410 Gone.
    compacted: u64,
}

/// A change: the object before and after it, if it existed.
#[derive(Clone, Debug)]
pub(super) struct StoredChange {
    pub(super) revision: u64,
    pub(super) before: Option<Arc<Value>>,
    pub(super) after: Option<Arc<Value>>,
    key: PodKey,
}

/// The requested revision is compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {asked} ({oldest})")]
pub(super) struct ResourceVersionTooOld {
    pub(super) asked: u64,
    pub(super) oldest: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self::with_history_capacity(DEFAULT_HISTORY_CAPACITY)
    }
}

impl Store {
    /// Returns an empty store with this history capacity.
    pub fn with_history_capacity(capacity: usize) -> Self {
        Self { pods: BTreeMap::new(), history: VecDeque::new(), capacity, revision: 1, compacted: 1 }
    }

    /// Creates or replaces a pod. Ignores its resourceVersion and returns the new one.
    pub fn put(&mut self, pod: Value) -> u64 {
        self.revision += 1;
        let key = key_of(&pod);
        let pod = Arc::new(with_revision(pod, self.revision));
        let before = self.pods.insert(key.clone(), pod.clone());
        self.append(StoredChange { revision: self.revision, before, after: Some(pod), key });
        self.revision
    }

    /// Deletes a pod. Returns false if it does not exist.
    pub fn delete(&mut self, namespace: &str, name: &str) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        let Some(before) = self.pods.remove(&key) else { return false };
        self.revision += 1;
        self.append(StoredChange { revision: self.revision, before: Some(before), after: None, key });
        true
    }

    /// Drops the history, like etcd's compaction.
    pub fn compact(&mut self) {
        self.history.clear();
        self.compacted = self.revision;
    }

    /// Returns the resourceVersion of the last change.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Returns the number of pods.
    pub fn len(&self) -> usize {
        self.pods.len()
    }

    /// Returns whether there are no pods.
    pub fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    /// Returns the pods at `revision` by undoing later changes.
    pub(super) fn pods_at(&self, revision: u64) -> Result<BTreeMap<PodKey, Arc<Value>>, ResourceVersionTooOld> {
        let mut pods = self.pods.clone();
        for change in self.changes_after(revision)?.rev() {
            match &change.before {
                Some(before) => pods.insert(change.key.clone(), before.clone()),
                None => pods.remove(&change.key),
            };
        }
        Ok(pods)
    }

    /// Returns the changes after `revision`, oldest first.
    pub(super) fn changes_after(
        &self,
        revision: u64,
    ) -> Result<impl DoubleEndedIterator<Item = &StoredChange>, ResourceVersionTooOld> {
        if revision < self.compacted {
            return Err(ResourceVersionTooOld { asked: revision, oldest: self.compacted });
        }
        let first = self.history.partition_point(|change| change.revision <= revision);
        Ok(self.history.range(first..))
    }

    fn append(&mut self, change: StoredChange) {
        self.history.push_back(change);
        while self.history.len() > self.capacity {
            if let Some(forgotten) = self.history.pop_front() {
                self.compacted = forgotten.revision;
            }
        }
    }
}

/// Returns the object with this resourceVersion.
pub(super) fn with_revision(mut pod: Value, revision: u64) -> Value {
    if let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), revision.to_string().into());
    }
    pod
}

fn key_of(pod: &Value) -> PodKey {
    let field = |name: &str| {
        pod.get("metadata")
            .and_then(|metadata| metadata.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    (field("namespace"), field("name"))
}
