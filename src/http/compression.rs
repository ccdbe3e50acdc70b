//! Negotiation and gzip compression of response bodies.
//!
//! The compression layer of tower-http runs on the async runtime. This module compresses on the blocking thread that writes
//! the body.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::metrics::exposition::format::parse_weight;

/// Returns whether an `Accept-Encoding` header prefers gzip to an uncompressed body (RFC 9110, section 12.5.3).
pub(super) fn accepts_gzip(accept: &str) -> bool {
    let weight = |coding: &str| {
        accept.split(',').find_map(|element| {
            let (name, parameter) = element.split_once(';').unwrap_or((element, "q=1"));
            let (key, value) = parameter.split_once('=')?;
            let matches = name.trim().eq_ignore_ascii_case(coding) && key.trim().eq_ignore_ascii_case("q");
            matches.then(|| parse_weight(value)).flatten()
        })
    };
    let gzip = weight("gzip").or_else(|| weight("x-gzip")).or_else(|| weight("*")).unwrap_or(0);
    gzip > 0 && gzip >= weight("identity").unwrap_or(0)
}

/// Returns a writer that compresses into `sink` and completes the stream when dropped. It uses the fastest level, because
/// higher ones compress the repetitive exposition only slightly better.
pub(super) fn gzip_writer<W: Write>(sink: W) -> GzEncoder<W> {
    GzEncoder::new(sink, Compression::fast())
}

/// Compresses a body in memory.
pub(super) fn gzip_bytes(body: &[u8]) -> std::io::Result<Vec<u8>> {
    // Typical text compresses to a tenth.
    let mut encoder = gzip_writer(Vec::with_capacity(body.len() / 10));
    encoder.write_all(body)?;
    encoder.finish()
}
