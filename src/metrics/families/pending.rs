//! Writes the gauges about containers that wait without an error, computed from the snapshot at each scrape.

use super::info::write_info;
use super::series::SeriesWriter;
use crate::metrics::scrape::SelectedSeries;
use image_pull_model::image_wait::{ImageWait, WaitStage};

pub(super) fn since(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    for (pod, container, wait) in &selected.pending {
        let WaitStage::Pending(basis) = wait.stage else { continue };
        let labels = [&*pod.id.namespace, &*pod.id.name, &*pod.id.uid, &*container.name, basis.as_str()];
        series.write(&labels, wait.since.unix_seconds());
    }
}

pub(super) fn info(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    for (pod, container, wait) in &selected.pending {
        write_info(series, (pod, container), (&wait.image, wait.policy), &[]);
    }
}

pub(super) fn containers(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    series.write(&[], count(selected, ImageWait::is_pending));
}

pub(super) fn starting_containers(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    series.write(&[], count(selected, |wait| !wait.is_pending() && selected.scrape.is_overdue(wait)));
}

fn count(selected: &SelectedSeries<'_>, is_counted: impl Fn(&ImageWait) -> bool) -> f64 {
    selected.scrape.snapshot.waits().filter(|(_, _, wait)| is_counted(wait)).count() as f64
}
