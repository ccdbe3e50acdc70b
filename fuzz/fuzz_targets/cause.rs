//! Any text has a cause, and the same one while the kubelet waits as when the attempt failed.
#![no_main]

use image_pull_exporter::pull::cause::{Cause, classify, is_bare_backoff};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let cause = classify("ErrImagePull", text);
    assert!(Cause::ALL.contains(&cause));
    let waits = format!("Back-off pulling image \"reg.example/team/app:1\": ErrImagePull: {text}");
    if !is_bare_backoff(&waits) {
        assert_eq!(classify("ImagePullBackOff", &waits), cause);
    }
});
