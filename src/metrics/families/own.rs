//! Computes the families about the exporter itself.

use super::Series;
use crate::metrics::process::Process;
use crate::metrics::view::Shown;
use image_pull_model::time::Timestamp;

pub(super) fn build_info(_: &Shown<'_>, series: &mut Series<'_>) {
    series.put(&[crate::build::VERSION, crate::build::REVISION, crate::build::RUST_VERSION], 1.0);
}

pub(super) fn synced(shown: &Shown<'_>, series: &mut Series<'_>) {
    series.put(&[], f64::from(u8::from(shown.view.watch.synced)));
}

pub(super) fn namespace_synced(shown: &Shown<'_>, series: &mut Series<'_>) {
    for watch in &shown.view.watch.namespaces {
        series.put(&[&watch.namespace], f64::from(u8::from(watch.synced)));
    }
}

pub(super) fn last_event(shown: &Shown<'_>, series: &mut Series<'_>) {
    if let Some(at) = shown.view.watch.last_event {
        series.put(&[], at.unix_seconds());
    }
}

pub(super) fn listed_pods(shown: &Shown<'_>, series: &mut Series<'_>) {
    series.put(&[], shown.view.watch.listed_pods as f64);
}

pub(super) fn tracked_containers(shown: &Shown<'_>, series: &mut Series<'_>) {
    series.put(&[], shown.view.snapshot.containers().count() as f64);
}

pub(super) fn truncated_containers(shown: &Shown<'_>, series: &mut Series<'_>) {
    series.put(&[], shown.truncated as f64);
}

pub(super) fn history_forgotten(shown: &Shown<'_>, series: &mut Series<'_>) {
    let forgotten = shown.view.forgotten;
    series.put(&["failure"], forgotten.failures as f64);
    series.put(&["status"], forgotten.points as f64);
}

pub(super) fn log_lines_dropped(shown: &Shown<'_>, series: &mut Series<'_>) {
    for (reason, count) in &shown.view.log_lines_dropped {
        series.put(&[reason], *count as f64);
    }
}

pub(super) fn http_refusals(shown: &Shown<'_>, series: &mut Series<'_>) {
    for (reason, count) in shown.view.web.iter().flat_map(|web| &web.refused) {
        series.put(&[reason], *count as f64);
    }
}

pub(super) fn reload_successful(shown: &Shown<'_>, series: &mut Series<'_>) {
    if let Some((is_successful, _)) = shown.view.web.as_ref().and_then(|web| web.reload) {
        series.put(&[], f64::from(u8::from(is_successful)));
    }
}

pub(super) fn reload_time(shown: &Shown<'_>, series: &mut Series<'_>) {
    if let Some((_, succeeded)) = shown.view.web.as_ref().and_then(|web| web.reload) {
        series.put(&[], succeeded.unix_seconds());
    }
}

pub(super) fn start_time(shown: &Shown<'_>, series: &mut Series<'_>) {
    process(shown, series, |started, _| started.unix_seconds());
}

pub(super) fn cpu(shown: &Shown<'_>, series: &mut Series<'_>) {
    process(shown, series, |_, process| process.cpu_seconds);
}

pub(super) fn resident_memory(shown: &Shown<'_>, series: &mut Series<'_>) {
    process(shown, series, |_, process| process.resident_memory_bytes);
}

pub(super) fn virtual_memory(shown: &Shown<'_>, series: &mut Series<'_>) {
    process(shown, series, |_, process| process.virtual_memory_bytes);
}

pub(super) fn open_fds(shown: &Shown<'_>, series: &mut Series<'_>) {
    process(shown, series, |_, process| process.open_fds);
}

pub(super) fn max_fds(shown: &Shown<'_>, series: &mut Series<'_>) {
    process(shown, series, |_, process| process.max_fds);
}

fn process(shown: &Shown<'_>, series: &mut Series<'_>, figure: fn(Timestamp, &Process) -> f64) {
    if let Some((started, process)) = &shown.view.process {
        series.put(&[], figure(*started, process));
    }
}
