//! Build information of this binary.

/// Version of the crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Commit of the source. `unknown` if it was not built from a Git checkout.
pub const REVISION: &str = env!("IMAGE_PULL_EXPORTER_REVISION");
/// Version of the compiler.
pub const RUST_VERSION: &str = env!("IMAGE_PULL_EXPORTER_RUSTC");
/// Version string of `--version`.
pub const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("IMAGE_PULL_EXPORTER_REVISION"),
    ", rustc ",
    env!("IMAGE_PULL_EXPORTER_RUSTC"),
    ")"
);
