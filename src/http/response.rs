//! Makes responses from what the site shows: compressed, and only where they are news.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, Write};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use tokio::task::spawn_blocking;

use super::body::{StreamingResponse, stream_response};
use super::compression::{accepts_gzip, gzip_bytes};
use super::connection::Connection;
use super::router::AppState;
use super::{Backend, BodyWriter};

/// What a client waits before it asks again, while there is nothing to see.
const RETRY_AFTER_SECONDS: &str = "5";

/// The connection that a request came on; `None` where the routes are called without a server.
pub(super) struct ClientConnection(pub(super) Option<Arc<Connection>>);

impl<S: Sync> FromRequestParts<S> for ClientConnection {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().cloned()))
    }
}

/// An answer before it is sent.
pub(super) struct PendingResponse {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) content: ResponseContent,
    /// Tells one version of a resource from another.
    pub(super) etag: Option<String>,
    /// Further headers.
    pub(super) headers: Vec<(HeaderName, &'static str)>,
}

/// What a body holds.
pub(super) enum ResponseContent {
    /// It is small, and there.
    Bytes(Vec<u8>),
    /// It is written while it is sent.
    Streamed(BodyWriter),
}

impl PendingResponse {
    pub(super) fn new(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, content_type, content: ResponseContent::Bytes(body), etag: None, headers: Vec::new() }
    }

    /// An answer that `write` writes while it is sent. An error that it returns breaks the body off.
    pub(super) fn streamed(
        content_type: &'static str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Self {
        let content = ResponseContent::Streamed(Box::new(move |mut sink| write(&mut *sink)));
        Self { status: StatusCode::OK, content_type, content, etag: None, headers: Vec::new() }
    }

    /// The same, with the tag of its content.
    pub(super) fn with_etag(mut self, etag: String) -> Self {
        self.etag = Some(etag);
        self
    }

    /// The same, asking to be asked again soon.
    pub(super) fn with_retry_after(mut self) -> Self {
        self.headers.push((header::RETRY_AFTER, RETRY_AFTER_SECONDS));
        self
    }

    /// Returns the response to a client with these headers.
    fn into_streaming(self, headers: &HeaderMap) -> StreamingResponse {
        let is_known =
            self.etag.as_ref().is_some_and(|etag| matches_etag(&joined_header(headers, header::IF_NONE_MATCH), etag));
        let etag = self.etag.as_ref().and_then(|etag| HeaderValue::try_from(etag).ok());
        let mut response =
            if is_known { StatusCode::NOT_MODIFIED.into_response().into() } else { self.full_response(headers) };
        let headers = response.head.headers_mut();
        headers.extend(etag.map(|etag| (header::ETAG, etag)));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    fn full_response(self, headers: &HeaderMap) -> StreamingResponse {
        let accepts = accepts_gzip(&joined_header(headers, header::ACCEPT_ENCODING));
        let mut response = match self.content {
            ResponseContent::Streamed(write) => {
                StreamingResponse { head: ().into_response(), write: Some(write), gzip: accepts }
            }
            ResponseContent::Bytes(bytes) => match if accepts { gzip_bytes(&bytes).ok() } else { None } {
                Some(zipped) => ([(header::CONTENT_ENCODING, "gzip")], zipped).into_response().into(),
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

/// Computes the weak tag of what is written: answers with the same tag differ in the time at most.
#[derive(Default)]
pub(super) struct EtagHasher(DefaultHasher);

impl EtagHasher {
    /// Returns the tag of some content.
    pub(super) fn etag_of(content: &[u8]) -> String {
        let mut tag = Self::default();
        tag.0.write(content);
        tag.finish()
    }

    /// Returns the tag.
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

/// Answers with what `make` makes of the site, however large.
pub(super) async fn respond_from_backend(
    shared: AppState,
    client: ClientConnection,
    headers: HeaderMap,
    make: impl FnOnce(&Arc<dyn Backend>) -> PendingResponse + Send + 'static,
) -> Response {
    let site = shared.backend;
    stream_response(&shared.page_slots, client.0, move || make(&site).into_streaming(&headers)).await
}

/// Answers with a file that comes with the program.
pub(super) async fn static_file(headers: HeaderMap, content_type: &'static str, content: &'static [u8]) -> Response {
    let answer =
        PendingResponse::new(StatusCode::OK, content_type, content.to_vec()).with_etag(EtagHasher::etag_of(content));
    let work = spawn_blocking(move || answer.into_streaming(&headers).head);
    work.await.unwrap_or_else(|error| {
        tracing::error!(%error, "response failed");
        (StatusCode::INTERNAL_SERVER_ERROR, "response failed\n").into_response()
    })
}

/// Whether an `If-None-Match` header names this tag (RFC 9110, section 13.1.2: weak comparison).
fn matches_etag(if_none_match: &str, etag: &str) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    if_none_match.split(',').any(|tag| tag.trim() == "*" || opaque(tag) == opaque(etag))
}

/// Returns the list that all headers of one name make together.
pub(super) fn joined_header(headers: &HeaderMap, name: HeaderName) -> String {
    let lists: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    lists.join(",")
}
