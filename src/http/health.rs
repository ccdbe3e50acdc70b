//! Handlers of the health checks.

use axum::extract::State;
use axum::http::StatusCode;

use super::state::AppState;

/// Returns 200, or 503 if the process must be restarted. `/healthz` is an alias.
pub(super) async fn live(State(state): State<AppState>) -> (StatusCode, String) {
    health_response(state.backend.live().map(|()| String::new()))
}

/// Returns 200, or 503 if the process cannot be scraped. Missing parts are listed with status 200.
pub(super) async fn ready(State(state): State<AppState>) -> (StatusCode, String) {
    health_response(state.backend.ready().map(|missing| missing.concat()))
}

fn health_response(health: Result<String, String>) -> (StatusCode, String) {
    match health {
        Ok(details) => (StatusCode::OK, format!("ok\n{details}")),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}
