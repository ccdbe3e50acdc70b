//! Histograms of durations and sizes: classic and native, with one exemplar per classic bucket.

use std::fmt::Error;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{Exemplar, LabelPair, Metric};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, prometheus_protobuf};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::{Histogram, NativeHistogramConfig};
use prometheus_client::registry::Registry;

use crate::metrics::exposition::{exemplar_labels, proto_timestamp};
use image_pull_model::facts::PodId;
use image_pull_model::time::Timestamp;

/// Maximum growth from one bucket of a native histogram to the next.
const NATIVE_BUCKET_FACTOR: f64 = 1.1;
/// Maximum number of native buckets. Beyond it, buckets are merged.
const MAX_NATIVE_BUCKETS: usize = 100;

/// One series of a histogram. Clones share their buckets.
#[derive(Clone, Debug)]
pub(crate) struct ExemplarHistogram {
    histogram: Histogram,
    bounds: &'static [f64],
    /// Time at which the histogram was empty.
    start: Timestamp,
    /// The last observation in each classic bucket. prometheus-client has no exemplars for native histograms.
    exemplars: Vec<Option<Observation>>,
}

#[derive(Clone, Debug)]
struct Observation {
    pod: Arc<PodId>,
    value: f64,
    at: Timestamp,
}

impl ExemplarHistogram {
    pub(super) fn new(bounds: &'static [f64], start: Timestamp) -> Self {
        let native = NativeHistogramConfig::new(NATIVE_BUCKET_FACTOR).max_buckets(MAX_NATIVE_BUCKETS);
        let histogram = Histogram::new_classic_and_native(bounds.iter().copied(), native);
        Self { histogram, bounds, start, exemplars: vec![None; bounds.len() + 1] }
    }

    /// Observes a value in the unit of the family.
    pub(super) fn observe(&mut self, value: f64, pod: &Arc<PodId>, now: Timestamp) {
        self.histogram.observe(value);
        let bucket = self.bounds.iter().position(|bound| value <= *bound).unwrap_or(self.bounds.len());
        if let Some(exemplar) = self.exemplars.get_mut(bucket) {
            *exemplar = Some(Observation { pod: Arc::clone(pod), value, at: now });
        }
    }

    fn add_start_and_exemplars(&self, metric: &mut Metric) {
        let Some(histogram) = &mut metric.histogram else { return };
        histogram.start_timestamp = Some(proto_timestamp(self.start));
        for (bucket, observation) in histogram.bucket.iter_mut().zip(&self.exemplars) {
            bucket.exemplar = observation.as_ref().map(|Observation { pod, value, at }| Exemplar {
                label: exemplar_labels(&pod.namespace, &pod.name).map(label_pair).to_vec(),
                value: *value,
                timestamp: Some(proto_timestamp(*at)),
            });
        }
    }
}

/// Encodes the series of one family, given with their labels. Fails if prometheus-client cannot encode a histogram.
pub(crate) fn encode_histograms(
    series: &[(Vec<(&'static str, &str)>, &ExemplarHistogram)],
) -> Result<Vec<Metric>, Error> {
    let mut registry = Registry::default();
    let histograms = series.iter().map(|(_, series)| series.histogram.clone()).collect();
    registry.register_collector(Box::new(HistogramFamily(histograms)));
    let mut metrics: Vec<Metric> =
        prometheus_protobuf::encode(&registry)?.into_iter().flat_map(|family| family.metric).collect();
    for (metric, (labels, series)) in metrics.iter_mut().zip(series) {
        metric.label = labels.iter().copied().map(label_pair).collect();
        series.add_start_and_exemplars(metric);
    }
    Ok(metrics)
}

/// Passes the histograms of one family to the encoder of prometheus-client. Their labels are added afterwards.
#[derive(Debug)]
struct HistogramFamily(Vec<Histogram>);

impl Collector for HistogramFamily {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let mut family = encoder.encode_descriptor("series", "", None, MetricType::Histogram)?;
        let no_labels: Vec<(&str, &str)> = Vec::new();
        for histogram in &self.0 {
            histogram.encode(family.encode_family(&no_labels)?)?;
        }
        Ok(())
    }
}

fn label_pair((name, value): (&'static str, &str)) -> LabelPair {
    LabelPair { name: name.to_owned(), value: value.to_owned() }
}

#[cfg(test)]
mod tests;
