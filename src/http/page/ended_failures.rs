//! The table of ended failures.

use super::image::HighlightedImage;
use super::labels::{age_since, cause_title, format_time, outcome_text, pod_path};
use crate::present::{container_label, format_age};
use image_pull_model::history::PastFailure;
use image_pull_model::redact::redact;
use image_pull_model::time::Timestamp;
use image_pull_model::workload::workload_of;

/// An ended failure.
pub(super) struct EndedFailureRow {
    /// Path of the pod page, relative to the link prefix.
    pub(super) path: String,
    pub(super) namespace: String,
    pub(super) workload: String,
    pub(super) pod: String,
    pub(super) container: String,
    pub(super) image: HighlightedImage,
    pub(super) cause: String,
    pub(super) ended: String,
    pub(super) ended_ago: String,
    pub(super) started: String,
    /// When the container began to wait for the pull that failed first; empty if that is not known.
    pub(super) pending_since: String,
    pub(super) duration: String,
    pub(super) attempts: u32,
    pub(super) outcome: String,
    pub(super) message: String,
}

impl EndedFailureRow {
    pub(super) fn new(ended: &PastFailure, now: Timestamp) -> Option<Self> {
        let (pod, container, failure) = ended.failure_ref()?;
        let workload = workload_of(&pod.id, &pod.owner);
        Some(Self {
            path: pod_path(&pod.id.namespace, &pod.id.name),
            namespace: pod.id.namespace.clone(),
            workload: format!("{}/{}", workload.kind, workload.name),
            pod: pod.id.name.clone(),
            container: container_label(&container.name, container.kind.as_str()).to_owned(),
            image: HighlightedImage::new(&failure.image.redacted(), failure.cause(), &failure.image),
            cause: cause_title(failure.cause()),
            ended: format_time(ended.at),
            ended_ago: age_since(ended.at, now),
            started: format_time(failure.start.at),
            pending_since: failure.pending_since.map(format_time).unwrap_or_default(),
            duration: format_age(failure.age(ended.at)),
            attempts: failure.attempts,
            outcome: outcome_text(ended.outcome.as_str()),
            message: redact(&failure.message).into_owned(),
        })
    }
}
