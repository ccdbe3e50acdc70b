//! Replays the recordings of a real kubelet and compares the metrics, record by record, with what the statuses say.

mod causes;
mod events;
mod labels;
mod oracle;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::exposition::{Exposition, Sample};
use image_pull_exporter::metrics::exposition::ExpositionFormat;
use image_pull_exporter::monitor::MonitorLimits;
use image_pull_exporter::replay::{self, Options};
use image_pull_model::index::{IndexConfig, MirroredReasons};
use oracle::{Failure, Place, Record};

/// The number of containers that cannot pull their image, from the README of each recording.
const FAILING: [(&str, usize); 27] = [
    ("config-error", 0),
    ("crashloop", 0),
    ("deadline-exceeded", 1),
    ("delete-backoff", 2),
    ("dns-failure", 1),
    ("ephemeral-bad", 1),
    ("good", 0),
    ("image-volume-bad", 1),
    ("init-fail", 1),
    ("inject-regunavail", 1),
    ("inspect-error", 1),
    ("invalid-name", 3),
    ("kubelet-restart", 1),
    ("long-cap", 2),
    ("missing-secret", 1),
    ("never-absent", 1),
    ("no-platform", 1),
    ("r429", 1),
    ("recover-patch", 1),
    ("recover-push", 1),
    ("restart-registry-died", 1),
    ("same-image-twice", 3),
    ("sandbox-image-missing", 0),
    ("static-pod", 1),
    ("tag-not-found", 1),
    ("two-containers", 1),
    ("unauthorized", 1),
];
/// The outcomes of the recordings in which a failure ends.
const ENDS: [(&str, &[&str]); 4] = [
    ("deadline-exceeded", &["pod_finished"]),
    ("delete-backoff", &["pod_deleted", "pod_deleted"]),
    ("recover-patch", &["image_changed"]),
    ("recover-push", &["recovered"]),
];
const BOUNDS: [f64; 8] = [15.0, 35.0, 68.0, 128.0, 238.0, 340.0, 600.0, f64::INFINITY];
/// The exporter stores milliseconds.
const TOLERANCE: f64 = 0.001;

fn scrape_at(recording: &str, mirror: MirroredReasons, until: Option<Duration>) -> Exposition {
    let options = Options {
        settings: IndexConfig { mirrored_reasons: mirror, ..IndexConfig::default() },
        limits: MonitorLimits::DEFAULT,
        until,
        keep_going: false,
    };
    let clock = || panic!("a recording with times needs no clock");
    let replayed = replay::replay(recording.as_bytes(), &options, clock).unwrap();
    let mut out = Vec::new();
    replay::print(&replayed, ExpositionFormat::Text, &mut out).unwrap();
    Exposition::parse(std::str::from_utf8(&out).unwrap())
}

fn scrape(records: &[Record], mirror: MirroredReasons) -> Exposition {
    scrape_at(&oracle::write(records), mirror, None)
}

/// The samples of the cluster, without those of the exporter, sorted: the order of series is not significant.
fn of_the_cluster(scrape: &Exposition) -> Vec<Sample> {
    let own = |name: &str| name.starts_with("image_pull_exporter_") || name.starts_with("process_");
    let mut samples: Vec<Sample> = scrape.samples.iter().filter(|sample| !own(&sample.name)).cloned().collect();
    samples.sort_by(|a, b| (&a.name, &a.labels).cmp(&(&b.name, &b.labels)));
    samples
}

fn registry(image: &str) -> &str {
    image.split_once('/').map(|(host, _)| host).filter(|host| host.contains(['.', ':'])).unwrap_or("docker.io")
}

/// The registry label of a failure, empty for an invalid reference.
fn registry_label(failure: &Failure) -> String {
    let is_reference = !failure.image.contains("://");
    if is_reference { registry(&failure.image).to_owned() } else { String::new() }
}

fn place(sample: &Sample) -> Place {
    Place {
        namespace: sample.label("namespace").to_owned(),
        pod: sample.label("pod").to_owned(),
        uid: sample.label("uid").to_owned(),
        container: sample.label("container").to_owned(),
    }
}

fn by_place(scrape: &Exposition, name: &str) -> BTreeMap<Place, Sample> {
    let samples: Vec<(Place, Sample)> = scrape.all(name).map(|sample| (place(sample), sample.clone())).collect();
    let count = samples.len();
    let by_place: BTreeMap<Place, Sample> = samples.into_iter().collect();
    assert_eq!(by_place.len(), count, "a container twice in {name}");
    by_place
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= TOLERANCE
}

/// The number of observations in each bucket of the back-off histogram, by registry and upper bound.
fn observed(scrape: &Exposition) -> BTreeMap<(String, String), f64> {
    let mut observed = BTreeMap::new();
    let mut below = 0.0;
    for sample in scrape.all("image_pull_backoff_duration_seconds_bucket") {
        let bound: f64 = sample.label("le").parse().unwrap();
        if bound.total_cmp(&BOUNDS[0]).is_eq() {
            below = 0.0;
        }
        if sample.value > below {
            observed.insert((sample.label("registry").to_owned(), bound.to_string()), sample.value - below);
        }
        below = sample.value;
    }
    observed
}

fn expected_observations(failures: &[Failure]) -> BTreeMap<(String, String), f64> {
    let mut expected = BTreeMap::new();
    for failure in failures {
        for interval in &failure.intervals {
            *expected.entry((registry_label(failure), interval.bucket().to_string())).or_insert(0.0) += 1.0;
        }
    }
    expected
}

/// Compares all samples of failures with the result of the oracle.
fn check_failures(name: &str, scrape: &Exposition, failures: &[Failure]) {
    let open: Vec<&Failure> = failures.iter().filter(|failure| failure.ended.is_none()).collect();
    check_open(name, scrape, &open);

    let mut registries: Vec<String> = failures.iter().map(registry_label).collect();
    registries.sort();
    registries.dedup();
    let total = |name: &str| scrape.sum(name, &[]);
    let count = |failures: &[&Failure]| failures.len() as f64;
    assert!(close(total("image_pull_failures_started_total"), failures.len() as f64), "{name}: failures started");
    let ended = count(&failures.iter().filter(|failure| failure.ended.is_some()).collect::<Vec<_>>());
    assert!(close(total("image_pull_failures_ended_total"), ended), "{name}: failures ended");
    let exact = |failure: &&Failure| failure.since.1 == "observed" && failure.ended.is_some();
    let exact_ends = count(&failures.iter().filter(exact).collect::<Vec<_>>());
    assert!(close(total("image_pull_failure_duration_seconds_count"), exact_ends), "{name}: durations");
    for registry in &registries {
        for outcome in ["recovered", "image_changed", "pod_deleted", "pod_finished", "unknown"] {
            let labels = [("registry", registry.as_str()), ("outcome", outcome)];
            let ended: Vec<&Failure> = failures
                .iter()
                .filter(|failure| registry_label(failure) == *registry)
                .filter(|failure| failure.ended.is_some_and(|(_, end)| end == outcome))
                .collect();
            let counted = scrape.sum("image_pull_failures_ended_total", &labels);
            assert!(close(counted, count(&ended)), "{name}: {counted} failures at {registry} ended as {outcome}");
            let lasted: f64 = ended
                .iter()
                .filter(|failure| exact(failure))
                .map(|failure| failure.ended.unwrap().0 - failure.began)
                .sum();
            let counted = scrape.sum("image_pull_failure_duration_seconds_sum", &labels);
            assert!((counted - lasted).abs() < 0.01, "{name}: {counted} s, not {lasted} s until {outcome}");
        }
    }
    let attempts: usize = failures.iter().map(|failure| failure.onsets.len()).sum();
    let counted = total("image_pull_failed_attempts_total");
    assert!((counted - attempts as f64).abs() <= failures.len() as f64, "{name}: {counted} attempts of {attempts}");
    assert_eq!(observed(scrape), expected_observations(failures), "{name}: back-off intervals by registry and bucket");
}

fn check_open(name: &str, scrape: &Exposition, open: &[&Failure]) {
    let places: Vec<&Place> = {
        let mut places: Vec<&Place> = open.iter().map(|failure| &failure.place).collect();
        places.sort();
        places
    };
    let [failing, info, since, cause_since, attempts, last, next] = [
        "image_pull_failing",
        "image_pull_failing_info",
        "image_pull_failing_since_timestamp_seconds",
        "image_pull_failing_cause_since_timestamp_seconds",
        "image_pull_failing_attempts",
        "image_pull_last_attempt_timestamp_seconds",
        "image_pull_next_attempt_timestamp_seconds",
    ]
    .map(|family| by_place(scrape, family));
    for (family, shown) in [
        ("failing", &failing),
        ("info", &info),
        ("since", &since),
        ("cause_since", &cause_since),
        ("attempts", &attempts),
    ] {
        assert_eq!(shown.keys().collect::<Vec<_>>(), places, "{name}: containers in {family}");
    }
    assert!(close(scrape.sum("image_pull_failing_containers", &[]), open.len() as f64), "{name}: failing containers");
    assert!(close(scrape.sum("image_pull_stale_containers", &[]), 0.0), "{name}: every status is kept up");
    let mut pods: Vec<&str> = open.iter().map(|failure| failure.place.uid.as_str()).collect();
    pods.sort_unstable();
    pods.dedup();
    assert!(close(scrape.sum("image_pull_failing_pods", &[]), pods.len() as f64), "{name}: failing pods");
    for failure in open {
        let Failure { place, onsets, .. } = failure;
        let at = format!("{name}, container {}", place.container);
        assert!(close(failing[place].value, 1.0) && close(info[place].value, 1.0), "{at}: presence is 1");
        assert_eq!(failing[place].label("container_type"), failure.container_type, "{at}");
        assert_eq!(info[place].label("container_type"), failure.container_type, "{at}");
        assert_eq!(info[place].label("image"), failure.image, "{at}");
        assert_eq!(info[place].label("registry"), registry_label(failure), "{at}");
        assert_eq!(info[place].label("pull_policy"), failure.policy, "{at}");
        assert_eq!(since[place].label("basis"), failure.since.1, "{at}");
        assert!(
            close(since[place].value, failure.since.0),
            "{at}: since {} not {:?}",
            since[place].value,
            failure.since
        );
        let (cause, began) = failure.cause_since();
        assert_eq!(info[place].label("cause"), cause, "{at}");
        assert!(close(cause_since[place].value, began), "{at}: {cause} since {} not {began}", cause_since[place].value);
        assert!((attempts[place].value - onsets.len() as f64).abs() <= 1.0, "{at}: {} attempts", attempts[place].value);
        match (last.get(place), onsets.last()) {
            (Some(last), Some(onset)) => {
                assert!(close(last.value, *onset), "{at}: last attempt {} not {onset}", last.value);
            }
            (None, None) => {}
            (last, onset) => panic!("{at}: last attempt {last:?}, not {onset:?}"),
        }
        if let (Some(next), Some(onset)) = (next.get(place), onsets.last()) {
            assert!(next.value > onset - 16.0, "{at}: the next attempt {} before the last {onset}", next.value);
        }
    }
    assert!(next.keys().all(|place| places.contains(&place)), "{name}: a next attempt of what does not fail");
}

fn check_mirror(name: &str, scrape: &Exposition, records: &[Record], verbatim: bool) {
    let families = ["kube_pod_container_status_waiting_reason", "kube_pod_init_container_status_waiting_reason"];
    for (family, expected) in families.into_iter().zip(oracle::waiting_reasons(records, verbatim)) {
        let mut shown: Vec<[String; 5]> = Vec::new();
        for sample in scrape.all(family) {
            let names: Vec<&str> = sample.labels.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["namespace", "pod", "uid", "container", "reason"], "{name}: labels of {family}");
            assert!(close(sample.value, 1.0), "{name}: {family} is {}", sample.value);
            shown.push(std::array::from_fn(|place| sample.labels[place].1.clone()));
        }
        shown.sort();
        assert_eq!(shown, expected, "{name}: {family}");
    }
}

/// The recording, started at each of its records.
fn cuts(records: &[Record]) -> impl Iterator<Item = Vec<Record>> {
    (0..records.len()).map(|first| oracle::cut(records, first)).filter(|cut| !cut.is_empty())
}

/// Runs `check` on every recording.
fn for_each_recording(check: impl Fn(&str, &[Record])) {
    for (name, _) in FAILING {
        check(name, &oracle::read(name));
    }
}

/// Runs `check` on every recording up to each of its records.
fn at_every_record(check: impl Fn(&str, &[Record])) {
    for_each_recording(|name, records| {
        for end in 1..=records.len() {
            check(&format!("{name}, record {end}"), &records[..end]);
        }
    });
}

#[test]
fn the_oracle_agrees_with_the_readme_of_the_recordings() {
    for (name, count) in FAILING {
        let failures = oracle::failures(&oracle::read(name));
        assert_eq!(failures.len(), count, "{name}");
        let expected = ENDS.iter().find(|(recording, _)| *recording == name).map_or(&[][..], |(_, ends)| ends);
        let ends: Vec<&str> = failures.iter().filter_map(|failure| Some(failure.ended?.1)).collect();
        assert_eq!(ends, expected, "{name}");
    }
}

#[test]
fn every_recorded_interval_between_two_failed_attempts_falls_into_the_bucket_of_its_step() {
    let mut steps = [0; 6];
    for_each_recording(|name, records| {
        for failure in oracle::failures(records) {
            for interval in failure.intervals.iter().filter(|interval| !interval.recovery) {
                let lasted = interval.to - interval.from;
                let below = BOUNDS.iter().rev().find(|bound| **bound < interval.bucket()).unwrap();
                assert!(lasted <= interval.bucket() && lasted > *below, "{name}: {interval:?} lasted {lasted}");
            }
        }
    });
    for (name, _) in FAILING {
        for failure in oracle::failures(&oracle::read(name)) {
            for step in failure.intervals.iter().filter_map(|interval| interval.step) {
                steps[step.min(6) - 1] += 1;
            }
        }
    }
    assert!(steps.iter().all(|count| *count > 5), "each step is there: {steps:?}");
}

#[test]
fn every_recording_shows_one_failure_for_each_failing_container_at_every_record() {
    at_every_record(|name, records| {
        check_failures(name, &scrape(records, MirroredReasons::Image), &oracle::failures(records));
    });
}

/// The restarted kubelet exceeds its own pull limit at one attempt, and later cannot reach the runtime for one sync. Both
/// are other causes, and neither ends the cause of the bad tag.
#[test]
fn a_returning_cause_keeps_its_start() {
    let records = oracle::read("kubelet-restart");
    let mut seen: Vec<(String, f64)> = Vec::new();
    for end in 1..=records.len() {
        let scrape = scrape(&records[..end], MirroredReasons::None);
        let Some(info) = scrape.all("image_pull_failing_info").next() else { continue };
        let since = scrape.sum("image_pull_failing_cause_since_timestamp_seconds", &[]) - records[0].at;
        let now = (info.label("cause").to_owned(), since.round());
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    let seen: Vec<(&str, f64)> = seen.iter().map(|(cause, since)| (cause.as_str(), *since)).collect();
    let (bad_tag, began) = seen[0];
    assert_eq!(bad_tag, "image_not_found");
    let [(_, limited), (_, blind)] = [seen[1], seen[3]];
    let expected = [
        ("image_not_found", began),
        ("pull_qps_exceeded", limited),
        ("image_not_found", began),
        ("node_storage_error", blind),
        ("image_not_found", began),
    ];
    assert_eq!(seen, expected);
    assert!(limited > began + 200.0 && blind > limited + 500.0, "{seen:?}");
}

#[test]
fn the_mirror_shows_image_reasons_as_kube_state_metrics_does_at_every_record() {
    at_every_record(|name, records| check_mirror(name, &scrape(records, MirroredReasons::Image), records, false));
}

#[test]
fn the_whole_mirror_shows_all_reasons_as_kube_state_metrics_does_at_every_record() {
    at_every_record(|name, records| check_mirror(name, &scrape(records, MirroredReasons::All), records, true));
}

#[test]
fn the_mirror_does_not_affect_other_metrics() {
    for_each_recording(|name, records| {
        let of_failures = |mirror| -> Vec<Sample> {
            let scrape = scrape(records, mirror);
            of_the_cluster(&scrape).into_iter().filter(|sample| !sample.name.starts_with("kube_")).collect()
        };
        let without = of_failures(MirroredReasons::None);
        assert_eq!(without, of_failures(MirroredReasons::All), "{name}");
        assert!(scrape(records, MirroredReasons::None).samples.iter().all(|sample| !sample.name.starts_with("kube_")));
    });
}

#[test]
fn the_mirror_has_the_headers_of_kube_state_metrics() {
    let scrape = scrape(&oracle::read("good"), MirroredReasons::Image);
    let help = |name: &str| {
        let family = scrape.families.iter().find(|(family, _, _)| family == name);
        family.map(|(_, help, kind)| (help.clone(), kind.clone()))
    };
    let header = |help: &str| Some((help.to_owned(), "gauge".to_owned()));
    assert_eq!(
        help("kube_pod_container_status_waiting_reason"),
        header("[STABLE] Describes the reason the container is currently in waiting state.")
    );
    assert_eq!(
        help("kube_pod_init_container_status_waiting_reason"),
        header("Describes the reason the init container is currently in waiting state.")
    );
}

#[test]
fn a_replay_that_stops_early_shows_the_same_as_a_recording_that_ends_there() {
    for_each_recording(|name, records| {
        let whole = oracle::write(records);
        for end in 1..records.len() {
            let (before, after) = (records[end - 1].at, records[end].at);
            // The exporter stores milliseconds. Events within the same millisecond cannot be distinguished.
            if after - before < 0.002 {
                continue;
            }
            let until = Duration::from_secs_f64(f64::midpoint(before, after) - records[0].at);
            let stopped = of_the_cluster(&scrape_at(&whole, MirroredReasons::All, Some(until)));
            assert_eq!(
                stopped,
                of_the_cluster(&scrape(&records[..end], MirroredReasons::All)),
                "{name} until {until:?}"
            );
        }
    });
}

#[test]
fn an_exporter_that_starts_later_finds_the_same_failures_with_estimated_starts() {
    for_each_recording(|name, records| {
        let whole = oracle::failures(records);
        for records in cuts(records) {
            let first = records[0].at;
            let name = format!("{name} from {first}");
            let mut failures = oracle::failures(&records);
            // The step of an interval does not depend on whether its start was observed.
            for failure in &mut failures {
                let same = whole.iter().find(|known| known.place == failure.place).unwrap();
                assert!(failure.since.0 <= failure.began, "{name}: the oracle's start is none");
                for interval in &mut failure.intervals {
                    let known = same.intervals.iter().find(|known| close(known.from, interval.from));
                    interval.step = known.and_then(|known| known.step).or(interval.step);
                }
                assert!(failure.ended.is_none() || failure.ended == same.ended, "{name}");
            }
            for failure in &failures {
                let seen: Vec<Record> = records.iter().filter(|record| record.at <= failure.began).cloned().collect();
                let since =
                    by_place(&scrape(&seen, MirroredReasons::Image), "image_pull_failing_since_timestamp_seconds");
                let since = since[&failure.place].value;
                assert!(since > 0.0 && since <= failure.began + TOLERANCE, "{name}: {since} in the future");
            }
            check_failures(&name, &scrape(&records, MirroredReasons::Image), &failures);
            check_mirror(&name, &scrape(&records, MirroredReasons::All), &records, true);
        }
    });
}

#[test]
fn a_repeated_record_has_no_effect() {
    for_each_recording(|name, records| {
        for once in cuts(records) {
            let twice: Vec<Record> = once.iter().flat_map(|record| [record.clone(), record.clone()]).collect();
            let (once, twice) = (scrape(&once, MirroredReasons::All), scrape(&twice, MirroredReasons::All));
            assert_eq!(of_the_cluster(&once), of_the_cluster(&twice), "{name}");
        }
    });
}

/// Each predicted next attempt is correct, unless it is disturbed before.
fn check_next_attempts(name: &str, records: &[Record]) {
    let failures = oracle::failures(records);
    for end in 1..=records.len() {
        for sample in scrape(&records[..end], MirroredReasons::None).all("image_pull_next_attempt_timestamp_seconds") {
            let failure = failures.iter().find(|failure| failure.place == place(sample)).unwrap();
            let waits = |interval: &&oracle::Interval| {
                (interval.from - TOLERANCE..interval.to - TOLERANCE).contains(&records[end - 1].at)
            };
            let Some(interval) = failure.intervals.iter().find(waits) else { continue };
            // A failed attempt becomes visible after 11 to 16 s, a successful one immediately.
            let made = interval.to - if interval.recovery { 0.0 } else { 13.5 };
            let off = sample.value - made;
            assert!(off.abs() <= 15.0, "{name}, record {end}: {off} s off for {interval:?}");
        }
    }
}

#[test]
fn the_next_attempt_is_expected_when_the_kubelet_makes_it() {
    for_each_recording(check_next_attempts);
}

#[test]
fn after_a_restart_of_the_exporter_the_next_attempt_is_correct_or_absent() {
    for name in ["kubelet-restart", "ephemeral-bad", "tag-not-found", "recover-push", "recover-patch"] {
        check_next_attempts_after_each_restart(name);
    }
}

#[test]
fn after_a_delayed_container_restart_the_next_attempt_is_correct_or_absent() {
    check_next_attempts_after_each_restart("restart-registry-died");
}

fn check_next_attempts_after_each_restart(name: &str) {
    for cut in cuts(&oracle::read(name)) {
        check_next_attempts(&format!("{name} from {}", cut[0].at), &cut);
    }
}
