//! Redaction is idempotent, and removes secrets in any context.
#![no_main]

use image_pull_model::redact::redact;
use libfuzzer_sys::fuzz_target;

/// Texts that contain the secret `hunter2hunter2`.
const PLANTED: &[&str] = &[
    "https://user:hunter2hunter2@reg.example/v2/",
    "https://cdn.example/blob?X-Amz-Signature=hunter2hunter2&x=1",
    "Authorization: Basic hunter2hunter2",
    "Bearer hunter2hunter2",
    "\"password\":\"hunter2hunter2\"",
    "client_secret=hunter2hunter2",
    "https://user:x#hunter2hunter2@reg.example/v2/",
    "https://user:x/hunter2hunter2@reg.example/v2/",
    "https://user:x hunter2hunter2@reg.example/v2/",
    "password: hunter2hunter2",
    "key = hunter2hunter2",
    "X-Vault-Token: hunter2hunter2",
    "cookie: a=hunter2hunter2",
    "x-registry-auth: hunter2hunter2",
    "glrt-hunter2hunter2",
    "--password hunter2hunter2",
];

fuzz_target!(|text: &str| {
    let once = redact(text).into_owned();
    assert_eq!(redact(&once), once.as_str());
    // Text before a secret may extend the redacted part, but never shorten it.
    let middle = text.floor_char_boundary(text.len() / 2);
    let (before, after) = text.split_at(middle);
    if text.contains("hunter2") {
        return;
    }
    for planted in PLANTED {
        let whole = format!("{before} {planted} {after}");
        let redacted = redact(&whole);
        assert!(!redacted.contains("hunter2"), "{redacted}");
        assert_eq!(redact(&redacted), redacted);
    }
});
