//! The HTTP server: status page and JSON in a browser, TLS and authentication, and many clients.

#[path = "../common/mod.rs"]
mod common;

mod crowd;
mod page;
mod secure;
