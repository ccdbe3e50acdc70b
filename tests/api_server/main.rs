//! The watch against the simulated API server: Events, faults, encodings, limits, malformed pods, RBAC, sharding and TLS.

#[path = "../common/mod.rs"]
mod common;

mod encodings;
mod events;
mod faults;
mod hostile_pods;
mod limits;
mod rbac;
mod shards;
mod tls;
mod watch;
