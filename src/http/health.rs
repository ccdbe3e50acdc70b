//! Answers the health checks of the kubelet.

use axum::extract::State;
use axum::http::StatusCode;

use super::router::AppState;

/// Answers whether the process should be restarted; `/healthz` is its older name.
pub(super) async fn live(State(shared): State<AppState>) -> (StatusCode, String) {
    health_response(shared.backend.live().map(|()| String::new()))
}

/// Answers whether the process should be scraped. A part that is missing is said and no reason against it.
pub(super) async fn ready(State(shared): State<AppState>) -> (StatusCode, String) {
    let missing = shared.backend.ready();
    health_response(missing.map(|missing| missing.concat()))
}

fn health_response(state: Result<String, String>) -> (StatusCode, String) {
    match state {
        Ok(details) => (StatusCode::OK, format!("ok\n{details}")),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}
