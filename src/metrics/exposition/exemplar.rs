//! Exemplars, and their limit of length.

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::Exemplar;
use prost_types::Timestamp as ProtoTimestamp;

use image_pull_model::time::Timestamp;

/// The combined length in characters that OpenMetrics allows the label names and values of one exemplar.
const EXEMPLAR_CHARS: usize = 128;

/// The labels of an exemplar.
pub(crate) fn exemplar_labels<'a>(namespace: &'a str, pod: &'a str) -> [(&'static str, &'a str); 2] {
    [("namespace", namespace), ("pod", pod)]
}

/// Converts a time to its protobuf message.
pub(crate) fn proto_timestamp(at: Timestamp) -> ProtoTimestamp {
    let since = at.saturating_duration_since(Timestamp::default());
    ProtoTimestamp {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(since.subsec_nanos()).unwrap_or(0),
    }
}

/// Returns whether an exemplar is within the limit. A longer one makes OpenMetrics parsers reject the scrape, and
/// Prometheus stores it from no format.
pub(super) fn exemplar_fits<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> bool {
    labels.map(|(name, value)| name.chars().count() + value.chars().count()).sum::<usize>() <= EXEMPLAR_CHARS
}

/// Returns the labels of an exemplar message.
pub(super) fn exemplar_label_pairs(exemplar: &Exemplar) -> impl Iterator<Item = (&str, &str)> + Clone {
    exemplar.label.iter().map(|pair| (pair.name.as_str(), pair.value.as_str()))
}
