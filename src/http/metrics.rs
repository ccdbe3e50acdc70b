//! Answers a scrape.

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::answer::{Held, all};
use super::encoding::{accepts_gzip, gzip};
use super::router::Shared;
use crate::metrics::exposition::Format;

/// Answers in the format, and compressed in the way, that the client asks for.
pub(super) async fn scrape(State(shared): State<Shared>, headers: HeaderMap) -> Response {
    let mut response = answer(shared, &headers).await;
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    response
}

async fn answer(shared: Shared, headers: &HeaderMap) -> Response {
    let format = Format::negotiate(&all(headers, header::ACCEPT));
    let compress = accepts_gzip(&all(headers, header::ACCEPT_ENCODING));
    // A client that need not wait long for its turn is better served so than by an error; the time limit of the request
    // bounds the wait.
    let Ok(permit) = shared.scrapes.acquire_owned().await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    };
    // 100,000 series take tens of milliseconds to write and more to compress. On a worker thread that would hold up the
    // watch of the cluster and the health checks, of which there may be two threads for all.
    let work = tokio::task::spawn_blocking(move || {
        let body = shared.site.scrape(format)?;
        let zipped = if compress { gzip(&body).ok() } else { None };
        let compressed = zipped.is_some();
        Ok((Held { body: zipped.unwrap_or(body), _permit: permit }, compressed))
    });
    let (held, compressed) = match work.await {
        Ok(Ok(done)) => done,
        Ok(Err(super::NotReady(reason))) => {
            return (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response();
        }
        Err(error) => {
            tracing::error!(%error, "scrape failed");
            return (StatusCode::INTERNAL_SERVER_ERROR, "scrape failed\n").into_response();
        }
    };
    let mut response = Response::new(Body::from(Bytes::from_owner(held)));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    if compressed {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
