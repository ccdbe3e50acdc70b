//! Writes the two text formats: Prometheus 0.0.4 and OpenMetrics 1.0.0.

use std::io::Write as _;
use std::mem;

use memchr::{memchr2, memchr3};
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{
    Bucket, Counter, Exemplar, Histogram, LabelPair, Metric,
};
use prost_types::Timestamp as ProtoTimestamp;

use super::exemplar::{exemplar_fits, exemplar_label_pairs, exemplar_labels, proto_timestamp};
use super::family::{CounterSample, FamilyHeader, FamilyType};

#[cfg(test)]
mod tests;

/// Smaller integers are exact in an f64.
const EXACT_INTEGER_LIMIT: f64 = 9_007_199_254_740_992.0;

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Classic,
    OpenMetrics,
}

#[derive(Debug)]
pub(super) struct TextWriter {
    dialect: Dialect,
    /// The name of the samples of the current family.
    name: &'static str,
    /// The constant parts of its lines: the text before, between and after the label values.
    template: Vec<String>,
}

impl TextWriter {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self { dialect, name: "", template: Vec::new() }
    }

    pub(super) fn begin_family(&mut self, out: &mut Vec<u8>, header: &FamilyHeader, labels: &[&str]) {
        self.name = header.name;
        self.template = line_template(header.name, labels);
        let name = match self.dialect {
            Dialect::Classic => header.name,
            Dialect::OpenMetrics => header.open_metrics_name(),
        };
        let kind = match header.family_type {
            FamilyType::Gauge => "gauge",
            FamilyType::Counter => "counter",
            FamilyType::Histogram => "histogram",
        };
        push_all(out, &["# HELP ", name, " "]);
        // Quotes in help texts are escaped in OpenMetrics only.
        write_escaped(out, header.help, self.dialect == Dialect::OpenMetrics);
        push_all(out, &["\n# TYPE ", name, " ", kind, "\n"]);
        if self.dialect == Dialect::OpenMetrics
            && let Some(unit) = header.unit_in_name()
        {
            push_all(out, &["# UNIT ", name, " ", unit, "\n"]);
        }
    }

    pub(super) fn write_gauge(&self, out: &mut Vec<u8>, labels: &[&str], value: f64) {
        self.write_templated_sample(out, labels, value);
        out.push(b'\n');
    }

    pub(super) fn write_counter(&self, out: &mut Vec<u8>, labels: &[&str], sample: &CounterSample<'_>) {
        self.write_templated_sample(out, labels, sample.value);
        if let Some((namespace, pod, at)) = sample.exemplar {
            self.write_exemplar(out, exemplar_labels(namespace, pod).into_iter(), 1.0, Some(&proto_timestamp(at)));
        }
        out.push(b'\n');
    }

    /// Writes a sample from the template, without a line feed.
    fn write_templated_sample(&self, out: &mut Vec<u8>, labels: &[&str], value: f64) {
        let mut labels = labels.iter();
        for text in &self.template {
            out.extend_from_slice(text.as_bytes());
            if let Some(label) = labels.next() {
                write_escaped(out, label, true);
            }
        }
        write_value(out, value);
    }

    pub(super) fn write_metric(&self, out: &mut Vec<u8>, metric: &Metric) {
        let labels = &metric.label;
        if let Some(counter) = &metric.counter {
            self.write_counter_metric(out, labels, counter);
        } else if let Some(histogram) = &metric.histogram {
            self.write_histogram(out, labels, histogram);
        } else if let Some(gauge) = &metric.gauge {
            self.write_sample(out, "", label_pairs(labels), gauge.value);
            out.push(b'\n');
        }
    }

    pub(super) fn finish(&self, out: &mut Vec<u8>) {
        if self.dialect == Dialect::OpenMetrics {
            push_all(out, &["# EOF\n"]);
        }
    }

    fn write_counter_metric(&self, out: &mut Vec<u8>, labels: &[LabelPair], counter: &Counter) {
        self.write_sample(out, "", label_pairs(labels), counter.value);
        self.write_exemplar_message(out, counter.exemplar.as_ref());
        out.push(b'\n');
    }

    fn write_histogram(&self, out: &mut Vec<u8>, labels: &[LabelPair], histogram: &Histogram) {
        let mut le = Vec::with_capacity(24);
        for bucket in &histogram.bucket {
            self.write_bucket(out, labels, bucket, &mut le);
        }
        // Both formats require the last bucket, which a histogram with only native buckets does not have.
        if histogram.bucket.last().is_none_or(|bucket| bucket.upper_bound != f64::INFINITY) {
            let all =
                Bucket { cumulative_count: histogram.sample_count, upper_bound: f64::INFINITY, ..Bucket::default() };
            self.write_bucket(out, labels, &all, &mut le);
        }
        self.write_sample(out, "_sum", label_pairs(labels), histogram.sample_sum);
        out.push(b'\n');
        self.write_sample(out, "_count", label_pairs(labels), histogram.sample_count as f64);
        out.push(b'\n');
    }

    /// Writes one bucket. `le` is a scratch buffer.
    fn write_bucket(&self, out: &mut Vec<u8>, labels: &[LabelPair], bucket: &Bucket, le: &mut Vec<u8>) {
        le.clear();
        write_bound(le, bucket.upper_bound);
        let le = str::from_utf8(le).unwrap_or_default();
        let labels = label_pairs(labels).chain([("le", le)]);
        self.write_sample(out, "_bucket", labels, bucket.cumulative_count as f64);
        self.write_exemplar_message(out, bucket.exemplar.as_ref());
        out.push(b'\n');
    }

    /// Writes a sample without a line feed.
    #[inline]
    fn write_sample<'a>(
        &self,
        out: &mut Vec<u8>,
        suffix: &str,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        value: f64,
    ) {
        push_all(out, &[self.name, suffix]);
        let mut opening = b'{';
        for (name, text) in labels {
            out.push(opening);
            opening = b',';
            write_label(out, name, text);
        }
        if opening == b',' {
            out.push(b'}');
        }
        out.push(b' ');
        write_value(out, value);
    }

    fn write_exemplar_message(&self, out: &mut Vec<u8>, exemplar: Option<&Exemplar>) {
        if let Some(exemplar) = exemplar {
            self.write_exemplar(out, exemplar_label_pairs(exemplar), exemplar.value, exemplar.timestamp.as_ref());
        }
    }

    /// Writes an exemplar, for example ` # {pod="web-0"} 1 1795468969.127`. Writes nothing in 0.0.4.
    fn write_exemplar<'a>(
        &self,
        out: &mut Vec<u8>,
        labels: impl Iterator<Item = (&'a str, &'a str)> + Clone,
        value: f64,
        time: Option<&ProtoTimestamp>,
    ) {
        if self.dialect == Dialect::Classic || !exemplar_fits(labels.clone()) {
            return;
        }
        push_all(out, &[" # {"]);
        for (at, (name, text)) in labels.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_label(out, name, text);
        }
        push_all(out, &["} "]);
        write_value(out, value);
        // Prometheus stores milliseconds.
        if let Some(time) = time {
            let (seconds, millis) = (time.seconds, time.nanos / 1_000_000);
            // Writing to a Vec cannot fail.
            let _ = write!(out, " {seconds}.{millis:03}");
        }
    }
}

/// Returns the constant parts of a line: `name{a="`, `",b="` and `"} `.
fn line_template(name: &str, labels: &[&str]) -> Vec<String> {
    let mut pieces = Vec::with_capacity(labels.len() + 1);
    let mut piece = name.to_owned();
    for label in labels {
        piece.push_str(if pieces.is_empty() { "{" } else { "\"," });
        piece.push_str(label);
        piece.push_str("=\"");
        pieces.push(mem::take(&mut piece));
    }
    piece.push_str(if pieces.is_empty() { " " } else { "\"} " });
    pieces.push(piece);
    pieces
}

fn label_pairs(labels: &[LabelPair]) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|pair| (pair.name.as_str(), pair.value.as_str()))
}

fn push_all(out: &mut Vec<u8>, parts: &[&str]) {
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

#[inline]
fn write_label(out: &mut Vec<u8>, name: &str, value: &str) {
    push_all(out, &[name, "=\""]);
    write_escaped(out, value, true);
    out.push(b'"');
}

/// Writes `text` with escaped backslashes and line feeds and, if `quotes` is set, escaped quotes.
#[inline]
fn write_escaped(out: &mut Vec<u8>, text: &str, quotes: bool) {
    let mut rest = text.as_bytes();
    // The search is fast when there is nothing to escape, which is nearly always.
    while let Some(at) = if quotes { memchr3(b'\\', b'\n', b'"', rest) } else { memchr2(b'\\', b'\n', rest) }
        && let Some((plain, [special, after @ ..])) = rest.split_at_checked(at)
    {
        out.extend_from_slice(plain);
        out.extend_from_slice(&[b'\\', if *special == b'\n' { b'n' } else { *special }]);
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// Writes the value of a sample: an integer without a decimal point, other values with the fewest digits that are exact.
fn write_value(out: &mut Vec<u8>, value: f64) {
    // Nearly all gauges are 1. Formatting them with `write!` is measurably slower.
    if value.to_bits() == 1.0_f64.to_bits() {
        out.push(b'1');
        return;
    }
    // Writing to a Vec cannot fail.
    let _ = if value.is_infinite() {
        out.write_all(if value > 0.0 { b"+Inf" } else { b"-Inf" })
    } else if value.abs() < EXACT_INTEGER_LIMIT && value.fract() == 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "the value is an integer that an f64 holds exactly")]
        let integer = value as i64;
        write!(out, "{integer}")
    } else {
        write!(out, "{value}")
    };
}

/// Writes the bound of a bucket with a decimal point, which OpenMetrics requires: `15.0`, `0.5`, `+Inf`.
///
/// All bounds are below 1e6, where Go formats them alike. A series has the same `le` whether Prometheus reads it from
/// text or from protobuf.
fn write_bound(out: &mut Vec<u8>, bound: f64) {
    // Writing to a Vec cannot fail.
    let _ = if bound.is_infinite() { out.write_all(b"+Inf") } else { write!(out, "{bound:?}") };
}
