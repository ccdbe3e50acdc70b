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

use super::body::{Unwritten, respond};
use super::connection::Connection;
use super::encoding::{accepts_gzip, gzip};
use super::router::Shared;
use super::{Site, WriteBody};

/// What a client waits before it asks again, while there is nothing to see.
const RETRY_SECONDS: &str = "5";

/// The connection that a request came on; `None` where the routes are called without a server.
pub(super) struct Client(pub(super) Option<Arc<Connection>>);

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get().cloned()))
    }
}

/// An answer before it is sent.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) content: Content,
    /// Tells one version of a resource from another.
    pub(super) etag: Option<String>,
    /// Further headers.
    pub(super) headers: Vec<(HeaderName, &'static str)>,
}

/// What a body holds.
pub(super) enum Content {
    /// It is small, and there.
    Bytes(Vec<u8>),
    /// It is written while it is sent.
    Written(WriteBody),
}

impl Answer {
    pub(super) fn new(status: StatusCode, content_type: &'static str, body: Vec<u8>) -> Self {
        Self { status, content_type, content: Content::Bytes(body), etag: None, headers: Vec::new() }
    }

    /// An answer that `write` writes while it is sent. An error that it returns breaks the body off.
    pub(super) fn written(
        content_type: &'static str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
    ) -> Self {
        let content = Content::Written(Box::new(move |mut sink| write(&mut *sink)));
        Self { status: StatusCode::OK, content_type, content, etag: None, headers: Vec::new() }
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

    /// Returns the response to a client with these headers.
    fn respond(self, headers: &HeaderMap) -> Unwritten {
        let is_known = self.etag.as_ref().is_some_and(|etag| knows(&all(headers, header::IF_NONE_MATCH), etag));
        let etag = self.etag.as_ref().and_then(|etag| HeaderValue::try_from(etag).ok());
        let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response().into() } else { self.whole(headers) };
        let headers = response.head.headers_mut();
        headers.extend(etag.map(|etag| (header::ETAG, etag)));
        headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        response
    }

    fn whole(self, headers: &HeaderMap) -> Unwritten {
        let accepts = accepts_gzip(&all(headers, header::ACCEPT_ENCODING));
        let mut response = match self.content {
            Content::Written(write) => Unwritten { head: ().into_response(), write: Some(write), gzip: accepts },
            Content::Bytes(bytes) => match if accepts { gzip(&bytes).ok() } else { None } {
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
pub(super) struct Tag(DefaultHasher);

impl Tag {
    /// Returns the tag of some content.
    pub(super) fn of(content: &[u8]) -> String {
        let mut tag = Self::default();
        tag.0.write(content);
        tag.finish()
    }

    /// Returns the tag.
    pub(super) fn finish(self) -> String {
        format!("W/\"{:016x}\"", self.0.finish())
    }
}

impl Write for Tag {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Answers with what `make` makes of the site, however large.
pub(super) async fn answer(
    shared: Shared,
    client: Client,
    headers: HeaderMap,
    make: impl FnOnce(&Arc<dyn Site>) -> Answer + Send + 'static,
) -> Response {
    let site = shared.site;
    respond(&shared.looks, client.0, move || make(&site).respond(&headers)).await
}

/// Answers with a file that comes with the program.
pub(super) async fn file(headers: HeaderMap, content_type: &'static str, content: &'static [u8]) -> Response {
    let answer = Answer::new(StatusCode::OK, content_type, content.to_vec()).tagged(Tag::of(content));
    let work = spawn_blocking(move || answer.respond(&headers).head);
    work.await.unwrap_or_else(|error| {
        tracing::error!(%error, "response failed");
        (StatusCode::INTERNAL_SERVER_ERROR, "response failed\n").into_response()
    })
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
