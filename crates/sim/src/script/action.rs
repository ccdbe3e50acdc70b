//! The actions of a script.

use std::time::Duration;

use super::super::{fault::PullFault, time::SimTime};

/// A parsed script: actions in order of time.
#[derive(Debug, PartialEq)]
pub struct Script {
    pub(crate) actions: Vec<TimedAction>,
}

impl Script {
    /// Returns how long after the start the last action happens.
    pub fn end(&self) -> Duration {
        self.actions.last().map_or(Duration::ZERO, |last| last.at.since(SimTime::ZERO))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TimedAction {
    pub(crate) at: SimTime,
    pub(crate) action: Action,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    CreatePods(PodTemplate),
    AddEphemeral { pods: PodSelector, container: ContainerSpec },
    PatchImage { pods: PodSelector, container: String, image: String },
    Crash { pods: PodSelector, container: String, exit_code: i32 },
    Delete { pods: PodSelector, grace: Grace },
    SetPull { of: PullScope, pull: PullBehavior },
    CreateSecret { namespace: String, name: String },
    RestartKubelet { node: String },
    HangKubelet { node: String },
    SetKubelet { node: String, setting: KubeletSetting },
}

/// The pods an action is about: one name, or all that begin with `name` when `prefix`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PodSelector {
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) prefix: bool,
}

impl PodSelector {
    pub(crate) fn matches(&self, namespace: &str, name: &str) -> bool {
        namespace == self.namespace && if self.prefix { name.starts_with(&self.name) } else { name == self.name }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Grace {
    Period(Duration),
    Force,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PullScope {
    Image(String),
    Registry(String),
    Node(String),
    /// The pause image of a node.
    Sandbox(String),
}

/// A setting of a node's kubelet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum KubeletSetting {
    ParallelPulls(bool),
    SandboxReport(SandboxReport),
}

/// The time when a kubelet reports a ready sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum SandboxReport {
    /// Since 1.36, before the first pull.
    #[default]
    WhenReady,
    /// 1.29 to 1.35, with the result of the first sync.
    AfterSync,
}

/// The result of pulls until the next action on them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PullBehavior {
    pub(crate) outcome: PullOutcome,
    pub(crate) takes: Option<Duration>,
    /// Size of the image in bytes.
    pub(crate) size: Option<u64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PullOutcome {
    Success,
    Fault(&'static PullFault),
    /// `ErrImagePull` with this text.
    ErrImagePull(String),
    /// A waiting reason and message of this text, without back-off (image_manager.go:253-279 of 1.36).
    FreeText(String),
    /// The pull never ends.
    Hung,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PodTemplate {
    pub(crate) pods: PodSelector,
    pub(crate) owner: Option<Owner>,
    pub(crate) nodes: Vec<String>,
    pub(crate) replicas: u32,
    pub(crate) restart: RestartPolicy,
    pub(crate) deadline: Option<Duration>,
    pub(crate) containers: Vec<ContainerSpec>,
    pub(crate) volumes: Vec<ImageVolume>,
    pub(crate) pull_secrets: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Owner {
    pub(crate) kind: String,
    pub(crate) name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

impl RestartPolicy {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::OnFailure => "OnFailure",
            Self::Never => "Never",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContainerKind {
    App,
    Init,
    /// An init container with `restartPolicy: Always`.
    Sidecar,
    Ephemeral,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ContainerSpec {
    pub(crate) kind: ContainerKind,
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) policy: PullPolicy,
    /// The duration of each run; `None` means forever.
    pub(crate) runs: Option<Duration>,
    pub(crate) exit_code: i32,
    pub(crate) config_error: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ImageVolume {
    pub(crate) name: String,
    pub(crate) image: String,
    pub(crate) policy: PullPolicy,
    pub(crate) mounts: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl PullPolicy {
    /// Returns what the API server fills in: Always if the tag is or defaults to `latest`
    /// (apis/core/v1/defaults.go:82-92).
    pub(crate) fn default_for(image: &str) -> Self {
        let name = image.split_once('@').map_or(image, |(name, _)| name);
        let last = name.rsplit_once('/').map_or(name, |(_, last)| last);
        match last.split_once(':') {
            Some((_, "latest")) => Self::Always,
            None if !image.contains('@') => Self::Always,
            Some(_) | None => Self::IfNotPresent,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}
