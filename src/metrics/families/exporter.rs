//! Writes the gauges about the exporter itself, and the counters that other modules keep.

use super::series::SeriesWriter;
use crate::metrics::process::ProcessStats;
use crate::metrics::scrape::SelectedSeries;
use image_pull_model::time::Timestamp;

pub(super) fn build_info(_: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    series.write(&[crate::build::VERSION, crate::build::REVISION, crate::build::RUST_VERSION], 1.0);
}

pub(super) fn events_enabled(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    series.write(&[], f64::from(u8::from(selected.scrape.reads_events)));
}

pub(super) fn synced(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    series.write(&[], f64::from(u8::from(selected.scrape.watch.is_synced)));
}

pub(super) fn namespace_synced(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    for watch in &selected.scrape.watch.namespaces {
        series.write(&[&watch.namespace], f64::from(u8::from(watch.is_synced)));
    }
}

pub(super) fn last_event(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    if let Some(at) = selected.scrape.watch.last_event {
        series.write(&[], at.unix_seconds());
    }
}

pub(super) fn listed_pods(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    series.write(&[], selected.scrape.watch.listed_pods as f64);
}

pub(super) fn tracked_containers(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    series.write(&[], selected.scrape.snapshot.containers().count() as f64);
}

pub(super) fn truncated_containers(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    series.write(&[], selected.truncated_containers as f64);
}

pub(super) fn dropped_events(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    series.write(&[], selected.scrape.dropped_events as f64);
}

pub(super) fn history_evictions(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let evictions = selected.scrape.history_evictions;
    series.write(&["failure"], evictions.failures as f64);
    series.write(&["status"], evictions.points as f64);
}

pub(super) fn log_lines_dropped(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    for (reason, count) in &selected.scrape.log_lines_dropped {
        series.write(&[reason], *count as f64);
    }
}

pub(super) fn http_refusals(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    for (reason, count) in selected.scrape.web.iter().flat_map(|web| &web.rejected) {
        series.write(&[reason], *count as f64);
    }
}

pub(super) fn reload_successful(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    if let Some((is_successful, _)) = selected.scrape.web.as_ref().and_then(|web| web.last_reload) {
        series.write(&[], f64::from(u8::from(is_successful)));
    }
}

pub(super) fn reload_time(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    if let Some((_, succeeded)) = selected.scrape.web.as_ref().and_then(|web| web.last_reload) {
        series.write(&[], succeeded.unix_seconds());
    }
}

pub(super) fn start_time(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    process(selected, series, |started, _| started.unix_seconds());
}

pub(super) fn cpu(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    process(selected, series, |_, process| process.cpu_seconds);
}

pub(super) fn resident_memory(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    process(selected, series, |_, process| process.resident_memory_bytes);
}

pub(super) fn virtual_memory(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    process(selected, series, |_, process| process.virtual_memory_bytes);
}

pub(super) fn open_fds(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    process(selected, series, |_, process| process.open_fds);
}

pub(super) fn max_fds(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    process(selected, series, |_, process| process.max_fds);
}

fn process(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>, figure: fn(Timestamp, &ProcessStats) -> f64) {
    if let Some((started, process)) = &selected.scrape.process {
        series.write(&[], figure(*started, process));
    }
}
