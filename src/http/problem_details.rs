//! Says what is wrong with a request in the form that RFC 9457 gives such answers.

use axum::http::StatusCode;
use serde::Serialize;

use super::response::PendingResponse;

#[derive(Serialize)]
struct ProblemDetails<'a> {
    /// The status says all there is to say.
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
}

pub(super) const CONTENT_TYPE: &str = "application/problem+json";

/// An answer that says what is wrong.
pub(super) fn problem_response(status: StatusCode, detail: &str) -> PendingResponse {
    PendingResponse::new(status, CONTENT_TYPE, problem_body(status, detail))
}

/// Its body.
pub(super) fn problem_body(status: StatusCode, detail: &str) -> Vec<u8> {
    let title = status.canonical_reason().unwrap_or_default();
    let problem = ProblemDetails { r#type: "about:blank", title, status: status.as_u16(), detail };
    serde_json::to_vec(&problem).unwrap_or_default()
}
