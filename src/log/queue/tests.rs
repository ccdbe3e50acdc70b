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
