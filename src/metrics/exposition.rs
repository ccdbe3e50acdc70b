//! Encodes metric families in the exposition formats of Prometheus.
//!
//! prometheus-client supports neither the text format 0.0.4 nor streaming, and its protobuf encoder needs 23 allocations
//! per series. Only histograms come from it, as [`Metric`] messages. Gauges and counters are encoded directly.
//!
//! ```ignore
//! let mut exposition = Exposition::new(Format::Text, 64 * 1024);
//! exposition.family(&Header { name: "up", help: "Whether it is up.", kind: Kind::Gauge, unit: None }, &["pod"]);
//! exposition.gauge(&["web-0"], 1.0);
//! let body = exposition.finish();
//! ```

pub(crate) mod negotiate;
mod protobuf;
mod text;

#[cfg(test)]
mod tests;

use std::io::Write;

use clap::ValueEnum;
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{Exemplar, Metric};
use prost_types::Timestamp as ProtoTimestamp;
use protobuf::ProtobufWriter;
use text::{Dialect, TextWriter};

use image_pull_model::time::Timestamp;

/// The combined length in characters that OpenMetrics allows the label names and values of one exemplar.
const EXEMPLAR_CHARS: usize = 128;

/// An exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExpositionFormat {
    /// OpenMetrics text format 1.0.0
    #[value(name = "openmetrics")]
    OpenMetrics,
    /// Prometheus text format 0.0.4
    Text,
    /// Length-delimited `io.prometheus.client.MetricFamily` messages: the only format with native histograms.
    #[value(skip)]
    Protobuf,
}

impl ExpositionFormat {
    /// Returns the value of the `Content-Type` header.
    ///
    /// It never has an `escaping` parameter: all names are valid in the oldest scheme, which needs no escaping.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// Returns the best format for an `Accept` header; text 0.0.4 if the client accepts none.
    pub fn negotiate(accept: &str) -> Self {
        negotiate::negotiate(accept)
    }
}

/// The type of a metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyType {
    /// A value that can increase and decrease.
    Gauge,
    /// A value that only increases.
    Counter,
    /// Observations, counted in buckets.
    Histogram,
}

/// The metadata of a metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyHeader {
    /// The name of the samples. For a counter, it includes `_total`.
    pub name: &'static str,
    /// The help text, unescaped.
    pub help: &'static str,
    /// Gauge, counter or histogram.
    pub family_type: FamilyType,
    /// The unit. It is written only if the name ends in it, as OpenMetrics requires.
    pub unit: Option<&'static str>,
}

impl FamilyHeader {
    /// Returns the name of the family in OpenMetrics: that of a counter has no `_total`.
    fn open_metrics_name(&self) -> &'static str {
        match self.family_type {
            FamilyType::Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            FamilyType::Gauge | FamilyType::Histogram => self.name,
        }
    }

    /// Returns the unit if the name ends in it.
    fn unit_in_name(&self) -> Option<&'static str> {
        self.unit.filter(|unit| self.open_metrics_name().strip_suffix(unit).is_some_and(|front| front.ends_with('_')))
    }
}

/// The sample of a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct CounterSample<'a> {
    pub(crate) value: f64,
    /// Time at which the counter was zero.
    pub(crate) start: Option<Timestamp>,
    /// Namespace and name of the pod of the last event, and the time of that event.
    pub(crate) exemplar: Option<(&'a str, &'a str, Timestamp)>,
}

/// The labels of an exemplar.
pub(super) fn exemplar_labels<'a>(namespace: &'a str, pod: &'a str) -> [(&'static str, &'a str); 2] {
    [("namespace", namespace), ("pod", pod)]
}

/// Converts a time to its protobuf message.
pub(super) fn proto_timestamp(at: Timestamp) -> ProtoTimestamp {
    let since = at.saturating_duration_since(Timestamp::default());
    ProtoTimestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or(0),
    }
}

/// Number of buffered bytes after which a streamed body is flushed.
const CHUNK_SIZE: usize = 64 * 1024;

/// Encodes families in sequence into a buffer or a sink.
///
/// The caller begins each family once, writes its series directly after it, and gives no two series the same labels.
pub struct Exposition {
    out: Vec<u8>,
    writer: Writer,
    sink: Option<Sink>,
}

/// The destination of a streamed body. `None` after a write failed.
type Sink = Option<Box<dyn Write + Send>>;

#[derive(Debug)]
enum Writer {
    Text(TextWriter),
    Protobuf(ProtobufWriter),
}

impl Exposition {
    /// Creates an encoder with a buffer of `capacity` bytes.
    pub fn new(format: ExpositionFormat, capacity: usize) -> Self {
        let writer = match format {
            ExpositionFormat::Text => Writer::Text(TextWriter::new(Dialect::Classic)),
            ExpositionFormat::OpenMetrics => Writer::Text(TextWriter::new(Dialect::OpenMetrics)),
            ExpositionFormat::Protobuf => Writer::Protobuf(ProtobufWriter::default()),
        };
        Self { out: Vec::with_capacity(capacity), writer, sink: None }
    }

    /// Creates an encoder that writes to `sink` in chunks of about [`CHUNK_SIZE`]. After a failed write, all further output
    /// is discarded. The sink is dropped at the end of the body.
    pub(crate) fn streaming(format: ExpositionFormat, sink: Box<dyn Write + Send>) -> Self {
        Self { sink: Some(Some(sink)), ..Self::new(format, CHUNK_SIZE + CHUNK_SIZE / 4) }
    }

    /// Begins a family with these label names. A family without series is only a header in the text formats, and nothing in
    /// protobuf.
    pub(crate) fn begin_family(&mut self, header: &FamilyHeader, labels: &'static [&'static str]) {
        // A protobuf family starts with its length, so it is flushed as a whole.
        if let Writer::Protobuf(writer) = &mut self.writer {
            writer.close_family(&mut self.out);
            self.flush_if_at_least(CHUNK_SIZE);
        }
        match &mut self.writer {
            Writer::Text(writer) => writer.begin_family(&mut self.out, header, labels),
            Writer::Protobuf(writer) => writer.begin_family(&mut self.out, header, labels),
        }
    }

    /// Writes one series of a gauge, given its label values in order. Allocates only in the buffer.
    pub(crate) fn write_gauge(&mut self, labels: &[&str], value: f64) {
        match &mut self.writer {
            Writer::Text(writer) => {
                writer.write_gauge(&mut self.out, labels, value);
                self.flush_if_at_least(CHUNK_SIZE);
            }
            Writer::Protobuf(writer) => writer.write_gauge(&mut self.out, labels, value),
        }
    }

    /// Writes one series of a counter, given its label values in order.
    ///
    /// The text formats omit the start time, and 0.0.4 omits the exemplar.
    pub(crate) fn write_counter(&mut self, labels: &[&str], sample: &CounterSample<'_>) {
        match &mut self.writer {
            Writer::Text(writer) => {
                writer.write_counter(&mut self.out, labels, sample);
                self.flush_if_at_least(CHUNK_SIZE);
            }
            Writer::Protobuf(writer) => writer.write_counter(&mut self.out, labels, sample),
        }
    }

    /// Writes one series of any type from a message of `prometheus_protobuf::encode`.
    ///
    /// The text formats omit native buckets and start times, and 0.0.4 omits exemplars.
    pub(crate) fn write_metric(&mut self, metric: &Metric) {
        match &mut self.writer {
            Writer::Text(writer) => {
                writer.write_metric(&mut self.out, metric);
                self.flush_if_at_least(CHUNK_SIZE);
            }
            Writer::Protobuf(_) => ProtobufWriter::write_metric(&mut self.out, metric),
        }
    }

    /// Ends the body and returns the buffer, which is empty if there is a sink.
    pub fn finish(mut self) -> Vec<u8> {
        match &mut self.writer {
            Writer::Text(writer) => writer.finish(&mut self.out),
            Writer::Protobuf(writer) => writer.close_family(&mut self.out),
        }
        self.flush_if_at_least(1);
        self.out
    }

    /// Flushes the buffer to the sink if it holds at least `min_len` bytes.
    fn flush_if_at_least(&mut self, min_len: usize) {
        let Some(sink) = &mut self.sink else { return };
        if self.out.len() < min_len {
            return;
        }
        // After an error, the body has no reader.
        if sink.as_mut().is_some_and(|open| open.write_all(&self.out).is_err()) {
            *sink = None;
        }
        self.out.clear();
    }
}

/// Returns whether an exemplar is within the limit. A longer one makes OpenMetrics parsers reject the scrape, and
/// Prometheus stores it from no format.
fn exemplar_fits<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
    labels.map(|(name, value)| name.chars().count() + value.chars().count()).sum::<usize>() <= EXEMPLAR_CHARS
}

/// Returns the labels of an exemplar message.
fn exemplar_label_pairs(exemplar: &Exemplar) -> impl Iterator<Item = (&str, &str)> + Clone {
    exemplar.label.iter().map(|pair| (pair.name.as_str(), pair.value.as_str()))
}
