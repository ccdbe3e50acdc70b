//! Streaming response bodies: written on a blocking thread, sent in chunks at the pace of the client.
//!
//! `axum::body::Body::from_stream` alone has no blocking writer and no limit on slow clients.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, mpsc as std_mpsc};
use std::thread;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use futures::stream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::backend::BodyWriter;
use super::compression::gzip_writer;
use super::connection::Connection;
use super::response_slots::{ResponseSlot, ResponseSlots};

/// Size of a chunk. A client must read one within `ServerLimits::stall_timeout`.
const CHUNK_BYTES: usize = 32 * 1024;
/// Maximum number of chunks queued for the client. Bounds the memory of a response.
const MAX_QUEUED_CHUNKS: usize = 4;

/// A response whose body has not been written yet.
pub(super) struct StreamingResponse {
    /// Status, headers, and the body if `write` is `None`.
    pub(super) head: Response,
    pub(super) write: Option<BodyWriter>,
    /// Whether to compress what `write` writes.
    pub(super) gzip: bool,
}

impl From<Response> for StreamingResponse {
    fn from(head: Response) -> Self {
        Self { head, write: None, gzip: false }
    }
}

/// Runs `build` on a blocking thread, and holds a slot until the body is sent.
///
/// Writing and compressing a large body takes tens of milliseconds. On the async runtime, it would delay the watch and the
/// health checks.
pub(super) async fn stream_response(
    slots: &Arc<ResponseSlots>,
    connection: Option<Arc<Connection>>,
    build: impl FnOnce() -> StreamingResponse + Send + 'static,
) -> Response {
    // The request timeout bounds this wait.
    let slot = Arc::new(slots.acquire(connection).await);
    let (head_sender, head_receiver) = oneshot::channel();
    let (chunk_sender, chunk_receiver) = mpsc::channel(MAX_QUEUED_CHUNKS);
    let writer_slot = Arc::clone(&slot);
    let writer = tokio::task::spawn_blocking(move || {
        let StreamingResponse { mut head, write, gzip } = build();
        if gzip && write.is_some() {
            head.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        // Sending fails if the client has disconnected.
        let (Ok(()), Some(write)) = (head_sender.send((head, write.is_some())), write) else { return Ok(()) };
        let chunks = ChunkWriter::new(chunk_sender, writer_slot);
        write(if gzip { Box::new(gzip_writer(chunks)) } else { Box::new(chunks) })
    });
    let Ok((mut response, is_streamed)) = head_receiver.await else {
        tracing::error!("response failed");
        return (StatusCode::INTERNAL_SERVER_ERROR, "response failed\n").into_response();
    };
    if is_streamed {
        *response.body_mut() = body_from_chunks(chunk_receiver, writer, slot);
    }
    response
}

/// Splits written bytes into chunks and sends them. Sends the last chunk when dropped.
struct ChunkWriter {
    sender: mpsc::Sender<Bytes>,
    slot: Arc<ResponseSlot>,
    buffer: Vec<u8>,
    /// Buffers to reuse. With musl, a new buffer costs 20 µs in system calls and page faults and a reused one less than
    /// 1 µs. The difference is 5 ms for a scrape of 8 MB.
    free_buffers: std_mpsc::Receiver<Vec<u8>>,
    pool: std_mpsc::Sender<Vec<u8>>,
}

impl ChunkWriter {
    fn new(sender: mpsc::Sender<Bytes>, slot: Arc<ResponseSlot>) -> Self {
        let (pool, free_buffers) = std_mpsc::channel();
        Self { sender, slot, buffer: Vec::with_capacity(CHUNK_BYTES), free_buffers, pool }
    }

    fn send(&mut self) -> io::Result<()> {
        let next = self.free_buffers.try_recv().unwrap_or_else(|_| Vec::with_capacity(CHUNK_BYTES));
        let buffer = mem::replace(&mut self.buffer, next);
        self.buffer.clear();
        let chunk = Bytes::from_owner(PooledChunk { buffer, pool: self.pool.clone() });
        self.slot.progress().on_chunk_ready();
        self.sender.blocking_send(chunk).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() >= CHUNK_BYTES {
            self.send()?;
        }
        let (fitting, _) = bytes.split_at(bytes.len().min(CHUNK_BYTES.saturating_sub(self.buffer.len())));
        self.buffer.extend_from_slice(fitting);
        Ok(fitting.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for ChunkWriter {
    fn drop(&mut self) {
        // After a panic, the client must not accept the body as complete.
        if !self.buffer.is_empty() && !thread::panicking() {
            // Sending fails if the client has disconnected.
            let _ = self.send();
        }
    }
}

/// A chunk whose buffer returns to the pool when it has been sent.
struct PooledChunk {
    buffer: Vec<u8>,
    pool: std_mpsc::Sender<Vec<u8>>,
}

impl AsRef<[u8]> for PooledChunk {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl Drop for PooledChunk {
    fn drop(&mut self) {
        // Sending fails if the writer has finished and dropped the pool.
        let _ = self.pool.send(mem::take(&mut self.buffer));
    }
}

/// Returns the body that `writer` sends in chunks. The body ends with an error if the writer fails, since clients accept
/// a body that ends normally as complete.
fn body_from_chunks(
    chunks: mpsc::Receiver<Bytes>,
    writer: JoinHandle<io::Result<()>>,
    slot: Arc<ResponseSlot>,
) -> Body {
    Body::from_stream(stream::unfold((chunks, Some(writer), slot), async |(mut chunks, writer, slot)| {
        if let Some(chunk) = chunks.recv().await {
            slot.progress().on_chunk_sent();
            return Some((Ok(chunk), (chunks, writer, slot)));
        }
        let error = writer?.await.map_err(io::Error::from).flatten().err()?;
        tracing::error!(%error, "response failed");
        Some((Err(error), (chunks, None, slot)))
    }))
}
