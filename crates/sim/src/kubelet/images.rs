//! Makes sure that an image is on the node: `EnsureImageExists` of the kubelet (`pkg/kubelet/images/image_manager.go`).

use super::super::{
    fault::{self, Effect},
    script::{Outcome, PullPolicy},
};
use super::{
    agenda::PodId,
    containers::{Progress, Refusal},
    turn::Turn,
};

/// A pull that works; 0.2 to 2.3 s in the recordings.
const PULL_OK: (u64, u64) = (200, 2_300);
/// A pull that fails with a text of the script's own.
const PULL_FAILS: (u64, u64) = (80, 600);

impl Turn<'_> {
    /// Pulls if the policy wants it and the back-off lets it; moves `progress` on by the time it takes.
    pub(super) fn ensure_image(
        &mut self,
        pod: PodId,
        image: &str,
        policy: PullPolicy,
        progress: &mut Progress,
    ) -> Result<(), Refusal> {
        if let Some(message) = fault::invalid_reference(image) {
            return Err(Refusal::new("InvalidImageName", message));
        }
        let pull = self.pulls.of(self.node, image);
        let outcome = pull.as_ref().map_or(&Outcome::Ok, |pull| &pull.outcome);
        if let (Outcome::Fault(fault), PullPolicy::IfNotPresent | PullPolicy::Never) = (outcome, policy)
            && fault.effect == Effect::Inspect
        {
            // The image name is empty since 1.32 (image_manager.go:117-127).
            let message = format!("Failed to inspect image \"\": {}", fault.text(image, self.random));
            return Err(Refusal::new("ImageInspectError", message));
        }
        let present = self.node.images.contains(image) || progress.pulled.iter().any(|pulled| pulled == image);
        match policy {
            PullPolicy::IfNotPresent | PullPolicy::Never if present => return Ok(()),
            PullPolicy::Never => {
                let message = format!("Container image \"{image}\" is not present with pull policy of Never");
                return Err(Refusal::new("ErrImageNeverPull", message));
            }
            PullPolicy::IfNotPresent | PullPolicy::Always => {}
        }
        if let Outcome::FreeText(text) = outcome {
            // Credentials are looked up before the back-off is asked, and the raw error is reason and message
            // (image_manager.go:253-279).
            return Err(Refusal::new(text, text));
        }
        let key = (pod, image.to_owned());
        if self.node.memory.pulls.since_update(&key, progress.now).is_some() {
            let mut message = format!("Back-off pulling image \"{image}\"");
            if let Some(error) = self.node.memory.last_pull_error.get(&key) {
                message.push_str(": ");
                message.push_str(error);
            }
            return Err(Refusal::new("ImagePullBackOff", message));
        }
        let range = match outcome {
            Outcome::Ok => PULL_OK,
            Outcome::Fault(fault) => fault.takes_millis,
            Outcome::Text(_) | Outcome::FreeText(_) => PULL_FAILS,
        };
        let drawn = self.random.millis(range.0, range.1);
        progress.now = progress.now + pull.as_ref().and_then(|pull| pull.takes).unwrap_or(drawn);
        let (reason, message) = match outcome {
            Outcome::Ok => {
                self.node.memory.pulls.collect_garbage(progress.now);
                progress.pulled.push(image.to_owned());
                return Ok(());
            }
            Outcome::Fault(fault) => (reason(fault.effect), fault.text(image, self.random)),
            Outcome::Text(text) | Outcome::FreeText(text) => ("ErrImagePull", fault::fill(text, image, self.random)),
        };
        // The window counts from the end of the pull (image_manager.go:336-370).
        self.node.memory.pulls.failed(key.clone(), progress.now, progress.now);
        self.node.memory.last_pull_error.insert(key, format!("{reason}: {message}"));
        Err(Refusal::new(reason, message))
    }
}

fn reason(effect: Effect) -> &'static str {
    match effect {
        // With policy Always nothing is inspected, so a dead runtime fails the pull itself.
        Effect::Pull | Effect::Inspect => "ErrImagePull",
        Effect::RegistryUnavailable => "RegistryUnavailable",
        Effect::SignatureValidationFailed => "SignatureValidationFailed",
    }
}
