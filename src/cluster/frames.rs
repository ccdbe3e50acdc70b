//! Splits the body of a watch into frames, one per event: lines of JSON, or protobuf with a four-byte length prefix.
//!
//! A frame within one chunk is a slice of it; only frames that span chunks are copied. Oversized frames are skipped
//! without being buffered. Hand-written because the codecs of tokio-util copy every frame and fail on oversized ones.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

/// Maximum size of a decodable object. etcd limits objects to 1.5 MiB, and JSON is about twice as long.
pub const MAX_OBJECT_BYTES: usize = 8 * 1024 * 1024;
/// Maximum length prefix. A larger one means that the stream is corrupt.
const MAX_FRAME_BYTES: usize = 256 * 1024 * 1024;
/// Bytes kept of an oversized frame. In both encodings they contain the event type and the pod's name and uid.
pub const OVERSIZED_PREFIX_BYTES: usize = 4096;
/// Size of the length prefix of a protobuf frame, in network byte order (apimachinery, pkg/util/framer/framer.go).
const LENGTH_PREFIX_BYTES: usize = 4;

/// The delimiters of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Each frame ends with a newline.
    Lines,
    /// Each frame begins with its length.
    LengthDelimited,
}

/// The bytes of one watch event.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// A complete frame.
    Complete(Bytes),
    /// A skipped frame larger than [`MAX_OBJECT_BYTES`].
    TooLarge {
        /// Its first [`OVERSIZED_PREFIX_BYTES`] bytes.
        prefix: Bytes,
        /// Its length in bytes.
        length: usize,
    },
}

/// An impossible length prefix: the stream is corrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid frame length of {0} bytes")]
pub struct InvalidFrameLength(usize);

/// Splits chunks into frames.
#[derive(Debug)]
pub struct FrameReader {
    framing: Framing,
    /// The unread rest of the last chunk.
    chunk: Bytes,
    /// The beginning of a frame that continues in the next chunk.
    partial: BytesMut,
    /// The oversized frame that is being skipped.
    skipping: Option<OversizedFrame>,
}

#[derive(Debug)]
struct OversizedFrame {
    prefix: BytesMut,
    remaining: usize,
    length: usize,
}

impl OversizedFrame {
    /// Keeps the part of `part` that belongs to the first bytes of the frame.
    fn extend_prefix(&mut self, part: &[u8]) {
        let missing = OVERSIZED_PREFIX_BYTES.saturating_sub(self.prefix.len());
        self.prefix.extend_from_slice(part.get(..missing).unwrap_or(part));
    }

    fn into_frame(self) -> Frame {
        Frame::TooLarge { prefix: self.prefix.freeze(), length: self.length }
    }
}

impl FrameReader {
    /// Creates a reader at the start of a stream.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self { framing, chunk: Bytes::new(), partial: BytesMut::new(), skipping: None }
    }

    /// Adds a chunk. All frames of the previous chunk must have been read.
    pub fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
    }

    /// Returns the next frame; `None` if more data is needed.
    ///
    /// # Errors
    /// When the stream is corrupt.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, InvalidFrameLength> {
        match self.framing {
            Framing::Lines => Ok(self.next_line()),
            Framing::LengthDelimited => self.next_delimited(),
        }
    }

    /// Returns whether the stream may end here, between two frames.
    #[must_use]
    pub(crate) fn is_at_frame_boundary(&self) -> bool {
        self.partial.is_empty() && self.chunk.is_empty() && self.skipping.is_none()
    }

    fn next_line(&mut self) -> Option<Frame> {
        loop {
            let Some(end) = memchr(b'\n', &self.chunk) else {
                self.buffer_partial_line();
                return None;
            };
            let line = self.chunk.split_to(end);
            self.chunk.advance(1);
            if let Some(mut skip) = self.skipping.take() {
                skip.extend_prefix(&line);
                skip.length = skip.length.saturating_add(end);
                return Some(skip.into_frame());
            }
            let line = self.complete_frame(line);
            if line.len() > MAX_OBJECT_BYTES {
                let mut skip = OversizedFrame { prefix: BytesMut::new(), remaining: 0, length: line.len() };
                skip.extend_prefix(&line);
                return Some(skip.into_frame());
            }
            // Skip blank lines.
            if !line.trim_ascii().is_empty() {
                return Some(Frame::Complete(line));
            }
        }
    }

    /// Buffers an incomplete line, or counts its length once it is oversized.
    fn buffer_partial_line(&mut self) {
        let chunk = std::mem::take(&mut self.chunk);
        let length = self.partial.len().saturating_add(chunk.len());
        if let Some(skip) = &mut self.skipping {
            skip.extend_prefix(&chunk);
            skip.length = skip.length.saturating_add(chunk.len());
        } else if length > MAX_OBJECT_BYTES {
            let mut skip = OversizedFrame { prefix: BytesMut::new(), remaining: 0, length };
            skip.extend_prefix(&std::mem::take(&mut self.partial));
            skip.extend_prefix(&chunk);
            self.skipping = Some(skip);
        } else {
            self.partial.extend_from_slice(&chunk);
        }
    }

    fn next_delimited(&mut self) -> Result<Option<Frame>, InvalidFrameLength> {
        if let Some(mut skip) = self.skipping.take() {
            let part = self.chunk.split_to(skip.remaining.min(self.chunk.len()));
            skip.extend_prefix(&part);
            skip.remaining -= part.len();
            if skip.remaining > 0 {
                self.skipping = Some(skip);
                return Ok(None);
            }
            return Ok(Some(skip.into_frame()));
        }
        if !self.buffer_at_least(LENGTH_PREFIX_BYTES) {
            return Ok(None);
        }
        let length = self.peek_length();
        if length > MAX_FRAME_BYTES {
            return Err(InvalidFrameLength(length));
        }
        if length > MAX_OBJECT_BYTES {
            // No byte of the frame itself has been consumed.
            self.consume(LENGTH_PREFIX_BYTES);
            self.skipping = Some(OversizedFrame { prefix: BytesMut::new(), remaining: length, length });
            return self.next_delimited();
        }
        if !self.buffer_at_least(LENGTH_PREFIX_BYTES + length) {
            return Ok(None);
        }
        self.consume(LENGTH_PREFIX_BYTES);
        let frame = if self.partial.is_empty() {
            self.chunk.split_to(length)
        } else {
            std::mem::take(&mut self.partial).freeze()
        };
        Ok(Some(Frame::Complete(frame)))
    }

    /// Returns whether `wanted` bytes are available, all in the chunk or all in the partial frame.
    fn buffer_at_least(&mut self, wanted: usize) -> bool {
        if self.partial.is_empty() && self.chunk.len() >= wanted {
            return true;
        }
        let missing = wanted.saturating_sub(self.partial.len());
        let taken = self.chunk.split_to(missing.min(self.chunk.len()));
        self.partial.extend_from_slice(&taken);
        self.partial.len() >= wanted
    }

    /// Returns the length prefix. Call it only after [`buffer_at_least`](Self::buffer_at_least) returned true for its
    /// size.
    fn peek_length(&self) -> usize {
        let bytes: &[u8] = if self.partial.is_empty() { &self.chunk } else { &self.partial };
        let length = bytes.first_chunk::<LENGTH_PREFIX_BYTES>().map_or(0, |prefix| u32::from_be_bytes(*prefix));
        usize::try_from(length).unwrap_or(usize::MAX)
    }

    fn consume(&mut self, count: usize) {
        if self.partial.is_empty() {
            self.chunk.advance(count);
        } else {
            self.partial.advance(count);
        }
    }

    /// Returns the frame that ends with `end`.
    fn complete_frame(&mut self, end: Bytes) -> Bytes {
        if self.partial.is_empty() {
            return end;
        }
        self.partial.extend_from_slice(&end);
        std::mem::take(&mut self.partial).freeze()
    }
}

#[cfg(test)]
mod tests;
