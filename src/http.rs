//! The HTTP server: metrics, health checks, the status page and its JSON API.
//!
//! A request passes `listener`, `server`, `access_control` and `router`, and ends in a handler: `scrape`, `page`,
//! `api`, `assets` or `health`. Handlers read the rest of the program through `Backend`.

mod access_control;
mod api;
mod assets;
mod backend;
mod basic_auth;
mod bearer_auth;
mod body;
mod client_address;
mod compression;
mod config;
mod connection;
mod connection_limit;
mod failure_query;
mod fair_queue;
mod fingerprint;
mod health;
mod limits;
mod listener;
mod log_level;
mod page;
mod paths;
mod problem_details;
mod rate_limiter;
mod rejections;
mod request;
mod response;
mod response_slots;
mod router;
mod scrape;
mod server;
mod state;
pub mod web_config;
mod write_timeout;

#[cfg(test)]
mod tests;

pub use backend::{Backend, BodyWriter, NotReady, Overview};
pub use bearer_auth::{AccessDecision, AccessReviewer, RequestAttributes};
pub use config::{HttpConfig, SetLogLevel};
pub use limits::ServerLimits;
pub use listener::{InvalidListenAddress, ListenAddress, Listeners};
pub use paths::{ExternalUrl, InvalidPath, PathPrefix, TelemetryPath};
pub use rejections::RejectionCounters;
pub use router::router;
pub use server::serve;
