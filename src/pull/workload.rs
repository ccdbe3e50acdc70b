//! Names the workload a pod belongs to, from the pod alone: without the right to read anything else.

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

fn without_suffix<'a>(name: &'a str, hash: &str) -> Option<&'a str> {
    let name = name.strip_suffix(hash).filter(|_| !hash.is_empty())?.strip_suffix('-')?;
    Some(name).filter(|name| !name.is_empty())
}

fn is_schedule_time(text: &str) -> bool {
    matches!(text.len(), 8 | 10) && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
