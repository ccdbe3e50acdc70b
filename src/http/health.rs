//! Answers the health checks of the kubelet.

use axum::extract::State;
use axum::http::StatusCode;

use super::router::Shared;

/// Answers whether the process should be restarted; `/healthz` is its older name.
pub(super) async fn live(State(shared): State<Shared>) -> (StatusCode, String) {
    answer(shared.site.live().map(|()| String::new()))
}

/// Answers whether the process should be scraped. A part that is missing is said and no reason against it.
pub(super) async fn ready(State(shared): State<Shared>) -> (StatusCode, String) {
    let missing = shared.site.ready();
    answer(missing.map(|missing| missing.concat()))
}

fn answer(state: Result<String, String>) -> (StatusCode, String) {
    match state {
        Ok(details) => (StatusCode::OK, format!("ok\n{details}")),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}
