//! Classifies the error texts in the recordings of a real kubelet: one cause per container, at each record.

use std::path::Path;

use image_pull_model::cause::{Cause, classify};

use super::oracle::IMAGE_REASONS;

/// The causes of each scenario, in order.
const EXPECTED: &[(&str, &[Cause])] = &[
    ("config-error", &[]),
    ("crashloop", &[]),
    ("deadline-exceeded", &[Cause::ImageNotFound]),
    ("delete-backoff", &[Cause::ImageNotFound]),
    ("dns-failure", &[Cause::DnsFailure]),
    ("ephemeral-bad", &[Cause::ImageNotFound]),
    ("good", &[]),
    ("image-volume-bad", &[Cause::ImageNotFound]),
    ("init-fail", &[Cause::ImageNotFound]),
    ("inject-regunavail", &[Cause::RegistryUnavailable]),
    ("inspect-error", &[Cause::NodeStorageError]),
    ("invalid-name", &[Cause::InvalidReference]),
    // The kubelet's own limit and an unavailable runtime occur between the attempts for the missing image.
    ("kubelet-restart", &[Cause::ImageNotFound, Cause::NodeStorageError, Cause::PullQpsExceeded]),
    // Two pods.
    ("long-cap", &[Cause::ImageNotFound, Cause::RateLimited]),
    ("missing-secret", &[Cause::Unauthorized]),
    ("never-absent", &[Cause::NeverPullAbsent]),
    ("no-platform", &[Cause::PlatformMismatch]),
    ("r429", &[Cause::RateLimited]),
    ("recover-patch", &[Cause::ImageNotFound]),
    ("recover-push", &[Cause::ImageNotFound]),
    ("restart-registry-died", &[Cause::ConnectionFailed]),
    ("same-image-twice", &[Cause::ImageNotFound]),
    ("sandbox-image-missing", &[]),
    ("static-pod", &[Cause::ImageNotFound]),
    ("tag-not-found", &[Cause::ImageNotFound]),
    ("two-containers", &[Cause::ImageNotFound]),
    ("unauthorized", &[Cause::Unauthorized]),
];

#[test]
fn every_record_of_a_scenario_has_its_causes() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/traces"));
    for (scenario, expected) in EXPECTED {
        let records = std::fs::read_to_string(folder.join(format!("{scenario}.pods.jsonl"))).unwrap();
        let mut causes: Vec<Cause> =
            records.lines().flat_map(|line| image_failures(&serde_json::from_str(line).unwrap())).collect();
        causes.sort();
        causes.dedup();
        assert_eq!(causes, *expected, "{scenario}");
    }
}

/// The cause of each container that waits for its image in a record.
fn image_failures(record: &serde_json::Value) -> Vec<Cause> {
    let status = &record["object"]["status"];
    ["initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"]
        .iter()
        .filter_map(|list| status[list].as_array())
        .flatten()
        .map(|container| &container["state"]["waiting"])
        .filter(|waiting| IMAGE_REASONS.contains(&waiting["reason"].as_str().unwrap_or_default()))
        .map(|waiting| {
            classify(waiting["reason"].as_str().unwrap_or_default(), waiting["message"].as_str().unwrap_or_default())
        })
        .collect()
}
