//! Behaves like a kubelet as far as image pulls show in a pod's status.
//!
//! A pod's worker goes round this loop (kubelet.go and pod_workers.go of 1.36): publish the status made of the
//! *previous* round's results, do what is to be done (sandbox, image volumes, ephemeral, init, app containers, one
//! after the other), remember why a container did not start, and come again 10 to 15 s later, or at the next relist (1
//! s) if the runtime has changed.
//!
//! [`turn`] is one round; [`images`] decides about pulls and keeps their back-off; [`status`] writes what a watcher
//! sees; [`ending`] is the way out.

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
