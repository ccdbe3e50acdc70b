//! Error responses of the JSON API, as problem details (RFC 9457).

use axum::http::StatusCode;
use serde::Serialize;

use super::response::PendingResponse;

pub(super) const CONTENT_TYPE: &str = "application/problem+json";

#[derive(Serialize)]
struct ProblemDetails<'a> {
    /// Always `about:blank`: the status code identifies the problem.
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

/// Returns an error response.
pub(super) fn problem_response(status: StatusCode, detail: &str) -> PendingResponse {
    PendingResponse::new(status, CONTENT_TYPE, problem_body(status, detail))
}

/// Returns the body of an error response.
pub(super) fn problem_body(status: StatusCode, detail: &str) -> Vec<u8> {
    let title = status.canonical_reason().unwrap_or_default();
    let problem = ProblemDetails { r#type: "about:blank", title, status: status.as_u16(), detail };
    serde_json::to_vec(&problem).unwrap_or_default()
}
