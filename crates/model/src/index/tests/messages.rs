use super::*;
use crate::cause::Cause;

/// The log lines of unclassified texts.
fn unclassified(story: &IndexScenario) -> Vec<&str> {
    story.log.iter().map(String::as_str).filter(|line| line.contains("unclassified")).collect()
}

#[test]
fn a_bare_back_off_keeps_the_message_of_the_attempt() {
    for (text, cause, news) in [
        (not_found("nginx:nope"), Cause::ImageNotFound, vec![]),
        ("the moon is full".to_owned(), Cause::Unknown, vec!["1 web/app unclassified 16 bytes"]),
    ] {
        let mut story = IndexScenario::new();
        let web = pod("web").image("nginx:nope");
        let err = web.clone().waiting("ErrImagePull", &text);
        let bare = web.waiting("ImagePullBackOff", "Back-off pulling image \"nginx:nope\"");
        story.apply(1, &err).apply(14, &bare).apply(28, &err).apply(41, &bare);
        assert_eq!(unclassified(&story), news);
        let snapshot = story.index.snapshot().unwrap();
        let (_, _, failure) = snapshot.failures().next().unwrap();
        assert_eq!((&failure.message, failure.own_cause), (&Arc::from(text.as_str()), cause));
    }
}

#[test]
fn the_longest_text_is_reported_once() {
    let web = pod("web").image("nginx:nope").waiting("ErrImagePull", &"☃".repeat(1365));
    let mut story = IndexScenario::new();
    story.apply(1, &web).apply(2, &web).apply(3, &web);
    assert_eq!(unclassified(&story), ["1 web/app unclassified 4095 bytes"]);
}

/// Kubelets from 1.35 on write a record of each pull before it starts, and before they check the back-off.
#[test]
fn a_pull_record_that_cannot_be_written_is_a_failure() {
    for (error, cause) in [
        ("no space left on device", Cause::DiskFull),
        ("read-only file system", Cause::NodeStorageError),
        ("too odd to tell", Cause::NodeStorageError),
    ] {
        let reason =
            format!("failed to record image pull intent: open /var/lib/kubelet/image_manager/pulling/a: {error}");
        let message = format!("Failed to record image pull intent for container image \"nginx:nope\": {reason}");
        let mut story = IndexScenario::new();
        story.apply(1, &pod("web").image("nginx:nope").waiting(&reason, &message));
        assert_eq!(story.failing(), ["web/app nginx:nope Other since 1 observed, 0 attempts"]);
        let snapshot = story.index.snapshot().unwrap();
        let (_, _, failure) = snapshot.failures().next().unwrap();
        assert_eq!(failure.own_cause, cause, "{error}");
    }
}

#[test]
fn the_host_that_failed_is_that_of_the_last_text() {
    let mut story = IndexScenario::new();
    let web = pod("web").image("nginx:nope");
    let token = "failed to fetch anonymous token: Get \"https://auth.docker.io/token?a=b\": dial tcp: lookup auth.docker.io: no such host";
    let texts = [
        (1, "ErrImagePull", token.to_owned(), Some("auth.docker.io")),
        (14, "ImagePullBackOff", "Back-off pulling image \"nginx:nope\"".to_owned(), Some("auth.docker.io")),
        (28, "ErrImagePull", not_found("nginx:nope"), None),
    ];
    for (at, reason, text, host) in texts {
        story.apply(at, &web.clone().waiting(reason, &text));
        let snapshot = story.index.snapshot().unwrap();
        let (_, _, failure) = snapshot.failures().next().unwrap();
        assert_eq!(failure.own_host.as_ref().map(|host| &*host.name), host, "{text}");
    }
}
