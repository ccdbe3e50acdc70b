//! Writes the metadata of a container and its image as labels.

use super::series::SeriesWriter;
use image_pull_model::image::{ImageReference, PullPolicy};
use image_pull_model::snapshot::{TrackedContainer, TrackedPod};
use image_pull_model::workload::workload_of;

/// Writes one series with the value 1. Its labels are those of the container and its image, then `cause`, then those of the
/// node and the workload.
pub(super) fn write_info(
    series: &mut SeriesWriter<'_>,
    (pod, container): (&TrackedPod, &TrackedContainer),
    (image, policy): (&ImageReference, PullPolicy),
    cause: &[&str],
) {
    let workload = workload_of(&pod.id, &pod.owner);
    let written = image.redacted();
    let image_labels = [
        &*pod.id.namespace,
        &*pod.id.name,
        &*pod.id.uid,
        &*container.name,
        container.kind.as_str(),
        &*written,
        image.registry(),
        image.repository(),
        image.tag(),
        image.digest(),
        policy.as_str(),
    ];
    let workload_labels = [&*pod.node, workload.kind, workload.name, if pod.is_batch { "true" } else { "false" }];
    series.write(&[&image_labels, cause, &workload_labels].concat(), 1.0);
}
