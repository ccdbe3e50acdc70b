//! Generates METRICS.md from the table of families.

use std::fmt::Write;

use super::exposition::FamilyType;
use super::families::{FAMILIES, Stability};

const INTRODUCTION: &str = r#"<!-- Generated from src/metrics/families.rs; run `UPDATE=1 tests/run metrics_md` to update. -->

# Metrics

The metric families that `/metrics` exposes. The name, type and labels of a *stable* family change only in a major version.

- Series of a failing container exist only while it fails.
- Counters and histograms start at zero when the exporter starts.
- Histograms are classic in the text formats, and both classic and native in protobuf.
- A failing container without an error message has the `cause` and `cause_group` of another container with the same image, if that one has
  a message. Failed attempts are always counted with the cause of their own message.

A failure has one start, but its cause can change, and each cause has a start of its own. A cause that returns after at most two failed
attempts with other causes keeps its start. A registry that alternates between timeouts and refused connections has one start for each.
If the start of a cause was not observed, for example after a restart of the exporter, its start is the time of its first observation. The
age of the cause is then a lower bound.

`batch` is `true` for pods that run to completion: pods of Jobs and CronJobs, Tekton TaskRuns, Argo Workflows, SparkApplications, Kubeflow
training jobs, GitHub EphemeralRunners, OpenShift Builds, and of the kinds in `--batch-kinds`.

## Limits

| Limit | Flag | Beyond the limit |
|---|---|---|
| Failing containers with series | `--max-container-series` | Series are shared evenly among namespaces, then among the workloads of a namespace; the oldest failures come first. A selected container keeps its series while its share allows it. An omitted one gets series below 95 % of the limit. `image_pull_exporter_truncated_containers` counts the omitted containers. |
| Registries with a label value | `--max-registries` | Counted with `registry="other"`. A new registry replaces one with a lower weight, or one without an event for an hour. The weight is the number of namespaces in which the registry fails; the second registry of a namespace counts half, the third a third, and so on. Histograms of a replaced registry are exposed for one more day at most. |
| Pairs of namespace and registry with counters | `--max-counter-pairs` | Counted with `namespace="_other"`. At the limit, pairs without an event for an hour are evicted first. A namespace can have more than 8 pairs only while less than half of the limit is used. |

The counters of a pair are exposed while one of its failures is open, and for 24 hours after its last event. A pair that returns continues
from its previous values, so `rate()` and `increase()` see no reset. The exporter keeps the values of as many evicted pairs as the limit allows.

## Families

| Family | Type | Labels | Stability | Description |
|---|---|---|---|---|
"#;

/// Returns the text of METRICS.md.
#[must_use]
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    for family in FAMILIES.iter() {
        let kind = match family.header.family_type {
            FamilyType::Gauge => "gauge",
            FamilyType::Counter => "counter",
            FamilyType::Histogram => "histogram",
        };
        let stability = match family.stability {
            Stability::Stable => "stable",
            Stability::Alpha => "alpha",
        };
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| `{}` | {kind} | {} | {stability} | {} |",
            family.header.name,
            labels.join(", "),
            family.header.help
        );
    }
    text
}
