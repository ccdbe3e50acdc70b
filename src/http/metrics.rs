//! Answers a scrape.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::answer::{Client, all};
use super::body::{Unwritten, respond};
use super::encoding::accepts_gzip;
use super::router::Shared;
use crate::metrics::exposition::Format;

/// Answers in the format, and compressed in the way, that the client asks for.
pub(super) async fn scrape(State(shared): State<Shared>, client: Client, headers: HeaderMap) -> Response {
    let format = Format::negotiate(&all(&headers, header::ACCEPT));
    let gzip = accepts_gzip(&all(&headers, header::ACCEPT_ENCODING));
    let site = shared.site;
    let make = move || match site.scrape(format) {
        Ok(write) => {
            let head = ([(header::CONTENT_TYPE, format.content_type())], ()).into_response();
            Unwritten { head, write: Some(write), gzip }
        }
        Err(super::NotReady(reason)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response().into(),
    };
    let mut response = respond(&shared.scrapes, client.0, make).await;
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}
