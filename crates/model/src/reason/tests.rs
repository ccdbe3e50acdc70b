use super::*;

fn check(reason: &str, message: &str, expected: ImageState) {
    assert_eq!(image_state_of_waiting(reason, message), expected, "{reason:?} with the message {message:?}");
}

#[test]
fn seven_reasons_mean_no_image_with_any_message() {
    for (word, reason) in [
        ("ErrImagePull", WaitingReason::ErrImagePull),
        ("ImagePullBackOff", WaitingReason::ImagePullBackOff),
        ("ErrImageNeverPull", WaitingReason::ErrImageNeverPull),
        ("InvalidImageName", WaitingReason::InvalidImageName),
        ("ImageInspectError", WaitingReason::ImageInspectError),
        ("RegistryUnavailable", WaitingReason::RegistryUnavailable),
        ("SignatureValidationFailed", WaitingReason::SignatureValidationFailed),
    ] {
        for message in ["", word, "something else"] {
            check(word, message, ImageState::NoImage(reason));
        }
        assert_eq!(reason.as_str(), word);
    }
}

#[test]
fn free_text_in_both_reason_and_message_means_no_image() {
    for text in [
        "illegal base64 data at input byte 4",
        "two\nlines",
        "Other",
        &"x".repeat(10_000),
        "write /var: no space left on device",
    ] {
        check(text, text, ImageState::NoImage(WaitingReason::Other));
    }
}

/// Kubelets since 1.35 on a full or read-only disk. The message begins differently from the reason.
#[test]
fn free_text_with_a_message_about_an_image_means_no_image() {
    let intent = "failed to record image pull intent: open /var/lib/kubelet/image_manager/pulling/sha256-ab.tmp: no space left on device";
    for (reason, message) in [
        (intent, format!("Failed to record image pull intent for container image \"reg.example/a:1\": {intent}")),
        ("record of image: read-only file system", "Image \"a\" cannot be pulled".to_owned()),
    ] {
        check(reason, &message, ImageState::NoImage(WaitingReason::Other));
    }
    for (reason, message) in [
        ("RuntimeClass \"gvisor\" not found", ""),
        ("failed to do something", "imagePull is no word here, nor imagery"),
        ("SomethingNew", "an image of tomorrow"),
    ] {
        check(reason, message, ImageState::UnknownReason);
    }
}

#[test]
fn an_unknown_reason_unlike_its_message_is_not_a_failure() {
    for (reason, message) in [
        ("SomethingNew", ""),
        ("SomethingNew", "of tomorrow"),
        ("errimagepull", ""),
        ("Other", ""),
        ("ErrImagePull ", ""),
    ] {
        check(reason, message, ImageState::UnknownReason);
    }
}

#[test]
fn other_reasons_have_an_image_state() {
    for (reason, expected) in [
        ("ContainerCreating", ImageState::BeforePull),
        ("PodInitializing", ImageState::BeforePull),
        ("CrashLoopBackOff", ImageState::CrashLoop),
        ("CreateContainerConfigError", ImageState::HasImage),
        ("CreateContainerError", ImageState::HasImage),
        ("RunContainerError", ImageState::HasImage),
        ("", ImageState::HasImage),
    ] {
        check(reason, "", expected);
        check(reason, "some text", expected);
        // The reason decides even if the kubelet repeats it as the message.
        check(reason, reason, expected);
    }
}

#[test]
fn an_image_volume_that_cannot_be_mounted_was_pulled() {
    check("CreateContainerError", "ImageVolumeMountFailed: permission denied", ImageState::HasImage);
}

#[test]
fn three_reasons_are_failed_attempts() {
    let attempts: Vec<&str> =
        WaitingReason::ALL.iter().filter(|reason| reason.is_failed_attempt()).map(|reason| reason.as_str()).collect();
    assert_eq!(attempts, ["ErrImagePull", "RegistryUnavailable", "SignatureValidationFailed"]);
}

#[test]
fn a_container_that_ran_had_its_image() {
    let terminated = |reason: &str| StateFacts::Terminated { reason: reason.to_owned(), finished_at: None };
    assert_eq!(image_state_of(&StateFacts::Running { started_at: None }), ImageState::HasImage);
    assert_eq!(image_state_of(&terminated("Error")), ImageState::HasImage);
    assert_eq!(image_state_of(&terminated("Completed")), ImageState::HasImage);
    assert_eq!(image_state_of(&terminated("OOMKilled")), ImageState::HasImage);
}

#[test]
fn a_synthetic_termination_reports_no_image_state() {
    let state = StateFacts::Terminated { reason: "ContainerStatusUnknown".to_owned(), finished_at: None };
    assert_eq!(image_state_of(&state), ImageState::Unreported);
    assert_eq!(image_state_of(&StateFacts::Absent), ImageState::Unreported);
}
