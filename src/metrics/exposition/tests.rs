use prometheus_client::encoding::prometheus_protobuf::encode;
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{
    Bucket, Counter, Exemplar, Histogram, LabelPair, Metric, MetricFamily,
};
use prometheus_client::metrics::exemplar::{CounterWithExemplar, HistogramWithExemplars};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram as ClientHistogram, NativeHistogramConfig};
use prometheus_client::registry::Registry;
use prost::Message;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use image_pull_model::time::Timestamp;

use super::{CounterSample, Exposition, ExpositionFormat, FamilyHeader, FamilyType};

type Labels = Vec<(&'static str, &'static str)>;

const WAITING: FamilyHeader = FamilyHeader {
    name: "kube_pod_container_status_waiting_reason",
    help: "[STABLE] Describes the reason the container is currently in waiting state.",
    family_type: FamilyType::Gauge,
    unit: None,
};
const SINCE: FamilyHeader = FamilyHeader {
    name: "image_pull_failing_since_timestamp_seconds",
    help: "A \"quoted\" word, a back\\slash,\na second line.",
    family_type: FamilyType::Gauge,
    unit: Some("seconds"),
};
const PODS: FamilyHeader = FamilyHeader {
    name: "image_pull_failing_pods",
    help: "Pods.",
    family_type: FamilyType::Gauge,
    unit: Some("seconds"),
};
const EMPTY: FamilyHeader =
    FamilyHeader { name: "image_pull_empty", help: "None.", family_type: FamilyType::Gauge, unit: None };
const ATTEMPTS: FamilyHeader = FamilyHeader {
    name: "image_pull_failed_attempts_total",
    help: "Attempts.",
    family_type: FamilyType::Counter,
    unit: None,
};
const BACKOFF: FamilyHeader = FamilyHeader {
    name: "image_pull_backoff_duration_seconds",
    help: "Back-off.",
    family_type: FamilyType::Histogram,
    unit: Some("seconds"),
};
const NATIVE: FamilyHeader = FamilyHeader {
    name: "image_pull_duration_seconds",
    help: "Pulls.",
    family_type: FamilyType::Histogram,
    unit: Some("seconds"),
};

/// Returns a body with everything that differs between the formats, and with hostile label values.
fn scrape(format: ExpositionFormat) -> String {
    String::from_utf8(scrape_bytes(format)).unwrap()
}

fn scrape_bytes(format: ExpositionFormat) -> Vec<u8> {
    let metrics = registered();
    let mut exposition = Exposition::new(format, 0);
    exposition.begin_family(&WAITING, &["namespace", "pod", "reason"]);
    let reasons = ["ErrImagePull", "", "a \"quote\"", "two\nlines", "back\\slash", "naïve 🐳 镜像\t"];
    for reason in reasons {
        exposition.write_gauge(&["shop", "web-0", reason], 1.0);
    }
    exposition.begin_family(&EMPTY, &["reason"]);
    exposition.begin_family(&SINCE, &["basis"]);
    for (basis, value) in [("observed", 1_795_468_969.127), ("event", 1_795_468_969.0), ("none", f64::NAN)] {
        exposition.write_gauge(&[basis], value);
    }
    exposition.begin_family(&PODS, &[]);
    exposition.write_gauge(&[], 0.0);
    for (header, name) in [(&ATTEMPTS, ATTEMPTS.name), (&BACKOFF, BACKOFF.name), (&NATIVE, NATIVE.name)] {
        exposition.begin_family(header, &[]);
        for metric in &metrics.iter().find(|family| family.name == name).unwrap().metric {
            exposition.write_metric(metric);
        }
    }
    exposition.finish()
}

/// Returns a counter with an exemplar, a classic histogram with exemplars and a native one, as encoded by prometheus-client.
fn registered() -> Vec<MetricFamily> {
    let time = UNIX_EPOCH + Duration::from_millis(1_795_468_969_127);
    let mut registry = Registry::default();

    let attempts = Family::<Labels, CounterWithExemplar<Labels>>::default();
    registry.register("image_pull_failed_attempts", "", attempts.clone());
    let pod: Labels = vec![("namespace", "shop"), ("pod", "web-0")];
    attempts.get_or_create(&vec![("registry", "docker.io")]).inc_by(3, Some(pod.clone()), Some(time));

    let backoff = Family::<Labels, HistogramWithExemplars<Labels>>::new_with_constructor(|| {
        HistogramWithExemplars::new([15.0, 600.0].into_iter())
    });
    registry.register("image_pull_backoff_duration_seconds", "", backoff.clone());
    let docker = backoff.get_or_create(&vec![("registry", "docker.io")]);
    docker.observe(12.5, Some(pod.clone()), Some(time));
    docker.observe(700.0, Some(pod), None);
    drop(docker);

    let native = ClientHistogram::new_classic_and_native([0.5, 100_000.0], NativeHistogramConfig::default());
    native.observe(0.25);
    native.observe(3.0);
    registry.register("image_pull_duration_seconds", "", native);
    encode(&registry).unwrap()
}

fn families(mut bytes: &[u8]) -> Vec<MetricFamily> {
    let mut families = Vec::new();
    while !bytes.is_empty() {
        families.push(MetricFamily::decode_length_delimited(&mut bytes).unwrap());
    }
    families
}

fn label(name: &str, value: &str) -> LabelPair {
    LabelPair { name: name.into(), value: value.into() }
}

#[test]
fn text_matches_the_golden_file() {
    assert_eq!(scrape(ExpositionFormat::Text), include_str!("tests/text.golden"));
}

#[test]
fn open_metrics_has_units_exemplars_and_eof() {
    assert_eq!(scrape(ExpositionFormat::OpenMetrics), include_str!("tests/open_metrics.golden"));
}

#[test]
fn protobuf_and_text_have_equal_samples() {
    let bytes = scrape_bytes(ExpositionFormat::Protobuf);
    let headers = [WAITING, SINCE, PODS, ATTEMPTS, BACKOFF, NATIVE];
    let families = families(&bytes);
    assert_eq!(families.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), headers.map(|h| h.name));

    let mut again = Exposition::new(ExpositionFormat::Text, 0);
    for (header, family) in headers.iter().zip(&families) {
        assert_eq!(family.help, header.help);
        again.begin_family(header, &[]);
        family.metric.iter().for_each(|metric| again.write_metric(metric));
    }
    let text = scrape(ExpositionFormat::Text);
    let without_the_empty_family = text.replace("# HELP image_pull_empty None.\n# TYPE image_pull_empty gauge\n", "");
    assert_eq!(String::from_utf8(again.finish()).unwrap(), without_the_empty_family);
}

#[test]
fn protobuf_has_types_units_exemplars_native_buckets_and_start() {
    let families = families(&scrape_bytes(ExpositionFormat::Protobuf));
    let types: Vec<(i32, &str)> = families.iter().map(|family| (family.r#type, family.unit.as_str())).collect();
    assert_eq!(types, [(1, ""), (1, "seconds"), (1, ""), (0, ""), (4, "seconds"), (4, "seconds")]);

    let exemplar = families[3].metric[0].counter.as_ref().unwrap().exemplar.as_ref().unwrap();
    assert_eq!(exemplar.label, [label("namespace", "shop"), label("pod", "web-0")]);
    let native = families[5].metric[0].histogram.as_ref().unwrap();
    assert_eq!((native.positive_span.is_empty(), native.start_timestamp.is_some()), (false, true));
}

#[test]
fn a_counter_is_written_as_its_message_is() {
    let families = registered();
    let mut message = families.iter().find(|family| family.name == ATTEMPTS.name).unwrap().metric[0].clone();
    // The exemplar of a counter is one event.
    message.counter.as_mut().unwrap().exemplar.as_mut().unwrap().value = 1.0;
    let time = Timestamp::from_unix_millis(1_795_468_969_127);
    let sample = CounterSample { value: 3.0, start: None, exemplar: Some(("shop", "web-0", time)) };
    for format in [ExpositionFormat::Text, ExpositionFormat::OpenMetrics, ExpositionFormat::Protobuf] {
        let mut direct = Exposition::new(format, 0);
        direct.begin_family(&ATTEMPTS, &["registry"]);
        direct.write_counter(&["docker.io"], &sample);
        let mut from_message = Exposition::new(format, 0);
        from_message.begin_family(&ATTEMPTS, &[]);
        from_message.write_metric(&message);
        let body = |exposition: Exposition| String::from_utf8_lossy(&exposition.finish()).into_owned();
        assert_eq!(body(direct), body(from_message), "{format:?}");
    }
}

#[test]
fn labels_of_every_length_are_encoded() {
    for length in [0, 1, 63, 64, 119, 120, 127, 128, 16_381, 16_384, 2_097_152] {
        let value = "x".repeat(length);
        let mut exposition = Exposition::new(ExpositionFormat::Protobuf, 0);
        exposition.begin_family(&WAITING, &["a", "reason"]);
        exposition.write_gauge(&["1", &value], 1.0);
        exposition.write_gauge(&[&value, ""], 0.0);
        let family = families(&exposition.finish()).remove(0);
        assert_eq!(family.metric[0].label, [label("a", "1"), label("reason", &value)], "length {length}");
        assert_eq!(family.metric[1].label, [label("a", &value), label("reason", "")], "length {length}");
        assert_eq!(family.metric[1].gauge.unwrap().value, 0.0);
    }
}

#[test]
fn exemplars_longer_than_128_characters_are_omitted() {
    let exemplar = |length: usize| Exemplar { label: vec![label("pod", &"é".repeat(length))], ..Exemplar::default() };
    for (length, kept) in [(125, true), (126, false)] {
        let counter = Counter { value: 1.0, exemplar: Some(exemplar(length)), start_timestamp: None };
        let bucket = Bucket {
            cumulative_count: 1,
            upper_bound: f64::INFINITY,
            exemplar: Some(exemplar(length)),
            ..Bucket::default()
        };
        let histogram = Histogram { sample_count: 1, bucket: vec![bucket], ..Histogram::default() };
        for (header, metric) in [
            (&ATTEMPTS, Metric { counter: Some(counter), ..Metric::default() }),
            (&BACKOFF, Metric { histogram: Some(histogram), ..Metric::default() }),
        ] {
            for format in [ExpositionFormat::OpenMetrics, ExpositionFormat::Protobuf] {
                let mut exposition = Exposition::new(format, 0);
                exposition.begin_family(header, &[]);
                exposition.write_metric(&metric);
                let body = String::from_utf8_lossy(&exposition.finish()).into_owned();
                assert_eq!(body.contains("éé"), kept, "{length} {format:?} {}", header.name);
                assert!(body.contains(header.open_metrics_name()));
            }
        }
    }
}

#[test]
fn a_body_without_families_is_valid() {
    let body = |format| Exposition::new(format, 0).finish();
    assert_eq!(body(ExpositionFormat::Text), b"");
    assert_eq!(body(ExpositionFormat::OpenMetrics), b"# EOF\n");
    assert_eq!(body(ExpositionFormat::Protobuf), b"");
}

/// A sink that records its chunks and fails after `max_chunks`.
#[derive(Clone, Default)]
struct RecordingSink {
    chunks: Arc<Mutex<Vec<Vec<u8>>>>,
    max_chunks: usize,
}

impl Write for RecordingSink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut chunks = self.chunks.lock().unwrap();
        if chunks.len() == self.max_chunks {
            return Err(std::io::ErrorKind::BrokenPipe.into());
        }
        chunks.push(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Writes many series of two families.
fn write_many(mut exposition: Exposition) -> Vec<u8> {
    for header in [&WAITING, &SINCE] {
        exposition.begin_family(header, &["pod", "reason"]);
        for number in 0..5000 {
            exposition.write_gauge(&[&format!("pod-{number}"), "ErrImagePull"], 1.0);
        }
    }
    exposition.finish()
}

#[test]
fn streamed_chunks_concatenate_to_the_whole_body() {
    for format in [ExpositionFormat::Text, ExpositionFormat::OpenMetrics, ExpositionFormat::Protobuf] {
        let shown = RecordingSink { max_chunks: usize::MAX, ..RecordingSink::default() };
        let rest = write_many(Exposition::streaming(format, Box::new(shown.clone())));
        assert_eq!(rest, b"");
        let chunks = shown.chunks.lock().unwrap();
        assert_eq!(chunks.concat(), write_many(Exposition::new(format, 0)));
        // A chunk exceeds 64 KiB by one series at most. A protobuf family is one chunk.
        let least = 64 * 1024;
        let most = if format == ExpositionFormat::Protobuf { 400 * 1024 } else { least + 1024 };
        let (last, others) = chunks.split_last().unwrap();
        assert!(!others.is_empty() && last.len() <= most, "{format:?}");
        assert!(others.iter().all(|chunk| (least..=most).contains(&chunk.len())), "{format:?}");
    }
}

#[test]
fn output_is_discarded_after_the_sink_fails() {
    let shown = RecordingSink { max_chunks: 2, ..RecordingSink::default() };
    assert_eq!(write_many(Exposition::streaming(ExpositionFormat::Text, Box::new(shown.clone()))), b"");
    assert_eq!(shown.chunks.lock().unwrap().len(), 2);
}
