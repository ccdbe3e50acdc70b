//! Writes METRICS.md from the table of families.

use std::fmt::Write;

use super::exposition::FamilyType;
use super::families::{FAMILIES, Stability};

const INTRODUCTION: &str = r#"<!-- Generated from src/metrics/families.rs; `UPDATE=1 tests/run metrics_md` writes it anew. -->

# Metrics

Every family that `/metrics` serves. *Stable*: name, type and labels change only in a major version.
Series of a failing container exist only while it fails: absence means no. Counters and histograms start at zero when the
exporter starts. Histograms are classic in the text formats; in protobuf they are native too.
Where the kubelet gave no error text, `cause` and `cause_group` of a failing container are those of another container with the same image,
if one has a text. Failed attempts are counted under the cause that their own text tells.

A failure that changes its cause has one start and, one after the other, several cause starts. A cause that returns after at most two failed
attempts with other causes has lasted all the while: a registry whose errors alternate between a timeout and a refused connection has one
stretch of each. Where nobody watched a cause begin, as after a start of the exporter, its start is when it was first seen, so its age is a lower bound.

`batch` is `true` for pods that run to their end: those of Jobs and CronJobs, of Tekton's TaskRun, Argo's Workflow, SparkApplication, Kubeflow's training jobs,
GitHub's EphemeralRunner, OpenShift's Build, and of the kinds that `--batch-kinds` names.

## Limits

| what | limit | beyond it |
|---|---|---|
| failing containers with series | `--max-container-series` | Places are shared evenly among namespaces, then among the workloads of a namespace, then the oldest failures come first. What is shown stays shown while its share allows; what was left out returns when less than 95 % of the limit is used. `image_pull_exporter_truncated_containers` counts what is left out. |
| registries with a label value | `--max-registries` | Counted as `registry="other"`. A registry takes the name of one that is used less, or that has been idle for an hour. Use is the number of namespaces in which a registry fails; the second registry of a namespace counts half, the third a third, and so on. Histograms of a registry that lost its name are exposed for a day at most. |
| pairs of namespace and registry with counters | `--max-counter-pairs` | Counted as `namespace="_other"`. At the limit, pairs that have been idle for an hour are dropped first. A namespace may have more than 8 pairs only while fewer than half of all are in use. |

Counters of a pair are exposed while a failure of it is open and for 24 hours after its last event. A pair that returns
continues with its values, so `rate()` and `increase()` see neither a reset nor a step; the exporter remembers as many
dropped pairs as it exposes.

## Families

| family | type | labels | stability | meaning |
|---|---|---|---|---|
"#;

/// The text of METRICS.md.
#[must_use]
pub fn markdown() -> String {
    let mut text = INTRODUCTION.to_owned();
    for family in FAMILIES {
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
