//! The metrics: replayed recordings of a real kubelet, and scrapes by a real Prometheus.

#[path = "../common/mod.rs"]
mod common;

mod counters;
mod pending;
mod prometheus;
mod recordings;
