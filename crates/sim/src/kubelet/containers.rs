//! Starts a pod's containers as far as their images are available: the work of one sync.

use std::time::Duration;

use super::super::{
    script::{ContainerKind, RestartPolicy},
    time::go_duration,
};
use super::{
    container_state::{ContainerChange, Exit},
    event_correlator::Severity,
    images::ImageCheck,
    job_queue::PodJob,
    pod::Pod,
    reconcile::PodReconciler,
    recorder::field_path,
    sync::{Activity, ImageUse, StartError, Step, Sync},
};

/// Creating a container, and starting it; 0.2 to 0.8 s together in the recordings.
const CREATE_MILLIS: (u64, u64) = (50, 200);
const START_MILLIS: (u64, u64) = (100, 400);
/// `backOffPeriod`: the time to the next sync after one that failed, times 1 to 1.5 (pod_workers.go:1521-1533).
const BACK_OFF_PERIOD: Duration = Duration::from_secs(10);
/// `syncFrequency`: the same after a sync that did not fail, and the longest wait for a container's back-off.
const SYNC_FREQUENCY: Duration = Duration::from_secs(60);
/// 128 + SIGTERM.
const SIGTERM_EXIT_CODE: i32 = 143;

impl PodReconciler<'_> {
    /// Begins to run through the containers as `SyncPod` does (kuberuntime_manager.go:1675-1800): image volumes, then
    /// ephemeral, init and app containers, one after the other.
    pub(super) fn start_containers(&mut self, pod: &mut Pod, new_sandbox: bool) {
        let volumes = (0..pod.volumes.len()).map(Step::PullVolume);
        let steps = volumes.chain(containers_to_start(pod).into_iter().map(Step::StartContainer)).collect();
        self.advance_sync(pod, Sync { steps, runtime_changed: new_sandbox, ..Sync::default() });
    }

    /// Begins a pull that waited in the queue.
    pub(super) fn on_pull_begins(&mut self, pod: &mut Pod) {
        let mut running = pod.worker.running_sync.take();
        if let Some(Sync { current: Some((_, Activity::Pulling(pull))), .. }) = &mut running {
            self.begin_pull(pod, pull);
        }
        pod.worker.running_sync = running;
    }

    /// Continues a sync after a pull, or after a part of a container's start.
    pub(super) fn on_step_done(&mut self, pod: &mut Pod) {
        let Some(mut sync) = pod.worker.running_sync.take() else { return };
        match sync.current.take() {
            Some((Step::PullVolume(index), Activity::Pulling(pull))) => {
                let result = self.finish_pull(pod, &pull);
                sync.record_volume(mounts(pod, index), result);
            }
            Some((Step::StartContainer(index), Activity::Pulling(pull))) => {
                let result = self.finish_pull(pod, &pull);
                self.create_container(pod, index, result, &mut sync);
            }
            Some((step @ Step::StartContainer(index), Activity::Creating)) => {
                self.record_container_event(pod, index, Severity::Normal, "Created", "Container created");
                self.wait_for_runtime(pod, START_MILLIS);
                sync.current = Some((step, Activity::Starting));
            }
            Some((Step::StartContainer(index), Activity::Starting)) => {
                self.record_container_event(pod, index, Severity::Normal, "Started", "Container started");
                if let Some(container) = pod.containers.get(index) {
                    let run = container.next_run(self.now, self.random);
                    sync.effects.push((index, ContainerChange::Started(run)));
                }
                sync.runtime_changed = true;
            }
            Some((Step::PullVolume(_), Activity::Creating | Activity::Starting)) | None => {}
        }
        self.advance_sync(pod, sync);
    }

    /// Performs steps until one has to wait.
    fn advance_sync(&mut self, pod: &mut Pod, mut sync: Sync) {
        while sync.current.is_none() {
            match sync.steps.pop_front() {
                Some(step @ Step::PullVolume(index)) => self.pull_volume(pod, step, index, &mut sync),
                Some(step @ Step::StartContainer(index)) => self.start_container(pod, step, index, &mut sync),
                None => return self.finish_sync(pod, sync),
            }
        }
        pod.worker.running_sync = Some(sync);
    }

    /// Pulls an image volume. An error is reported by the containers that mount it ("fail late",
    /// kuberuntime_manager.go:1831-1904).
    fn pull_volume(&mut self, pod: &Pod, step: Step, index: usize, sync: &mut Sync) {
        let Some(volume) = pod.volumes.get(index) else { return };
        let of = ImageUse { image: volume.image.clone(), policy: volume.policy, field_path: None };
        match self.check_image(pod, &of) {
            ImageCheck::Present => sync.record_volume(&volume.mounts, Ok(())),
            ImageCheck::Failed(error) => sync.record_volume(&volume.mounts, Err(error)),
            ImageCheck::PullNeeded => sync.current = Some((step, Activity::Pulling(self.queue_pull(pod, of)))),
        }
    }

    fn start_container(&mut self, pod: &Pod, step: Step, index: usize, sync: &mut Sync) {
        let Some(container) = pod.containers.get(index) else { return };
        // A changed image is a changed hash: the container is killed and restarted at once
        // (container/helpers.go:192).
        let replaced = container.run.as_ref().is_some_and(|run| run.end.is_none() && run.image != container.spec.image);
        if replaced {
            let message = format!("Container {} definition changed, will be restarted", container.spec.name);
            self.record_container_event(pod, index, Severity::Normal, "Killing", &message);
            sync.effects.push((index, ContainerChange::Killed(Exit { at: self.now, code: SIGTERM_EXIT_CODE })));
            sync.runtime_changed = true;
        } else if !pod.should_start(container) {
            return;
        }
        let crash = if replaced { None } else { self.crash_back_off(pod, index) };
        if let Some(error) = crash {
            return sync.fail(index, error);
        }
        if let Some(waiting) = sync.volume_errors.get(&container.spec.name) {
            let error = StartError { waiting: waiting.clone(), retry_at: None };
            return self.create_container(pod, index, Err(error), sync);
        }
        let of = ImageUse {
            image: container.spec.image.clone(),
            policy: container.spec.policy,
            field_path: Some(field_path(container)),
        };
        match self.check_image(pod, &of) {
            ImageCheck::Present => self.create_container(pod, index, Ok(()), sync),
            ImageCheck::Failed(error) => self.create_container(pod, index, Err(error), sync),
            ImageCheck::PullNeeded => sync.current = Some((step, Activity::Pulling(self.queue_pull(pod, of)))),
        }
    }

    /// Creates a container, or records why it cannot be created.
    fn create_container(&mut self, pod: &Pod, index: usize, image: Result<(), StartError>, sync: &mut Sync) {
        let config_error = pod.containers.get(index).and_then(|container| container.spec.config_error.clone());
        let result = image.map_err(|error| (error.waiting.reason.clone(), error)).and_then(|()| match config_error {
            Some(message) => Err((message.clone(), StartError::new("CreateContainerConfigError", message))),
            None => Ok(()),
        });
        match result {
            Ok(()) => {
                self.wait_for_runtime(pod, CREATE_MILLIS);
                sync.current = Some((Step::StartContainer(index), Activity::Creating));
            }
            Err((event, error)) => {
                self.record_container_event(pod, index, Severity::Warning, "Failed", &format!("Error: {event}"));
                sync.fail(index, error);
            }
        }
    }

    fn wait_for_runtime(&mut self, pod: &Pod, range: (u64, u64)) {
        let wait = self.random.millis(range.0, range.1);
        self.schedule(pod, wait, PodJob::StepDone { term: pod.worker.term });
    }

    pub(super) fn record_container_event(
        &mut self,
        pod: &Pod,
        index: usize,
        severity: Severity,
        reason: &'static str,
        message: &str,
    ) {
        let path = pod.containers.get(index).map(field_path);
        self.record_event(pod, path, severity, reason, message);
    }

    /// Backs off from restarting a container; checked before its image (`kuberuntime_manager.go:1691`, doBackOff).
    fn crash_back_off(&mut self, pod: &Pod, index: usize) -> Option<StartError> {
        let container = pod.containers.get(index)?;
        let end = container.end()?;
        let key = (pod.id, index);
        let Some(wait) = self.node.kubelet_memory.restarts.wait_since_event(&key, end.at, self.now) else {
            self.node.kubelet_memory.restarts.record_failure(key, end.at, self.now);
            return None;
        };
        let retry_at = Some(end.at + wait);
        let (name, namespace, uid) = (&pod.identity.name, &pod.identity.namespace, &pod.identity.uid);
        let container = &container.spec.name;
        let event = format!("Back-off restarting failed container {container} in pod {name}_{namespace}({uid})");
        let message = format!(
            "back-off {} restarting failed container={container} pod={name}_{namespace}({uid})",
            go_duration(wait)
        );
        self.record_container_event(pod, index, Severity::Warning, "BackOff", &event);
        Some(StartError { retry_at, ..StartError::new("CrashLoopBackOff", message) })
    }

    /// Ends a sync and schedules the next one.
    fn finish_sync(&mut self, pod: &mut Pod, sync: Sync) {
        let requeue = match sync.retry_at {
            // Since 1.35 a container in CrashLoopBackOff sets the pace for the whole pod (pod_workers.go:1524-1533).
            Some(retry_at) => retry_at.since(self.now).min(SYNC_FREQUENCY),
            None if sync.failed => BACK_OFF_PERIOD,
            None => SYNC_FREQUENCY,
        };
        self.on_sync_done(pod, sync, requeue);
    }

    /// Ends a sync whose sandbox could not be created.
    pub(super) fn finish_sync_without_sandbox(&mut self, pod: &mut Pod) {
        self.on_sync_done(pod, Sync::default(), BACK_OFF_PERIOD);
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

/// Returns the containers that mount an image volume.
fn mounts(pod: &Pod, volume: usize) -> &[String] {
    pod.volumes.get(volume).map_or(&[], |volume| &volume.mounts)
}

/// Returns the containers that a sync considers: ephemeral ones, init containers up to the first that blocks, and app
/// containers if none blocks.
fn containers_to_start(pod: &Pod) -> Vec<usize> {
    let of_kind = |kinds: &'static [ContainerKind]| {
        let containers = pod.containers.iter().enumerate();
        containers.filter(move |(_, container)| kinds.contains(&container.spec.kind))
    };
    let mut indexes: Vec<usize> = of_kind(&[ContainerKind::Ephemeral]).map(|(index, _)| index).collect();
    for (index, container) in of_kind(&[ContainerKind::Init, ContainerKind::Sidecar]) {
        // A container that has not run blocks the rest; a started sidecar may fail to restart
        // (kuberuntime_manager.go:1756).
        let blocks = container.run.is_none() || !container.is_initialized();
        if blocks || container.spec.kind == ContainerKind::Sidecar {
            indexes.push(index);
        }
        if blocks {
            return indexes;
        }
    }
    indexes.extend(of_kind(&[ContainerKind::App]).map(|(index, _)| index));
    indexes
}
