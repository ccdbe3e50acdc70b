//! Says what happens when in a simulated cluster, read from a small text format.
//!
//! One action a line: `TIME VERB ARGUMENTS key=value…`. An indented line continues the one above it; `#` begins a
//! comment. A value with blanks is quoted, `\"` inside it is a quote. TIME is relative to the start: `-20m`, `90s`,
//! `1h5m`, `00:30`, `01:02:03`; what happens before `0s` has happened when the exporter starts.
//!
//! ```text
//! -20m  pod shop/web-7d9f8c6b5d-* owner=ReplicaSet/web-7d9f8c6b5d replicas=3 node=node-a,node-b
//!           init migrate image=registry.example.com/shop/migrate:1.4.2 runs=3s
//!           container web image=registry.example.com/shop/web:1.4.2 pull=not-found
//!           sidecar proxy image=docker.io/envoyproxy/envoy:v1.31.0
//!           volume model image=ghcr.io/example/model:3 mount=web
//! 03:00 registry registry.example.com refused
//! 07:00 registry registry.example.com ok
//! 12:00 delete shop/web-7d9f8c6b5d-*
//! ```
//!
//! Verbs:
//!
//! - `pod NS/NAME PARTS…` creates a pod. Options: `owner=KIND/NAME`, `node=A,B` (in turn; default `node-1`), `replicas=N`,
//!   `restart=Always|OnFailure|Never`, `deadline=75s` (activeDeadlineSeconds), `every=10m times=3` (again and again).
//! - `ephemeral PODS NAME image=REF` adds an ephemeral container to a running pod (`kubectl debug`).
//! - `patch PODS CONTAINER image=REF` changes a container's image in the spec.
//! - `crash PODS CONTAINER` ends its running container, with `exit=1`.
//! - `delete PODS` deletes with `grace=30s`, or with `force=true` at once.
//! - `image REF PULL`, `registry HOST PULL`, `node NAME PULL`: from then on pulls of this image, from this registry, on
//!   this node end as PULL says. A fault of the node goes before one of the registry, that before one of the image.
//! - `restart-kubelet NODE` starts its kubelet again with an empty memory.
//!
//! A `*` at the end of NAME becomes five random letters, as for a `ReplicaSet`'s pods, or the ordinal for a
//! `StatefulSet`'s; PODS is a name, or with `*` at its end every pod whose name begins so.
//!
//! PARTS are `container`, `init` and `sidecar` (an init container with `restartPolicy: Always`), each `NAME image=REF`
//! with `policy=Always|IfNotPresent|Never`, `runs=5s` (each run ends after that; default: init containers 1 s, others
//! never), `exit=1` (with that code), `config-error="…"` (`CreateContainerConfigError` once the image is there); and
//! `volume NAME image=REF mount=CONTAINER,…`, an image volume. `pull=PULL` on a part is short for an `image REF PULL`
//! line before the pod's.
//!
//! PULL is one of these; `takes=2m` says how long the pull runs:
//!
//! - `ok`;
//! - a fault: `not-found`, `denied`, `unauthorized`, `forbidden`, `rate-limited`, `server-error`, `dns`, `refused`,
//!   `reset`, `timeout`, `proxy`, `tls-untrusted`, `tls-expired`, `plain-http`, `no-platform`, `old-manifest`,
//!   `digest-mismatch`, `disk-full`, `qps`, `stalled`, `registry-unavailable`, `signature`, `inspect-error`;
//! - `fails text="…"`: `ErrImagePull` with a text of your own;
//! - `free-text text="…"`: kubelet >= 1.33's raw error, both reason and message, without back-off.
//!
//! `InvalidImageName` and `ErrImageNeverPull` need no PULL: write such an image or policy.

mod parse;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::{fault::PullFault, time::SimTime};

pub use parse::{ScriptError, ScriptProblem};

/// A parsed script: actions in order of time.
#[derive(Debug, PartialEq)]
pub struct Script {
    pub(super) actions: Vec<TimedAction>,
}

impl Script {
    /// Reads a script; the error names the line and what to do about it.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        parse::parse_script(text)
    }

    /// Returns how long after the start the last action happens.
    pub fn end(&self) -> Duration {
        self.actions.last().map_or(Duration::ZERO, |last| last.at.since(SimTime::ZERO))
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct TimedAction {
    pub(super) at: SimTime,
    pub(super) action: Action,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    CreatePods(PodTemplate),
    AddEphemeral { pods: PodSelector, container: ContainerSpec },
    PatchImage { pods: PodSelector, container: String, image: String },
    Crash { pods: PodSelector, container: String, exit_code: i32 },
    Delete { pods: PodSelector, grace: Grace },
    SetPull { of: PullScope, pull: PullBehavior },
    RestartKubelet { node: String },
}

/// The pods an action is about: one name, or all that begin with `name` when `prefix`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PodSelector {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) prefix: bool,
}

impl PodSelector {
    pub(super) fn matches(&self, namespace: &str, name: &str) -> bool {
        namespace == self.namespace && if self.prefix { name.starts_with(&self.name) } else { name == self.name }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Grace {
    Period(Duration),
    Force,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum PullScope {
    Image(String),
    Registry(String),
    Node(String),
}

/// How pulls end until the next word about them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PullBehavior {
    pub(super) outcome: PullOutcome,
    pub(super) takes: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum PullOutcome {
    Success,
    Fault(&'static PullFault),
    /// `ErrImagePull` with this text.
    ErrImagePull(String),
    /// A waiting reason and message of this text, without back-off (image_manager.go:253-279 of 1.36).
    FreeText(String),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct PodTemplate {
    pub(super) pods: PodSelector,
    pub(super) owner: Option<Owner>,
    pub(super) nodes: Vec<String>,
    pub(super) replicas: u32,
    pub(super) restart: RestartPolicy,
    pub(super) deadline: Option<Duration>,
    pub(super) containers: Vec<ContainerSpec>,
    pub(super) volumes: Vec<ImageVolume>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Owner {
    pub(super) kind: String,
    pub(super) name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RestartPolicy {
    Always,
    OnFailure,
    Never,
}

impl RestartPolicy {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::OnFailure => "OnFailure",
            Self::Never => "Never",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContainerKind {
    App,
    Init,
    /// An init container with `restartPolicy: Always`.
    Sidecar,
    Ephemeral,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ContainerSpec {
    pub(super) kind: ContainerKind,
    pub(super) name: String,
    pub(super) image: String,
    pub(super) policy: PullPolicy,
    /// How long each run lasts; `None` is for ever.
    pub(super) runs: Option<Duration>,
    pub(super) exit_code: i32,
    pub(super) config_error: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct ImageVolume {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) policy: PullPolicy,
    pub(super) mounts: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl PullPolicy {
    /// Returns what the API server fills in: Always if the tag is or defaults to `latest`
    /// (apis/core/v1/defaults.go:82-92).
    pub(super) fn default_for(image: &str) -> Self {
        let name = image.split_once('@').map_or(image, |(name, _)| name);
        let last = name.rsplit_once('/').map_or(name, |(_, last)| last);
        match last.split_once(':') {
            Some((_, "latest")) => Self::Always,
            None if !image.contains('@') => Self::Always,
            Some(_) | None => Self::IfNotPresent,
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}
