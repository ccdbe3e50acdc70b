//! Holds what is to happen when, in order.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use super::super::time::SimTime;

/// A pod of the simulation; unlike its name never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PodId(pub(crate) u64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    KubeletStarted(String),
    OnPod(PodId, PodJob),
}

/// Something to do for a pod. Each carries what tells whether it is still wanted: the worker's `term`, which a deletion
/// or a kubelet restart moves on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PodJob {
    Sync,
    SandboxReady { term: u64 },
    SyncDone { term: u64 },
    ContainerExits { container: usize, run: u64 },
    Deadline,
    End { term: u64, stage: TerminationStage },
}

/// The steps by which a kubelet ends a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TerminationStage {
    Begin,
    Stopped,
    Finished,
}

/// A queue by time; what is put in first comes out first among equals, so that a run can be repeated.
#[derive(Debug, Default)]
pub(crate) struct JobQueue {
    queue: BinaryHeap<Reverse<(SimTime, u64)>>,
    jobs: BTreeMap<u64, Job>,
    pushed: u64,
}

impl JobQueue {
    pub(crate) fn push(&mut self, at: SimTime, job: Job) {
        self.pushed += 1;
        self.queue.push(Reverse((at, self.pushed)));
        self.jobs.insert(self.pushed, job);
    }

    pub(crate) fn next_time(&self) -> Option<SimTime> {
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    pub(crate) fn pop(&mut self) -> Option<Job> {
        let Reverse((_, number)) = self.queue.pop()?;
        self.jobs.remove(&number)
    }
}
