//! Computes the families about the exporter itself.

use super::SeriesWriter;
use crate::metrics::process::ProcessStats;
use crate::metrics::scrape::SelectedSeries;
use image_pull_model::time::Timestamp;

pub(super) fn build_info(_: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    series.write(&[crate::build::VERSION, crate::build::REVISION, crate::build::RUST_VERSION], 1.0);
}

pub(super) fn synced(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    series.write(&[], f64::from(u8::from(shown.scrape.watch.is_synced)));
}

pub(super) fn namespace_synced(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    for watch in &shown.scrape.watch.namespaces {
        series.write(&[&watch.namespace], f64::from(u8::from(watch.is_synced)));
    }
}

pub(super) fn last_event(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    if let Some(at) = shown.scrape.watch.last_event {
        series.write(&[], at.unix_seconds());
    }
}

pub(super) fn listed_pods(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    series.write(&[], shown.scrape.watch.listed_pods as f64);
}

pub(super) fn tracked_containers(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    series.write(&[], shown.scrape.snapshot.containers().count() as f64);
}

pub(super) fn truncated_containers(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    series.write(&[], shown.truncated_containers as f64);
}

pub(super) fn history_forgotten(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let forgotten = shown.scrape.history_evictions;
    series.write(&["failure"], forgotten.failures as f64);
    series.write(&["status"], forgotten.points as f64);
}

pub(super) fn log_lines_dropped(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    for (reason, count) in &shown.scrape.log_lines_dropped {
        series.write(&[reason], *count as f64);
    }
}

pub(super) fn http_refusals(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    for (reason, count) in shown.scrape.web.iter().flat_map(|web| &web.rejected) {
        series.write(&[reason], *count as f64);
    }
}

pub(super) fn reload_successful(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    if let Some((is_successful, _)) = shown.scrape.web.as_ref().and_then(|web| web.last_reload) {
        series.write(&[], f64::from(u8::from(is_successful)));
    }
}

pub(super) fn reload_time(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    if let Some((_, succeeded)) = shown.scrape.web.as_ref().and_then(|web| web.last_reload) {
        series.write(&[], succeeded.unix_seconds());
    }
}

pub(super) fn start_time(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    process(shown, series, |started, _| started.unix_seconds());
}

pub(super) fn cpu(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    process(shown, series, |_, process| process.cpu_seconds);
}

pub(super) fn resident_memory(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    process(shown, series, |_, process| process.resident_memory_bytes);
}

pub(super) fn virtual_memory(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    process(shown, series, |_, process| process.virtual_memory_bytes);
}

pub(super) fn open_fds(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    process(shown, series, |_, process| process.open_fds);
}

pub(super) fn max_fds(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    process(shown, series, |_, process| process.max_fds);
}

fn process(shown: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>, figure: fn(Timestamp, &ProcessStats) -> f64) {
    if let Some((started, process)) = &shown.scrape.process {
        series.write(&[], figure(*started, process));
    }
}
