//! A Prometheus exporter that tells which containers of a Kubernetes cluster cannot get their image.
//!
//! `ARCHITECTURE.md` is the map. The library exists for the binary and its tests; it promises nothing to others.

pub mod build;
pub mod cli;
pub mod clock;
pub mod cluster;
#[cfg(feature = "demo")]
pub mod demo;
pub mod explain;
pub mod http;
pub mod list;
pub mod log;
pub mod manual;
pub mod metrics;
pub mod monitor;
pub mod present;
pub mod replay;
pub mod review;
pub mod serve;
pub mod terminal;
