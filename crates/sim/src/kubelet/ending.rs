//! Ends pods: deletion with grace, and activeDeadlineSeconds.
//!
//! The steps and their order are those of the recordings delete-backoff (54.0 to 55.1 s) and deadline-exceeded (75.4 to
//! 76.9 s).

use std::time::Duration;

use super::super::{cluster::EventType, time::SimTime};
use super::{
    agenda::{EndStage, Work},
    pod::{Deletion, End, Ending, Pod, Sandbox},
    turn::Turn,
};

/// How long a container takes to end on SIGTERM.
const STOP: (u64, u64) = (200, 2_000);
/// From one step to the next when there is nothing to stop.
const STEP: (u64, u64) = (50, 200);
/// From the last container's end to the end of the pod: the next relist.
const CLEAN_UP: (u64, u64) = (500, 1_000);
/// 128 + SIGKILL, for containers that run past the deadline.
const KILLED: i32 = 137;

impl Turn<'_> {
    /// activeDeadlineSeconds have passed since the pod started (`active_deadline.go`); counted from its creation here.
    pub(super) fn deadline(&mut self, pod: &mut Pod) {
        if !self.node.up {
            // Nobody looks before the kubelet is back.
            self.push(pod, Duration::from_secs(1), Work::Deadline);
        } else if pod.worker.ending == Ending::No && pod.deletion.is_none() {
            pod.worker.cancel();
            pod.worker.ending = Ending::Deadline { reported: false };
            self.publish(pod);
            let wait = self.random.millis(CLEAN_UP.0, CLEAN_UP.1);
            self.push(pod, wait, Work::End { term: pod.worker.term, stage: EndStage::Stopped });
        }
    }

    /// Goes one step towards the end; true when the pod is gone.
    pub(super) fn end(&mut self, pod: &mut Pod, stage: EndStage) -> bool {
        match stage {
            EndStage::Begin => {
                // Nothing will be started any more: waiting falls back to ContainerCreating.
                self.publish(pod);
                let wait = self.stop_containers(pod);
                self.push(pod, wait, Work::End { term: pod.worker.term, stage: EndStage::Stopped });
                false
            }
            EndStage::Stopped => {
                pod.worker.sandbox = Sandbox::Stopped;
                if pod.worker.ending == (Ending::Deadline { reported: false }) {
                    pod.worker.ending = Ending::Deadline { reported: true };
                    self.stop_containers(pod);
                }
                self.publish(pod);
                let wait = self.random.millis(CLEAN_UP.0, CLEAN_UP.1);
                self.push(pod, wait, Work::End { term: pod.worker.term, stage: EndStage::Finished });
                false
            }
            EndStage::Finished => {
                let deadline =
                    matches!(pod.worker.ending, Ending::Deadline { .. } | Ending::Finished { deadline: true });
                pod.worker.ending = Ending::Finished { deadline };
                self.publish(pod);
                self.confirm_deletion(pod)
            }
        }
    }

    /// The kubelet deletes with grace 0 what is stopped, and the API server lets the object go.
    fn confirm_deletion(&mut self, pod: &mut Pod) -> bool {
        let Some(at) = pod.deletion.as_ref().map(|deletion| deletion.at) else { return false };
        pod.deletion = Some(Deletion { at, grace_seconds: 0 });
        self.api.record(self.now, EventType::Modified, pod);
        self.api.record(self.now, EventType::Deleted, pod);
        true
    }

    /// Ends running containers and returns how long that takes.
    fn stop_containers(&mut self, pod: &mut Pod) -> Duration {
        let mut last: SimTime = self.now + self.random.millis(STEP.0, STEP.1);
        for container in pod.containers.iter_mut().filter(|container| container.is_running()) {
            let at = self.now + self.random.millis(STOP.0, STOP.1);
            container.finish(End { at, code: KILLED });
            last = last.max(at);
        }
        last.since(self.now)
    }
}
