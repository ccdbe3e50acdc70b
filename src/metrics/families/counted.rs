//! Writes the counters and histograms that are kept between scrapes.

use super::series::SeriesWriter;
use crate::metrics::counters::{
    ExemplarCounter, ExemplarHistogram, ExporterCounter, RegistryHistograms, encode_histograms, outcomes_by_name,
};
use crate::metrics::exposition::CounterSample;
use crate::metrics::scrape::SelectedSeries;
use image_pull_model::image_wait::PendingOutcome;
use image_pull_model::time::Timestamp;

pub(super) fn attempts(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    for (namespace, registry, pair) in &selected.pairs {
        for (cause, count) in &pair.attempts {
            series.write_counter(&[namespace, registry, cause.as_str()], &sample(count, pair.start));
        }
    }
}

pub(super) fn started(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    for (namespace, registry, pair) in &selected.pairs {
        series.write_counter(&[namespace, registry], &sample(&pair.started, pair.start));
    }
}

pub(super) fn ended(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let outcomes = outcomes_by_name();
    for (namespace, registry, pair) in &selected.pairs {
        for (index, outcome) in &outcomes {
            if let Some(count) = pair.ended.get(*index) {
                series.write_counter(&[namespace, registry, outcome.as_str()], &sample(count, pair.start));
            }
        }
    }
}

fn sample(count: &ExemplarCounter, start: Timestamp) -> CounterSample<'_> {
    let exemplar = count.exemplar.as_ref().map(|(pod, at)| (&*pod.namespace, &*pod.name, *at));
    CounterSample { value: count.value as f64, start: Some(start), exemplar }
}

pub(super) fn backoff_durations(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    histograms_by_registry(selected, series, |of| of.backoff_durations.as_ref());
}

pub(super) fn failure_durations(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let outcomes = outcomes_by_name().into_iter().map(|(index, outcome)| (index, outcome.as_str()));
    histograms_by_outcome(selected, series, &outcomes.collect::<Vec<_>>(), |of| &of.failure_durations);
}

pub(super) fn pending_durations(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let outcomes = PendingOutcome::ALL.iter().map(|outcome| outcome.as_str()).enumerate();
    let mut outcomes: Vec<_> = outcomes.collect();
    outcomes.sort_unstable_by_key(|(_, outcome)| *outcome);
    histograms_by_outcome(selected, series, &outcomes, |of| &of.pending_durations);
}

/// Writes the histograms of each registry, by the index and the name of an outcome.
fn histograms_by_outcome(
    selected: &SelectedSeries<'_>,
    series: &mut SeriesWriter<'_>,
    outcomes: &[(usize, &'static str)],
    durations: impl Fn(&RegistryHistograms) -> &[Option<ExemplarHistogram>],
) {
    let registries = selected.scrape.counters.exposed_registries();
    let rows = registries.iter().flat_map(|(registry, of)| {
        let durations = durations(of);
        outcomes.iter().filter_map(move |(index, outcome)| {
            let labels = vec![("registry", *registry), ("outcome", *outcome)];
            Some((labels, durations.get(*index)?.as_ref()?))
        })
    });
    histograms(&rows.collect::<Vec<_>>(), series);
}

pub(super) fn pulls(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    for (registry, of) in selected.scrape.counters.exposed_registries() {
        let Some(pulls) = &of.pulls else { continue };
        series.write_counter(&[registry, "failed"], &sample(&pulls.failed, pulls.start));
        series.write_counter(&[registry, "pulled"], &sample(&pulls.pulled, pulls.start));
    }
}

pub(super) fn pull_durations(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    histograms_by_registry(selected, series, |of| Some(&of.pulls.as_ref()?.durations));
}

pub(super) fn pull_queue_durations(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    histograms_by_registry(selected, series, |of| Some(&of.pulls.as_ref()?.queue_durations));
}

pub(super) fn pull_sizes(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    histograms_by_registry(selected, series, |of| Some(&of.pulls.as_ref()?.sizes));
}

/// Writes one histogram for each registry that has one.
fn histograms_by_registry(
    selected: &SelectedSeries<'_>,
    series: &mut SeriesWriter<'_>,
    histogram: impl Fn(&RegistryHistograms) -> Option<&ExemplarHistogram>,
) {
    let registries = selected.scrape.counters.exposed_registries();
    let rows = registries.iter().filter_map(|(registry, of)| Some((vec![("registry", *registry)], histogram(of)?)));
    histograms(&rows.collect::<Vec<_>>(), series);
}

fn histograms(rows: &[(Vec<(&'static str, &str)>, &ExemplarHistogram)], series: &mut SeriesWriter<'_>) {
    let metrics = encode_histograms(rows).inspect_err(|_| tracing::error!("cannot encode histograms"));
    metrics.iter().flatten().for_each(|metric| series.write_histogram(metric));
}

/// Writes a counter about the exporter itself.
pub(super) fn exporter_counter(counter: ExporterCounter, selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let counters = &selected.scrape.counters;
    for (label_value, count) in counters.exporter.series(counter) {
        let label_values: &[&str] = if label_value.is_empty() { &[] } else { &[label_value] };
        let sample = CounterSample { value: count as f64, start: Some(counters.start), exemplar: None };
        series.write_counter(label_values, &sample);
    }
}
