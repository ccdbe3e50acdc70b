//! Computes the families about what is failing.

use std::collections::BTreeMap;

use super::Series;
use crate::metrics::view::Shown;
use image_pull_model::cause::Cause;
use image_pull_model::facts::ContainerKind;
use image_pull_model::failure::Failure;
use image_pull_model::snapshot::{Failing, TrackedContainer, TrackedPod};
use image_pull_model::time::Timestamp;
use image_pull_model::workload::workload;

pub(super) fn waiting_reason(shown: &Shown<'_>, series: &mut Series<'_>) {
    mirror(shown, series, &[ContainerKind::App]);
}

pub(super) fn init_waiting_reason(shown: &Shown<'_>, series: &mut Series<'_>) {
    mirror(shown, series, &[ContainerKind::Init, ContainerKind::Sidecar]);
}

fn mirror(shown: &Shown<'_>, series: &mut Series<'_>, kinds: &[ContainerKind]) {
    for (pod, container, reason) in shown.mirrored() {
        if kinds.contains(&container.kind) {
            series.put(&[&pod.id.namespace, &pod.id.name, &pod.id.uid, &container.name, reason], 1.0);
        }
    }
}

/// Writes one series for each failing container that has a number: its identity, then `more`.
fn each<'a>(
    shown: &Shown<'a>,
    series: &mut Series<'_>,
    number: impl Fn(&Failing<'a>) -> Option<f64>,
    more: impl Fn(&Failing<'a>) -> Option<&'a str>,
) {
    for failing @ (pod, container, _) in &shown.failing {
        let Some(number) = number(failing) else { continue };
        let identity = [&*pod.id.namespace, &*pod.id.name, &*pod.id.uid, &*container.name];
        match more(failing) {
            Some(more) => {
                let [namespace, name, uid, container] = identity;
                series.put(&[namespace, name, uid, container, more], number);
            }
            None => series.put(&identity, number),
        }
    }
}

pub(super) fn failing(shown: &Shown<'_>, series: &mut Series<'_>) {
    each(shown, series, |_| Some(1.0), |(_, container, _)| Some(container.kind.as_str()));
}

pub(super) fn since(shown: &Shown<'_>, series: &mut Series<'_>) {
    let number = |(_, _, failure): &Failing<'_>| Some(failure.since.at.unix_seconds());
    each(shown, series, number, |(_, _, failure)| Some(failure.since.basis.as_str()));
}

pub(super) fn cause_since(shown: &Shown<'_>, series: &mut Series<'_>) {
    each(shown, series, |(_, _, failure)| Some(failure.cause_since().at.unix_seconds()), |_| None);
}

pub(super) fn attempts(shown: &Shown<'_>, series: &mut Series<'_>) {
    each(shown, series, |(_, _, failure)| Some(f64::from(failure.attempts)), |_| None);
}

pub(super) fn last_attempt(shown: &Shown<'_>, series: &mut Series<'_>) {
    each(shown, series, |(_, _, failure)| failure.last_attempt().map(Timestamp::unix_seconds), |_| None);
}

pub(super) fn next_attempt(shown: &Shown<'_>, series: &mut Series<'_>) {
    each(shown, series, |(_, _, failure)| failure.next_attempt().map(Timestamp::unix_seconds), |_| None);
}

pub(super) fn stale_since(shown: &Shown<'_>, series: &mut Series<'_>) {
    let number = |(pod, _, failure): &Failing<'_>| stale(shown, pod, failure).map(Timestamp::unix_seconds);
    each(shown, series, number, |_| None);
}

pub(super) fn stale_containers(shown: &Shown<'_>, series: &mut Series<'_>) {
    let failures = shown.view.snapshot.failures();
    series.put(&[], failures.filter(|(pod, _, failure)| stale(shown, pod, failure).is_some()).count() as f64);
}

fn stale(shown: &Shown<'_>, pod: &TrackedPod, failure: &Failure) -> Option<Timestamp> {
    pod.stale_since(failure, shown.view.watch.last_event.unwrap_or_default())
}

pub(super) fn info(shown: &Shown<'_>, series: &mut Series<'_>) {
    for (pod, container, failure) in &shown.failing {
        let (image, workload) = (&failure.image, workload(&pod.id, &pod.owner));
        let written = image.redacted();
        let labels = [
            &*pod.id.namespace,
            &*pod.id.name,
            &*pod.id.uid,
            &*container.name,
            container.kind.as_str(),
            &*written,
            image.registry(),
            image.repository(),
            image.tag(),
            image.digest(),
            failure.policy.as_str(),
            failure.cause().as_str(),
            failure.cause().group().as_str(),
            &*pod.node,
            workload.kind,
            workload.name,
            if pod.batch { "true" } else { "false" },
        ];
        series.put(&labels, 1.0);
    }
}

pub(super) fn containers(shown: &Shown<'_>, series: &mut Series<'_>) {
    let mut counts = BTreeMap::new();
    for (_, _, failure) in shown.view.snapshot.failures() {
        *counts.entry(failure.cause()).or_insert(0) += 1;
    }
    for cause in Cause::ALL {
        series.put(&[cause.as_str()], f64::from(counts.get(cause).copied().unwrap_or(0_u32)));
    }
}

pub(super) fn pods(shown: &Shown<'_>, series: &mut Series<'_>) {
    let fails = |containers: &[TrackedContainer]| containers.iter().any(|container| container.failure.is_some());
    series.put(&[], shown.view.snapshot.pods.iter().filter(|pod| fails(&pod.containers)).count() as f64);
}
