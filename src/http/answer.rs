//! Makes answers that may be large: on a thread where that is allowed, compressed, and only if they are news.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::OwnedSemaphorePermit;

use super::Site;
use super::encoding::{accepts_gzip, gzip};
use super::router::Shared;

/// What a client waits before it asks again, while there is nothing to see.
const RETRY_SECONDS: &str = "5";

/// An answer before it is sent.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: Vec<u8>,
    /// Tells one version of a resource from another.
    pub(super) etag: Option<String>,
    /// Further headers.
    pub(super) headers: Vec<(HeaderName, &'static str)>,
}

impl Answer {
    pub(super) fn new(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, content_type, body, etag: None, headers: Vec::new() }
    }

    /// The same, with the tag of its content.
    pub(super) fn tagged(mut self, etag: String) -> Self {
        self.etag = Some(etag);
        self
    }

    /// The same, asking to be asked again soon.
    pub(super) fn and_retry(mut self) -> Self {
        self.headers.push((header::RETRY_AFTER, RETRY_SECONDS));
        self
    }
}

/// A weak tag of some content: answers with the same tag differ in the time at most.
pub(super) fn etag_of(content: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    format!("W/\"{:016x}\"", hasher.finish())
}

/// Makes an answer and sends it.
pub(super) async fn answer(
    shared: Shared,
    headers: HeaderMap,
    make: impl FnOnce(&dyn Site) -> Answer + Send + 'static,
) -> Response {
    let Ok(permit) = shared.looks.acquire_owned().await else {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    };
    let work = tokio::task::spawn_blocking(move || send(make(&*shared.site), &headers, permit));
    work.await.unwrap_or_else(|error| {
        tracing::error!(%error, "answer failed");
        (StatusCode::INTERNAL_SERVER_ERROR, "answer failed\n").into_response()
    })
}

/// The response to a client with these headers.
fn send(answer: Answer, headers: &HeaderMap, permit: OwnedSemaphorePermit) -> Response {
    let is_known = answer.etag.as_ref().is_some_and(|etag| knows(&all(headers, header::IF_NONE_MATCH), etag));
    let etag = answer.etag.as_ref().and_then(|etag| HeaderValue::try_from(etag).ok());
    let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { whole(answer, headers, permit) };
    let headers = response.headers_mut();
    headers.extend(etag.map(|etag| (header::ETAG, etag)));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

fn whole(answer: Answer, headers: &HeaderMap, permit: OwnedSemaphorePermit) -> Response {
    let accepts = accepts_gzip(&all(headers, header::ACCEPT_ENCODING));
    let zipped = if accepts { gzip(&answer.body).ok() } else { None };
    let encoding = zipped.is_some().then_some((header::CONTENT_ENCODING, "gzip"));
    let held = Held { body: zipped.unwrap_or(answer.body), _permit: permit };
    let mut response = (answer.status, Body::from(Bytes::from_owner(held))).into_response();
    let content_type = (header::CONTENT_TYPE, answer.content_type);
    for (name, value) in [content_type].into_iter().chain(encoding).chain(answer.headers) {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether an `If-None-Match` header names this tag (RFC 9110, section 13.1.2: weak comparison).
fn knows(if_none_match: &str, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    if_none_match.split(',').any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

/// Returns the list that all headers of one name make together.
pub(super) fn all(headers: &HeaderMap, name: HeaderName) -> String {
    let lists: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    lists.join(",")
}

/// A body that keeps its permit until it has been sent, so that slow clients cannot pile up bodies in memory.
pub(super) struct Held {
    pub(super) body: Vec<u8>,
    pub(super) _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.body
    }
}
