//! Events that came before the status of their pod.
//!
//! Events and pods are watched independently, so an Event may be seconds ahead.

use std::collections::VecDeque;
use std::time::Duration;

use crate::facts::PodId;
use crate::kubelet_event::{EventFacts, EventReport};
use crate::time::Timestamp;

/// Maximum number of Events.
const MAX_EVENTS: usize = 1024;
/// Maximum size of the texts of all Events, in bytes.
const MAX_BYTES: usize = 512 << 10;
/// Maximum time that an Event waits for its pod.
const MAX_AGE: Duration = Duration::from_secs(60);

/// The last Events that may be about a pod or a failure that is not known yet. The oldest are dropped.
#[derive(Debug, Default)]
pub(super) struct RecentEvents {
    events: VecDeque<(Timestamp, EventFacts)>,
    bytes: usize,
    /// Number of Events that were dropped before [`MAX_AGE`].
    dropped: u64,
}

impl RecentEvents {
    /// Keeps an Event that was received at `now`, unless it is old.
    pub(super) fn keep(&mut self, event: &EventFacts, now: Timestamp) {
        if event.last_at.is_some_and(|last| now.saturating_duration_since(last) > MAX_AGE) {
            return;
        }
        self.bytes += text_bytes(event);
        self.events.push_back((now, event.clone()));
        while self.events.len() > MAX_EVENTS || self.bytes > MAX_BYTES {
            let Some((received, dropped)) = self.events.pop_front() else { break };
            self.bytes -= text_bytes(&dropped);
            self.dropped += u64::from(now.saturating_duration_since(received) <= MAX_AGE);
        }
    }

    /// Takes the Events of a pod on `node`, in the order in which they came.
    pub(super) fn take(&mut self, pod: &PodId, node: &str, now: Timestamp) -> Vec<EventFacts> {
        let mut of_pod = Vec::new();
        if self.events.is_empty() {
            return of_pod;
        }
        let bytes = &mut self.bytes;
        self.events.retain(|(received, event)| {
            let is_old = now.saturating_duration_since(*received) > MAX_AGE;
            let is_of_pod = event.is_about(pod, node);
            if is_of_pod && !is_old {
                of_pod.push(event.clone());
            }
            if is_of_pod || is_old {
                *bytes -= text_bytes(event);
            }
            !is_of_pod && !is_old
        });
        of_pod
    }

    /// Returns the number of Events that were dropped before their time because there were too many.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.events.len()
    }
}

/// The size of the texts of an Event, in bytes.
fn text_bytes(event: &EventFacts) -> usize {
    let report = match &event.report {
        EventReport::Pulling { image } | EventReport::Pulled { image, .. } => image.len(),
        EventReport::PullFailed { image, error } | EventReport::SandboxImageFailed { image, error } => {
            image.len() + error.len()
        }
        EventReport::PullSecretsMissing { names } => names.iter().map(String::len).sum(),
    };
    let PodId { namespace, name, uid } = &event.pod;
    let ids = [&event.uid, &event.container, &event.node, namespace, name, uid];
    report + ids.into_iter().map(String::len).sum::<usize>()
}
