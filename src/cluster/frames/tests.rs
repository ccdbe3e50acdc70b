use proptest::prelude::*;

use super::*;

/// Frames, or how long they were where that was too much, and their beginning; and whether the stream may end there.
type Read = (Vec<Result<Vec<u8>, (usize, Vec<u8>)>>, bool);

/// Reads all frames of the chunks.
fn read(framing: Framing, chunks: &[&[u8]]) -> Result<Read, InvalidFrameLength> {
    let mut frames = FrameReader::new(framing);
    let mut read = Vec::new();
    for chunk in chunks {
        frames.push(Bytes::copy_from_slice(chunk));
        while let Some(frame) = frames.next_frame()? {
            read.push(match frame {
                Frame::Complete(bytes) => Ok(bytes.to_vec()),
                Frame::TooLarge { prefix: beginning, length } => Err((length, beginning.to_vec())),
            });
        }
    }
    Ok((read, frames.is_at_frame_boundary()))
}

fn delimited(frame: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(frame.len()).expect("it is short").to_be_bytes().to_vec();
    bytes.extend_from_slice(frame);
    bytes
}

fn line(frame: &[u8]) -> Vec<u8> {
    [frame, b"\n"].concat()
}

#[test]
fn lines_are_split_and_blank_lines_are_ignored() {
    let (read, between) = read(Framing::Lines, &[b"a\n\n \nbc", b"d", b"\nrest"]).expect("lines are never out of step");
    assert_eq!(read, [Ok(b"a".to_vec()), Ok(b"bcd".to_vec())]);
    assert!(!between);
}

#[test]
fn an_object_that_is_too_long_is_skipped_and_the_next_is_read() {
    let long: Vec<u8> = (0..=MAX_OBJECT_BYTES).map(|place| b'a' + (place % 23).to_le_bytes()[0]).collect();
    let skipped = || Err((MAX_OBJECT_BYTES + 1, long[..OVERSIZED_PREFIX_BYTES].to_vec()));
    for (framing, write) in
        [(Framing::Lines, line as fn(&[u8]) -> Vec<u8>), (Framing::LengthDelimited, delimited as fn(&[u8]) -> Vec<u8>)]
    {
        let stream = [write(b"a"), write(&long), write(b"b")].concat();
        for size in [stream.len(), 1_000_003, 65_536, 1000] {
            let chunks: Vec<&[u8]> = stream.chunks(size).collect();
            let (read, between) = read(framing, &chunks).expect("it is in step");
            assert_eq!(read, [Ok(b"a".to_vec()), skipped(), Ok(b"b".to_vec())]);
            assert!(between);
        }
    }
}

#[test]
fn the_longest_object_is_read() {
    let longest = vec![b'x'; MAX_OBJECT_BYTES];
    for (framing, stream) in [(Framing::Lines, line(&longest)), (Framing::LengthDelimited, delimited(&longest))] {
        let chunks: Vec<&[u8]> = stream.chunks(100_000).collect();
        assert_eq!(read(framing, &chunks).expect("it is in step").0, [Ok(longest.clone())]);
    }
}

#[test]
fn an_impossible_length_is_an_error() {
    assert!(read(Framing::LengthDelimited, &[b"{\"ty"]).is_err());
    assert!(read(Framing::LengthDelimited, &[&[0xff], &[0xff, 0xff], &[0xff]]).is_err());
}

proptest! {
    #[test]
    fn frames_do_not_depend_on_chunk_boundaries(
        bodies in prop::collection::vec(prop::collection::vec(b'a'..=b'z', 1..40), 0..12),
        cuts in prop::collection::vec(0_usize..600, 0..30),
    ) {
        for (framing, write) in
            [(Framing::Lines, line as fn(&[u8]) -> Vec<u8>), (Framing::LengthDelimited, delimited as fn(&[u8]) -> Vec<u8>)]
        {
            let stream: Vec<u8> = bodies.iter().flat_map(|body| write(body)).collect();
            let mut cuts: Vec<usize> = cuts.iter().copied().filter(|cut| *cut < stream.len()).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect();
            let (read, between) = read(framing, &chunks).expect("it is in step");
            prop_assert_eq!(read, bodies.iter().cloned().map(Ok).collect::<Vec<_>>());
            prop_assert!(between);
        }
    }

    #[test]
    fn arbitrary_bytes_do_not_panic(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..12)) {
        let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
        for framing in [Framing::Lines, Framing::LengthDelimited] {
            drop(read(framing, &chunks));
        }
    }
}
