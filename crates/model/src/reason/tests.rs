use super::*;

fn check(reason: &str, message: &str, expected: Stage) {
    assert_eq!(stage_of_waiting(reason, message), expected, "{reason:?} with the message {message:?}");
}

#[test]
fn the_seven_image_reasons_mean_no_image_whatever_the_message() {
    for (word, reason) in [
        ("ErrImagePull", Reason::ErrImagePull),
        ("ImagePullBackOff", Reason::ImagePullBackOff),
        ("ErrImageNeverPull", Reason::ErrImageNeverPull),
        ("InvalidImageName", Reason::InvalidImageName),
        ("ImageInspectError", Reason::ImageInspectError),
        ("RegistryUnavailable", Reason::RegistryUnavailable),
        ("SignatureValidationFailed", Reason::SignatureValidationFailed),
    ] {
        for message in ["", word, "something else"] {
            check(word, message, Stage::NoImage(reason));
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
        check(text, text, Stage::NoImage(Reason::Other));
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
        check(reason, &message, Stage::NoImage(Reason::Other));
    }
    for (reason, message) in [
        ("RuntimeClass \"gvisor\" not found", ""),
        ("failed to do something", "imagePull is no word here, nor imagery"),
        ("SomethingNew", "an image of tomorrow"),
    ] {
        check(reason, message, Stage::Unknown);
    }
}

#[test]
fn an_unknown_reason_unlike_its_message_is_no_failure() {
    for (reason, message) in [
        ("SomethingNew", ""),
        ("SomethingNew", "of tomorrow"),
        ("errimagepull", ""),
        ("Other", ""),
        ("ErrImagePull ", ""),
    ] {
        check(reason, message, Stage::Unknown);
    }
}

#[test]
fn other_reasons_have_an_image_state() {
    for (reason, expected) in [
        ("ContainerCreating", Stage::BeforePull),
        ("PodInitializing", Stage::BeforePull),
        ("CrashLoopBackOff", Stage::CrashLoop),
        ("CreateContainerConfigError", Stage::HasImage),
        ("CreateContainerError", Stage::HasImage),
        ("RunContainerError", Stage::HasImage),
        ("", Stage::HasImage),
    ] {
        check(reason, "", expected);
        check(reason, "some text", expected);
        // The reason decides even if the kubelet repeats it as the message.
        check(reason, reason, expected);
    }
}

#[test]
fn an_image_volume_that_cannot_be_mounted_was_pulled() {
    check("CreateContainerError", "ImageVolumeMountFailed: permission denied", Stage::HasImage);
}

#[test]
fn three_reasons_are_failed_attempts() {
    let attempts: Vec<&str> =
        Reason::ALL.iter().filter(|reason| reason.is_attempt()).map(|reason| reason.as_str()).collect();
    assert_eq!(attempts, ["ErrImagePull", "RegistryUnavailable", "SignatureValidationFailed"]);
}

#[test]
fn a_container_that_ran_had_its_image() {
    let terminated = |reason: &str| State::Terminated { reason: reason.to_owned(), finished: None };
    assert_eq!(stage_of(&State::Running { started: None }), Stage::HasImage);
    assert_eq!(stage_of(&terminated("Error")), Stage::HasImage);
    assert_eq!(stage_of(&terminated("Completed")), Stage::HasImage);
    assert_eq!(stage_of(&terminated("OOMKilled")), Stage::HasImage);
}

#[test]
fn a_synthetic_termination_reports_no_image_state() {
    let state = State::Terminated { reason: "ContainerStatusUnknown".to_owned(), finished: None };
    assert_eq!(stage_of(&state), Stage::Unsaid);
    assert_eq!(stage_of(&State::Absent), Stage::Unsaid);
}
