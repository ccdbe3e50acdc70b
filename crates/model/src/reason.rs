//! Reads waiting reasons: which of them mean "no image".

use super::facts::State;

/// A waiting reason that means that the container cannot get its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// An attempt to pull failed.
    ErrImagePull,
    /// The kubelet waits before it tries again.
    ImagePullBackOff,
    /// The policy is Never and the image is absent.
    ErrImageNeverPull,
    /// The reference does not parse.
    InvalidImageName,
    /// The runtime could not say whether the image is there.
    ImageInspectError,
    /// An attempt failed, and the runtime says that the registry is down (CRI-O).
    RegistryUnavailable,
    /// An attempt failed on the image's signature (CRI-O).
    SignatureValidationFailed,
    /// Free text: since 1.33 the kubelet puts raw errors into the reason, of reading the pull secrets and of its records
    /// of pulls (`EnsureImageExists` and `pullImage`, pkg/kubelet/images/image_manager.go, v1.36.2). The message is
    /// the same text, or one about the image that ends in it.
    Other,
}

impl Reason {
    /// Every one of them.
    pub const ALL: [Self; 8] = [
        Self::ErrImagePull,
        Self::ImagePullBackOff,
        Self::ErrImageNeverPull,
        Self::InvalidImageName,
        Self::ImageInspectError,
        Self::RegistryUnavailable,
        Self::SignatureValidationFailed,
        Self::Other,
    ];

    /// The word the kubelet uses; `Other` for free text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ErrImagePull => "ErrImagePull",
            Self::ImagePullBackOff => "ImagePullBackOff",
            Self::ErrImageNeverPull => "ErrImageNeverPull",
            Self::InvalidImageName => "InvalidImageName",
            Self::ImageInspectError => "ImageInspectError",
            Self::RegistryUnavailable => "RegistryUnavailable",
            Self::SignatureValidationFailed => "SignatureValidationFailed",
            Self::Other => "Other",
        }
    }

    /// Whether it leaves the cause to the message.
    #[must_use]
    pub const fn tells_no_cause(self) -> bool {
        matches!(self, Self::ErrImagePull | Self::ImagePullBackOff)
    }

    /// Whether its onset is a failed attempt to pull. The others either wait or never ask a registry.
    #[must_use]
    pub const fn is_attempt(self) -> bool {
        match self {
            Self::ErrImagePull | Self::RegistryUnavailable | Self::SignatureValidationFailed => true,
            Self::ImagePullBackOff
            | Self::ErrImageNeverPull
            | Self::InvalidImageName
            | Self::ImageInspectError
            | Self::Other => false,
        }
    }
}

/// How far a status shows a container to be on its way to its image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It cannot get its image.
    NoImage(Reason),
    /// It has not tried yet, or the kubelet was restarted and has forgotten that it did.
    BeforePull,
    /// It waits to be restarted; that hides whether the restart could get its image.
    CrashLoop,
    /// It has its image.
    HasImage,
    /// The status does not say.
    Unsaid,
    /// A waiting reason that no table here knows.
    Unknown,
}

impl Stage {
    /// Whether its onset is a failed attempt to pull.
    #[must_use]
    pub const fn is_attempt(self) -> bool {
        matches!(self, Self::NoImage(reason) if reason.is_attempt())
    }
}

/// Waiting reasons that are not about images, and what each tells about the image.
///
/// Sources: pkg/kubelet/kuberuntime/kuberuntime_container.go:60-72 and pkg/kubelet/kubelet_pods.go:2499-2502
/// (v1.36.2). The empty reason is that of a container which was created and not yet started
/// (`ContainerStateCreated`, kubelet_pods.go).
const NOT_ABOUT_IMAGES: [(&str, Stage); 12] = [
    ("ContainerCreating", Stage::BeforePull),
    ("PodInitializing", Stage::BeforePull),
    ("CrashLoopBackOff", Stage::CrashLoop),
    ("", Stage::HasImage),
    ("CreateContainerConfigError", Stage::HasImage),
    ("CreateContainerError", Stage::HasImage),
    ("PreCreateHookError", Stage::HasImage),
    ("PreStartHookError", Stage::HasImage),
    ("PostStartHookError", Stage::HasImage),
    ("RunContainerError", Stage::HasImage),
    ("ContainerRestarting", Stage::Unsaid),
    ("RestartingAllContainers", Stage::Unsaid),
];

/// Whether a reason is free text and the message says that it is about an image.
///
/// The words of Kubernetes are `CamelCase`. Other raw errors come with an empty message, and are not about images: that
/// of a runtime class which does not exist (`getPodRuntimeHandler`, pkg/kubelet/kuberuntime/kuberuntime_container.go).
fn is_about_image(reason: &str, message: &str) -> bool {
    let is_word = reason.bytes().all(|b| b.is_ascii_alphanumeric());
    let mut words = message.split(|c: char| !c.is_ascii_alphanumeric());
    !is_word && words.any(|word| word.eq_ignore_ascii_case("image"))
}

/// What a waiting container's reason and message tell about its image.
#[must_use]
pub fn stage_of_waiting(reason: &str, message: &str) -> Stage {
    let known = Reason::ALL
        .into_iter()
        .find(|known| *known != Reason::Other && known.as_str() == reason)
        .map(Stage::NoImage)
        .or_else(|| NOT_ABOUT_IMAGES.iter().find(|(word, _)| *word == reason).map(|(_, stage)| *stage));
    match known {
        Some(stage) => stage,
        None if reason == message || is_about_image(reason, message) => Stage::NoImage(Reason::Other),
        None => Stage::Unknown,
    }
}

/// What a container's state tells about its image.
///
/// A termination that the kubelet made up because it found no container (`ContainerStatusUnknown`,
/// pkg/kubelet/status/status_manager.go:637-708, v1.36.2) is no proof that it ever had its image.
#[must_use]
pub fn stage_of(state: &State) -> Stage {
    match state {
        State::Waiting { reason, message } => stage_of_waiting(reason, message),
        State::Terminated { reason, .. } if reason == "ContainerStatusUnknown" => Stage::Unsaid,
        State::Running { .. } | State::Terminated { .. } => Stage::HasImage,
        State::Absent => Stage::Unsaid,
    }
}

#[cfg(test)]
mod tests;
