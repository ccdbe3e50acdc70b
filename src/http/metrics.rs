//! Answers a scrape.

use std::io::{self, Write};
use std::mem;
use std::sync::mpsc as std_mpsc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::answer::all;
use super::encoding::{accepts_gzip, zipped};
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
    let (begun, begins) = oneshot::channel();
    let (chunks, taken) = mpsc::channel(CHUNKS_AHEAD);
    // 100,000 series take tens of milliseconds to write and more to compress. On the thread that all
    // else shares, that would hold up the watch of the cluster and the health checks.
    let work = tokio::task::spawn_blocking(move || {
        let _permit = permit;
        let scrape = shared.site.scrape(format);
        let (scrape, said) = scrape.map_or_else(|why| (None, Err(why)), |scrape| (Some(scrape), Ok(())));
        // An error means that the client has gone.
        if let (Ok(()), Some(scrape)) = (begun.send(said), scrape) {
            let chunks = Chunks::new(chunks);
            scrape(if compress { Box::new(zipped(chunks)) } else { Box::new(chunks) });
        }
    });
    match begins.await {
        Ok(Ok(())) => {}
        Ok(Err(super::NotReady(reason))) => {
            return (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response();
        }
        Err(_) => {
            tracing::error!("scrape failed");
            return (StatusCode::INTERNAL_SERVER_ERROR, "scrape failed\n").into_response();
        }
    }
    let mut response = Response::new(body(taken, work));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    if compress {
        response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// How many chunks may wait for the client to read on, so that slow clients cannot pile up bodies in memory.
const CHUNKS_AHEAD: usize = 4;

/// Sends what is written to whoever reads the body, at their pace.
struct Chunks {
    reader: mpsc::Sender<Bytes>,
    /// The buffers that come back when they are sent. Musl gives memory of this size back to the kernel at once, and new
    /// pages for each chunk cost more than what is written into them.
    sent: std_mpsc::Receiver<Vec<u8>>,
    home: std_mpsc::Sender<Vec<u8>>,
}

impl Chunks {
    fn new(reader: mpsc::Sender<Bytes>) -> Self {
        let (home, sent) = std_mpsc::channel();
        Self { reader, sent, home }
    }
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffer = self.sent.try_recv().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(bytes);
        let chunk = Bytes::from_owner(Chunk { buffer, home: self.home.clone() });
        let taken = self.reader.blocking_send(chunk);
        taken.map(|()| bytes.len()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A buffer that goes home when it has been sent.
struct Chunk {
    buffer: Vec<u8>,
    home: std_mpsc::Sender<Vec<u8>>,
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // Nobody is at home once everything is written.
        let _ = self.home.send(mem::take(&mut self.buffer));
    }
}

/// The body that `work` writes. It breaks off where the work did: a body that merely ends would pass for a whole one.
fn body(chunks: mpsc::Receiver<Bytes>, work: JoinHandle<()>) -> Body {
    Body::from_stream(stream::unfold((chunks, Some(work)), async |(mut chunks, work)| {
        if let Some(chunk) = chunks.recv().await {
            return Some((Ok(chunk), (chunks, work)));
        }
        let error = work?.await.err()?;
        tracing::error!(%error, "scrape failed");
        Some((Err(error), (chunks, None)))
    }))
}
