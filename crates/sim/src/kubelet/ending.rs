//! Ends pods: deletion with grace, and activeDeadlineSeconds.
//!
//! The steps and their order are those of the recordings delete-backoff (54.0 to 55.1 s) and deadline-exceeded (75.4 to
//! 76.9 s).

use std::time::Duration;

use super::super::{event::EventType, time::SimTime};
use super::{
    agenda::{PodJob, TerminationStage},
    pod::{Deletion, Exit, Pod, Sandbox, Termination},
    turn::PodReconciler,
};

/// How long a container takes to end on SIGTERM.
const STOP_MILLIS: (u64, u64) = (200, 2_000);
/// From one step to the next when there is nothing to stop.
const STEP_MILLIS: (u64, u64) = (50, 200);
/// From the last container's end to the end of the pod: the next relist.
const CLEAN_UP_MILLIS: (u64, u64) = (500, 1_000);
/// 128 + SIGKILL, for containers that run past the deadline.
const SIGKILL_EXIT_CODE: i32 = 137;

impl PodReconciler<'_> {
    /// activeDeadlineSeconds have passed since the pod started (`active_deadline.go`); counted from its creation here.
    pub(super) fn on_deadline(&mut self, pod: &mut Pod) {
        if !self.node.is_up {
            // Nobody looks before the kubelet is back.
            self.schedule(pod, Duration::from_secs(1), PodJob::Deadline);
        } else if pod.worker.termination == Termination::No && pod.deletion.is_none() {
            pod.worker.cancel();
            pod.worker.termination = Termination::Deadline { reported: false };
            self.write_status(pod);
            let wait = self.random.millis(CLEAN_UP_MILLIS.0, CLEAN_UP_MILLIS.1);
            self.schedule(pod, wait, PodJob::End { term: pod.worker.term, stage: TerminationStage::Stopped });
        }
    }

    /// Goes one step towards the end; true when the pod is gone.
    pub(super) fn advance_termination(&mut self, pod: &mut Pod, stage: TerminationStage) -> bool {
        match stage {
            TerminationStage::Begin => {
                // Nothing will be started any more: waiting falls back to ContainerCreating.
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

    /// The kubelet deletes with grace 0 what is stopped, and the API server lets the object go.
    fn confirm_deletion(&mut self, pod: &mut Pod) -> bool {
        let Some(at) = pod.deletion.as_ref().map(|deletion| deletion.at) else { return false };
        pod.deletion = Some(Deletion { at, grace_seconds: 0 });
        self.watch_log.record(self.now, EventType::Modified, pod);
        self.watch_log.record(self.now, EventType::Deleted, pod);
        true
    }

    /// Ends running containers and returns how long that takes.
    fn stop_containers(&mut self, pod: &mut Pod) -> Duration {
        let mut last: SimTime = self.now + self.random.millis(STEP_MILLIS.0, STEP_MILLIS.1);
        for container in pod.containers.iter_mut().filter(|container| container.is_running()) {
            let at = self.now + self.random.millis(STOP_MILLIS.0, STOP_MILLIS.1);
            container.finish(Exit { at, code: SIGKILL_EXIT_CODE });
            last = last.max(at);
        }
        last.since(self.now)
    }
}
