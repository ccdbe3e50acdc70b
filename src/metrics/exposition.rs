//! Writes metric families in the formats a scraper may ask for.
//!
//! prometheus-client writes neither the text format 0.0.4 nor, in its text encoder, a native histogram, and its protobuf
//! encoder costs 23 allocations a series. So counters and histograms are read from its registry as
//! [`Metric`] messages, gauges come straight from a snapshot, and both are written here.
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

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{Exemplar, Metric};
use prost_types::Timestamp as ProtoTimestamp;
use protobuf::ProtobufWriter;
use text::{Dialect, TextWriter};

use image_pull_model::time::Timestamp;

/// The combined length in characters that OpenMetrics allows the label names and values of one exemplar.
const EXEMPLAR_CHARS: usize = 128;

/// A format of the exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpositionFormat {
    /// Prometheus text format 0.0.4.
    Text,
    /// OpenMetrics text format 1.0.0.
    OpenMetrics,
    /// Length-delimited `io.prometheus.client.MetricFamily` messages: the only one that carries native histograms.
    Protobuf,
}

impl ExpositionFormat {
    /// Returns the value of the `Content-Type` header.
    ///
    /// It has no `escaping` parameter, whichever the client offers: all our names are valid in the oldest scheme, so
    /// every scheme writes them alike and a client that knows none of them reads the same header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// Returns the format that serves a client with this `Accept` header best, text 0.0.4 when none is asked for.
    pub fn negotiate(accept: &str) -> Self {
        negotiate::negotiate(accept)
    }
}

/// The type of a metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FamilyType {
    /// A number that goes up and down.
    Gauge,
    /// A number that only goes up.
    Counter,
    /// Observations in buckets.
    Histogram,
}

/// What is said once about a metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyHeader {
    /// The full name of the samples, which for a counter includes `_total`.
    pub name: &'static str,
    /// The help text, unescaped.
    pub help: &'static str,
    /// The type.
    pub family_type: FamilyType,
    /// The unit. It is written only where the name ends in it, because OpenMetrics forbids it elsewhere.
    pub unit: Option<&'static str>,
}

impl FamilyHeader {
    /// Returns the name of the family as OpenMetrics has it: that of a counter lacks `_total`.
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

/// A sample of a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CounterSample<'a> {
    /// The value.
    pub value: f64,
    /// Since when it counts.
    pub start: Option<Timestamp>,
    /// The namespace and the name of the pod that was counted last, and when that was.
    pub exemplar: Option<(&'a str, &'a str, Timestamp)>,
}

/// The labels of an exemplar.
pub(super) fn exemplar_labels<'a>(namespace: &'a str, pod: &'a str) -> [(&'static str, &'a str); 2] {
    [("namespace", namespace), ("pod", pod)]
}

/// An instant as protobuf has it.
pub(super) fn proto_timestamp(at: Timestamp) -> ProtoTimestamp {
    let since = at.saturating_duration_since(Timestamp::default());
    ProtoTimestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or(0),
    }
}

/// How much is written before it goes out.
const CHUNK_SIZE: usize = 64 * 1024;

/// Encodes families one after another into one body, or into a sink as they come.
///
/// The caller gives each family once, its series directly after it, and no two series of a family the same labels.
pub struct Exposition {
    out: Vec<u8>,
    writer: Writer,
    sink: Option<Sink>,
}

/// Where what is written goes; `None` once it takes no more.
type Sink = Option<Box<dyn Write + Send>>;

#[derive(Debug)]
enum Writer {
    Text(TextWriter),
    Protobuf(ProtobufWriter),
}

impl Exposition {
    /// Creates an encoder with room for `capacity` bytes; the length of the previous scrape is a good guess.
    pub fn new(format: ExpositionFormat, capacity: usize) -> Self {
        let writer = match format {
            ExpositionFormat::Text => Writer::Text(TextWriter::new(Dialect::Classic)),
            ExpositionFormat::OpenMetrics => Writer::Text(TextWriter::new(Dialect::OpenMetrics)),
            ExpositionFormat::Protobuf => Writer::Protobuf(ProtobufWriter::default()),
        };
        Self { out: Vec::with_capacity(capacity), writer, sink: None }
    }

    /// Creates an encoder that hands on what it has written whenever that is enough, so that a large body need not be
    /// held. When the sink takes no more, the rest is thrown away. Dropping the sink ends the body.
    pub fn streaming(format: ExpositionFormat, sink: Box<dyn Write + Send>) -> Self {
        Self { sink: Some(Some(sink)), ..Self::new(format, CHUNK_SIZE + CHUNK_SIZE / 4) }
    }

    /// Begins a family whose gauges and counters have these labels. One without series leaves its header in the text formats and
    /// nothing in protobuf.
    pub fn begin_family(&mut self, header: &FamilyHeader, labels: &'static [&'static str]) {
        // In protobuf a family begins with its length, so it goes out as a whole.
        if let Writer::Protobuf(writer) = &mut self.writer {
            writer.close_family(&mut self.out);
            self.flush_if_at_least(CHUNK_SIZE);
        }
        match &mut self.writer {
            Writer::Text(writer) => writer.begin_family(&mut self.out, header, labels),
            Writer::Protobuf(writer) => writer.begin_family(&mut self.out, header, labels),
        }
    }

    /// Writes one series of a family of gauges: the values of its labels in order, and the number. Allocates nothing but
    /// room in the body.
    pub fn write_gauge(&mut self, labels: &[&str], value: f64) {
        match &mut self.writer {
            Writer::Text(writer) => {
                writer.write_gauge(&mut self.out, labels, value);
                self.flush_if_at_least(CHUNK_SIZE);
            }
            Writer::Protobuf(writer) => writer.write_gauge(&mut self.out, labels, value),
        }
    }

    /// Writes one series of a family of counters: the values of its labels in order, and the sample.
    ///
    /// The text formats leave out the start and, in 0.0.4, the exemplar.
    pub fn write_counter(&mut self, labels: &[&str], sample: &CounterSample<'_>) {
        match &mut self.writer {
            Writer::Text(writer) => {
                writer.write_counter(&mut self.out, labels, sample);
                self.flush_if_at_least(CHUNK_SIZE);
            }
            Writer::Protobuf(writer) => writer.write_counter(&mut self.out, labels, sample),
        }
    }

    /// Writes one series of the family's type, as `prometheus_protobuf::encode` returns it.
    ///
    /// The text formats leave out what they cannot carry: native buckets, start timestamps and, in 0.0.4, exemplars.
    pub fn write_metric(&mut self, metric: &Metric) {
        match &mut self.writer {
            Writer::Text(writer) => {
                writer.write_metric(&mut self.out, metric);
                self.flush_if_at_least(CHUNK_SIZE);
            }
            Writer::Protobuf(_) => ProtobufWriter::write_metric(&mut self.out, metric),
        }
    }

    /// Ends the last family and returns the body, which is empty where it went to a sink.
    pub fn finish(mut self) -> Vec<u8> {
        match &mut self.writer {
            Writer::Text(writer) => writer.finish(&mut self.out),
            Writer::Protobuf(writer) => writer.close_family(&mut self.out),
        }
        self.flush_if_at_least(1);
        self.out
    }

    /// Gives the sink what is written, if that is at least so much.
    fn flush_if_at_least(&mut self, enough: usize) {
        let Some(sink) = &mut self.sink else { return };
        if self.out.len() < enough {
            return;
        }
        // An error means that nobody reads any more.
        if sink.as_mut().is_some_and(|open| open.write_all(&self.out).is_err()) {
            *sink = None;
        }
        self.out.clear();
    }
}

/// Returns whether an exemplar is short enough. A longer one makes an OpenMetrics parser refuse the whole scrape, and
/// Prometheus will not store it from any format.
fn exemplar_fits<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
    labels.map(|(name, value)| name.chars().count() + value.chars().count()).sum::<usize>() <= EXEMPLAR_CHARS
}

/// The labels of an exemplar in the data model.
fn exemplar_label_pairs(exemplar: &Exemplar) -> impl Iterator<Item = (&str, &str)> + Clone {
    exemplar.label.iter().map(|pair| (pair.name.as_str(), pair.value.as_str()))
}
