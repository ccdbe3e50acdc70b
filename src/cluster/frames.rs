//! Cuts the body of a watch into its events: lines of JSON, or protobuf behind four bytes of length.
//!
//! An event is handed out as a slice of the chunk it came in, and copied only where it spans chunks. One that is too long
//! is skipped without being held.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

/// No object is larger: etcd takes 1.5 MiB, and JSON is about twice as long as what is stored.
pub const MAX_OBJECT_BYTES: usize = 8 * 1024 * 1024;
/// A longer frame is none: the stream is out of step.
const MAX_FRAME_BYTES: usize = 256 * 1024 * 1024;
/// How much is kept of a frame that is skipped: its type and the object's name and uid come first in both encodings.
pub const OVERSIZED_PREFIX_BYTES: usize = 4096;
/// The length before each protobuf frame, in network order (apimachinery, pkg/util/framer/framer.go).
const LENGTH_PREFIX_BYTES: usize = 4;

/// How events follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Each ends with a newline.
    Lines,
    /// Each begins with its length.
    LengthDelimited,
}

/// One event of a watch.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame {
    /// All of it.
    Complete(Bytes),
    /// It is larger than [`MAX_OBJECT`] and is skipped.
    TooLarge {
        /// Its first [`BEGINNING`] bytes, which tell what it is.
        prefix: Bytes,
        /// Its length.
        length: usize,
    },
}

/// The stream is out of step: what follows cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {0} bytes")]
pub struct InvalidFrameLength(usize);

/// Takes chunks, gives frames.
#[derive(Debug)]
pub struct FrameReader {
    framing: Framing,
    /// What came last and is not used up.
    chunk: Bytes,
    /// The beginning of a frame whose end has yet to come.
    partial: BytesMut,
    /// The rest of a frame that is too long: how much is known to be left, and how long it is.
    skipping: Option<OversizedFrame>,
}

#[derive(Debug)]
struct OversizedFrame {
    prefix: BytesMut,
    remaining: usize,
    length: usize,
}

impl OversizedFrame {
    /// Keeps of the next part of the frame what belongs to its beginning.
    fn extend_prefix(&mut self, part: &[u8]) {
        let missing = OVERSIZED_PREFIX_BYTES.saturating_sub(self.prefix.len());
        self.prefix.extend_from_slice(part.get(..missing).unwrap_or(part));
    }

    fn into_frame(self) -> Frame {
        Frame::TooLarge { prefix: self.prefix.freeze(), length: self.length }
    }
}

impl FrameReader {
    /// Nothing has come yet.
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self { framing, chunk: Bytes::new(), partial: BytesMut::new(), skipping: None }
    }

    /// Takes the next chunk. Everything that the last one completed must have been taken out before.
    pub fn push(&mut self, chunk: Bytes) {
        self.chunk = chunk;
    }

    /// Returns the next frame, `None` when more bytes are needed.
    ///
    /// # Errors
    /// When what comes cannot be a frame.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, InvalidFrameLength> {
        match self.framing {
            Framing::Lines => Ok(self.next_line()),
            Framing::LengthDelimited => self.next_delimited(),
        }
    }

    /// Whether the stream may end here.
    #[must_use]
    pub fn is_at_frame_boundary(&self) -> bool {
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
            // Blank lines are no events.
            if !line.trim_ascii().is_empty() {
                return Some(Frame::Complete(line));
            }
        }
    }

    /// Keeps the beginning of a line, or how long it is where that is already too much.
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
            // Of the frame itself nothing is held yet.
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

    /// Whether `wanted` bytes are there, either all in the chunk or all in the partial frame.
    fn buffer_at_least(&mut self, wanted: usize) -> bool {
        if self.partial.is_empty() && self.chunk.len() >= wanted {
            return true;
        }
        let missing = wanted.saturating_sub(self.partial.len());
        let taken = self.chunk.split_to(missing.min(self.chunk.len()));
        self.partial.extend_from_slice(&taken);
        self.partial.len() >= wanted
    }

    /// The length that the next frame begins with; only after [`fill`](Self::fill) has found it.
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

    /// The frame that ends with `end`.
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
