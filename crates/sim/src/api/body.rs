//! Makes responses: of bytes that are written or still being written, and of what went wrong.

use std::io::{self, Write};

use axum::{
    body::Body,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

use super::encoding::Encoding;

/// From which size on a body is compressed (apiserver, `responsewriters/writers.go`, defaultGzipThresholdBytes).
const GZIP_FROM: usize = 128 * 1024;

/// Returns a response.
pub(super) fn with_body(code: u16, media_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// Returns a response with a JSON body.
pub(super) fn json(value: &Value) -> Response {
    with_body(200, Encoding::Json.media_type(), value.to_string())
}

/// Returns a response with a body that is compressed if the client takes that and it is worth it.
pub(super) fn compressed(request: &HeaderMap, media_type: &'static str, body: Vec<u8>) -> Response {
    if body.len() <= GZIP_FROM || !takes_gzip(request) {
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

/// Level 1, as apiserver's `responsewriters/compression.go`.
fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

fn takes_gzip(request: &HeaderMap) -> bool {
    let accepted = request.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|token| token.trim() == "gzip")
}

/// What went wrong, as the API server reports it: a `Status` object, in the encoding the client accepts.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    code: u16,
    reason: &'static str,
    message: String,
    details: Value,
}

impl Problem {
    pub(super) fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    /// A resourceVersion that there is not yet, or no more after etcd was restored (apiserver, `pkg/storage/errors.go`).
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

    /// Returns the response; a client that accepts nothing we have gets JSON (`responsewriters/writers.go`,
    /// WriteObjectNegotiated).
    pub(super) fn response(&self, accepted: Option<Encoding>) -> Response {
        let encoding = accepted.unwrap_or(Encoding::Json);
        with_body(self.code, encoding.media_type(), encoding.object(&self.status()))
    }
}
