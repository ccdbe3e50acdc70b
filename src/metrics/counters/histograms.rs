//! Histograms of durations, classic and native, with an exemplar for each classic bucket.

use std::fmt::Error;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{Exemplar, LabelPair, Metric};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, prometheus_protobuf};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::{Histogram, NativeHistogramConfig};
use prometheus_client::registry::Registry;

use crate::metrics::exposition::{exemplar_labels, proto_timestamp};
use image_pull_model::facts::PodId;
use image_pull_model::time::Timestamp;

/// Resolution of the native histograms: each bucket is at most a tenth wider than the one before.
const NATIVE_BUCKET_FACTOR: f64 = 1.1;
/// More native buckets than this are merged.
const MAX_NATIVE_BUCKETS: usize = 100;

/// One series of a histogram. Copies count into the same buckets.
#[derive(Clone, Debug)]
pub struct DurationHistogram {
    histogram: Histogram,
    bounds: &'static [f64],
    /// Since when it counts.
    start: Timestamp,
    /// The last observation in each bucket; prometheus-client has no exemplars for native histograms.
    exemplars: Vec<Option<Observation>>,
}

#[derive(Clone, Debug)]
struct Observation {
    pod: Arc<PodId>,
    seconds: f64,
    at: Timestamp,
}

impl DurationHistogram {
    pub(super) fn new(bounds: &'static [f64], start: Timestamp) -> Self {
        let native = NativeHistogramConfig::new(NATIVE_BUCKET_FACTOR).max_buckets(MAX_NATIVE_BUCKETS);
        let histogram = Histogram::new_classic_and_native(bounds.iter().copied(), native);
        Self { histogram, bounds, start, exemplars: vec![None; bounds.len() + 1] }
    }

    pub(super) fn observe(&mut self, duration: Duration, pod: &Arc<PodId>, now: Timestamp) {
        let seconds = duration.as_secs_f64();
        self.histogram.observe(seconds);
        let bucket = self.bounds.iter().position(|bound| seconds <= *bound).unwrap_or(self.bounds.len());
        if let Some(exemplar) = self.exemplars.get_mut(bucket) {
            *exemplar = Some(Observation { pod: Arc::clone(pod), seconds, at: now });
        }
    }

    fn add_start_and_exemplars(&self, metric: &mut Metric) {
        let Some(histogram) = &mut metric.histogram else { return };
        histogram.start_timestamp = Some(proto_timestamp(self.start));
        for (bucket, observation) in histogram.bucket.iter_mut().zip(&self.exemplars) {
            bucket.exemplar = observation.as_ref().map(|Observation { pod, seconds, at }| Exemplar {
                label: exemplar_labels(&pod.namespace, &pod.name).map(label_pair).to_vec(),
                value: *seconds,
                timestamp: Some(proto_timestamp(*at)),
            });
        }
    }
}

/// Encodes the series of one family, each with its labels.
///
/// # Errors
/// When prometheus-client cannot encode a histogram.
pub fn encode_histograms(series: &[(Vec<(&'static str, &str)>, &DurationHistogram)]) -> Result<Vec<Metric>, Error> {
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

/// Hands prometheus-client's encoder the histograms of one family, one after another. Their labels are added later.
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
mod tests {
    use super::*;

    #[test]
    fn an_exemplar_is_in_the_bucket_that_counts_its_value() {
        let pod = Arc::new(PodId::default());
        for (millis, expected) in [(14_999, 15.0), (15_000, 15.0), (15_001, 35.0), (35_001, f64::INFINITY)] {
            let mut histogram = DurationHistogram::new(&[15.0, 35.0], Timestamp::default());
            histogram.observe(Duration::from_millis(millis), &pod, Timestamp::default());
            let metrics = encode_histograms(&[(Vec::new(), &histogram)]).unwrap();
            let buckets = &metrics[0].histogram.as_ref().unwrap().bucket;
            let first = buckets.iter().find(|bucket| bucket.cumulative_count > 0).unwrap();
            let with_exemplar: Vec<_> = buckets.iter().filter(|bucket| bucket.exemplar.is_some()).collect();
            assert_eq!(with_exemplar, [first], "{millis} ms");
            assert!(first.upper_bound.total_cmp(&expected).is_eq(), "{millis} ms: {}", first.upper_bound);
        }
    }
}
