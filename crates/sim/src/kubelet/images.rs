//! Ensures that an image is on the node: `EnsureImageExists` of the kubelet (`pkg/kubelet/images/image_manager.go`).

use super::super::{
    fault::{self, FailureReason},
    script::{PullOutcome, PullPolicy},
};
use super::{
    containers::{StartError, SyncProgress},
    job_queue::PodId,
    reconcile::PodReconciler,
};

/// Duration of a successful pull; 0.2 to 2.3 s in the recordings.
const PULL_MILLIS: (u64, u64) = (200, 2_300);
/// Duration of a failing pull with a text of the script.
const FAILED_PULL_MILLIS: (u64, u64) = (80, 600);

impl PodReconciler<'_> {
    /// Pulls the image if policy and back-off allow it. Advances `progress` by the duration.
    pub(super) fn ensure_image(
        &mut self,
        pod: PodId,
        image: &str,
        policy: PullPolicy,
        progress: &mut SyncProgress,
    ) -> Result<(), StartError> {
        if let Some(message) = fault::invalid_reference(image) {
            return Err(StartError::new("InvalidImageName", message));
        }
        let pull = self.pull_rules.behavior_for(self.node, image);
        let outcome = pull.as_ref().map_or(&PullOutcome::Success, |pull| &pull.outcome);
        if let (PullOutcome::Fault(fault), PullPolicy::IfNotPresent | PullPolicy::Never) = (outcome, policy)
            && fault.reason == FailureReason::ImageInspectError
        {
            // The image name is empty since 1.32 (image_manager.go:117-127).
            let message = format!("Failed to inspect image \"\": {}", fault.text(image, self.random));
            return Err(StartError::new("ImageInspectError", message));
        }
        let present = self.node.images.contains(image) || progress.pulled.iter().any(|pulled| pulled == image);
        match policy {
            PullPolicy::IfNotPresent | PullPolicy::Never if present => return Ok(()),
            PullPolicy::Never => {
                let message = format!("Container image \"{image}\" is not present with pull policy of Never");
                return Err(StartError::new("ErrImageNeverPull", message));
            }
            PullPolicy::IfNotPresent | PullPolicy::Always => {}
        }
        if let PullOutcome::FreeText(text) = outcome {
            // Credentials are looked up before the back-off is checked, and the raw error is reason and message
            // (image_manager.go:253-279).
            return Err(StartError::new(text, text));
        }
        let key = (pod, image.to_owned());
        if self.node.kubelet_memory.pulls.wait_since_update(&key, progress.now).is_some() {
            let mut message = format!("Back-off pulling image \"{image}\"");
            if let Some(error) = self.node.kubelet_memory.last_pull_error.get(&key) {
                message.push_str(": ");
                message.push_str(error);
            }
            return Err(StartError::new("ImagePullBackOff", message));
        }
        let range = match outcome {
            PullOutcome::Success => PULL_MILLIS,
            PullOutcome::Fault(fault) => fault.takes_millis,
            PullOutcome::ErrImagePull(_) | PullOutcome::FreeText(_) => FAILED_PULL_MILLIS,
        };
        let drawn = self.random.millis(range.0, range.1);
        progress.now = progress.now + pull.as_ref().and_then(|pull| pull.takes).unwrap_or(drawn);
        let (reason, message) = match outcome {
            PullOutcome::Success => {
                self.node.kubelet_memory.pulls.collect_garbage(progress.now);
                progress.pulled.push(image.to_owned());
                return Ok(());
            }
            PullOutcome::Fault(fault) => (waiting_reason(fault.reason), fault.text(image, self.random)),
            PullOutcome::ErrImagePull(text) | PullOutcome::FreeText(text) => {
                ("ErrImagePull", fault::fill_placeholders(text, image, self.random))
            }
        };
        // The window counts from the end of the pull (image_manager.go:336-370).
        self.node.kubelet_memory.pulls.record_failure(key.clone(), progress.now, progress.now);
        self.node.kubelet_memory.last_pull_error.insert(key, format!("{reason}: {message}"));
        Err(StartError::new(reason, message))
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
