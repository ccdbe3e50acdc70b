//! Answers a scrape.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::body::{StreamingResponse, stream_response};
use super::compression::accepts_gzip;
use super::response::{ClientConnection, joined_header};
use super::router::AppState;
use crate::metrics::exposition::ExpositionFormat;

/// Answers in the format, and compressed in the way, that the client asks for.
pub(super) async fn scrape(State(shared): State<AppState>, client: ClientConnection, headers: HeaderMap) -> Response {
    let format = ExpositionFormat::negotiate(&joined_header(&headers, header::ACCEPT));
    let gzip = accepts_gzip(&joined_header(&headers, header::ACCEPT_ENCODING));
    let site = shared.backend;
    let make = move || match site.scrape(format) {
        Ok(write) => {
            let head = ([(header::CONTENT_TYPE, format.content_type())], ()).into_response();
            StreamingResponse { head, write: Some(write), gzip }
        }
        Err(super::NotReady(reason)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response().into(),
    };
    let mut response = stream_response(&shared.scrape_slots, client.0, make).await;
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}
