//! The state of a sync in progress.

use std::collections::{BTreeMap, VecDeque};

use super::super::{
    script::{PullBehavior, PullPolicy},
    time::SimTime,
};
use super::container_state::{ContainerChange, WaitingState};

/// A sync in progress. Its results take effect when it is over, because the worker writes no status before.
#[derive(Debug, Default)]
pub(super) struct Sync {
    /// The steps that are left.
    pub(super) steps: VecDeque<Step>,
    /// The step in progress.
    pub(super) current: Option<(Step, Activity)>,
    pub(super) effects: Vec<(usize, ContainerChange)>,
    pub(super) failed: bool,
    pub(super) retry_at: Option<SimTime>,
    pub(super) runtime_changed: bool,
    pub(super) volume_errors: BTreeMap<String, WaitingState>,
}

/// A step of a sync, by the index of the volume or container in the pod.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    PullVolume(usize),
    StartContainer(usize),
}

/// The operation in progress of a step.
#[derive(Debug)]
pub(super) enum Activity {
    Pulling(Pull),
    Creating,
    Starting,
}

/// An image of a pod, and where it is used.
#[derive(Clone, Debug)]
pub(super) struct ImageUse {
    pub(super) image: String,
    pub(super) policy: PullPolicy,
    /// The container's field path; `None` for an image volume.
    pub(super) field_path: Option<String>,
}

/// A pull in progress or in the queue.
#[derive(Debug)]
pub(super) struct Pull {
    pub(super) of: ImageUse,
    pub(super) queued: SimTime,
    /// The time when it left the queue, and its result.
    pub(super) began: Option<(SimTime, Option<PullBehavior>)>,
}

/// The reason why a container did not start.
pub(super) struct StartError {
    pub(super) waiting: WaitingState,
    /// Time of the next restart in CrashLoopBackOff.
    pub(super) retry_at: Option<SimTime>,
}

impl StartError {
    pub(super) fn new(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { waiting: WaitingState { reason: reason.into(), message: message.into() }, retry_at: None }
    }
}

impl Sync {
    /// Records that a container did not start.
    pub(super) fn fail(&mut self, index: usize, error: StartError) {
        self.failed = true;
        self.retry_at = [self.retry_at, error.retry_at].into_iter().flatten().min();
        self.effects.push((index, ContainerChange::NotStarted(error.waiting)));
    }

    /// Records the result of a volume for the containers that mount it.
    pub(super) fn record_volume(&mut self, mounts: &[String], result: Result<(), StartError>) {
        if let Err(error) = result {
            self.volume_errors.extend(mounts.iter().map(|mount| (mount.clone(), error.waiting.clone())));
        }
    }
}
