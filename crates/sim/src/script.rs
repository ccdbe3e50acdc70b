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

mod action;
mod error;
mod parse;
#[cfg(test)]
mod tests;

pub use action::Script;
pub(crate) use action::{
    Action, ContainerKind, ContainerSpec, Grace, ImageVolume, Owner, PodSelector, PodTemplate, PullBehavior,
    PullOutcome, PullPolicy, PullScope, RestartPolicy, TimedAction,
};
pub use error::{ScriptError, ScriptProblem};
