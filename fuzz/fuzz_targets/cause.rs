//! Each text has a cause, which is the same during the back-off as after the attempt.
#![no_main]

use image_pull_model::cause::{Cause, classify, classify_with_host, hops, is_bare_backoff};
use image_pull_model::image::ImageReference;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let cause = classify("ErrImagePull", text);
    assert!(Cause::ALL.contains(&cause));
    let image = ImageReference::parse("reg.example/team/app:1");
    assert_eq!(classify_with_host("ErrImagePull", text, &image).cause, cause);
    hops(text, &image);
    let waits = format!("Back-off pulling image \"reg.example/team/app:1\": ErrImagePull: {text}");
    if !is_bare_backoff(&waits) {
        assert_eq!(classify("ImagePullBackOff", &waits), cause);
    }
});
