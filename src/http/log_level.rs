//! Changes the running program on request: how much it logs.

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::put;

use super::SetLogLevel;

/// More than the name of any level takes.
const BODY_BYTES: usize = 64;

pub(super) fn routes(set_log_level: SetLogLevel) -> Router {
    Router::new()
        .route("/-/log-level", put(log_level))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .with_state(set_log_level)
}

async fn log_level(State(set): State<SetLogLevel>, level: String) -> (StatusCode, String) {
    match set(level.trim()) {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}
