//! The kubelet's pull queue (`pkg/kubelet/images/puller.go`).

use std::collections::VecDeque;

use super::job_queue::PodId;

/// Pulls in progress, and those that wait for their turn. A pod has at most one pull, since its worker pulls one image
/// after the other.
#[derive(Debug, Default)]
pub(super) struct PullQueue {
    running: Vec<PodId>,
    /// Pods, each with the term of its worker.
    waiting: VecDeque<(PodId, u64)>,
}

impl PullQueue {
    /// Adds a pull. Returns whether it begins now.
    pub(super) fn enter(&mut self, pod: PodId, term: u64, in_parallel: bool) -> bool {
        let begins = in_parallel || self.running.is_empty();
        if begins {
            self.running.push(pod);
        } else {
            self.waiting.push_back((pod, term));
        }
        begins
    }

    /// Removes the pull of a pod, if it has one. Returns the pull that begins instead.
    pub(super) fn leave(&mut self, pod: PodId) -> Option<(PodId, u64)> {
        self.waiting.retain(|(waiting, _)| *waiting != pod);
        let index = self.running.iter().position(|running| *running == pod)?;
        self.running.remove(index);
        let next = self.waiting.pop_front()?;
        self.running.push(next.0);
        Some(next)
    }
}
