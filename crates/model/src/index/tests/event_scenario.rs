//! Builders for Events of the kubelet.

use std::time::Duration;

use crate::facts::{PodFacts, WatchScope};
use crate::kubelet_event::{EventFacts, EventReport};
use crate::scenario::{IndexScenario, at};

/// An Event about `pod` that happened once, at `seconds`. Its resourceVersion grows with the time.
fn event(pod: &PodFacts, container: &str, seconds: i64, report: EventReport) -> EventFacts {
    EventFacts {
        uid: format!("{}/{container}/{report:?}", pod.id.uid),
        resource_version: u64::try_from(seconds + 1000).expect("a resourceVersion is positive"),
        pod: pod.id.clone(),
        container: container.to_owned(),
        node: pod.node.clone(),
        count: 1,
        first_at: Some(at(seconds)),
        last_at: Some(at(seconds)),
        report,
    }
}

pub(crate) fn pulling(pod: &PodFacts, container: &str, image: &str, seconds: i64) -> EventFacts {
    event(pod, container, seconds, EventReport::Pulling { image: image.to_owned() })
}

/// A pull that took 2 s after 3 s in the queue.
pub(crate) fn pulled(pod: &PodFacts, container: &str, image: &str, seconds: i64) -> EventFacts {
    let (duration, queued) = (Duration::from_secs(2), Some(Duration::from_secs(3)));
    event(pod, container, seconds, EventReport::Pulled { image: image.to_owned(), duration, queued, size: Some(1000) })
}

pub(crate) fn pull_failed(pod: &PodFacts, container: &str, image: &str, error: &str, seconds: i64) -> EventFacts {
    event(pod, container, seconds, EventReport::PullFailed { image: image.to_owned(), error: error.to_owned() })
}

pub(crate) fn sandbox_failed(pod: &PodFacts, image: &str, seconds: i64) -> EventFacts {
    let error =
        format!("rpc error: code = NotFound desc = failed to get sandbox image \"{image}\": {image}: not found");
    event(pod, "", seconds, EventReport::SandboxImageFailed { image: image.to_owned(), error })
}

pub(crate) fn secrets_missing(pod: &PodFacts, names: &[&str], seconds: i64) -> EventFacts {
    let names = names.iter().map(|&name| name.to_owned()).collect();
    event(pod, "", seconds, EventReport::PullSecretsMissing { names })
}

impl EventFacts {
    /// The same Event after it happened again, at `seconds`.
    pub(crate) fn again(mut self, count: u32, seconds: i64) -> Self {
        self.count = count;
        self.resource_version = u64::try_from(seconds + 1000).expect("a resourceVersion is positive");
        self.last_at = Some(at(seconds));
        self
    }
}

impl IndexScenario {
    pub(crate) fn apply_event(&mut self, time: i64, event: &EventFacts) -> &mut Self {
        let effects = self.index.apply_event(&WatchScope::Cluster, event, at(time));
        self.record(time, &effects)
    }

    pub(crate) fn list_events(&mut self, time: i64, events: &[EventFacts]) -> &mut Self {
        self.index.begin_event_list(&WatchScope::Cluster);
        for event in events {
            self.apply_event(time, event);
        }
        self.index.end_event_list(&WatchScope::Cluster);
        self
    }
}
