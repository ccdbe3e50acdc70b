use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::cause::{Cause, classify_with_host};
use crate::image::ImageReference;

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what the parser returns")]
fn pulled(image: &str, duration_ms: u64, queued_ms: Option<u64>, size: Option<u64>) -> Option<EventReport> {
    Some(EventReport::Pulled {
        image: image.to_owned(),
        duration: Duration::from_millis(duration_ms),
        queued: queued_ms.map(Duration::from_millis),
        size,
    })
}

#[test]
fn pulls_of_every_kubelet_are_read() {
    for (message, report) in [
        // 1.20 to 1.24
        (r#"Successfully pulled image "nginx" in 49.184s"#, pulled("nginx", 49_184, None, None)),
        // 1.25 to 1.29
        (
            r#"Successfully pulled image "nginx:1" in 1m32.4s (1m44.6s including waiting)"#,
            pulled("nginx:1", 92_400, Some(12_200), None),
        ),
        // since 1.30
        (
            r#"Successfully pulled image "r.example:5000/a/b@sha256:0" in 181ms (30.337s including waiting). Image size: 1094453 bytes."#,
            pulled("r.example:5000/a/b@sha256:0", 181, Some(30_156), Some(1_094_453)),
        ),
        // The clock of the node was set meanwhile.
        (r#"Successfully pulled image "a" in 2s (1s including waiting)"#, pulled("a", 2_000, Some(0), None)),
        // Without a duration nothing is known but the success.
        (r#"Successfully pulled image "nginx""#, None),
        (r#"Container image "nginx" already present on machine"#, None),
        (r#"Container image "nginx" already present on machine and can be accessed by the pod"#, None),
    ] {
        assert_eq!(EventReport::parse("Pulled", message), report, "{message}");
    }
}

#[test]
fn the_duration_of_a_pull_has_the_precision_of_the_message() {
    let report = EventReport::parse("Pulled", r#"Successfully pulled image "nginx" in 49.18401355s"#);
    let Some(EventReport::Pulled { duration, .. }) = report else { panic!("{report:?}") };
    assert_eq!(duration, Duration::from_nanos(49_184_013_550));
}

#[test]
fn requests_and_failures_of_pulls_are_read() {
    let pulling = |message| EventReport::parse("Pulling", message);
    assert_eq!(pulling(r#"Pulling image "nginx:1.27""#), Some(EventReport::Pulling { image: "nginx:1.27".to_owned() }));
    assert_eq!(pulling(r#"Pulling image "a\"b\\c\té\x00""#).map(|report| format!("{report:?}")), {
        let image = "a\"b\\c\té\u{fffd}".to_owned();
        Some(format!("{:?}", EventReport::Pulling { image }))
    });
    assert_eq!(pulling("Pulling artifacts"), None);

    let failed = |message| EventReport::parse("Failed", message);
    let report = EventReport::PullFailed { image: "x:1".to_owned(), error: "pull QPS exceeded".to_owned() };
    assert_eq!(failed(r#"Failed to pull image "x:1": pull QPS exceeded"#), Some(report.clone()));
    assert_eq!(
        failed(r#"(combined from similar events): Failed to pull image "x:1": pull QPS exceeded"#),
        Some(report)
    );
    for other in ["Error: ErrImagePull", "Error: ImagePullBackOff", r#"Error: secret "nope" not found"#, ""] {
        assert_eq!(failed(other), None);
    }
    for other in ["BackOff", "Created", "InspectFailed", "ErrImageNeverPull", ""] {
        assert_eq!(EventReport::parse(other, r#"Pulling image "nginx""#), None);
    }
}

#[test]
fn sandbox_failures_about_an_image_are_read() {
    for (message, image, cause) in [
        // containerd
        (
            r#"Failed to create pod sandbox: rpc error: code = NotFound desc = failed to get sandbox image "127.0.0.1:5000/pause:missing": failed to pull image "127.0.0.1:5000/pause:missing": failed to pull and unpack image "127.0.0.1:5000/pause:missing": failed to resolve reference "127.0.0.1:5000/pause:missing": 127.0.0.1:5000/pause:missing: not found"#,
            "127.0.0.1:5000/pause:missing",
            Cause::ImageNotFound,
        ),
        (
            r#"Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image "k8s.gcr.io/pause:3.1": failed to pull image "k8s.gcr.io/pause:3.1": failed to pull and unpack image "k8s.gcr.io/pause:3.1": failed to resolve reference "k8s.gcr.io/pause:3.1": failed to do request: Head "https://k8s.gcr.io/v2/pause/manifests/3.1": dial tcp: lookup k8s.gcr.io on [::1]:53: no such host"#,
            "k8s.gcr.io/pause:3.1",
            Cause::DnsFailure,
        ),
        (
            r#"Failed to create pod sandbox: rpc error: code = Unknown desc = failed to start sandbox "0a1b": failed to get sandbox image "registry.k8s.io/pause:3.10": failed to pull image "registry.k8s.io/pause:3.10": dial tcp 10.0.0.1:443: i/o timeout"#,
            "registry.k8s.io/pause:3.10",
            Cause::Timeout,
        ),
        // CRI-O
        (
            r#"Failed to create pod sandbox: rpc error: code = Unknown desc = error creating pod sandbox with name "k8s_web_shop_0": Error initializing source docker://k8s.gcr.io/pause:3.1: error pinging docker registry k8s.gcr.io: Get https://k8s.gcr.io/v2/: dial tcp 74.125.204.82:443: i/o timeout"#,
            "k8s.gcr.io/pause:3.1",
            Cause::Timeout,
        ),
        (
            r#"Failed to create pod sandbox: rpc error: code = DeadlineExceeded desc = creating pod sandbox with name "k8s_web_shop_0": initializing source docker://registry.k8s.io/pause:3.6: Get "https://asia-east1-docker.pkg.dev/v2/k8s-artifacts-prod/images/pause/manifests/3.6": dial tcp 64.233.189.82:443: i/o timeout"#,
            "registry.k8s.io/pause:3.6",
            Cause::Timeout,
        ),
        // dockershim and cri-dockerd
        (
            r#"Failed create pod sandbox: rpc error: code = Unknown desc = failed pulling image "registry.example/images/pause-amd64:3.1": Error response from daemon: pull access denied for registry.example/images/pause-amd64, repository does not exist or may require 'docker login'"#,
            "registry.example/images/pause-amd64:3.1",
            Cause::NotFoundOrDenied,
        ),
    ] {
        let report = EventReport::parse("FailedCreatePodSandBox", message);
        let Some(EventReport::SandboxImageFailed { image: read, error }) = report else { panic!("{message}") };
        assert_eq!(read, image);
        assert_eq!(classify_with_host("ErrImagePull", &error, &ImageReference::parse(image)).cause, cause, "{error}");
    }
}

#[test]
fn other_sandbox_failures_are_not_about_an_image() {
    for message in [
        r#"Failed to create pod sandbox: rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: no such file or directory""#,
        r#"Failed to create pod sandbox: rpc error: code = Unknown desc = failed to setup network for sandbox "0a1b": plugin type="calico" failed (add): stat /var/lib/calico/nodename: no such file or directory"#,
        "Failed to create pod sandbox: rpc error: code = Unknown desc = failed to reserve sandbox name \"web_shop_0\": name is reserved",
        "Failed to create pod sandbox: rpc error: code = DeadlineExceeded desc = context deadline exceeded",
        "",
    ] {
        assert_eq!(EventReport::parse("FailedCreatePodSandBox", message), None, "{message}");
    }
}

#[test]
fn missing_secrets_are_read() {
    let parse = |message: &str| EventReport::parse("FailedToRetrieveImagePullSecret", message);
    let names = |names: &[&str]| {
        Some(EventReport::PullSecretsMissing { names: names.iter().map(|&name| name.to_owned()).collect() })
    };
    let text = |names: &str| {
        format!("Unable to retrieve some image pull secrets ({names}); attempting to pull the image may not succeed.")
    };
    assert_eq!(parse(&text("regcred")), names(&["regcred"]));
    assert_eq!(parse(&text("a, b.c")), names(&["a", "b.c"]));
    assert_eq!(parse(&text("")), None);
    assert_eq!(parse("Unable to retrieve"), None);
}

proptest! {
    #[test]
    fn any_event_is_read_or_not(
        reason in "Pulling|Pulled|Failed|FailedCreatePodSandBox|FailedToRetrieveImagePullSecret",
        start in "Pulling image |Successfully pulled image |Failed to pull image |Failed to create pod sandbox: |",
        rest in r#"["\\(): a-zx0-9.é]{0,60}"#,
    ) {
        let _ = EventReport::parse(&reason, &format!("{start}{rest}"));
    }
}
