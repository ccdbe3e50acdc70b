//! Writes the series of one family, given the values of its labels.

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::Metric;

use crate::metrics::exposition::{CounterSample, Exposition, FamilyType};

/// Writes the series of one family.
pub(super) struct SeriesWriter<'a> {
    family_type: FamilyType,
    exposition: &'a mut Exposition,
}

impl<'a> SeriesWriter<'a> {
    pub(super) fn new(family_type: FamilyType, exposition: &'a mut Exposition) -> Self {
        Self { family_type, exposition }
    }

    /// Writes one series, given the values of the family's labels in order.
    pub(super) fn write(&mut self, label_values: &[&str], value: f64) {
        match self.family_type {
            FamilyType::Counter => {
                self.write_counter(label_values, &CounterSample { value, ..CounterSample::default() });
            }
            FamilyType::Gauge | FamilyType::Histogram => self.exposition.write_gauge(label_values, value),
        }
    }

    /// Writes one series of a counter, with its start time and its exemplar.
    pub(super) fn write_counter(&mut self, label_values: &[&str], sample: &CounterSample<'_>) {
        self.exposition.write_counter(label_values, sample);
    }

    pub(super) fn write_histogram(&mut self, metric: &Metric) {
        self.exposition.write_metric(metric);
    }
}
