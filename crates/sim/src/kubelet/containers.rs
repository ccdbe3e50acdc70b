//! Starts a pod's containers as far as their images are available: the work of one sync.

use std::{collections::BTreeMap, time::Duration};

use super::super::{
    script::{ContainerKind, RestartPolicy},
    time::SimTime,
};
use super::{
    job_queue::PodJob,
    pod::{ContainerChange, Exit, Pod, SyncResult, WaitingState},
    reconcile::PodReconciler,
};

/// Creating and starting a container; 0.2 to 0.8 s in the recordings.
const START_MILLIS: (u64, u64) = (150, 600);
/// `backOffPeriod`: the time to the next sync after one that failed, times 1 to 1.5 (pod_workers.go:1521-1533).
const BACK_OFF_PERIOD: Duration = Duration::from_secs(10);
/// `syncFrequency`: the same after a sync that did not fail, and the longest wait for a container's back-off.
const SYNC_FREQUENCY: Duration = Duration::from_secs(60);
/// 128 + SIGTERM.
const SIGTERM_EXIT_CODE: i32 = 143;

/// The reason why a container did not start.
pub(super) struct StartError {
    pub(super) waiting: WaitingState,
    /// Time of the next restart in CrashLoopBackOff.
    retry_at: Option<SimTime>,
}

impl StartError {
    pub(super) fn new(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { waiting: WaitingState { reason: reason.into(), message: message.into() }, retry_at: None }
    }
}

/// A sync in progress and its results.
pub(super) struct SyncProgress {
    pub(super) now: SimTime,
    pub(super) pulled: Vec<String>,
    effects: Vec<(usize, ContainerChange)>,
    failed: bool,
    retry_at: Option<SimTime>,
    runtime_changed: bool,
    volume_errors: BTreeMap<String, WaitingState>,
}

impl PodReconciler<'_> {
    /// Runs through the containers as `SyncPod` does (kuberuntime_manager.go:1675-1800): image volumes, then ephemeral,
    /// init and app containers. All is decided at the start; the results take effect when the sync is over, because the
    /// worker shows nothing before.
    pub(super) fn start_containers(&mut self, pod: &mut Pod, new_sandbox: bool) {
        let mut progress = SyncProgress {
            now: self.now,
            pulled: Vec::new(),
            effects: Vec::new(),
            failed: false,
            retry_at: None,
            runtime_changed: new_sandbox,
            volume_errors: BTreeMap::new(),
        };
        self.pull_volumes(pod, &mut progress);
        let indexes = |kinds: &[ContainerKind]| -> Vec<usize> {
            let of_kind =
                pod.containers.iter().enumerate().filter(|(_, container)| kinds.contains(&container.spec.kind));
            of_kind.map(|(index, _)| index).collect()
        };
        let (ephemeral, app) = (indexes(&[ContainerKind::Ephemeral]), indexes(&[ContainerKind::App]));
        for index in ephemeral {
            self.start_container(pod, index, &mut progress);
        }
        if self.start_init_containers(pod, indexes(&[ContainerKind::Init, ContainerKind::Sidecar]), &mut progress) {
            for index in app {
                self.start_container(pod, index, &mut progress);
            }
        }
        self.finish_sync(pod, progress);
    }

    /// Starts the next init containers and sidecars. Returns whether app containers may start.
    fn start_init_containers(&mut self, pod: &Pod, indexes: Vec<usize>, progress: &mut SyncProgress) -> bool {
        for index in indexes {
            let Some(container) = pod.containers.get(index) else { continue };
            let never_ran = container.run.is_none();
            if never_ran || !container.is_initialized() || container.spec.kind == ContainerKind::Sidecar {
                self.start_container(pod, index, progress);
            }
            // A container that has not run blocks the rest; a started sidecar may fail to restart
            // (kuberuntime_manager.go:1756).
            if never_ran || !container.is_initialized() {
                return false;
            }
        }
        true
    }

    /// Pulls image volumes. An error is reported by the containers that mount them ("fail late",
    /// kuberuntime_manager.go:1831-1904).
    fn pull_volumes(&mut self, pod: &Pod, progress: &mut SyncProgress) {
        for volume in &pod.volumes {
            if let Err(refusal) = self.ensure_image(pod.id, &volume.image, volume.policy, progress) {
                progress
                    .volume_errors
                    .extend(volume.mounts.iter().map(|mount| (mount.clone(), refusal.waiting.clone())));
            }
        }
    }

    fn start_container(&mut self, pod: &Pod, index: usize, progress: &mut SyncProgress) {
        let Some(container) = pod.containers.get(index) else { return };
        // A changed image is a changed hash: the container is killed and restarted at once
        // (container/helpers.go:192).
        let replaced = container.run.as_ref().is_some_and(|run| run.end.is_none() && run.image != container.spec.image);
        if replaced {
            progress.effects.push((index, ContainerChange::Killed(Exit { at: progress.now, code: SIGTERM_EXIT_CODE })));
            progress.runtime_changed = true;
        } else if !pod.should_start(container) {
            return;
        }
        let crash = if replaced { None } else { self.crash_back_off(pod, index, progress.now) };
        let outcome = match (crash, progress.volume_errors.get(&container.spec.name)) {
            (Some(refusal), _) => Err(refusal),
            (None, Some(waiting)) => Err(StartError { waiting: waiting.clone(), retry_at: None }),
            (None, None) => self.ensure_image(pod.id, &container.spec.image, container.spec.policy, progress),
        };
        let outcome = outcome.and_then(|()| match &container.spec.config_error {
            Some(message) => Err(StartError::new("CreateContainerConfigError", message)),
            None => Ok(()),
        });
        match outcome {
            Ok(()) => {
                progress.now = progress.now + self.random.millis(START_MILLIS.0, START_MILLIS.1);
                progress.runtime_changed = true;
                progress.effects.push((index, ContainerChange::Started(container.next_run(progress.now, self.random))));
            }
            Err(refusal) => {
                progress.failed = true;
                progress.retry_at = [progress.retry_at, refusal.retry_at].into_iter().flatten().min();
                progress.effects.push((index, ContainerChange::NotStarted(refusal.waiting)));
            }
        }
    }

    /// Backs off from restarting a container; checked before its image (`kuberuntime_manager.go:1691`, doBackOff).
    fn crash_back_off(&mut self, pod: &Pod, index: usize, now: SimTime) -> Option<StartError> {
        let container = pod.containers.get(index)?;
        let end = container.end()?;
        let key = (pod.id, index);
        let Some(wait) = self.node.kubelet_memory.restarts.wait_since_event(&key, end.at, now) else {
            self.node.kubelet_memory.restarts.record_failure(key, end.at, now);
            return None;
        };
        let (name, namespace, uid) = (&pod.identity.name, &pod.identity.namespace, &pod.identity.uid);
        let message = format!(
            "back-off {} restarting failed container={} pod={name}_{namespace}({uid})",
            go_duration(wait),
            container.spec.name
        );
        Some(StartError { retry_at: Some(end.at + wait), ..StartError::new("CrashLoopBackOff", message) })
    }

    fn finish_sync(&mut self, pod: &mut Pod, progress: SyncProgress) {
        let requeue = match progress.retry_at {
            // Since 1.35 a container in CrashLoopBackOff sets the pace for the whole pod (pod_workers.go:1524-1533).
            Some(retry_at) => retry_at.since(progress.now).min(SYNC_FREQUENCY),
            None if progress.failed => BACK_OFF_PERIOD,
            None => SYNC_FREQUENCY,
        };
        pod.worker.running_sync = Some(SyncResult {
            effects: progress.effects,
            pulled: progress.pulled,
            requeue: self.random.jitter(requeue),
            runtime_changed: progress.runtime_changed,
        });
        self.schedule(pod, progress.now.since(self.now), PodJob::SyncDone { term: pod.worker.term });
    }

    /// Returns whether no container of the pod will run again.
    pub(super) fn is_completed(pod: &Pod) -> bool {
        let failed_init = pod.restart == RestartPolicy::Never
            && pod.containers.iter().any(|container| {
                container.spec.kind == ContainerKind::Init && container.end().is_some_and(|end| end.code != 0)
            });
        let mut app = pod.containers.iter().filter(|container| container.spec.kind == ContainerKind::App);
        failed_init || app.all(|container| container.end().is_some() && !pod.should_start(container))
    }
}

/// Formats whole seconds as Go does: `10s`, `1m20s`, `5m0s`.
fn go_duration(wait: Duration) -> String {
    match (wait.as_secs() / 60, wait.as_secs() % 60) {
        (0, seconds) => format!("{seconds}s"),
        (minutes, seconds) => format!("{minutes}m{seconds}s"),
    }
}
