//! Applies the kubelet's Events: counts pulls, and uses what the Events show about tracked pods.
//!
//! An Event counts if it happened since the Events were first listed, according to its resourceVersion, by as much as its count
//! grew. Events of pods that are not tracked count too. Events that were applied before are ignored.

use std::sync::Arc;
use std::time::Duration;

use super::container_update::failure_effect;
use super::event_scope::EventAge;
use super::pull_request::PullRequestUpdate;
use super::{Index, IndexEntry, sandbox};
use crate::effect::{FailureSubject, IndexEffect, PullReport, PullResult};
use crate::facts::{ContainerKind, PodFacts, PodId, WatchScope};
use crate::failure::{EventError, FailureEnd};
use crate::failure_event::FailureOutcome;
use crate::image::ImageReference;
use crate::kubelet_event::{EventFacts, EventReport};
use crate::snapshot::TrackedPod;
use crate::time::Timestamp;

/// Time after which the next failed attempt discards a missing pull secret, unless the kubelet reports it again. A kubelet
/// reports it at least every five minutes.
pub(super) const SECRETS_EXPIRE_AFTER: Duration = Duration::from_secs(15 * 60);

impl Index {
    /// Begins a list of the Events of `scope`. Those of the first list happened before and are not counted.
    pub fn begin_event_list(&mut self, scope: &WatchScope) {
        if let Some(events) = self.event_scopes.iter_mut().find(|events| events.scope() == scope) {
            events.begin_list();
        }
    }

    /// Ends a list of the Events of `scope`.
    pub fn end_event_list(&mut self, scope: &WatchScope) {
        if let Some(events) = self.event_scopes.iter_mut().find(|events| events.scope() == scope) {
            events.end_list();
        }
    }

    /// Applies an Event from a list or a watch of `scope`.
    pub fn apply_event(&mut self, scope: &WatchScope, event: &EventFacts, now: Timestamp) -> Vec<IndexEffect> {
        let Some(events) = self.event_scopes.iter_mut().find(|events| events.scope() == scope) else {
            return Vec::new();
        };
        let age = events.see(event.resource_version);
        let growth = match (&event.report, age) {
            (_, EventAge::Repeated) => return Vec::new(),
            (EventReport::Pulling { .. } | EventReport::PullSecretsMissing { .. }, _) => 0,
            (_, EventAge::BeforeWatch) => {
                self.event_counts.record(&event.uid, event.count);
                0
            }
            (_, EventAge::Found | EventAge::Observed) => self.event_counts.growth(&event.uid, event.count),
        };
        let mut effects: Vec<IndexEffect> = pull_report(event, growth).map(IndexEffect::Pull).into_iter().collect();
        match self.pod_of_event(event) {
            Some(id) => effects.extend(self.apply_evidence(&id, event, age, growth, now)),
            None => self.recent_events.keep(event, now),
        }
        effects
    }

    /// The number of Events that were dropped before the status of their pod came, because there were too many.
    #[must_use]
    pub const fn dropped_events(&self) -> u64 {
        self.recent_events.dropped()
    }

    /// Applies the Events that came before the status of their pod.
    pub(super) fn apply_recent_events(&mut self, pod: &PodFacts, id: &Arc<PodId>, now: Timestamp) -> Vec<IndexEffect> {
        let events = self.recent_events.take(id, &pod.node, now);
        let is_over = |event: &&EventFacts| {
            matches!(event.report, EventReport::SandboxImageFailed { .. })
                && sandbox::has_sandbox_since(pod, event.last_at.unwrap_or(now).min(now))
        };
        let apply = |event: &EventFacts| self.apply_evidence(id, event, EventAge::Observed, 1, now);
        events.iter().filter(|event| !is_over(event)).flat_map(apply).collect()
    }

    /// Returns the tracked pod that an Event is about.
    fn pod_of_event(&self, event: &EventFacts) -> Option<Arc<PodId>> {
        if let Some((id, _)) = self.pods.get_key_value(&event.pod) {
            return Some(Arc::clone(id));
        }
        if !event.has_config_hash() {
            return None;
        }
        let first = PodId { uid: String::new(), ..event.pod.clone() };
        let namesakes = self.pods.range::<PodId, _>(&first..);
        let mut namesakes =
            namesakes.take_while(|(id, _)| (&id.namespace, &id.name) == (&first.namespace, &first.name));
        let pod = namesakes.find(|(id, entry)| event.is_about(id, &entry.pod.node));
        pod.map(|(id, _)| Arc::clone(id))
    }

    /// Applies what an Event shows about a tracked pod.
    fn apply_evidence(
        &mut self,
        id: &Arc<PodId>,
        event: &EventFacts,
        age: EventAge,
        growth: u32,
        now: Timestamp,
    ) -> Vec<IndexEffect> {
        let tracked = self.pods.len();
        let Some(entry) = self.pods.get_mut(id) else { return Vec::new() };
        let before = Arc::clone(&entry.pod);
        let mut pod = TrackedPod::clone(&before);
        let is_observed = age == EventAge::Observed;
        let last_at = event.last_at.unwrap_or(now).min(now);
        let error = |text| {
            let first_at = event.first_at.unwrap_or(last_at).min(last_at);
            EventError { text, first_at, last_at, growth, is_observed }
        };
        let mut effects = Vec::new();
        if let EventReport::Pulling { .. } | EventReport::Pulled { .. } | EventReport::PullFailed { .. } = &event.report
        {
            let end = FailureEnd { outcome: FailureOutcome::Recovered, at: now, is_exact: is_observed };
            effects.extend(sandbox::recover(&before, &mut pod, last_at, end));
        }
        match &event.report {
            EventReport::Pulling { image } => {
                let details = entry.details.as_deref();
                let (unstarted, sandbox_ready) =
                    details.map(|details| (&*details.unstarted, details.sandbox_ready)).unwrap_or_default();
                let update = PullRequestUpdate { event, image, sandbox_ready, is_observed, now };
                effects.extend(update.apply(&mut pod, unstarted, &mut self.interners));
            }
            EventReport::Pulled { .. } => {}
            EventReport::PullFailed { image, error: text } => {
                let image = ImageReference::parse(image);
                let mut is_applied = false;
                for container in pod.containers.iter_mut().filter(|container| container.kind != ContainerKind::Sandbox)
                {
                    let Some(failure) = container.failure.as_deref_mut() else { continue };
                    if failure.image.is_same_image(&image) && failure.needs_error_text(last_at) {
                        is_applied = true;
                        let events = failure.apply_error_text(error(text), now, &mut self.interners);
                        effects.extend(
                            events.into_iter().map(|event| failure_effect(id, &container.name, failure, event)),
                        );
                    }
                }
                if !is_applied {
                    self.recent_events.keep(event, now);
                }
            }
            EventReport::SandboxImageFailed { image, error: text } => {
                effects.extend(sandbox::apply_event(&mut pod, image, error(text), now, &mut self.interners));
            }
            EventReport::PullSecretsMissing { names } => {
                // The first list may be a file that was written a while ago. The next attempt discards old evidence.
                if age == EventAge::BeforeWatch || last_at.saturating_add(SECRETS_EXPIRE_AFTER) >= now {
                    pod.missing_secrets = self.interners.lists.intern(names.as_slice());
                    entry.details.get_or_insert_default().secrets_missing_at = Some(last_at);
                }
            }
        }
        let is_secret_missing = !pod.missing_secrets.is_empty();
        for failure in pod.containers.iter_mut().filter_map(|container| container.failure.as_deref_mut()) {
            failure.set_secret_missing(is_secret_missing);
        }
        if pod != *before {
            entry.pod = Arc::new(pod);
            self.changes.record(id, Some(&entry.pod), tracked);
        }
        effects
    }
}

/// Returns the pulls that an Event reports.
fn pull_report(event: &EventFacts, count: u32) -> Option<PullReport> {
    let (image, result) = match &event.report {
        EventReport::Pulled { image, duration, queued, size } => {
            (image, PullResult::Pulled { duration: *duration, queued: *queued, size: *size })
        }
        EventReport::PullFailed { image, .. } => (image, PullResult::Failed),
        EventReport::Pulling { .. }
        | EventReport::SandboxImageFailed { .. }
        | EventReport::PullSecretsMissing { .. } => {
            return None;
        }
    };
    let subject = || FailureSubject {
        pod: Arc::new(event.pod.clone()),
        container: event.container.clone(),
        registry: ImageReference::parse(image).registry().to_owned(),
    };
    (count > 0).then(|| PullReport { subject: subject(), result, count })
}

impl IndexEntry {
    /// Whether a missing pull secret was not reported again for so long that another attempt shows that it exists.
    pub(super) fn has_expired_secrets(&self, now: Timestamp) -> bool {
        let missing_at = self.details.as_ref().and_then(|details| details.secrets_missing_at);
        missing_at.is_some_and(|at| at.saturating_add(SECRETS_EXPIRE_AFTER) < now)
    }
}
