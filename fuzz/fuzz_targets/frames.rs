//! Frames do not depend on how a stream is split into chunks, and none exceeds the limit.
#![no_main]

use image_pull_exporter::cluster::frames::{Frame, FrameReader, Framing};
use libfuzzer_sys::fuzz_target;

fn read(framing: Framing, stream: &[u8], chunk: usize) -> Option<Vec<Frame>> {
    let (mut frames, mut read) = (FrameReader::new(framing), Vec::new());
    for chunk in stream.chunks(chunk) {
        frames.push(chunk.to_vec().into());
        while let Some(frame) = frames.next_frame().ok()? {
            read.push(frame);
        }
    }
    Some(read)
}

fuzz_target!(|input: (u8, &[u8])| {
    let (chunk, stream) = input;
    for framing in [Framing::Lines, Framing::LengthDelimited] {
        let whole = read(framing, stream, stream.len().max(1));
        let parts = read(framing, stream, usize::from(chunk).max(1));
        // An invalid length may be detected earlier or later.
        if let (Some(whole), Some(parts)) = (whole, parts) {
            assert_eq!(whole, parts);
        }
    }
});
