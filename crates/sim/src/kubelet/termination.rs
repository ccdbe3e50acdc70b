//! Terminates pods: deletion with grace period, and activeDeadlineSeconds.
//!
//! The stages and their order are those of the recordings delete-backoff (54.0 to 55.1 s) and deadline-exceeded (75.4
//! to 76.9 s).

use std::time::Duration;

use super::super::{event::EventType, time::SimTime};
use super::{
    container_state::Exit,
    event_correlator::Severity,
    job_queue::{PodJob, TerminationStage},
    pod::{Deletion, Pod, Sandbox, Termination},
    reconcile::PodReconciler,
};

/// Duration of a container's exit after SIGTERM.
const STOP_MILLIS: (u64, u64) = (200, 2_000);
/// Delay between stages without containers to stop.
const STEP_MILLIS: (u64, u64) = (50, 200);
/// Delay from the last container's exit to the end of the pod: the next relist.
const CLEAN_UP_MILLIS: (u64, u64) = (500, 1_000);
/// 128 + SIGKILL, for containers that run past the deadline.
const SIGKILL_EXIT_CODE: i32 = 137;

impl PodReconciler<'_> {
    /// Handles the expiry of activeDeadlineSeconds (`active_deadline.go`), here counted from the pod's creation.
    pub(super) fn on_deadline(&mut self, pod: &mut Pod) {
        if !self.node.is_up {
            // Checked again when the kubelet is back.
            self.schedule(pod, Duration::from_secs(1), PodJob::Deadline);
        } else if pod.worker.termination == Termination::No && pod.deletion.is_none() {
            self.cancel_worker(pod);
            pod.worker.termination = Termination::Deadline { reported: false };
            self.write_status(pod);
            let wait = self.random.millis(CLEAN_UP_MILLIS.0, CLEAN_UP_MILLIS.1);
            self.schedule(pod, wait, PodJob::End { term: pod.worker.term, stage: TerminationStage::Stopped });
        }
    }

    /// Performs one stage of the termination. Returns true when the pod is gone.
    pub(super) fn advance_termination(&mut self, pod: &mut Pod, stage: TerminationStage) -> bool {
        match stage {
            TerminationStage::Begin => {
                // No further container starts, so waiting containers show ContainerCreating.
                self.write_status(pod);
                let wait = self.stop_containers(pod);
                self.schedule(pod, wait, PodJob::End { term: pod.worker.term, stage: TerminationStage::Stopped });
                false
            }
            TerminationStage::Stopped => {
                pod.worker.sandbox = Sandbox::Stopped;
                if pod.worker.termination == (Termination::Deadline { reported: false }) {
                    pod.worker.termination = Termination::Deadline { reported: true };
                    self.stop_containers(pod);
                }
                self.write_status(pod);
                let wait = self.random.millis(CLEAN_UP_MILLIS.0, CLEAN_UP_MILLIS.1);
                self.schedule(pod, wait, PodJob::End { term: pod.worker.term, stage: TerminationStage::Finished });
                false
            }
            TerminationStage::Finished => {
                let deadline = matches!(
                    pod.worker.termination,
                    Termination::Deadline { .. } | Termination::Finished { deadline: true }
                );
                pod.worker.termination = Termination::Finished { deadline };
                self.write_status(pod);
                self.confirm_deletion(pod)
            }
        }
    }

    /// Deletes a stopped pod with grace period 0, after which the API server removes it.
    fn confirm_deletion(&mut self, pod: &mut Pod) -> bool {
        let Some(at) = pod.deletion.as_ref().map(|deletion| deletion.at) else { return false };
        pod.deletion = Some(Deletion { at, grace_seconds: 0 });
        self.watch_log.record(self.now, EventType::Modified, pod);
        self.watch_log.record(self.now, EventType::Deleted, pod);
        true
    }

    /// Stops running containers. Returns the duration.
    fn stop_containers(&mut self, pod: &mut Pod) -> Duration {
        let mut last: SimTime = self.now + self.random.millis(STEP_MILLIS.0, STEP_MILLIS.1);
        let running = pod.containers.iter().enumerate().filter(|(_, container)| container.is_running());
        let running: Vec<(usize, String)> =
            running.map(|(index, container)| (index, format!("Stopping container {}", container.spec.name))).collect();
        for (index, message) in running {
            self.record_container_event(pod, index, Severity::Normal, "Killing", &message);
        }
        for container in pod.containers.iter_mut().filter(|container| container.is_running()) {
            let at = self.now + self.random.millis(STOP_MILLIS.0, STOP_MILLIS.1);
            container.finish(Exit { at, code: SIGKILL_EXIT_CODE });
            last = last.max(at);
        }
        last.since(self.now)
    }
}
