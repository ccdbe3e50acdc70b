//! Writes length-delimited `io.prometheus.client.MetricFamily` messages.
//!
//! The fields are those of `metrics.proto` in prometheus-client 0.25.2. Gauges are encoded by hand, since a message object
//! per series needs 23 allocations. Counters and histograms are few, so prost encodes them.

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{
    Counter, Exemplar, LabelPair, Metric, MetricType,
};
use prost::Message;

use super::exemplar::{exemplar_fits, exemplar_label_pairs, exemplar_labels, proto_timestamp};
use super::family::{CounterSample, FamilyHeader, FamilyType};

/// Tags of fields: number and wire type (0 varint, 1 eight bytes, 2 length-delimited).
mod tag {
    pub(super) const FAMILY_NAME: u8 = 1 << 3 | 2;
    pub(super) const FAMILY_HELP: u8 = 2 << 3 | 2;
    pub(super) const FAMILY_TYPE: u8 = 3 << 3;
    pub(super) const FAMILY_METRIC: u8 = 4 << 3 | 2;
    pub(super) const FAMILY_UNIT: u8 = 5 << 3 | 2;
    pub(super) const METRIC_LABEL: u8 = 1 << 3 | 2;
    pub(super) const METRIC_GAUGE: u8 = 2 << 3 | 2;
    pub(super) const LABEL_NAME: u8 = 1 << 3 | 2;
    pub(super) const LABEL_VALUE: u8 = 2 << 3 | 2;
    pub(super) const GAUGE_VALUE: u8 = 1 << 3 | 1;
}

/// Length of the value of a gauge with its tag.
const GAUGE_LEN: u8 = 9;

#[derive(Debug, Default)]
pub(super) struct ProtobufWriter {
    /// The current family.
    open: Option<OpenFamily>,
}

#[derive(Debug)]
struct OpenFamily {
    /// Offset of the family in the buffer.
    start: usize,
    /// Offset of its first series.
    first_series: usize,
    /// The names of its labels.
    labels: &'static [&'static str],
}

impl ProtobufWriter {
    pub(super) fn begin_family(&mut self, out: &mut Vec<u8>, header: &FamilyHeader, labels: &'static [&'static str]) {
        self.close_family(out);
        let kind = match header.family_type {
            FamilyType::Gauge => MetricType::Gauge,
            FamilyType::Counter => MetricType::Counter,
            FamilyType::Histogram => MetricType::Histogram,
        };
        let start = out.len();
        write_string(out, tag::FAMILY_NAME, header.name);
        write_string(out, tag::FAMILY_HELP, header.help);
        out.push(tag::FAMILY_TYPE);
        write_varint(out, kind as usize);
        // Written before the series, so that the unit need not be kept. The order of fields is free.
        if let Some(unit) = header.unit_in_name() {
            write_string(out, tag::FAMILY_UNIT, unit);
        }
        self.open = Some(OpenFamily { start, first_series: out.len(), labels });
    }

    pub(super) fn write_gauge(&self, out: &mut Vec<u8>, labels: &[&str], value: f64) {
        let names = self.open.as_ref().map_or(&[][..], |open| open.labels);
        let labels = || names.iter().zip(labels);
        // Proto3 omits fields with their default value.
        let gauge_len = if value == 0.0 { 0 } else { GAUGE_LEN };
        let labels_len: usize = labels().map(|(name, text)| field_len(label_pair_len(name, text))).sum();
        out.push(tag::FAMILY_METRIC);
        write_varint(out, labels_len + field_len(usize::from(gauge_len)));
        for (name, text) in labels() {
            out.push(tag::METRIC_LABEL);
            write_varint(out, label_pair_len(name, text));
            write_string(out, tag::LABEL_NAME, name);
            write_string(out, tag::LABEL_VALUE, text);
        }
        out.extend_from_slice(&[tag::METRIC_GAUGE, gauge_len]);
        if gauge_len > 0 {
            out.push(tag::GAUGE_VALUE);
            out.extend_from_slice(&value.to_le_bytes());
        }
    }

    pub(super) fn write_counter(&self, out: &mut Vec<u8>, labels: &[&str], sample: &CounterSample<'_>) {
        let pair = |(name, value): (&str, &str)| LabelPair { name: name.to_owned(), value: value.to_owned() };
        let exemplar = sample.exemplar.map(|(namespace, pod, at)| Exemplar {
            label: exemplar_labels(namespace, pod).map(pair).to_vec(),
            value: 1.0,
            timestamp: Some(proto_timestamp(at)),
        });
        let start_timestamp = sample.start.map(proto_timestamp);
        let names = self.open.as_ref().map_or(&[][..], |open| open.labels);
        let metric = Metric {
            label: names.iter().copied().zip(labels.iter().copied()).map(pair).collect(),
            counter: Some(Counter { value: sample.value, exemplar, start_timestamp }),
            ..Metric::default()
        };
        Self::write_metric(out, &metric);
    }

    pub(super) fn write_metric(out: &mut Vec<u8>, metric: &Metric) {
        let trimmed = without_long_exemplars(metric);
        out.push(tag::FAMILY_METRIC);
        // Encoding fails only if the buffer is full, and a Vec grows.
        let _ = trimmed.as_ref().unwrap_or(metric).encode_length_delimited(out);
    }

    /// Inserts the length of the current family before it, or removes the family if it has no series.
    pub(super) fn close_family(&mut self, out: &mut Vec<u8>) {
        let Some(open) = self.open.take() else { return };
        if out.len() == open.first_series {
            out.truncate(open.start);
            return;
        }
        let mut length = Vec::with_capacity(10);
        write_varint(&mut length, out.len() - open.start);
        // This moves the family by a few bytes, which takes some milliseconds for 20 MB. A separate buffer would double the
        // memory.
        out.splice(open.start..open.start, length);
    }
}

/// Returns the metric without its exemplars that are too long. `None` if all are short enough.
fn without_long_exemplars(metric: &Metric) -> Option<Metric> {
    let counter = metric.counter.iter().filter_map(|counter| counter.exemplar.as_ref());
    let buckets = metric.histogram.iter().flat_map(|histogram| &histogram.bucket);
    let mut exemplars = counter.chain(buckets.filter_map(|bucket| bucket.exemplar.as_ref()));
    let fits = |exemplar: &Exemplar| exemplar_fits(exemplar_label_pairs(exemplar));
    if exemplars.all(fits) {
        return None;
    }
    let mut trimmed = metric.clone();
    if let Some(counter) = &mut trimmed.counter {
        counter.exemplar = counter.exemplar.take().filter(fits);
    }
    for bucket in trimmed.histogram.iter_mut().flat_map(|histogram| &mut histogram.bucket) {
        bucket.exemplar = bucket.exemplar.take().filter(fits);
    }
    Some(trimmed)
}

fn write_string(out: &mut Vec<u8>, tag: u8, text: &str) {
    out.push(tag);
    write_varint(out, text.len());
    out.extend_from_slice(text.as_bytes());
}

#[expect(clippy::cast_possible_truncation, reason = "masked to seven bits")]
fn write_varint(out: &mut Vec<u8>, mut value: usize) {
    while value > 0x7f {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Returns the encoded length of a length-delimited field: tag, length and content.
fn field_len(content: usize) -> usize {
    let mut length = 2 + content;
    let mut rest = content >> 7;
    while rest > 0 {
        length += 1;
        rest >>= 7;
    }
    length
}

fn label_pair_len(name: &str, value: &str) -> usize {
    field_len(name.len()) + field_len(value.len())
}
