//! Response bodies, gzip and errors.

use std::io::{self, Write};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::encoding::ResponseEncoding;

/// Minimum size of compressed bodies (apiserver, `responsewriters/writers.go`, defaultGzipThresholdBytes).
const GZIP_THRESHOLD: usize = 128 * 1024;

/// Returns a response.
pub(super) fn with_body(code: u16, media_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Returns a response with a JSON body.
pub(super) fn json(value: &Value) -> Response {
    with_body(200, ResponseEncoding::Json.media_type(), value.to_string())
}

/// Returns a response whose body is compressed if it is large and the client accepts gzip.
pub(super) fn maybe_compressed(request: &HeaderMap, media_type: &'static str, body: Vec<u8>) -> Response {
    if body.len() <= GZIP_THRESHOLD || !accepts_gzip(request) {
        return with_body(200, media_type, body);
    }
    match gzip(&body) {
        Ok(smaller) => {
            let mut response = with_body(200, media_type, smaller);
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
            response
        }
        Err(_) => with_body(200, media_type, body),
    }
}

/// Compresses with level 1, as in apiserver's `responsewriters/compression.go`.
fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

fn accepts_gzip(request: &HeaderMap) -> bool {
    let accepted = request.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|token| token.trim() == "gzip")
}

/// An error response of the API server: a `Status` object in the negotiated encoding.
#[derive(Clone, Debug)]
pub(super) struct StatusError {
    code: u16,
    reason: &'static str,
    message: String,
    details: Value,
}

impl StatusError {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    /// The error for a resourceVersion in the future (apiserver, `pkg/storage/errors.go`).
    pub(super) fn too_large(asked: u64, current: u64) -> Self {
        let cause = json!({ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" });
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        Self { details: json!({ "causes": [cause], "retryAfterSeconds": 1 }), ..Self::new(504, "Timeout", message) }
    }

    /// Returns the `Status` object.
    pub(super) fn status(&self) -> Value {
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "details": self.details, "code": self.code,
        })
    }

    /// Returns the response. Clients that accept no supported encoding get JSON (`responsewriters/writers.go`,
    /// WriteObjectNegotiated).
    pub(super) fn response(&self, accepted: Option<ResponseEncoding>) -> Response {
        let encoding = accepted.unwrap_or(ResponseEncoding::Json);
        with_body(self.code, encoding.media_type(), encoding.object(&self.status()))
    }
}
