//! Whatever a stream holds and however it is cut into chunks, the frames are the same, and none is too long.
#![no_main]

use image_pull_exporter::cluster::frames::{Frame, Frames, Framing};
use libfuzzer_sys::fuzz_target;

fn read(framing: Framing, stream: &[u8], chunk: usize) -> Option<Vec<Frame>> {
    let (mut frames, mut read) = (Frames::new(framing), Vec::new());
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
        // Out of step sooner or later is the same.
        if let (Some(whole), Some(parts)) = (whole, parts) {
            assert_eq!(whole, parts);
        }
    }
});
