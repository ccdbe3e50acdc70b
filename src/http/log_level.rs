//! Handler of `PUT /-/log-level`.

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::put;

use super::config::SetLogLevel;

/// Maximum size of the body. The name of a level is shorter.
const MAX_BODY_BYTES: usize = 64;

pub(super) fn routes(set_log_level: SetLogLevel) -> Router {
    Router::new()
        .route("/-/log-level", put(log_level))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(set_log_level)
}

async fn log_level(State(set): State<SetLogLevel>, level: String) -> (StatusCode, String) {
    match set(level.trim()) {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")),
    }
}
