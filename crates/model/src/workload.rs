//! Names the workload that a pod belongs to, and tells batch from services. Uses the pod alone, so that no right to read
//! other objects is needed.

use super::facts::{Owner, PodId};

/// What somebody deploys, and would look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload<'a> {
    /// `Deployment`, `CronJob`, `StatefulSet`, …; `Pod` for a pod that nothing controls.
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// The workload of the pod `id` that `owner` controls.
///
/// A Deployment's ReplicaSet is named after it and the pod-template-hash, which every pod carries as a label
/// (pkg/controller/deployment/sync.go `getNewReplicaSet`, v1.36.2). A CronJob's Job is named after it and its
/// scheduled time in minutes, eight digits, or in seconds, ten, before 1.21
/// (pkg/controller/cronjob/utils.go `getJobName`).
#[must_use]
pub fn workload<'a>(id: &'a PodId, owner: &'a Owner) -> Workload<'a> {
    let of = |kind, name| Workload { kind, name };
    match owner.kind.as_str() {
        "" => of("Pod", id.name.as_str()),
        "ReplicaSet" => match without_suffix(&owner.name, &owner.template_hash) {
            Some(deployment) => of("Deployment", deployment),
            None => of("ReplicaSet", &owner.name),
        },
        "Job" => match owner.name.rsplit_once('-') {
            Some((cron_job, time)) if !cron_job.is_empty() && is_schedule_time(time) => of("CronJob", cron_job),
            _ => of("Job", &owner.name),
        },
        kind => of(kind, &owner.name),
    }
}

/// Kinds of controllers whose pods run to their end: nobody waits in front of them, and their deadlines run.
///
/// `--batch-kinds` adds to them. A kind is here if its controller makes pods itself: one that makes Jobs, such as
/// `CronJob`, `JobSet` or `ScaledJob`, shows as `Job`.
const BATCH_KINDS: [&str; 13] = [
    // Kubernetes' own, and Volcano's (batch.volcano.sh).
    "Job",
    // Tekton (tekton.dev): one pod for each run of a task.
    "TaskRun",
    // Argo Workflows (argoproj.io): the workflow controls the pods of all its steps.
    "Workflow",
    // The Spark operator (sparkoperator.k8s.io) controls the driver, and the driver's pod its executors.
    "SparkApplication",
    "Pod",
    // Kubeflow's training operator (kubeflow.org).
    "PyTorchJob",
    "TFJob",
    "MPIJob",
    "XGBoostJob",
    "PaddleJob",
    "JAXJob",
    // GitHub's runner scale sets (actions.github.com): one pod for each job.
    "EphemeralRunner",
    // OpenShift (build.openshift.io).
    "Build",
];

/// Whether a pod that `owner` controls is batch: its controller's kind is in the table, or its controller's or its
/// workload's kind is one of `more`. A pod that nothing controls is batch only if `more` has `Pod`.
#[must_use]
pub fn is_batch(id: &PodId, owner: &Owner, more: &[String]) -> bool {
    let kinds = [owner.kind.as_str(), workload(id, owner).kind];
    BATCH_KINDS.contains(&owner.kind.as_str()) || more.iter().any(|kind| kinds.contains(&kind.as_str()))
}

fn without_suffix<'a>(name: &'a str, hash: &str) -> Option<&'a str> {
    let name = name.strip_suffix(hash).filter(|_| !hash.is_empty())?.strip_suffix('-')?;
    Some(name).filter(|name| !name.is_empty())
}

fn is_schedule_time(text: &str) -> bool {
    matches!(text.len(), 8 | 10) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
