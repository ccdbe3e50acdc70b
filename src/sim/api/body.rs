//! Writes response bodies: JSON, and `Status` objects for errors.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

/// Returns a response with a JSON body.
pub(super) fn json(value: &Value) -> Response {
    with_body(200, Body::from(value.to_string()))
}

/// Returns a response of JSON that is already written, or still being written.
pub(super) fn with_body(code: u16, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// Returns an error as the API server reports it.
pub(super) fn status(code: u16, reason: &str, message: &str) -> Response {
    with_body(code, Body::from(status_object(code, reason, message).to_string()))
}

/// Returns the `Status` object of an error.
pub(super) fn status_object(code: u16, reason: &str, message: &str) -> Value {
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code })
}

/// Returns a line of a watch.
pub(super) fn watch_line(kind: &str, object: &Value) -> String {
    format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n")
}
