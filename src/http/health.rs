//! Answers the health checks of the kubelet.

use axum::extract::State;
use axum::http::StatusCode;

use super::router::Shared;

/// Answers whether the process should be restarted; `/healthz` is its older name.
pub(super) async fn live(State(shared): State<Shared>) -> (StatusCode, String) {
    answer(shared.site.live())
}

/// Answers whether the process should be scraped.
pub(super) async fn ready(State(shared): State<Shared>) -> (StatusCode, String) {
    answer(shared.site.ready())
}

fn answer(state: Result<(), String>) -> (StatusCode, String) {
    match state {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}
