//! Simulated Kubernetes cluster whose image pulls follow a script.
//!
//! ```text
//! script ──▶ cluster (pure) ──events──▶ store ──▶ api (loopback LIST and WATCH) ──▶ the exporter
//!              └─ kubelet: pull queue, back-off, syncs, status, Events
//! ```
//!
//! The demo, the tests and the benchmarks use the same simulation. Tests compare it with recordings of a real kubelet
//! (`cluster/tests`). Everything except [`api`] is pure: it has no clock and no I/O, and a seed always gives the same
//! events.
//!
//! Not simulated: node failures, probes, Events of other components than the kubelet, and every part of a pod that image
//! pulls do not affect.

pub mod api;
pub mod cluster;
mod event;
mod fault;
mod kubelet;
mod random;
mod resource;
pub mod script;
pub mod store;
mod time;

pub use resource::Resource;
pub use time::SimTime;

/// Script of the demo: a web shop with every kind of pull failure, from 25 minutes before the start to 30 minutes after
/// it.
pub const DEMO: &str = include_str!("demo.script");
