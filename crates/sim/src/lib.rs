//! Simulates a cluster whose image pulls fail as a script says.
//!
//! ```text
//! script ──▶ cluster (pure) ──events──▶ store ──▶ api (loopback LIST and WATCH) ──▶ the exporter
//!              └─ kubelet: back-off, syncs, status
//! ```
//!
//! One simulation serves the demo, the tests and the benchmarks; the recordings of a real kubelet prove that it behaves
//! like one (`cluster/tests`). Everything but [`api`] is pure: no clock, no IO, the same events from the same seed.
//!
//! What is left out, on purpose: Kubernetes Events, nodes that die, serialized pulls (each pull runs at once, as with
//! `maxParallelImagePulls`), probes, and everything about a pod that does not show in its image pulls.

pub mod api;
pub mod cluster;
mod fault;
mod kubelet;
mod random;
pub mod script;
pub mod store;
mod time;

pub use time::SimTime;

/// The demo: a web shop's cluster with failures of every kind, from 25 minutes before the start to 30 minutes after it.
pub const DEMO: &str = include_str!("demo.script");
