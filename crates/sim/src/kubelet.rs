//! The simulated kubelet, as far as image pulls show in a pod's status.
//!
//! A pod's worker repeats this loop (kubelet.go and pod_workers.go of 1.36):
//!
//! 1. Write the status from the results of the *previous* sync.
//! 2. Create the sandbox, then start image volumes, ephemeral, init and app containers, one after the other.
//! 3. Record the error of each container that did not start.
//! 4. Sync again after 10 to 15 s, or at the next relist (1 s) if the runtime changed.
//!
//! [`turn`] runs a worker's jobs, [`images`] decides about pulls and back-off, [`status`] computes the status, and
//! [`ending`] terminates pods.

pub(super) mod agenda;
mod backoff;
mod conditions;
mod containers;
mod ending;
pub(super) mod identity;
mod images;
mod managed_fields;
pub(super) mod node;
mod object;
pub(super) mod pod;
mod status;
pub(super) mod turn;
