//! Metric families and samples, independent of the format.

use image_pull_model::time::Timestamp;

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
    pub(super) fn open_metrics_name(&self) -> &'static str {
        match self.family_type {
            FamilyType::Counter => self.name.strip_suffix("_total").unwrap_or(self.name),
            FamilyType::Gauge | FamilyType::Histogram => self.name,
        }
    }

    /// Returns the unit if the name ends in it.
    pub(super) fn unit_in_name(&self) -> Option<&'static str> {
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
