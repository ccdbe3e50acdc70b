//! A Prometheus exporter that reports which containers of a Kubernetes cluster cannot pull their image.
//!
//! `ARCHITECTURE.md` describes the modules. The library exists for the binary and its tests and has no stable API.

pub mod backend;
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
pub mod signals;
pub mod terminal;
pub mod watch_restart_cause;
pub mod web_server;
