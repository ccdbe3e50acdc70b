//! Writes a body on a thread of its own and sends it in chunks, at the pace of the client.

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

use super::BodyWriter;
use super::compression::gzip_writer;
use super::connection::Connection;
use super::response_slots::{ResponseSlot, ResponseSlots};

/// The size of a chunk. A client has to take one in each [`Limits::stall`](super::Limits::stall).
const CHUNK_BYTES: usize = 32 * 1024;
/// How many chunks may wait for the client, so that slow clients cannot pile up bodies in memory.
const MAX_QUEUED_CHUNKS: usize = 4;

/// A response whose body is not yet written.
pub(super) struct StreamingResponse {
    /// Everything but the body.
    pub(super) head: Response,
    /// Writes the body; `None` where `head` has it.
    pub(super) write: Option<BodyWriter>,
    /// Whether to compress what is written.
    pub(super) gzip: bool,
}

impl From<Response> for StreamingResponse {
    fn from(head: Response) -> Self {
        Self { head, write: None, gzip: false }
    }
}

/// Runs `make` on a blocking thread, with a slot for as long as it takes to write and to send the body.
///
/// Writing a large body takes tens of milliseconds, and compressing it more. On the thread that all else shares, that
/// would hold up the watch of the cluster and the health checks.
pub(super) async fn stream_response(
    slots: &Arc<ResponseSlots>,
    connection: Option<Arc<Connection>>,
    make: impl FnOnce() -> StreamingResponse + Send + 'static,
) -> Response {
    // A short wait serves a client better than an error; the time limit of the request bounds it.
    let slot = Arc::new(slots.acquire(connection).await);
    let (begun, begins) = oneshot::channel();
    let (chunks, taken) = mpsc::channel(MAX_QUEUED_CHUNKS);
    let writers = Arc::clone(&slot);
    let work = tokio::task::spawn_blocking(move || {
        let StreamingResponse { mut head, write, gzip } = make();
        if gzip && write.is_some() {
            head.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        // An error means that the client has gone.
        let (Ok(()), Some(write)) = (begun.send((head, write.is_some())), write) else { return Ok(()) };
        let chunks = ChunkWriter::new(chunks, writers);
        write(if gzip { Box::new(gzip_writer(chunks)) } else { Box::new(chunks) })
    });
    let Ok((mut response, is_streamed)) = begins.await else {
        tracing::error!("response failed");
        return (StatusCode::INTERNAL_SERVER_ERROR, "response failed\n").into_response();
    };
    if is_streamed {
        *response.body_mut() = body_from_chunks(taken, work, slot);
    }
    response
}

/// Collects what is written into chunks and sends them; dropping it sends the last.
struct ChunkWriter {
    reader: mpsc::Sender<Bytes>,
    slot: Arc<ResponseSlot>,
    buffer: Vec<u8>,
    /// Buffers that were sent. Musl gives memory of this size back to the kernel at once, and new pages for each chunk
    /// cost more than what is written into them.
    sent: std_mpsc::Receiver<Vec<u8>>,
    pool: std_mpsc::Sender<Vec<u8>>,
}

impl ChunkWriter {
    fn new(reader: mpsc::Sender<Bytes>, slot: Arc<ResponseSlot>) -> Self {
        let (pool, sent) = std_mpsc::channel();
        Self { reader, slot, buffer: Vec::with_capacity(CHUNK_BYTES), sent, pool }
    }

    fn send(&mut self) -> io::Result<()> {
        let next = self.sent.try_recv().unwrap_or_else(|_| Vec::with_capacity(CHUNK_BYTES));
        let buffer = mem::replace(&mut self.buffer, next);
        self.buffer.clear();
        let chunk = Bytes::from_owner(PooledChunk { buffer, pool: self.pool.clone() });
        self.slot.progress().on_chunk_ready();
        self.reader.blocking_send(chunk).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() >= CHUNK_BYTES {
            self.send()?;
        }
        let (now, _) = bytes.split_at(bytes.len().min(CHUNK_BYTES.saturating_sub(self.buffer.len())));
        self.buffer.extend_from_slice(now);
        Ok(now.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for ChunkWriter {
    fn drop(&mut self) {
        // What a panic has cut off is not to be taken for a whole.
        if !self.buffer.is_empty() && !thread::panicking() {
            // An error means that the client has gone.
            let _ = self.send();
        }
    }
}

/// A buffer that returns to the pool when it has been sent.
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
        // The pool is gone once everything is written.
        let _ = self.pool.send(mem::take(&mut self.buffer));
    }
}

/// The body that `work` writes. It breaks off where the work did: a body that merely ends would pass for a whole one.
fn body_from_chunks(chunks: mpsc::Receiver<Bytes>, work: JoinHandle<io::Result<()>>, slot: Arc<ResponseSlot>) -> Body {
    Body::from_stream(stream::unfold((chunks, Some(work), slot), async |(mut chunks, work, slot)| {
        if let Some(chunk) = chunks.recv().await {
            slot.progress().on_chunk_sent();
            return Some((Ok(chunk), (chunks, work, slot)));
        }
        let error = work?.await.map_err(io::Error::from).flatten().err()?;
        tracing::error!(%error, "response failed");
        Some((Err(error), (chunks, None, slot)))
    }))
}
