//! The kubelet's Events about images (core/v1 Event), reduced to what they report.

pub(super) mod counts;
mod go_duration;
mod parse;

use std::time::Duration;

use super::facts::PodId;
use super::time::Timestamp;

/// An Event of a kubelet about the image of a pod.
#[derive(Clone, Debug, PartialEq)]
pub struct EventFacts {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`; zero if it is not a number.
    pub resource_version: u64,
    /// `involvedObject`. Events about a static pod have the hash of its configuration as uid
    /// (annotation `kubernetes.io/config.mirror`), not the uid of the pod.
    pub pod: PodId,
    /// The container in `involvedObject.fieldPath`; empty for events about the pod or an image volume.
    pub container: String,
    /// `source.host`: the node.
    pub node: String,
    /// `count`, at least 1: how often the event happened. The kubelet limits how often it writes it (25 events of a pod, then
    /// one every 5 minutes), so the count may jump.
    pub count: u32,
    /// `firstTimestamp`.
    pub first_at: Option<Timestamp>,
    /// `lastTimestamp`.
    pub last_at: Option<Timestamp>,
    /// The report of the event.
    pub report: EventReport,
}

impl EventFacts {
    /// Whether the Event is about this pod, which is bound to `node`. Events about a static pod have the hash of its
    /// configuration as uid, 32 hexadecimal digits without dashes.
    pub(super) fn is_about(&self, pod: &PodId, node: &str) -> bool {
        let is_namesake = (&self.pod.namespace, &self.pod.name) == (&pod.namespace, &pod.name);
        is_namesake && (self.pod.uid == pod.uid || (self.has_config_hash() && self.node == node))
    }

    /// Whether the uid of the pod is the hash of its configuration.
    pub(super) fn has_config_hash(&self) -> bool {
        self.pod.uid.len() == 32 && self.pod.uid.bytes().all(|digit| digit.is_ascii_hexdigit())
    }
}

/// The report of an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventReport {
    /// `Pulling`: a pull was requested. The kubelet writes it before the pull waits for its turn.
    Pulling {
        /// The image as written in the spec.
        image: String,
    },
    /// `Pulled` after a pull. Not for an image that is already on the node.
    Pulled {
        /// The image as written in the spec.
        image: String,
        /// The time of the pull itself.
        duration: Duration,
        /// The time before it in the kubelet's queue; `None` if the kubelet does not report it (before 1.25).
        queued: Option<Duration>,
        /// The size of the image in bytes; `None` if the kubelet does not report it (before 1.30).
        size: Option<u64>,
    },
    /// `Failed` with `Failed to pull image`.
    PullFailed {
        /// The image as written in the spec.
        image: String,
        /// The error text. It may contain secrets.
        error: String,
    },
    /// `FailedCreatePodSandBox` about the sandbox image.
    SandboxImageFailed {
        /// The sandbox image.
        image: String,
        /// The error text. It may contain secrets.
        error: String,
    },
    /// `FailedToRetrieveImagePullSecret`.
    PullSecretsMissing {
        /// The names of the secrets.
        names: Vec<String>,
    },
}
