//! Responses with compression and conditional requests (ETag).

use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, Write};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::task::spawn_blocking;

use super::backend::BodyWriter;
use super::body::StreamingResponse;
use super::compression::{accepts_gzip, gzip_bytes};

/// Delay before a client should retry while no data is available.
const RETRY_AFTER_SECONDS: &str = "5";

/// A response, before the headers of the request are applied to it.
pub(super) struct PendingResponse {
    status: StatusCode,
    content_type: &'static str,
    content: ResponseContent,
    etag: Option<String>,
    headers: Vec<(HeaderName, &'static str)>,
}

enum ResponseContent {
    /// A small body in memory.
    Bytes(Vec<u8>),
    /// A body that is written while it is sent.
    Streamed(BodyWriter),
}

impl PendingResponse {
    /// Creates a response with a small body.
    pub(super) fn new(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, content_type, content: ResponseContent::Bytes(body), etag: None, headers: Vec::new() }
    }

    /// Creates a response whose body is written while it is sent. An error of `write` aborts the response.
    pub(super) fn streamed(
        content_type: &'static str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Self {
        let content = ResponseContent::Streamed(Box::new(move |mut sink| write(&mut *sink)));
        Self { status: StatusCode::OK, content_type, content, etag: None, headers: Vec::new() }
    }

    /// Sets the ETag.
    pub(super) fn with_etag(self, etag: String) -> Self {
        Self { etag: Some(etag), ..self }
    }

    /// Adds a header.
    pub(super) fn with_header(mut self, name: HeaderName, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Adds a Retry-After header.
    pub(super) fn with_retry_after(self) -> Self {
        self.with_header(header::RETRY_AFTER, RETRY_AFTER_SECONDS)
    }

    /// Returns the response to a request with these headers: status 304 if the client has the current version, compressed
    /// if the client accepts gzip.
    pub(super) fn into_streaming(self, request: &HeaderMap) -> StreamingResponse {
        let etag = self.etag.as_deref().and_then(|etag| HeaderValue::try_from(etag).ok());
        let if_none_match = joined_header(request, header::IF_NONE_MATCH);
        let is_current = self.etag.as_ref().is_some_and(|etag| matches_etag(&if_none_match, etag));
        let mut response =
            if is_current { StatusCode::NOT_MODIFIED.into_response().into() } else { self.full_response(request) };
        let headers = response.head.headers_mut();
        headers.extend(etag.map(|etag| (header::ETAG, etag)));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    fn full_response(self, request: &HeaderMap) -> StreamingResponse {
        let gzip = accepts_gzip(&joined_header(request, header::ACCEPT_ENCODING));
        let mut response = match self.content {
            ResponseContent::Streamed(write) => {
                StreamingResponse { head: ().into_response(), write: Some(write), gzip }
            }
            ResponseContent::Bytes(bytes) => match if gzip { gzip_bytes(&bytes).ok() } else { None } {
                Some(compressed) => ([(header::CONTENT_ENCODING, "gzip")], compressed).into_response().into(),
                None => bytes.into_response().into(),
            },
        };
        *response.head.status_mut() = self.status;
        for (name, value) in [(header::CONTENT_TYPE, self.content_type)].into_iter().chain(self.headers) {
            response.head.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Computes a weak ETag of the bytes written to it.
#[derive(Default)]
pub(super) struct EtagHasher(DefaultHasher);

impl EtagHasher {
    /// Returns the ETag.
    pub(super) fn finish(self) -> String {
        format!("W/\"{:016x}\"", self.0.finish())
    }
}

impl Write for EtagHasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Responds with a file that is compiled into the program.
pub(super) async fn static_file(headers: HeaderMap, content_type: &'static str, content: &'static [u8]) -> Response {
    let mut hasher = EtagHasher::default();
    hasher.0.write(content);
    let response = PendingResponse::new(StatusCode::OK, content_type, content.to_vec()).with_etag(hasher.finish());
    let compressed = spawn_blocking(move || response.into_streaming(&headers).head);
    compressed.await.unwrap_or_else(|error| {
        tracing::error!(%error, "response failed");
        (StatusCode::INTERNAL_SERVER_ERROR, "response failed\n").into_response()
    })
}

/// Returns whether an `If-None-Match` header contains an ETag, by weak comparison (RFC 9110, section 13.1.2).
fn matches_etag(if_none_match: &str, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    if_none_match.split(',').any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

/// Returns the values of all headers with this name, joined to one list.
pub(super) fn joined_header(headers: &HeaderMap, name: HeaderName) -> String {
    let values: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    values.join(",")
}
