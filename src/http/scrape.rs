//! Handler of the metrics path.

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::backend::NotReady;
use super::body::{StreamingResponse, stream_response};
use super::compression::accepts_gzip;
use super::request::BackendRequest;
use super::response::joined_header;
use crate::metrics::exposition::ExpositionFormat;

/// Returns the metrics in the format and encoding that the client accepts.
pub(super) async fn scrape(BackendRequest { state, connection, headers, .. }: BackendRequest) -> Response {
    let format = ExpositionFormat::negotiate(&joined_header(&headers, header::ACCEPT));
    let gzip = accepts_gzip(&joined_header(&headers, header::ACCEPT_ENCODING));
    let backend = Arc::clone(&state.backend);
    let build = move || match backend.scrape(format) {
        Ok(write) => {
            let head = ([(header::CONTENT_TYPE, format.content_type())], ()).into_response();
            StreamingResponse { head, write: Some(write), gzip }
        }
        Err(NotReady(reason)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response().into(),
    };
    let mut response = stream_response(&state.scrape_slots, connection, build).await;
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}
