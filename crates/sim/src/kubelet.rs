//! The simulated kubelet, as far as image pulls show in a pod's status and Events.
//!
//! A pod's worker repeats this loop (kubelet.go and pod_workers.go of 1.36):
//!
//! 1. Write the status from the results of the *previous* sync.
//! 2. Create the sandbox, then start image volumes, ephemeral, init and app containers, one after the other. A pull
//!    waits in the node's queue, and the worker waits for the pull.
//! 3. Record the error of each container that did not start.
//! 4. Sync again after 10 to 15 s, or at the next relist (1 s) if the runtime changed.
//!
//! [`reconcile`] runs a worker's jobs, [`containers`] performs a sync, [`images`] decides about pulls and back-off,
//! [`status`] computes the status, [`recorder`] writes Events, and [`termination`] terminates pods.

mod backoff;
mod conditions;
mod container_state;
mod containers;
mod event_correlator;
pub(super) mod identity;
mod images;
pub(super) mod job_queue;
mod managed_fields;
pub(super) mod node;
mod object;
pub(super) mod pod;
mod pull_queue;
pub(super) mod reconcile;
mod recorder;
mod status;
mod sync;
mod termination;
pub(super) mod watch_log;
