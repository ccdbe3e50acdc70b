//! Writes the families that are kept between scrapes.

use super::Series;
use crate::metrics::counters::{Count, DurationHistogram, encode, outcomes_by_name};
use crate::metrics::exposition::CounterSample;
use crate::metrics::view::Shown;
use image_pull_model::time::Timestamp;

pub(super) fn attempts(shown: &Shown<'_>, series: &mut Series<'_>) {
    for (namespace, registry, pair) in &shown.pairs {
        for (cause, count) in &pair.attempts {
            series.count(&[namespace, registry, cause.as_str()], &sample(count, pair.start));
        }
    }
}

pub(super) fn started(shown: &Shown<'_>, series: &mut Series<'_>) {
    for (namespace, registry, pair) in &shown.pairs {
        series.count(&[namespace, registry], &sample(&pair.started, pair.start));
    }
}

pub(super) fn ended(shown: &Shown<'_>, series: &mut Series<'_>) {
    let outcomes = outcomes_by_name();
    for (namespace, registry, pair) in &shown.pairs {
        for (place, outcome) in outcomes {
            if let Some(count) = pair.ended.get(place) {
                series.count(&[namespace, registry, outcome.as_str()], &sample(count, pair.start));
            }
        }
    }
}

fn sample(count: &Count, start: Timestamp) -> CounterSample<'_> {
    let exemplar = count.last.as_ref().map(|(pod, at)| (&*pod.namespace, &*pod.name, *at));
    CounterSample { value: count.value as f64, start: Some(start), exemplar }
}

pub(super) fn backoff_durations(shown: &Shown<'_>, series: &mut Series<'_>) {
    let registries = shown.view.counted.registries();
    let rows = registries.iter().map(|(registry, of)| (vec![("registry", *registry)], &of.backoffs));
    histograms(&rows.collect::<Vec<_>>(), series);
}

pub(super) fn failure_durations(shown: &Shown<'_>, series: &mut Series<'_>) {
    let (registries, outcomes) = (shown.view.counted.registries(), outcomes_by_name());
    let rows = registries.iter().flat_map(|(registry, of)| {
        outcomes.iter().filter_map(|(place, outcome)| {
            let labels = vec![("registry", *registry), ("outcome", outcome.as_str())];
            Some((labels, of.failures.get(*place)?.as_ref()?))
        })
    });
    histograms(&rows.collect::<Vec<_>>(), series);
}

fn histograms(rows: &[(Vec<(&'static str, &str)>, &DurationHistogram)], series: &mut Series<'_>) {
    let metrics = encode(rows).inspect_err(|_| tracing::error!("histograms could not be encoded"));
    metrics.iter().flatten().for_each(|metric| series.histogram(metric));
}

pub(super) fn watch_events(shown: &Shown<'_>, series: &mut Series<'_>) {
    let mut events = shown.view.counted.own.watch_events.clone();
    events.sort_unstable_by_key(|(event, _)| event.as_str());
    for (event, count) in events {
        own(shown, series, &[event.as_str()], count);
    }
}

pub(super) fn watch_restarts(shown: &Shown<'_>, series: &mut Series<'_>) {
    let mut restarts = shown.view.counted.own.watch_restarts.clone();
    restarts.sort_unstable();
    for (cause, count) in restarts {
        own(shown, series, &[cause], count);
    }
}

pub(super) fn relists(shown: &Shown<'_>, series: &mut Series<'_>) {
    own(shown, series, &[], shown.view.counted.own.relists);
}

pub(super) fn registries_beyond_cap(shown: &Shown<'_>, series: &mut Series<'_>) {
    own(shown, series, &[], shown.view.counted.own.registries_beyond_cap);
}

pub(super) fn namespaces_beyond_cap(shown: &Shown<'_>, series: &mut Series<'_>) {
    own(shown, series, &[], shown.view.counted.own.namespaces_beyond_cap);
}

pub(super) fn undecodable(shown: &Shown<'_>, series: &mut Series<'_>) {
    own(shown, series, &[], shown.view.counted.own.undecodable);
}

pub(super) fn limits_exceeded(shown: &Shown<'_>, series: &mut Series<'_>) {
    let exceeded = shown.view.counted.own.exceeded;
    own(shown, series, &["element"], exceeded.elements);
    own(shown, series, &["text"], exceeded.texts);
}

pub(super) fn duplicates(shown: &Shown<'_>, series: &mut Series<'_>) {
    own(shown, series, &[], shown.view.counted.own.duplicates);
}

pub(super) fn unknown_reasons(shown: &Shown<'_>, series: &mut Series<'_>) {
    own(shown, series, &[], shown.view.counted.own.unknown_reasons);
}

pub(super) fn unclassified(shown: &Shown<'_>, series: &mut Series<'_>) {
    own(shown, series, &[], shown.view.counted.own.unclassified);
}

/// Writes a counter about the exporter itself.
fn own(shown: &Shown<'_>, series: &mut Series<'_>, labels: &[&str], count: u64) {
    let start = Some(shown.view.counted.start);
    series.count(labels, &CounterSample { value: count as f64, start, exemplar: None });
}
