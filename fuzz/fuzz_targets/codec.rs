//! Decoding arbitrary bytes never panics, in both encodings, with and without the protobuf envelope, partially and in full.
#![no_main]

use bytes::Bytes;
use image_pull_exporter::cluster::codec::{Encoding, WatchEvent};
use image_pull_exporter::cluster::event_object::EventObject;
use image_pull_exporter::cluster::pod_object::PodObject;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let enveloped = [b"k8s\0", input].concat();
    for bytes in [Bytes::copy_from_slice(input), enveloped.into()] {
        for encoding in [Encoding::Json, Encoding::Protobuf] {
            let _ = encoding.decode_event::<EventObject>(&bytes);
            if let Ok(WatchEvent::Object { object: Ok(pod), .. }) = encoding.decode_event::<PodObject>(&bytes) {
                let _ = pod.into_facts();
            }
            if let Ok(mut items) = encoding.decode_list(bytes.clone()) {
                while let Ok(Some(pod)) = items.next_object::<PodObject>() {
                    let _ = pod.map(|pod| pod.into_facts());
                }
            }
            let _: WatchEvent<PodObject> = encoding.decode_oversized_event(&bytes, bytes.len());
            let _ = Encoding::decode_status(Some(encoding), 500, &bytes);
        }
    }
});
