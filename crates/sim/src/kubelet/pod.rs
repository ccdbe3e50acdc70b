//! A pod as known to the API server and its kubelet.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::{
    random::Random,
    script::{ContainerKind, ContainerSpec, ImageVolume, PodTemplate, RestartPolicy},
    time::SimTime,
};
use super::{
    conditions::Conditions,
    container_state::{Exit, Run, WaitingState},
    identity::PodIdentity,
    job_queue::PodId,
    managed_fields::ManagedFields,
    sync::Sync,
};

#[derive(Debug)]
pub(crate) struct Pod {
    pub(crate) id: PodId,
    pub(crate) identity: PodIdentity,
    pub(crate) node: String,
    pub(super) restart: RestartPolicy,
    pub(super) deadline: Option<Duration>,
    /// Init containers and sidecars, app containers, and at the end ephemeral ones, each in the order of the spec.
    pub(crate) containers: Vec<Container>,
    pub(super) volumes: Vec<ImageVolume>,
    pub(super) pull_secrets: Vec<String>,
    pub(super) generation: u64,
    pub(crate) deletion: Option<Deletion>,
    pub(super) revision: u64,
    pub(super) worker: Worker,
    pub(super) created: SimTime,
    pub(super) spec: Value,
    pub(super) status: Value,
    pub(super) managed_fields: ManagedFields,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Deletion {
    /// End of the grace period: `deletionTimestamp`.
    pub(super) at: SimTime,
    pub(super) grace_seconds: u64,
}

/// A container with its last two runs and the reason why it waits.
#[derive(Clone, Debug)]
pub(crate) struct Container {
    pub(crate) spec: ContainerSpec,
    pub(super) run: Option<Run>,
    pub(super) previous: Option<Run>,
    pub(super) restarts: u64,
    /// The kubelet's reason cache (`reason_cache.go`): why the last sync did not start the container.
    pub(super) waiting: Option<WaitingState>,
}

/// The state of the pod's worker.
#[derive(Debug, Default)]
pub(super) struct Worker {
    /// Incremented to cancel jobs in progress. Jobs of an earlier term are ignored.
    pub(super) term: u64,
    pub(super) busy: bool,
    pub(super) next_sync: Option<SimTime>,
    /// A sync was requested while the worker was busy.
    pub(super) sync_requested: bool,
    pub(super) running_sync: Option<Sync>,
    /// Time of the kubelet's first status.
    pub(super) start_time: Option<SimTime>,
    pub(super) sandbox: Sandbox,
    pub(super) pod_ip: Option<String>,
    pub(super) conditions: Conditions,
    pub(super) termination: Termination,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sandbox {
    #[default]
    Absent,
    Ready,
    Stopped,
}

/// The progress of a pod's termination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Termination {
    #[default]
    No,
    /// activeDeadlineSeconds expired; `reported` once the phase shows it.
    Deadline { reported: bool },
    /// Deletion or deadline is complete: containers that never ran are given up.
    Finished { deadline: bool },
    /// All containers exited.
    Completed,
}

impl Pod {
    pub(crate) fn new(id: PodId, identity: PodIdentity, node: String, template: &PodTemplate, now: SimTime) -> Self {
        let mut containers: Vec<Container> = template.containers.iter().cloned().map(Container::new).collect();
        // Stable: init containers and sidecars keep their common order.
        containers.sort_by_key(|container| container.spec.kind == ContainerKind::App);
        Self {
            id,
            identity,
            node,
            restart: template.restart,
            deadline: template.deadline,
            containers,
            volumes: template.volumes.clone(),
            pull_secrets: template.pull_secrets.clone(),
            generation: 1,
            deletion: None,
            revision: 0,
            created: now,
            worker: Worker::default(),
            spec: Value::Null,
            managed_fields: ManagedFields::default(),
            status: json!({"phase": "Pending", "qosClass": "BestEffort"}),
        }
    }

    /// Drops the kubelet's state about this pod, as after its restart.
    pub(crate) fn lose_kubelet_state(&mut self) {
        self.worker.cancel();
        for container in &mut self.containers {
            container.waiting = None;
        }
    }

    pub(super) fn has_init_containers(&self) -> bool {
        self.containers.iter().any(Container::is_initializer)
    }

    /// Returns whether the next sync starts the container (container/helpers.go:86, `ShouldContainerBeRestarted`).
    pub(super) fn should_start(&self, container: &Container) -> bool {
        if self.deletion.is_some() {
            return false;
        }
        match (&container.run, container.spec.kind) {
            (Some(Run { end: None, .. }), _) | (Some(_), ContainerKind::Ephemeral) => false,
            (None, _) | (Some(Run { end: Some(_), .. }), ContainerKind::Sidecar) => true,
            (Some(Run { end: Some(Exit { code, .. }), .. }), ContainerKind::Init) => {
                *code != 0 && self.restart != RestartPolicy::Never
            }
            (Some(Run { end: Some(Exit { code, .. }), .. }), ContainerKind::App) => match self.restart {
                RestartPolicy::Always => true,
                RestartPolicy::OnFailure => *code != 0,
                RestartPolicy::Never => false,
            },
        }
    }

    /// Returns whether all init containers succeeded and all sidecars started once.
    pub(super) fn is_initialized(&self) -> bool {
        self.containers.iter().filter(|container| container.is_initializer()).all(Container::is_initialized)
    }
}

impl Container {
    pub(crate) fn new(spec: ContainerSpec) -> Self {
        Self { spec, run: None, previous: None, restarts: 0, waiting: None }
    }

    pub(super) fn is_initializer(&self) -> bool {
        matches!(self.spec.kind, ContainerKind::Init | ContainerKind::Sidecar)
    }

    pub(super) fn is_initialized(&self) -> bool {
        match (self.spec.kind, &self.run) {
            (_, None) => false,
            (ContainerKind::Init, Some(run)) => run.end.as_ref().is_some_and(|end| end.code == 0),
            (ContainerKind::Sidecar | ContainerKind::App | ContainerKind::Ephemeral, Some(_)) => true,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.end.is_none())
    }

    pub(super) fn end(&self) -> Option<&Exit> {
        self.run.as_ref()?.end.as_ref()
    }

    pub(super) fn next_run(&self, started: SimTime, random: &mut Random) -> Run {
        let number = self.run.as_ref().map_or(0, |run| run.number + 1);
        Run {
            number,
            image: self.spec.image.clone(),
            container_id: format!("containerd://{}", random.hex64()),
            started,
            end: None,
        }
    }

    /// Starts a run. The restart count increases only when a container really starts again.
    pub(super) fn start(&mut self, run: Run) {
        self.restarts = run.number;
        self.previous = self.run.replace(run);
        self.waiting = None;
    }

    pub(super) fn finish(&mut self, end: Exit) {
        if let Some(run) = self.run.as_mut().filter(|run| run.end.is_none()) {
            run.end = Some(end);
        }
    }
}

impl Worker {
    /// Cancels all jobs in progress.
    pub(super) fn cancel(&mut self) {
        self.term += 1;
        self.busy = false;
        self.sync_requested = false;
        self.next_sync = None;
        self.running_sync = None;
    }
}
