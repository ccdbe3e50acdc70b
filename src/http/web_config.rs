//! The web configuration file (`--web.config.file`): TLS, basic authentication, headers and a rate limit.
//!
//! The format is that of Prometheus' exporter-toolkit. `docs/web-config.md` lists the differences.

mod client_auth;
mod file;
mod problems;
mod protection;
mod reload;
mod settings;
mod tls;

#[cfg(test)]
mod tests;

pub use file::load;
pub use problems::InvalidWebConfig;
pub use reload::{CurrentWebConfig, ReloadStatus, SharedReloadStatus, WebConfigReloader};
pub use settings::WebConfig;
