//! Finds the workload that a pod belongs to, and whether it is a batch workload. Uses the pod alone, so that the
//! exporter needs no permission to read other objects.

use super::facts::{PodId, PodOwner};

/// The top-level workload of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload<'a> {
    /// `Deployment`, `CronJob`, `StatefulSet`, …; `Pod` for a pod without a controller.
    pub kind: &'a str,
    /// Name of the workload.
    pub name: &'a str,
}

/// Returns the workload of the pod `id`, which `owner` controls.
///
/// The name of a Deployment's ReplicaSet is that of the Deployment and the pod-template-hash, which every pod has as a
/// label (pkg/controller/deployment/sync.go `getNewReplicaSet`, v1.36.2). The name of a CronJob's Job is that of the
/// CronJob and the scheduled time: eight digits in minutes, or ten digits in seconds before 1.21
/// (pkg/controller/cronjob/utils.go `getJobName`).
#[must_use]
pub fn workload_of<'a>(id: &'a PodId, owner: &'a PodOwner) -> Workload<'a> {
    let of = |kind, name| Workload { kind, name };
    match owner.kind.as_str() {
        "" => of("Pod", id.name.as_str()),
        "ReplicaSet" => match strip_template_hash(&owner.name, &owner.template_hash) {
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

/// Kinds of controllers whose pods run to completion. They serve no requests, and their deadlines keep running.
///
/// `--batch-kinds` adds to these. A kind is listed if its controller creates pods itself. Pods of kinds that create
/// Jobs (`CronJob`, `JobSet`, `ScaledJob`) have the controller kind `Job`.
const BATCH_KINDS: [&str; 13] = [
    // Kubernetes, and Volcano (batch.volcano.sh).
    "Job",
    // Tekton (tekton.dev): one pod per run of a task.
    "TaskRun",
    // Argo Workflows (argoproj.io): the workflow controls the pods of all its steps.
    "Workflow",
    // The Spark operator (sparkoperator.k8s.io) controls the driver, and the driver's pod controls the executors.
    "SparkApplication",
    "Pod",
    // Kubeflow's training operator (kubeflow.org).
    "PyTorchJob",
    "TFJob",
    "MPIJob",
    "XGBoostJob",
    "PaddleJob",
    "JAXJob",
    // GitHub's runner scale sets (actions.github.com): one pod per job.
    "EphemeralRunner",
    // OpenShift (build.openshift.io).
    "Build",
];

/// Whether a pod that `owner` controls is a batch workload: the controller's kind is in the table, or the kind of the
/// controller or of the workload is in `more`. A pod without a controller is batch only if `more` contains `Pod`.
#[must_use]
pub fn is_batch(id: &PodId, owner: &PodOwner, more: &[String]) -> bool {
    let kinds = [owner.kind.as_str(), workload_of(id, owner).kind];
    BATCH_KINDS.contains(&owner.kind.as_str()) || more.iter().any(|kind| kinds.contains(&kind.as_str()))
}

fn strip_template_hash<'a>(name: &'a str, hash: &str) -> Option<&'a str> {
    let name = name.strip_suffix(hash).filter(|_| !hash.is_empty())?.strip_suffix('-')?;
    Some(name).filter(|name| !name.is_empty())
}

fn is_schedule_time(text: &str) -> bool {
    matches!(text.len(), 8 | 10) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
