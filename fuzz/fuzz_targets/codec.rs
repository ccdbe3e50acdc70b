//! No bytes from an API server do harm, in either encoding, bare or in the envelope of protobuf.
#![no_main]

use bytes::Bytes;
use image_pull_exporter::cluster::codec::Encoding;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let enveloped = [b"k8s\0", input].concat();
    for bytes in [Bytes::copy_from_slice(input), enveloped.into()] {
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let _ = encoding.word(&bytes);
            let _ = encoding.page(&bytes, drop);
            let _ = Encoding::status(Some(encoding), 500, &bytes);
        }
    }
});
