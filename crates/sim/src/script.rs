//! The script language of the simulated cluster.
//!
//! Each line is an action: `TIME VERB ARGUMENTS key=value…`. An indented line continues the line above. `#` starts a
//! comment. Values with spaces are quoted; `\"` is a quote within a value. TIME is relative to the start: `-20m`,
//! `90s`, `1h5m`, `00:30` or `01:02:03`. Actions before `0s` take effect before the exporter starts.
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
//! # Verbs
//!
//! - `pod NS/NAME PARTS…` creates a pod. Options: `owner=KIND/NAME`, `node=A,B` (assigned round-robin; default
//!   `node-1`), `replicas=N`, `restart=Always|OnFailure|Never`, `deadline=75s` (activeDeadlineSeconds),
//!   `pull-secrets=A,B` (imagePullSecrets), `every=10m times=3` (repeats the action).
//! - `ephemeral PODS NAME image=REF` adds an ephemeral container to a running pod, like `kubectl debug`.
//! - `patch PODS CONTAINER image=REF` changes the image of a container in the spec.
//! - `crash PODS CONTAINER` ends a running container with `exit=1`.
//! - `delete PODS` deletes pods with `grace=30s`, or immediately with `force=true`.
//! - `image REF PULL`, `registry HOST PULL` and `node NAME PULL` set the result of later pulls of an image, from a
//!   registry or on a node. A fault of the node has precedence over one of the registry, and that over one of the
//!   image.
//! - `sandbox NODE PULL` sets the result of pulls of a node's pause image.
//! - `secret NS/NAME` creates a secret. Until then, pods that name it in `pull-secrets` miss it.
//! - `restart-kubelet NODE` restarts a kubelet, which loses its memory.
//! - `hang-kubelet NODE` stops a kubelet until it is restarted. Its pods get no further status.
//! - `kubelet NODE` configures a kubelet. `pulls=parallel` pulls images in parallel; the default, `pulls=serial`, pulls one
//!   at a time (`serializeImagePulls`). `sandbox=late` reports a ready sandbox with the result of the first sync, as
//!   before 1.36, not with `sandbox=early` before the first pull.
//!
//! # Pods
//!
//! A `*` at the end of NAME is replaced by five random letters, or by the ordinal for a `StatefulSet`. PODS is a pod's
//! name, or a prefix followed by `*`.
//!
//! PARTS are `container`, `init` and `sidecar` (an init container with `restartPolicy: Always`), each as `NAME
//! image=REF`. The options of a part:
//!
//! - `policy=Always|IfNotPresent|Never`: the pull policy.
//! - `runs=5s`: the duration of each run. The default is 1 s for init containers and unlimited for others.
//! - `exit=1`: the exit code of each run.
//! - `config-error="…"`: `CreateContainerConfigError` after the image is pulled.
//!
//! `volume NAME image=REF mount=CONTAINER,…` is an image
//! volume. `pull=PULL` on a part is equivalent to an `image REF PULL` line before the pod.
//!
//! # Pull results
//!
//! PULL is one of the following. `takes=2m` sets the duration of the pull, `size=12GB` the size of the image in its Event.
//!
//! - `ok`: the pull succeeds.
//! - `hung`: the pull never ends. If the node pulls one image at a time, all other pulls wait for it.
//! - A fault: `not-found`, `denied`, `unauthorized`, `forbidden`, `rate-limited`, `server-error`, `dns`, `refused`,
//!   `reset`, `timeout`, `proxy`, `tls-untrusted`, `tls-expired`, `plain-http`, `no-platform`, `old-manifest`,
//!   `digest-mismatch`, `disk-full`, `qps`, `stalled`, `registry-unavailable`, `signature`, `policy`,
//!   `inspect-error`.
//! - `fails text="…"`: `ErrImagePull` with this text.
//! - `free-text text="…"`: the raw error of kubelet 1.33 and later as reason and message, without back-off.
//!
//! `InvalidImageName` and `ErrImageNeverPull` follow from the image and the policy.

mod action;
mod error;
mod parse;
#[cfg(test)]
mod tests;

pub use action::Script;
pub(crate) use action::{
    Action, ContainerKind, ContainerSpec, Grace, ImageVolume, KubeletSetting, Owner, PodSelector, PodTemplate,
    PullBehavior, PullOutcome, PullPolicy, PullScope, RestartPolicy, SandboxReport, TimedAction,
};
pub use error::{ScriptError, ScriptProblem};
