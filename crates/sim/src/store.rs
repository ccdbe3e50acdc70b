//! Store of pods, Events and their history, like etcd behind an API server.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::Value;

use super::resource::Resource;

/// Namespace and name.
pub(super) type ObjectKey = (String, String);

/// The objects of a resource. Objects are shared with the history.
pub(super) type Objects = BTreeMap<ObjectKey, Arc<Value>>;

/// Default capacity of the history.
const DEFAULT_HISTORY_CAPACITY: usize = 10_000;

/// Objects by namespace and name, and the changes since the oldest version that a watch can start at. Pods and Events
/// share the resourceVersion and the history.
#[derive(Clone, Debug)]
pub struct Store {
    pods: Objects,
    events: Objects,
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
    pub(super) resource: Resource,
    pub(super) before: Option<Arc<Value>>,
    pub(super) after: Option<Arc<Value>>,
    key: ObjectKey,
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
        Self {
            pods: BTreeMap::new(),
            events: BTreeMap::new(),
            history: VecDeque::new(),
            capacity,
            revision: 1,
            compacted: 1,
        }
    }

    /// Creates or replaces a pod, or an Event if that is its kind. Ignores its resourceVersion and returns the new one.
    pub fn put(&mut self, object: Value) -> u64 {
        self.revision += 1;
        let (resource, key) = (Resource::of(&object), key_of(&object));
        let object = Arc::new(with_revision(object, self.revision));
        let before = self.objects_mut(resource).insert(key.clone(), object.clone());
        self.append(StoredChange { revision: self.revision, resource, before, after: Some(object), key });
        self.revision
    }

    /// Deletes a pod. Returns false if it does not exist.
    pub fn delete(&mut self, namespace: &str, name: &str) -> bool {
        self.delete_from(Resource::Pods, namespace, name)
    }

    /// Deletes an Event. Returns false if it does not exist.
    pub fn delete_event(&mut self, namespace: &str, name: &str) -> bool {
        self.delete_from(Resource::Events, namespace, name)
    }

    fn delete_from(&mut self, resource: Resource, namespace: &str, name: &str) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        let Some(before) = self.objects_mut(resource).remove(&key) else { return false };
        self.revision += 1;
        self.append(StoredChange { revision: self.revision, resource, before: Some(before), after: None, key });
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

    /// Returns the number of Events.
    pub fn events_len(&self) -> usize {
        self.events.len()
    }

    /// Returns the objects of a resource at `revision` by undoing later changes.
    pub(super) fn objects_at(&self, resource: Resource, revision: u64) -> Result<Objects, ResourceVersionTooOld> {
        let changes = self.changes_after(revision)?;
        let mut objects = match resource {
            Resource::Pods => self.pods.clone(),
            Resource::Events => self.events.clone(),
        };
        for change in changes.rev().filter(|change| change.resource == resource) {
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), before.clone()),
                None => objects.remove(&change.key),
            };
        }
        Ok(objects)
    }

    fn objects_mut(&mut self, resource: Resource) -> &mut Objects {
        match resource {
            Resource::Pods => &mut self.pods,
            Resource::Events => &mut self.events,
        }
    }

    /// Returns the changes of all resources after `revision`, oldest first.
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
pub(super) fn with_revision(mut object: Value, revision: u64) -> Value {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), revision.to_string().into());
    }
    object
}

/// Returns namespace and name of an object.
pub(super) fn key_of(object: &Value) -> ObjectKey {
    let field = |name: &str| {
        object
            .get("metadata")
            .and_then(|metadata| metadata.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    (field("namespace"), field("name"))
}
