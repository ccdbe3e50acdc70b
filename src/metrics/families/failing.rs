//! Writes the gauges about failing containers, computed from the snapshot at each scrape.

use std::collections::BTreeMap;

use super::info::write_info;
use super::series::SeriesWriter;
use crate::metrics::scrape::SelectedSeries;
use image_pull_model::cause::Cause;
use image_pull_model::facts::ContainerKind;
use image_pull_model::failure::Failure;
use image_pull_model::snapshot::{FailureRef, TrackedContainer, TrackedPod};
use image_pull_model::time::Timestamp;

pub(super) fn waiting_reason(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    write_mirrored_reasons(selected, series, &[ContainerKind::App]);
}

pub(super) fn init_waiting_reason(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    write_mirrored_reasons(selected, series, &[ContainerKind::Init, ContainerKind::Sidecar]);
}

fn write_mirrored_reasons(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>, kinds: &[ContainerKind]) {
    for (pod, container, reason) in selected.mirrored_reasons() {
        if kinds.contains(&container.kind) {
            series.write(&[&pod.id.namespace, &pod.id.name, &pod.id.uid, &container.name, reason], 1.0);
        }
    }
}

/// Writes one series for each failing container with a `value`. Its labels identify the container, and end with
/// `extra_label` if there is one.
fn write_per_container<'a>(
    selected: &SelectedSeries<'a>,
    series: &mut SeriesWriter<'_>,
    value: impl Fn(&FailureRef<'a>) -> Option<f64>,
    extra_label: impl Fn(&FailureRef<'a>) -> Option<&'a str>,
) {
    for failing @ (pod, container, _) in &selected.failing {
        let Some(value) = value(failing) else { continue };
        let identity = [&*pod.id.namespace, &*pod.id.name, &*pod.id.uid, &*container.name];
        match extra_label(failing) {
            Some(extra) => {
                let [namespace, name, uid, container] = identity;
                series.write(&[namespace, name, uid, container, extra], value);
            }
            None => series.write(&identity, value),
        }
    }
}

pub(super) fn failing(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    write_per_container(selected, series, |_| Some(1.0), |(_, container, _)| Some(container.kind.as_str()));
}

pub(super) fn since(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let number = |(_, _, failure): &FailureRef<'_>| Some(failure.start.at.unix_seconds());
    write_per_container(selected, series, number, |(_, _, failure)| Some(failure.start.basis.as_str()));
}

pub(super) fn cause_since(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    write_per_container(selected, series, |(_, _, failure)| Some(failure.cause_start().at.unix_seconds()), |_| None);
}

pub(super) fn attempts(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    write_per_container(selected, series, |(_, _, failure)| Some(f64::from(failure.attempts)), |_| None);
}

pub(super) fn last_attempt(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    write_per_container(
        selected,
        series,
        |(_, _, failure)| failure.last_attempt().map(Timestamp::unix_seconds),
        |_| None,
    );
}

pub(super) fn next_attempt(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    write_per_container(
        selected,
        series,
        |(_, _, failure)| failure.next_attempt().map(Timestamp::unix_seconds),
        |_| None,
    );
}

pub(super) fn stale_since(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let number =
        |(pod, _, failure): &FailureRef<'_>| stale_at_last_event(selected, pod, failure).map(Timestamp::unix_seconds);
    write_per_container(selected, series, number, |_| None);
}

pub(super) fn stale_containers(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let failures = selected.scrape.snapshot.failures();
    series.write(
        &[],
        failures.filter(|(pod, _, failure)| stale_at_last_event(selected, pod, failure).is_some()).count() as f64,
    );
}

fn stale_at_last_event(selected: &SelectedSeries<'_>, pod: &TrackedPod, failure: &Failure) -> Option<Timestamp> {
    pod.stale_since(failure, selected.scrape.watch.last_event.unwrap_or_default())
}

pub(super) fn info(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    for (pod, container, failure) in &selected.failing {
        let cause = [failure.cause().as_str(), failure.cause_group().as_str()];
        write_info(series, (pod, container), (&failure.image, failure.policy), &cause);
    }
}

pub(super) fn containers(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let mut counts = BTreeMap::new();
    for (_, _, failure) in selected.scrape.snapshot.failures() {
        *counts.entry(failure.cause()).or_insert(0) += 1;
    }
    for cause in Cause::ALL {
        series.write(&[cause.as_str()], f64::from(counts.get(cause).copied().unwrap_or(0_u32)));
    }
}

pub(super) fn pods(selected: &SelectedSeries<'_>, series: &mut SeriesWriter<'_>) {
    let fails = |containers: &[TrackedContainer]| containers.iter().any(|container| container.failure.is_some());
    series.write(&[], selected.scrape.snapshot.pods.iter().filter(|pod| fails(&pod.containers)).count() as f64);
}
