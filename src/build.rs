//! What this binary was built from.

/// The version of the crate.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The commit; `unknown` when it was not built from a checkout.
pub const REVISION: &str = env!("IMAGE_PULL_EXPORTER_REVISION");
/// The compiler's version.
pub const RUST_VERSION: &str = env!("IMAGE_PULL_EXPORTER_RUSTC");
/// What `--version` prints after the name.
pub const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (revision ",
    env!("IMAGE_PULL_EXPORTER_REVISION"),
    ", rustc ",
    env!("IMAGE_PULL_EXPORTER_RUSTC"),
    ")"
);
