//! Container waiting reasons, and what they report about the image.

use strum::{IntoStaticStr, VariantArray};

use super::facts::StateFacts;

/// A waiting reason of a container that cannot pull its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, IntoStaticStr, VariantArray)]
pub enum WaitingReason {
    /// An attempt to pull failed.
    ErrImagePull,
    /// The kubelet backs off before the next attempt.
    ImagePullBackOff,
    /// The pull policy is `Never`, and the image is absent.
    ErrImageNeverPull,
    /// The image reference does not parse.
    InvalidImageName,
    /// The runtime failed to look up the image on the node.
    ImageInspectError,
    /// An attempt failed because the registry is unavailable (CRI-O).
    RegistryUnavailable,
    /// An attempt failed the validation of the signature (CRI-O).
    SignatureValidationFailed,
    /// The sandbox of the pod cannot be created without its image. Not a waiting reason but that of an Event.
    FailedCreatePodSandBox,
    /// Free text. Since 1.33, the kubelet writes raw errors into the reason: errors while reading pull secrets and
    /// while recording pulls (`EnsureImageExists` and `pullImage`, pkg/kubelet/images/image_manager.go, v1.36.2). The
    /// message is the same text, or a text about the image that ends with it.
    Other,
}

impl WaitingReason {
    /// Every reason.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Returns the kubelet's value, or `Other` for free text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Whether the cause is in the message alone.
    #[must_use]
    pub(crate) const fn defers_to_message(self) -> bool {
        matches!(self, Self::ErrImagePull | Self::ImagePullBackOff)
    }

    /// Whether a change to this reason is a failed attempt to pull. The other reasons are back-offs, or no request is
    /// sent to a registry.
    #[must_use]
    pub const fn is_failed_attempt(self) -> bool {
        match self {
            Self::ErrImagePull | Self::RegistryUnavailable | Self::SignatureValidationFailed => true,
            Self::ImagePullBackOff
            | Self::ErrImageNeverPull
            | Self::InvalidImageName
            | Self::ImageInspectError
            | Self::FailedCreatePodSandBox
            | Self::Other => false,
        }
    }

    /// Whether a status has the reason under its own name.
    #[must_use]
    pub const fn is_waiting_reason(self) -> bool {
        !matches!(self, Self::FailedCreatePodSandBox | Self::Other)
    }
}

/// The state of a container's image, as far as its status reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageState {
    /// The container cannot pull its image.
    NoImage(WaitingReason),
    /// No attempt yet, or the kubelet restarted and lost its record of the attempts.
    BeforePull,
    /// The container backs off before a restart. The status does not show whether the restart can get the image.
    CrashLoop,
    /// The container has its image.
    HasImage,
    /// The status reports nothing about the image.
    Unreported,
    /// The waiting reason is not in the tables of this module.
    UnknownReason,
}

impl ImageState {
    /// Whether a change to this state is a failed attempt to pull.
    #[must_use]
    pub const fn is_failed_attempt(self) -> bool {
        matches!(self, Self::NoImage(reason) if reason.is_failed_attempt())
    }
}

/// Waiting reasons that are not about images, and what each implies about the image.
///
/// Sources: pkg/kubelet/kuberuntime/kuberuntime_container.go:60-72 and pkg/kubelet/kubelet_pods.go:2499-2502 (v1.36.2).
/// A container that was created and not yet started has an empty reason (`ContainerStateCreated`, kubelet_pods.go).
const OTHER_WAITING_REASONS: [(&str, ImageState); 12] = [
    ("ContainerCreating", ImageState::BeforePull),
    ("PodInitializing", ImageState::BeforePull),
    ("CrashLoopBackOff", ImageState::CrashLoop),
    ("", ImageState::HasImage),
    ("CreateContainerConfigError", ImageState::HasImage),
    ("CreateContainerError", ImageState::HasImage),
    ("PreCreateHookError", ImageState::HasImage),
    ("PreStartHookError", ImageState::HasImage),
    ("PostStartHookError", ImageState::HasImage),
    ("RunContainerError", ImageState::HasImage),
    ("ContainerRestarting", ImageState::Unreported),
    ("RestartingAllContainers", ImageState::Unreported),
];

/// Whether the reason is free text and the message is about an image.
///
/// The reasons of Kubernetes are `CamelCase`. Other raw errors have an empty message and are not about images, for
/// example that of a missing runtime class (`getPodRuntimeHandler`, pkg/kubelet/kuberuntime/kuberuntime_container.go).
fn mentions_image(reason: &str, message: &str) -> bool {
    let is_word = reason.bytes().all(|b| b.is_ascii_alphanumeric());
    let mut words = message.split(|c: char| !c.is_ascii_alphanumeric());
    !is_word && words.any(|word| word.eq_ignore_ascii_case("image"))
}

/// Returns what a waiting container's reason and message report about its image.
#[must_use]
fn image_state_of_waiting(reason: &str, message: &str) -> ImageState {
    let known = WaitingReason::ALL
        .iter()
        .copied()
        .find(|known| known.is_waiting_reason() && known.as_str() == reason)
        .map(ImageState::NoImage)
        .or_else(|| OTHER_WAITING_REASONS.iter().find(|(word, _)| *word == reason).map(|(_, stage)| *stage));
    match known {
        Some(stage) => stage,
        None if reason == message || mentions_image(reason, message) => ImageState::NoImage(WaitingReason::Other),
        None => ImageState::UnknownReason,
    }
}

/// Returns what a container's state reports about its image.
///
/// If the kubelet finds no container, it reports a synthetic termination (`ContainerStatusUnknown`,
/// pkg/kubelet/status/status_manager.go:637-708, v1.36.2). It does not prove that the container had its image.
#[must_use]
pub(crate) fn image_state_of(state: &StateFacts) -> ImageState {
    match state {
        StateFacts::Waiting { reason, message } => image_state_of_waiting(reason, message),
        StateFacts::Terminated { reason, .. } if reason == "ContainerStatusUnknown" => ImageState::Unreported,
        StateFacts::Running { .. } | StateFacts::Terminated { .. } => ImageState::HasImage,
        StateFacts::Absent => ImageState::Unreported,
    }
}

#[cfg(test)]
mod tests;
