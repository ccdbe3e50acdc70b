//! Recordings of a real kubelet, as Prometheus scrapes them: when ImagePullFailing fires, and when the classic rule does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use image_pull_exporter::metrics::exposition::ExpositionFormat;
use image_pull_exporter::monitor::MonitorLimits;
use image_pull_exporter::replay::{self, Options};
use image_pull_model::index::{IndexConfig, MirroredReasons};
use serde_json::Value;

use crate::common::exposition::Exposition;
use crate::timeline::{Case, EVALUATION_INTERVAL, Seconds, run_promtool};

/// The length of the evaluation of each recording.
const RECORDING_LENGTH: Seconds = 3600;
/// A recording that ends in back-off is extended like the longest recording: the status shows an attempt every 311 s, for 13 s.
const ATTEMPT_INTERVAL: f64 = 311.0;
const ATTEMPT_DURATION: f64 = 13.0;

/// The usual rule on the metrics of kube-state-metrics.
const CLASSIC_RULE: &str = r#"
      - alert: Classic
        expr: kube_pod_container_status_waiting_reason{reason="ImagePullBackOff"} == 1
        for: 15m
"#;

/// The samples of a scrape, by series.
type Scrape = BTreeMap<String, f64>;

struct Recording {
    name: String,
    /// Scrapes, each with its start in seconds from the first record.
    states: Vec<(f64, Scrape)>,
}

impl Recording {
    fn read(name: &str) -> Self {
        let text = std::fs::read_to_string(format!("tests/fixtures/traces/{name}.pods.jsonl")).unwrap();
        let mut records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let begin = records[0]["t"].as_f64().unwrap();
        extend_back_off(&mut records, begin + f64::from(RECORDING_LENGTH));
        let lines: Vec<String> = records.iter().map(Value::to_string).collect();
        let states = (1..=lines.len()).map(|end| {
            let at = records[end - 1]["t"].as_f64().unwrap() - begin;
            (at, scrape(&lines[..end].join("\n"), begin))
        });
        Self { name: name.to_owned(), states: states.collect() }
    }

    fn scrape_at(&self, at: Seconds) -> Option<&Scrape> {
        self.states.iter().rev().find(|(from, _)| *from <= f64::from(at)).map(|(_, scrape)| scrape)
    }

    /// The series, scraped at this interval.
    fn case(&self, scrape_interval: Seconds) -> Case {
        let mut names: Vec<&String> = self.states.iter().flat_map(|(_, scrape)| scrape.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let mut case =
            Case::with_scrape_interval(&format!("{} scraped every {scrape_interval} s", self.name), scrape_interval);
        for name in names {
            for at in (0..RECORDING_LENGTH).step_by(scrape_interval as usize) {
                if let Some(value) = self.scrape_at(at).and_then(|scrape| scrape.get(name)) {
                    case = case.series(name, at..at + 1, |_| *value);
                }
            }
        }
        case
    }

    /// When the classic rule first fires: it needs one series without a gap for the duration `hold`.
    fn classic_rule_fires_at(&self, scrape_interval: Seconds, hold: Seconds) -> Option<Seconds> {
        let names: Vec<&String> = self.states.iter().flat_map(|(_, scrape)| scrape.keys()).collect();
        let wanted = names.into_iter().filter(|name| {
            name.starts_with("kube_pod_container_status") && name.contains("reason=\"ImagePullBackOff\"")
        });
        let held = wanted.map(|name| {
            let mut since = None;
            (0..RECORDING_LENGTH).step_by(EVALUATION_INTERVAL as usize).find(|now| {
                let scraped = now / scrape_interval * scrape_interval;
                let is_exposed = self.scrape_at(scraped).is_some_and(|scrape| scrape.contains_key(name));
                since = if is_exposed { since.or(Some(*now)) } else { None };
                since.is_some_and(|since| now - since >= hold)
            })
        });
        held.flatten().min()
    }

    /// The number of workloads that fail at the end, without debug containers.
    fn workloads_failing_at_end(&self) -> u32 {
        let Some((_, last)) = self.states.last() else { return 0 };
        let infos = last
            .keys()
            .filter(|name| name.starts_with("image_pull_failing_info") && !name.contains("container=\"dbg\""));
        let workload = |name: &String| ["workload_kind=", "workload=", "registry="].map(|label| label_of(name, label));
        infos.map(workload).collect::<BTreeSet<_>>().len().try_into().expect("there are few")
    }

    /// The earliest start of the failures at the end, without debug containers.
    fn oldest_start_at_end(&self) -> Option<f64> {
        let (_, last) = self.states.last()?;
        let is_regular = |name: &str| !name.contains("container=\"dbg\"");
        let since = last.iter().filter(|(name, _)| name.starts_with("image_pull_failing_since") && is_regular(name));
        since.map(|(_, since)| *since).min_by(f64::total_cmp)
    }
}

/// The value of a label of a series.
fn label_of(series: &str, label: &str) -> String {
    series.split(label).nth(1).and_then(|rest| rest.split('"').nth(1)).unwrap_or_default().to_owned()
}

/// Repeats the last attempt and the last wait of a recording that ends in back-off.
fn extend_back_off(records: &mut Vec<Value>, until: f64) {
    let shows = |record: &Value, reason: &str| record.to_string().contains(&format!("\"reason\":\"{reason}\""));
    let last_is_back_off = records.last().is_some_and(|last| shows(last, "ImagePullBackOff"));
    let attempt = records.iter().rfind(|record| shows(record, "ErrImagePull") && record["type"] != "DELETED").cloned();
    let (Some(mut attempt), Some(mut wait)) = (attempt.filter(|_| last_is_back_off), records.last().cloned()) else {
        return;
    };
    let mut at = attempt["t"].as_f64().unwrap() + ATTEMPT_INTERVAL;
    while at < until {
        attempt["t"] = at.into();
        wait["t"] = (at + ATTEMPT_DURATION).into();
        records.extend([attempt.clone(), wait.clone()]);
        at += ATTEMPT_INTERVAL;
    }
}

/// The metrics of the exporter after these records, with timestamps in seconds from `begin`.
fn scrape(records: &str, begin: f64) -> Scrape {
    let options = Options {
        settings: IndexConfig { mirrored_reasons: MirroredReasons::Image, ..IndexConfig::default() },
        limits: MonitorLimits::DEFAULT,
        until: None,
        keep_going: false,
    };
    let replayed = replay::replay(records.as_bytes(), &options, || panic!("every record has a time")).unwrap();
    let mut out = Vec::new();
    replay::print(&replayed, ExpositionFormat::Text, &mut out).unwrap();
    let exposition = Exposition::parse(std::str::from_utf8(&out).unwrap());
    let families = [
        "image_pull_failing_since_timestamp_seconds",
        "image_pull_failing_cause_since_timestamp_seconds",
        "image_pull_failing_info",
    ];
    let mirror = ["kube_pod_container_status_waiting_reason", "kube_pod_init_container_status_waiting_reason"];
    let samples = families.iter().chain(&mirror).flat_map(|family| exposition.all(family));
    let series = samples.map(|sample| {
        let labels = sample.labels.iter().fold(String::new(), |mut labels, (name, value)| {
            let _ = write!(labels, "{}{name}={value:?}", if labels.is_empty() { "" } else { "," });
            labels
        });
        let value = if sample.name != families[2] && families.contains(&sample.name.as_str()) {
            sample.value - begin
        } else {
            sample.value
        };
        (format!("{}{{{labels}}}", sample.name), value)
    });
    series.collect()
}

fn recordings() -> Vec<Recording> {
    let folder = std::fs::read_dir("tests/fixtures/traces").unwrap();
    let names = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter_map(|name| Some(name.strip_suffix(".pods.jsonl")?.to_owned())).collect();
    names.sort();
    names.iter().map(|name| Recording::read(name)).collect()
}

/// The rules to compare: ImagePullFailing, the alert for kube-state-metrics, and the classic rule.
fn rules_to_compare() -> String {
    let kube_state_metrics = std::fs::read_to_string("alerts/kube-state-metrics-only.yaml").unwrap();
    let kube_state_metrics = kube_state_metrics.split_once("\n    rules:").unwrap().1;
    let ours = crate::read_rules();
    let parts = ours.split("\n\n").filter(|part| {
        ["groups:", "- record: image_pull:failing_age_seconds", "- alert: ImagePullFailing\n"]
            .iter()
            .any(|one| part.contains(one))
    });
    let ours = parts.collect::<Vec<_>>().join("\n\n");
    assert!(
        ours.contains("alert: ImagePullFailing") && kube_state_metrics.contains("alert: KubeContainerImagePullFailing")
    );
    format!("{ours}\n{kube_state_metrics}{CLASSIC_RULE}")
}

/// The first evaluation at which ImagePullFailing fires, at any scrape interval.
fn first_firing(since: f64) -> Seconds {
    (0..RECORDING_LENGTH)
        .step_by(EVALUATION_INTERVAL as usize)
        .find(|now| f64::from(*now) - since > 900.0)
        .expect("an hour is enough")
}

const SCRAPE_INTERVALS: [Seconds; 3] = [15, 30, 60];

/// The text of a cell of the table.
fn table_cell(fires: Option<Seconds>) -> String {
    fires.map_or_else(|| "never".to_owned(), |at| format!("{} min", at / 60))
}

/// The document that compares the time until each rule fires.
const LATENCY_DOCUMENT: &str = "docs/alert-latency.md";
/// The head of its table.
const TABLE_HEAD: &str =
    "| recording | classic, scraped every 15 s | every 30 s | every 60 s | ours |\n|---|---|---|---|---|\n";

/// Compares the table of the document with the results. With `UPDATE` in the environment, writes it.
fn check_latency_table(rows: &str) {
    let document = std::fs::read_to_string(LATENCY_DOCUMENT).expect("the document can be read");
    let (before, rest) = document.split_once(TABLE_HEAD).expect("the document has the table");
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    let expected = format!("{before}{TABLE_HEAD}{rows}\n{after}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(LATENCY_DOCUMENT, &expected).expect("the document can be written");
    }
    assert_eq!(document, expected, "run `UPDATE=1 tests/run recorded_failures`");
}

/// Runs the cases in two halves at once.
fn run(name: &str, cases: &[Case]) {
    let rules = rules_to_compare();
    let cases: Vec<&Case> = cases.iter().collect();
    let halves: Vec<&[&Case]> = cases.chunks(cases.len().div_ceil(2)).collect();
    std::thread::scope(|scope| {
        for (number, half) in halves.iter().enumerate() {
            let rules = &rules;
            scope.spawn(move || {
                if let Err(output) = run_promtool(&format!("{name}-{number}"), rules, half, None) {
                    panic!("{output}");
                }
            });
        }
    });
}

#[test]
fn recorded_failures_fire_in_time_and_the_classic_rule_does_not() {
    let (ours, classic) = ("ImagePullFailing", "Classic");
    let end = RECORDING_LENGTH - EVALUATION_INTERVAL;
    let mut cases = Vec::new();
    let mut table = String::new();
    for recording in &recordings() {
        let since = recording.oldest_start_at_end();
        let mut row = Vec::new();
        for scrape_interval in SCRAPE_INTERVALS {
            let mut case = recording.case(scrape_interval);
            if let Some(since) = since {
                let at = first_firing(since);
                case = case.fires_never(at - EVALUATION_INTERVAL, ours).fires_at_least_once(at, ours);
                case = case.fires_times(end, ours, recording.workloads_failing_at_end());
            } else {
                case = [960, 1800, end].into_iter().fold(case, |case, at| case.fires_never(at, ours));
            }
            let classic_at = recording.classic_rule_fires_at(scrape_interval, 900);
            case = match classic_at {
                Some(at) => case.fires_never(at - EVALUATION_INTERVAL, classic).fires_times(at, classic, 1),
                None => case.fires_never(RECORDING_LENGTH / 2, classic).fires_never(end, classic),
            };
            cases.push(case);
            row.push(table_cell(classic_at));
        }
        if let Some(since) = since {
            let after = (f64::from(first_firing(since)) - since) / 60.0;
            let _ = writeln!(table, "| {} | {} | {after:.1} min |", recording.name, row.join(" | "));
        }
    }
    run("recordings", &cases);
    check_latency_table(&table);
}

#[test]
fn kube_state_metrics_alert_tolerates_alternating_reasons() {
    let alert = "KubeContainerImagePullFailing";
    let mut cases = Vec::new();
    for recording in &recordings() {
        // Like kube-state-metrics, the mirror has no ephemeral containers.
        let is_exposed =
            recording.states.last().is_some_and(|(_, last)| last.keys().any(|name| name.starts_with("kube_pod")));
        let Some(since) = recording.oldest_start_at_end().filter(|_| is_exposed) else { continue };
        for scrape_interval in SCRAPE_INTERVALS {
            let early = first_firing(since) - 2 * EVALUATION_INTERVAL;
            let late = first_firing(since) + scrape_interval + 3 * EVALUATION_INTERVAL;
            cases.push(recording.case(scrape_interval).fires_never(early, alert).fires_at_least_once(late, alert));
        }
    }
    assert!(cases.len() > 30);
    run("recordings-kube-state-metrics", &cases);
}
