//! Writes the families that are kept between scrapes.

use super::SeriesWriter;
use crate::metrics::counters::{DurationHistogram, ExemplarCounter, encode_histograms, outcomes_by_name};
use crate::metrics::exposition::CounterSample;
use crate::metrics::scrape::SelectedSeries;
use image_pull_model::time::Timestamp;

pub(super) fn attempts(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    for (namespace, registry, pair) in &shown.pairs {
        for (cause, count) in &pair.attempts {
            series.write_counter(&[namespace, registry, cause.as_str()], &sample(count, pair.start));
        }
    }
}

pub(super) fn started(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    for (namespace, registry, pair) in &shown.pairs {
        series.write_counter(&[namespace, registry], &sample(&pair.started, pair.start));
    }
}

pub(super) fn ended(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let outcomes = outcomes_by_name();
    for (namespace, registry, pair) in &shown.pairs {
        for (place, outcome) in outcomes {
            if let Some(count) = pair.ended.get(place) {
                series.write_counter(&[namespace, registry, outcome.as_str()], &sample(count, pair.start));
            }
        }
    }
}

fn sample(count: &ExemplarCounter, start: Timestamp) -> CounterSample<'_> {
    let exemplar = count.exemplar.as_ref().map(|(pod, at)| (&*pod.namespace, &*pod.name, *at));
    CounterSample { value: count.value as f64, start: Some(start), exemplar }
}

pub(super) fn backoff_durations(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let registries = shown.scrape.counters.exposed_registries();
    let rows = registries.iter().map(|(registry, of)| (vec![("registry", *registry)], &of.backoff_durations));
    histograms(&rows.collect::<Vec<_>>(), series);
}

pub(super) fn failure_durations(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let (registries, outcomes) = (shown.scrape.counters.exposed_registries(), outcomes_by_name());
    let rows = registries.iter().flat_map(|(registry, of)| {
        outcomes.iter().filter_map(|(place, outcome)| {
            let labels = vec![("registry", *registry), ("outcome", outcome.as_str())];
            Some((labels, of.failure_durations.get(*place)?.as_ref()?))
        })
    });
    histograms(&rows.collect::<Vec<_>>(), series);
}

fn histograms(rows: &[(Vec<(&'static str, &str)>, &DurationHistogram)], series: &mut SeriesWriter<'_>) {
    let metrics = encode_histograms(rows).inspect_err(|_| tracing::error!("histograms could not be encoded"));
    metrics.iter().flatten().for_each(|metric| series.write_histogram(metric));
}

pub(super) fn watch_events(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let mut events = shown.scrape.counters.exporter.watch_events.clone();
    events.sort_unstable_by_key(|(event, _)| event.as_str());
    for (event, count) in events {
        own(shown, series, &[event.as_str()], count);
    }
}

pub(super) fn watch_restarts(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let mut restarts = shown.scrape.counters.exporter.watch_restarts.clone();
    restarts.sort_unstable();
    for (cause, count) in restarts {
        own(shown, series, &[cause], count);
    }
}

pub(super) fn relists(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    own(shown, series, &[], shown.scrape.counters.exporter.relists);
}

pub(super) fn registries_beyond_cap(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    own(shown, series, &[], shown.scrape.counters.exporter.registries_beyond_cap);
}

pub(super) fn namespaces_beyond_cap(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    own(shown, series, &[], shown.scrape.counters.exporter.namespaces_beyond_cap);
}

pub(super) fn undecodable(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    own(shown, series, &[], shown.scrape.counters.exporter.undecodable_objects);
}

pub(super) fn limits_exceeded(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let exceeded = shown.scrape.counters.exporter.pod_limits_exceeded;
    own(shown, series, &["element"], exceeded.elements);
    own(shown, series, &["text"], exceeded.texts);
}

pub(super) fn duplicates(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    own(shown, series, &[], shown.scrape.counters.exporter.duplicate_containers);
}

pub(super) fn unknown_reasons(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    own(shown, series, &[], shown.scrape.counters.exporter.unknown_reasons);
}

pub(super) fn unclassified(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    own(shown, series, &[], shown.scrape.counters.exporter.unclassified_messages);
}

/// Writes a counter about the exporter itself.
fn own(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>, labels: &[&str], count: u64) {
    let start = Some(shown.scrape.counters.start);
    series.write_counter(labels, &CounterSample { value: count as f64, start, exemplar: None });
}
