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
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// A writer that blocks until it is released and forwards what is written.
    struct GatedWriter {
        opened: Receiver<()>,
        written: Sender<Vec<u8>>,
    }

    impl Write for GatedWriter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.opened.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.written.send(bytes.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn start_queue() -> (Arc<LogQueue>, Sender<()>, Receiver<Vec<u8>>) {
        let (queue, (open, opened), (written, shown)) = (Arc::<LogQueue>::default(), channel(), channel());
        queue.start(GatedWriter { opened, written }, Duration::from_secs(3600), || {}).unwrap();
        (queue, open, shown)
    }

    #[test]
    fn a_blocked_output_blocks_no_caller_and_dropped_lines_are_counted() {
        let (queue, open, shown) = start_queue();
        let lines = 10_000;
        for number in 0..lines {
            queue.push(format!("line {number} {}\n", "x".repeat(100)).as_bytes());
        }
        assert!(queue.lock().lines.len() <= CAPACITY_BYTES);
        queue.flush(Duration::ZERO);
        (0..9).for_each(|_| open.send(()).unwrap());
        queue.flush(Duration::from_secs(60));
        let written: Vec<u8> = shown.try_iter().flatten().collect();
        let written = String::from_utf8(written).unwrap();
        assert!(written.starts_with("line 0 ") && written.ends_with("x\n"), "whole lines in order");
        assert_eq!(written.lines().count() as u64 + queue.dropped(), lines);
        assert!(queue.dropped() > 0);
    }

    #[test]
    fn the_final_line_is_written_when_the_queue_is_full() {
        let (queue, open, shown) = start_queue();
        (0..10_000).for_each(|_| queue.push(&[b'x'; 100]));
        queue.push_final(b"the end\n");
        (0..9).for_each(|_| open.send(()).unwrap());
        queue.flush(Duration::from_secs(60));
        assert!(shown.try_iter().flatten().collect::<Vec<u8>>().ends_with(b"the end\n"));
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let (queue, open, _) = start_queue();
        drop(open);
        queue.push(b"one\ntwo\n");
        queue.flush(Duration::from_secs(60));
        assert_eq!(queue.dropped(), 2);
    }
}
