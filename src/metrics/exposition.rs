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

mod exemplar;
mod family;
pub(crate) mod format;
mod protobuf;
mod text;

#[cfg(test)]
mod tests;

use std::io::Write;

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::Metric;

pub(crate) use exemplar::{exemplar_labels, proto_timestamp};
pub(crate) use family::CounterSample;
pub use family::{FamilyHeader, FamilyType};
pub use format::ExpositionFormat;
use protobuf::ProtobufWriter;
use text::{Dialect, TextWriter};

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
