//! Runs the jobs of a pod's worker.

use std::{collections::BTreeSet, time::Duration};

use super::super::{
    event::EventType,
    fault,
    random::Random,
    script::{PullOutcome, SandboxReport},
    store::ObjectKey,
    time::SimTime,
};
use super::{
    container_state::{ContainerChange, Exit},
    event_correlator::Severity,
    job_queue::{Job, JobQueue, PodJob, TerminationStage},
    node::{Node, PullRules},
    pod::{Deletion, Pod, Sandbox, Termination},
    sync::Sync,
    watch_log::WatchLog,
};

/// Runs jobs of one pod at one time, with access to its node, the job queue and the watch log.
pub(crate) struct PodReconciler<'a> {
    pub(crate) now: SimTime,
    pub(crate) node: &'a mut Node,
    pub(crate) pull_rules: &'a PullRules,
    /// Existing secrets, by namespace and name.
    pub(crate) secrets: &'a BTreeSet<ObjectKey>,
    pub(crate) jobs: &'a mut JobQueue,
    pub(crate) watch_log: &'a mut WatchLog,
    pub(crate) random: &'a mut Random,
}

/// Delay between a change in the API server and the kubelet's reaction: 0 to 100 ms in the recordings.
const WATCH_DELAY_MILLIS: (u64, u64) = (10, 100);
/// Duration from the first sync to a running sandbox: 0.1 to 4 s in the recordings, where 70 pods started together.
const SANDBOX_MILLIS: (u64, u64) = (200, 2_000);
/// The sandbox image of containerd 2.x.
const PAUSE_IMAGE: &str = "registry.k8s.io/pause:3.10.1";

impl PodReconciler<'_> {
    /// Handles a new pod that is bound to a node.
    pub(crate) fn on_pod_created(&mut self, pod: &mut Pod) {
        pod.write_spec(&self.watch_log.rfc3339(self.now));
        self.watch_log.record(self.now, EventType::Added, pod);
        if self.node.is_up {
            let delay = self.watch_delay();
            self.sync_at(pod, self.now + delay);
        }
        if let Some(deadline) = pod.deadline {
            self.jobs.push(self.now + deadline, Job::OnPod(pod.id, PodJob::Deadline));
        }
    }

    /// Handles a changed spec.
    pub(crate) fn on_spec_changed(&mut self, pod: &mut Pod) {
        pod.generation += 1;
        pod.write_spec(&self.watch_log.rfc3339(self.now));
        self.watch_log.record(self.now, EventType::Modified, pod);
        let delay = self.watch_delay();
        self.request_sync(pod, self.now + delay);
    }

    /// Handles a pod in the list of a restarted kubelet; `within` spreads the work.
    pub(crate) fn on_kubelet_started(&mut self, pod: &mut Pod, within: Duration) {
        let stage = match pod.worker.termination {
            _ if pod.deletion.is_some() => TerminationStage::Begin,
            Termination::Deadline { .. } => TerminationStage::Stopped,
            Termination::No | Termination::Finished { .. } | Termination::Completed => {
                return self.sync_at(pod, self.now + within);
            }
        };
        self.schedule(pod, within, PodJob::End { term: pod.worker.term, stage });
    }

    /// Handles a deletion. The kubelet performs the rest ([`super::termination`]).
    pub(crate) fn delete(&mut self, pod: &mut Pod, grace: Duration) {
        if pod.deletion.is_some() {
            return;
        }
        pod.deletion = Some(Deletion { at: self.now + grace, grace_seconds: grace.as_secs() });
        pod.generation += 1;
        self.watch_log.record(self.now, EventType::Modified, pod);
        self.cancel_worker(pod);
        if self.node.is_up {
            let delay = self.watch_delay();
            self.schedule(pod, delay, PodJob::End { term: pod.worker.term, stage: TerminationStage::Begin });
        }
    }

    /// Handles a forced deletion, which does not wait for the kubelet.
    pub(crate) fn force_delete(&mut self, pod: &mut Pod) {
        self.cancel_worker(pod);
        pod.deletion = Some(Deletion { at: self.now, grace_seconds: 0 });
        pod.generation += 1;
        self.watch_log.record(self.now, EventType::Modified, pod);
        self.watch_log.record(self.now, EventType::Deleted, pod);
    }

    /// Ends a running container.
    pub(crate) fn exit_container(&mut self, pod: &mut Pod, name: &str, code: i32) {
        let now = self.now;
        let found = pod.containers.iter_mut().find(|container| container.spec.name == name && container.is_running());
        if let Some(container) = found {
            container.finish(Exit { at: now, code });
            self.relist(pod);
        }
    }

    /// Runs a job. Returns true if it removed the pod.
    pub(crate) fn run_job(&mut self, pod: &mut Pod, work: PodJob) -> bool {
        match work {
            PodJob::Sync if pod.worker.next_sync == Some(self.now) => self.sync(pod),
            PodJob::SandboxReady { term } if term == pod.worker.term => self.on_sandbox_ready(pod),
            PodJob::PullBegins { term } if term == pod.worker.term => self.on_pull_begins(pod),
            PodJob::PullDone { term } | PodJob::StepDone { term } if term == pod.worker.term => self.on_step_done(pod),
            PodJob::ContainerExits { container, run } => self.on_container_exit(pod, container, run),
            PodJob::Deadline => self.on_deadline(pod),
            PodJob::End { term, stage } if term == pod.worker.term => return self.advance_termination(pod, stage),
            PodJob::Sync
            | PodJob::SandboxReady { .. }
            | PodJob::PullBegins { .. }
            | PodJob::PullDone { .. }
            | PodJob::StepDone { .. }
            | PodJob::End { .. } => {}
        }
        false
    }

    fn sync(&mut self, pod: &mut Pod) {
        pod.worker.next_sync = None;
        if pod.worker.termination == Termination::No && Self::is_completed(pod) {
            pod.worker.termination = Termination::Completed;
        }
        self.write_status(pod);
        if pod.worker.termination != Termination::No {
            return;
        }
        pod.worker.busy = true;
        self.look_up_pull_secrets(pod);
        if pod.worker.sandbox == Sandbox::Absent {
            let wait = self.random.millis(SANDBOX_MILLIS.0, SANDBOX_MILLIS.1);
            self.schedule(pod, wait, PodJob::SandboxReady { term: pod.worker.term });
        } else {
            self.start_containers(pod, false);
        }
    }

    /// Records pull secrets that do not exist, at every sync (kubelet_pods.go, `getPullSecretsForPod`).
    fn look_up_pull_secrets(&mut self, pod: &Pod) {
        let namespace = &pod.identity.namespace;
        let exists = |name: &&String| self.secrets.contains(&(namespace.clone(), (*name).clone()));
        let missing: Vec<&str> = pod.pull_secrets.iter().filter(|name| !exists(name)).map(String::as_str).collect();
        if !missing.is_empty() {
            let message = format!(
                "Unable to retrieve some image pull secrets ({}); attempting to pull the image may not succeed.",
                missing.join(", ")
            );
            self.record_event(pod, None, Severity::Warning, "FailedToRetrieveImagePullSecret", message);
        }
    }

    fn on_sandbox_ready(&mut self, pod: &mut Pod) {
        if let Some(message) = self.sandbox_error() {
            self.record_event(pod, None, Severity::Warning, "FailedCreatePodSandBox", message);
            return self.finish_sync_without_sandbox(pod);
        }
        pod.worker.sandbox = Sandbox::Ready;
        pod.worker.pod_ip = Some(self.node.assign_pod_ip());
        // Since 1.36 the kubelet reports a ready sandbox immediately (kubelet.go:3556, `OnPodSandboxReady`).
        if self.node.sandbox_report == SandboxReport::WhenReady {
            self.write_status(pod);
        }
        self.start_containers(pod, true);
    }

    /// Returns the error of the sandbox if the pause image cannot be pulled (recording sandbox-image-missing).
    fn sandbox_error(&mut self) -> Option<String> {
        let text = match &self.node.sandbox_pull.as_ref()?.outcome {
            PullOutcome::Success | PullOutcome::Hung => return None,
            PullOutcome::Fault(fault) => fault.text(PAUSE_IMAGE, self.random),
            PullOutcome::ErrImagePull(text) | PullOutcome::FreeText(text) => {
                fault::fill_placeholders(text, PAUSE_IMAGE, self.random)
            }
        };
        let parts = text.strip_prefix("rpc error: code = ").and_then(|rest| rest.split_once(" desc = "));
        let (code, text) = parts.unwrap_or(("Unknown", &text));
        Some(format!(
            "Failed to create pod sandbox: rpc error: code = {code} desc = failed to get sandbox image \"{PAUSE_IMAGE}\": \
             failed to pull image \"{PAUSE_IMAGE}\": {text}"
        ))
    }

    /// Applies the results of a sync and schedules the next one.
    pub(super) fn on_sync_done(&mut self, pod: &mut Pod, done: Sync, requeue: Duration) {
        pod.worker.busy = false;
        let mut exits = Vec::new();
        for (index, effect) in done.effects {
            let Some(container) = pod.containers.get_mut(index) else { continue };
            match effect {
                ContainerChange::NotStarted(waiting) => container.waiting = Some(waiting),
                ContainerChange::Killed(end) => container.finish(end),
                ContainerChange::Started(run) => {
                    let end = container.spec.runs.map(|runs| run.started + runs);
                    exits.extend(
                        end.map(|at| (at.max(self.now), PodJob::ContainerExits { container: index, run: run.number })),
                    );
                    container.start(run);
                }
            }
        }
        for (at, work) in exits {
            self.jobs.push(at, Job::OnPod(pod.id, work));
        }
        let requeue = self.random.jitter(requeue);
        let requeue = self.node.next_tick_after(self.now + requeue);
        self.sync_at(pod, requeue);
        if done.runtime_changed || std::mem::take(&mut pod.worker.sync_requested) {
            self.relist(pod);
        }
    }

    /// Cancels the worker's jobs and its pull.
    pub(super) fn cancel_worker(&mut self, pod: &mut Pod) {
        self.leave_pull_queue(pod);
        pod.worker.cancel();
    }

    fn on_container_exit(&mut self, pod: &mut Pod, index: usize, run: u64) {
        let now = self.now;
        let Some(container) = pod.containers.get_mut(index) else { return };
        if container.run.as_ref().is_some_and(|current| current.number == run && current.end.is_none()) {
            container.finish(Exit { at: now, code: container.spec.exit_code });
            // The end of an init container is followed by a second sync at the next relist; recording init-fail at 8.4
            // s, cause not known.
            let twice = container.is_initializer();
            self.relist(pod);
            pod.worker.sync_requested |= twice;
        }
    }

    /// The kubelet notices a runtime change at its next relist (PLEG, 1 s).
    fn relist(&mut self, pod: &mut Pod) {
        let at = self.node.next_tick_after(self.now);
        self.request_sync(pod, at);
    }

    /// Requests a sync at `at`, or after the sync in progress.
    fn request_sync(&mut self, pod: &mut Pod, at: SimTime) {
        if !self.node.is_up || pod.deletion.is_some() {
            return;
        }
        if pod.worker.busy {
            pod.worker.sync_requested = true;
        } else if pod.worker.next_sync.is_none_or(|next| at < next) {
            self.sync_at(pod, at);
        }
    }

    fn sync_at(&mut self, pod: &mut Pod, at: SimTime) {
        pod.worker.next_sync = Some(at);
        self.jobs.push(at, Job::OnPod(pod.id, PodJob::Sync));
    }

    pub(super) fn schedule(&mut self, pod: &Pod, wait: Duration, work: PodJob) {
        self.jobs.push(self.now + wait, Job::OnPod(pod.id, work));
    }

    fn watch_delay(&mut self) -> Duration {
        self.random.millis(WATCH_DELAY_MILLIS.0, WATCH_DELAY_MILLIS.1)
    }

    /// Writes the status if it changed (`status_manager.go:971`, isPodStatusByKubeletEqual).
    pub(super) fn write_status(&mut self, pod: &mut Pod) {
        pod.worker.start_time.get_or_insert(self.now);
        let status = self.status(pod);
        if status != pod.status {
            pod.status = status;
            pod.managed_fields.record_kubelet_write(&self.watch_log.rfc3339(self.now));
            self.watch_log.record(self.now, EventType::Modified, pod);
        }
    }
}
