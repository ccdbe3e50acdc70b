//! The queue of scheduled jobs.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
};

use super::super::time::SimTime;

/// Identifies a pod of the simulation. Unlike names, ids are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct PodId(pub(crate) u64);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Job {
    KubeletStarted(String),
    OnPod(PodId, PodJob),
    /// Expires an Event, by namespace and name, unless it was written again.
    ExpireEvent((String, String)),
}

/// A job of a pod's worker. A job of an earlier `term` is stale and ignored; a deletion or a kubelet restart starts a
/// new term.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PodJob {
    Sync,
    SandboxReady { term: u64 },
    PullBegins { term: u64 },
    PullDone { term: u64 },
    StepDone { term: u64 },
    ContainerExits { container: usize, run: u64 },
    Deadline,
    End { term: u64, stage: TerminationStage },
}

/// The stages of a pod's termination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TerminationStage {
    Begin,
    Stopped,
    Finished,
}

/// A queue ordered by time, then by insertion, so that runs are reproducible.
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
