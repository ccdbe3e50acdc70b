//! The conditions of a pod and their transition times.

use serde_json::{Value, json};

/// The conditions as last written.
#[derive(Debug, Default)]
pub(super) struct Conditions(Vec<Condition>);

#[derive(Debug)]
struct Condition {
    kind: &'static str,
    status: bool,
    since: String,
}

/// The observed state of a condition.
#[derive(Clone)]
pub(super) struct ObservedCondition {
    pub(super) kind: &'static str,
    pub(super) status: bool,
    pub(super) reason: Option<&'static str>,
    pub(super) message: Option<String>,
}

impl Conditions {
    /// Returns the conditions to write. A condition that keeps its status keeps its transition time.
    pub(super) fn update(&mut self, observed: Vec<ObservedCondition>, generation: u64, now: &str) -> Vec<Value> {
        let before = std::mem::take(&mut self.0);
        let mut written = Vec::with_capacity(observed.len());
        for ObservedCondition { kind, status, reason, message } in observed {
            let same = before.iter().find(|turned| turned.kind == kind && turned.status == status);
            let since = same.map_or_else(|| now.to_owned(), |turned| turned.since.clone());
            let word = if status { "True" } else { "False" };
            let mut condition = json!({
                "type": kind, "observedGeneration": generation, "status": word, "lastProbeTime": null, "lastTransitionTime": since,
            });
            if let Some(condition) = condition.as_object_mut() {
                condition.extend(reason.map(|reason| ("reason".to_owned(), reason.into())));
                condition.extend(message.map(|message| ("message".to_owned(), message.into())));
            }
            written.push(condition);
            self.0.push(Condition { kind, status, since });
        }
        written
    }
}
