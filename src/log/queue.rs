//! Writes log lines on a separate thread, so that logging never blocks.
//!
//! An unread pipe is full after 64 KiB and then blocks writers forever. Lines are therefore queued, and dropped and
//! counted when the queue is full. Hand-written because tracing-appender bounds its queue by lines instead of bytes and
//! cannot write a last line from a panic hook.

use std::io::{self, Write};
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// Capacity of the queue in bytes. The writing thread may hold as much again.
const CAPACITY_BYTES: usize = 128 * 1024;

/// A bounded queue of log lines.
#[derive(Debug, Default)]
pub(super) struct LogQueue {
    state: Mutex<QueueState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct QueueState {
    lines: Vec<u8>,
    is_writing: bool,
    dropped: u64,
}

impl LogQueue {
    /// Starts the thread that writes to `out`. It calls `idle` after each successful write, and every `pause` while the
    /// queue is empty.
    pub(super) fn start(
        self: &Arc<Self>,
        out: impl Write + Send + 'static,
        pause: Duration,
        idle: impl FnMut() + Send + 'static,
    ) -> io::Result<()> {
        let queue = Arc::clone(self);
        thread::Builder::new().name("log".to_owned()).spawn(move || queue.run(out, pause, idle))?;
        Ok(())
    }

    fn run(&self, mut out: impl Write, pause: Duration, mut idle: impl FnMut()) {
        let mut lines = Vec::new();
        loop {
            let state = self.lock();
            let waited = self.changed.wait_timeout_while(state, pause, |state| state.lines.is_empty());
            let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            mem::swap(&mut state.lines, &mut lines);
            state.is_writing = true;
            drop(state);
            let written = out.write_all(&lines).and_then(|()| out.flush());
            let mut state = self.lock();
            if written.is_err() {
                state.dropped += memchr::memchr_iter(b'\n', &lines).count() as u64;
            }
            state.is_writing = false;
            drop(state);
            self.changed.notify_all();
            lines.clear();
            if written.is_ok() {
                idle();
            }
        }
    }

    /// Queues a line, or drops it when the queue is full.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.lines.len() + line.len() > CAPACITY_BYTES {
            state.dropped += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        drop(state);
        self.changed.notify_all();
    }

    /// Queues the last line of the process, even if the queue is full.
    pub(super) fn push_final(&self, line: &[u8]) {
        self.lock().lines.extend_from_slice(line);
        self.changed.notify_all();
    }

    /// Waits until all lines are written, for at most `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let is_busy = |state: &mut QueueState| state.is_writing || !state.lines.is_empty();
        // Lines not written by then are lost.
        drop(self.changed.wait_timeout_while(self.lock(), limit, is_busy));
    }

    /// Returns the number of lines dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Receives one line per write from the formatting layers.
#[derive(Clone, Debug)]
pub(super) struct QueueWriter(pub(super) Arc<LogQueue>);

impl Write for QueueWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for QueueWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests;
