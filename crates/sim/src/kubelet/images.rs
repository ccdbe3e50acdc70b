//! Ensures that an image is on the node: `EnsureImageExists` of the kubelet (`pkg/kubelet/images/image_manager.go`).

use std::time::Duration;

use super::super::{
    fault::{self, FailureReason},
    script::{PullOutcome, PullPolicy},
    time::go_duration,
};
use super::{
    event_correlator::Severity,
    job_queue::{Job, PodJob},
    node::image_size,
    pod::Pod,
    reconcile::PodReconciler,
    sync::{ImageUse, Pull, StartError},
};

/// Duration of a successful pull; 0.2 to 2.3 s in the recordings.
const PULL_MILLIS: (u64, u64) = (200, 2_300);
/// Duration of a failing pull with a text of the script.
const FAILED_PULL_MILLIS: (u64, u64) = (80, 600);

/// The state of an image before a pull.
pub(super) enum ImageCheck {
    Present,
    Failed(StartError),
    PullNeeded,
}

impl PodReconciler<'_> {
    /// Checks whether an image is present or may be pulled, and records the Events of both.
    pub(super) fn check_image(&mut self, pod: &Pod, of: &ImageUse) -> ImageCheck {
        let ImageUse { image, policy, .. } = of;
        if let Some(message) = fault::invalid_reference(image) {
            self.record_image_event(pod, of, Severity::Warning, "InspectFailed", &*message);
            return ImageCheck::Failed(StartError::new("InvalidImageName", message));
        }
        let pull = self.pull_rules.behavior_for(self.node, image);
        let outcome = pull.as_ref().map_or(&PullOutcome::Success, |pull| &pull.outcome);
        if let (PullOutcome::Fault(fault), PullPolicy::IfNotPresent | PullPolicy::Never) = (outcome, policy)
            && fault.reason == FailureReason::ImageInspectError
        {
            // The image name is empty since 1.32 (image_manager.go:117-127).
            let message = format!("Failed to inspect image \"\": {}", fault.text(image, self.random));
            self.record_image_event(pod, of, Severity::Warning, "InspectFailed", &*message);
            return ImageCheck::Failed(StartError::new("ImageInspectError", message));
        }
        match policy {
            PullPolicy::IfNotPresent | PullPolicy::Never if self.node.images.contains(image) => {
                let message =
                    format!("Container image \"{image}\" already present on machine and can be accessed by the pod");
                self.record_image_event(pod, of, Severity::Normal, "Pulled", message);
                return ImageCheck::Present;
            }
            PullPolicy::Never => {
                let message = format!("Container image \"{image}\" is not present with pull policy of Never");
                self.record_image_event(pod, of, Severity::Warning, "ErrImageNeverPull", &*message);
                return ImageCheck::Failed(StartError::new("ErrImageNeverPull", message));
            }
            PullPolicy::IfNotPresent | PullPolicy::Always => {}
        }
        if let PullOutcome::FreeText(text) = outcome {
            // Credentials are looked up before the back-off is checked, and the raw error is reason and message
            // (image_manager.go:253-279).
            return ImageCheck::Failed(StartError::new(text, text));
        }
        let key = (pod.id, image.to_owned());
        if self.node.kubelet_memory.pulls.wait_since_update(&key, self.now).is_some() {
            let bare = format!("Back-off pulling image \"{image}\"");
            let message = match self.node.kubelet_memory.last_pull_error.get(&key) {
                Some(error) => format!("{bare}: {error}"),
                None => bare.clone(),
            };
            self.record_image_event(pod, of, Severity::Normal, "BackOff", bare);
            return ImageCheck::Failed(StartError::new("ImagePullBackOff", message));
        }
        ImageCheck::PullNeeded
    }

    /// Queues a pull. The Event comes before the queue.
    pub(super) fn queue_pull(&mut self, pod: &Pod, of: ImageUse) -> Pull {
        self.record_image_event(pod, &of, Severity::Normal, "Pulling", format!("Pulling image \"{}\"", of.image));
        let mut pull = Pull { of, queued: self.now, began: None };
        let in_parallel = self.node.pulls_in_parallel;
        if self.node.kubelet_memory.pull_queue.enter(pod.id, pod.worker.term, in_parallel) {
            self.begin_pull(pod, &mut pull);
        }
        pull
    }

    /// Begins a pull. A hung pull has no end.
    pub(super) fn begin_pull(&mut self, pod: &Pod, pull: &mut Pull) {
        let behavior = self.pull_rules.behavior_for(self.node, &pull.of.image);
        let range = match behavior.as_ref().map_or(&PullOutcome::Success, |behavior| &behavior.outcome) {
            PullOutcome::Success => Some(PULL_MILLIS),
            PullOutcome::Fault(fault) => Some(fault.takes_millis),
            PullOutcome::ErrImagePull(_) | PullOutcome::FreeText(_) => Some(FAILED_PULL_MILLIS),
            PullOutcome::Hung => None,
        };
        if let Some((low, high)) = range {
            let drawn = self.random.millis(low, high);
            let takes: Duration = behavior.as_ref().and_then(|behavior| behavior.takes).unwrap_or(drawn);
            self.schedule(pod, takes, PodJob::PullDone { term: pod.worker.term });
        }
        pull.began = Some((self.now, behavior));
    }

    /// Ends a pull and records its Event.
    pub(super) fn finish_pull(&mut self, pod: &Pod, pull: &Pull) -> Result<(), StartError> {
        self.leave_pull_queue(pod);
        let image = &pull.of.image;
        let (began, behavior) = pull.began.clone().unwrap_or((self.now, None));
        let outcome = behavior.as_ref().map_or(&PullOutcome::Success, |behavior| &behavior.outcome);
        let (reason, message) = match outcome {
            PullOutcome::Success | PullOutcome::Hung => {
                self.node.kubelet_memory.pulls.collect_garbage(self.now);
                self.node.images.insert(image.to_owned());
                let size = behavior.as_ref().and_then(|behavior| behavior.size).unwrap_or_else(|| image_size(image));
                let message = format!(
                    "Successfully pulled image \"{image}\" in {} ({} including waiting). Image size: {size} bytes.",
                    go_duration(self.now.since(began)),
                    go_duration(self.now.since(pull.queued)),
                );
                self.record_image_event(pod, &pull.of, Severity::Normal, "Pulled", message);
                return Ok(());
            }
            PullOutcome::Fault(fault) => (waiting_reason(fault.reason), fault.text(image, self.random)),
            PullOutcome::ErrImagePull(text) | PullOutcome::FreeText(text) => {
                ("ErrImagePull", fault::fill_placeholders(text, image, self.random))
            }
        };
        let event = format!("Failed to pull image \"{image}\": {}", runtime_error(reason, &message));
        self.record_image_event(pod, &pull.of, Severity::Warning, "Failed", event);
        // The window counts from the end of the pull (image_manager.go:336-370).
        let key = (pod.id, image.to_owned());
        self.node.kubelet_memory.pulls.record_failure(key.clone(), self.now, self.now);
        self.node.kubelet_memory.last_pull_error.insert(key, format!("{reason}: {message}"));
        Err(StartError::new(reason, message))
    }

    /// Ends or cancels a pod's pull, and begins the next one of the queue.
    pub(crate) fn leave_pull_queue(&mut self, pod: &Pod) {
        if let Some((next, term)) = self.node.kubelet_memory.pull_queue.leave(pod.id) {
            self.jobs.push(self.now, Job::OnPod(next, PodJob::PullBegins { term }));
        }
    }

    fn record_image_event(
        &mut self,
        pod: &Pod,
        of: &ImageUse,
        severity: Severity,
        reason: &'static str,
        message: impl Into<String>,
    ) {
        self.record_event(pod, of.field_path.clone(), severity, reason, message);
    }
}

/// Returns the runtime's error. The status has the kubelet's wording for CRI-O's errors, the Event has the original
/// (recording inject-regunavail).
fn runtime_error(reason: &str, message: &str) -> String {
    let detail = message.split_once(" because the ").and_then(|(_, rest)| rest.split_once(": "));
    match (reason, detail) {
        ("RegistryUnavailable" | "SignatureValidationFailed", Some((_, detail))) => format!("{reason}: {detail}"),
        _ => message.to_owned(),
    }
}

fn waiting_reason(effect: FailureReason) -> &'static str {
    match effect {
        // With policy Always the image is not inspected, so a runtime that is down fails the pull.
        FailureReason::ErrImagePull | FailureReason::ImageInspectError => "ErrImagePull",
        FailureReason::RegistryUnavailable => "RegistryUnavailable",
        FailureReason::SignatureValidationFailed => "SignatureValidationFailed",
    }
}
