//! Decides on and does the compression of a body.
//!
//! By flate2 rather than a layer of tower-http, so that it is done on the blocking thread that writes the body.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::metrics::exposition::negotiate::parse_weight;

/// Returns whether an `Accept-Encoding` header allows gzip and does not prefer a plain body (RFC 9110, section 12.5.3).
pub(super) fn accepts_gzip(accept: &str) -> bool {
    let weight = |coding: &str| {
        accept.split(',').find_map(|element| {
            let (name, parameter) = element.split_once(';').unwrap_or((element, "q=1"));
            let (key, value) = parameter.split_once('=')?;
            let named = name.trim().eq_ignore_ascii_case(coding) && key.trim().eq_ignore_ascii_case("q");
            named.then(|| parse_weight(value)).flatten()
        })
    };
    let gzip = weight("gzip").or_else(|| weight("x-gzip")).or_else(|| weight("*")).unwrap_or(0);
    gzip > 0 && gzip >= weight("identity").unwrap_or(0)
}

/// Compresses what is written into `sink`; dropping it writes the end. At the fastest level: labels repeat so much that
/// the next ones gain little for the time they take.
pub(super) fn gzip_writer<W: Write>(sink: W) -> GzEncoder<W> {
    GzEncoder::new(sink, Compression::fast())
}

/// Compresses a body that is there as a whole.
pub(super) fn gzip_bytes(body: &[u8]) -> std::io::Result<Vec<u8>> {
    // Text shrinks to a tenth or less.
    let mut encoder = gzip_writer(Vec::with_capacity(body.len() / 10));
    encoder.write_all(body)?;
    encoder.finish()
}
