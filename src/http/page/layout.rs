//! The frame of every page.

/// Values of `layout.html`, the frame of every page.
#[derive(Debug)]
pub(in crate::http) struct Layout {
    /// Prefix of all links.
    pub(in crate::http) base: String,
    /// Metrics path, without the prefix.
    pub(in crate::http) telemetry_path: String,
    /// Version of the exporter.
    pub(in crate::http) version: &'static str,
}
