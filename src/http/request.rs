//! A request for data of the backend, and its response on a blocking thread.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use axum::response::Response;

use super::body::stream_response;
use super::connection::Connection;
use super::response::PendingResponse;
use super::state::AppState;

/// A request for a page or a JSON document.
pub(super) struct BackendRequest {
    pub(super) state: AppState,
    /// The connection of the request. `None` in tests that call the router without a server.
    pub(super) connection: Option<Arc<Connection>>,
    /// The query string, percent-encoded.
    pub(super) query: String,
    pub(super) headers: HeaderMap,
}

impl FromRequestParts<AppState> for BackendRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        Ok(Self {
            state: state.clone(),
            connection: parts.extensions.get().cloned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers.clone(),
        })
    }
}

impl BackendRequest {
    /// Waits for a page slot, then builds the response on a blocking thread.
    pub(super) async fn respond(self, build: impl FnOnce(&Self) -> PendingResponse + Send + 'static) -> Response {
        let (slots, connection) = (Arc::clone(&self.state.page_slots), self.connection.clone());
        stream_response(&slots, connection, move || build(&self).into_streaming(&self.headers)).await
    }
}
