//! The recordings of a real kubelet as Prometheus would scrape them: when ours fires, and when the classic rule does.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use image_pull_exporter::metrics::exposition::ExpositionFormat;
use image_pull_exporter::monitor::MonitorLimits;
use image_pull_exporter::replay::{self, Options};
use image_pull_model::index::{IndexConfig, MirroredReasons};
use serde_json::Value;

use crate::common::exposition::Exposition;
use crate::timeline::{Case, EVALUATION_INTERVAL, Seconds, run_promtool};

/// For how long each recording is looked at.
const RECORDING_LENGTH: Seconds = 3600;
/// A recording that ends in back-off goes on as the longest one does: an attempt every 311 s, shown for 13 s.
const ATTEMPT_INTERVAL: f64 = 311.0;
const ATTEMPT_DURATION: f64 = 13.0;

/// The rule that everybody has, and the one that drop-ins for it would be.
const CLASSIC_RULE: &str = r#"
      - alert: Classic
        expr: kube_pod_container_status_waiting_reason{reason="ImagePullBackOff"} == 1
        for: 15m
"#;

/// What a scrape shows, series by series.
type Scrape = BTreeMap<String, f64>;

struct Recording {
    name: String,
    /// What is shown from when on, in seconds from the first record.
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

    /// The series as they are scraped so often.
    fn case(&self, every: Seconds) -> Case {
        let mut names: Vec<&String> = self.states.iter().flat_map(|(_, scrape)| scrape.keys()).collect();
        names.sort_unstable();
        names.dedup();
        let mut case = Case::with_scrape_interval(&format!("{} every {every} s", self.name), every);
        for name in names {
            for at in (0..RECORDING_LENGTH).step_by(every as usize) {
                if let Some(value) = self.scrape_at(at).and_then(|scrape| scrape.get(name)) {
                    case = case.series(name, at..at + 1, |_| *value);
                }
            }
        }
        case
    }

    /// When the classic rule first fires, scraped so often: it wants one series for so long without a gap.
    fn classic_rule_fires_at(&self, every: Seconds, hold: Seconds) -> Option<Seconds> {
        let names: Vec<&String> = self.states.iter().flat_map(|(_, scrape)| scrape.keys()).collect();
        let wanted = names.into_iter().filter(|name| {
            name.starts_with("kube_pod_container_status") && name.contains("reason=\"ImagePullBackOff\"")
        });
        let held = wanted.map(|name| {
            let mut since = None;
            (0..RECORDING_LENGTH).step_by(EVALUATION_INTERVAL as usize).find(|now| {
                let scraped = now / every * every;
                let is_there = self.scrape_at(scraped).is_some_and(|scrape| scrape.contains_key(name));
                since = if is_there { since.or(Some(*now)) } else { None };
                since.is_some_and(|since| now - since >= hold)
            })
        });
        held.flatten().min()
    }

    /// How many workloads fail at the end, of those for which we alert in general.
    fn workloads_failing_at_end(&self) -> u32 {
        let Some((_, last)) = self.states.last() else { return 0 };
        let infos = last
            .keys()
            .filter(|name| name.starts_with("image_pull_failing_info") && !name.contains("container=\"dbg\""));
        let workload = |name: &String| ["workload_kind=", "workload=", "registry="].map(|label| label_of(name, label));
        infos.map(workload).collect::<BTreeSet<_>>().len().try_into().expect("there are few")
    }

    /// Since when what fails at the end has been failing, the oldest first; of containers for which we alert in general.
    fn oldest_start_at_end(&self) -> Option<f64> {
        let (_, last) = self.states.last()?;
        let is_general = |name: &str| !name.contains("container=\"dbg\"");
        let since = last.iter().filter(|(name, _)| name.starts_with("image_pull_failing_since") && is_general(name));
        since.map(|(_, since)| *since).min_by(f64::total_cmp)
    }
}

/// The value of a label, as written.
fn label_of(series: &str, label: &str) -> String {
    series.split(label).nth(1).and_then(|rest| rest.split('"').nth(1)).unwrap_or_default().to_owned()
}

/// Goes on with the last attempt and the last wait where the recording ends in back-off.
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

/// What the exporter shows after these records, with instants in seconds from `begin`.
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

/// The alert of ours that is about every failure, with the others, in one file.
fn rules_with_classic() -> String {
    let drop_in = std::fs::read_to_string("alerts/kube-state-metrics-only.yaml").unwrap();
    let drop_in = drop_in.split_once("\n    rules:").unwrap().1;
    let ours = crate::read_rules();
    let parts = ours.split("\n\n").filter(|part| {
        ["groups:", "- record: image_pull:failing_age_seconds", "- alert: ImagePullFailing\n"]
            .iter()
            .any(|one| part.contains(one))
    });
    let ours = parts.collect::<Vec<_>>().join("\n\n");
    assert!(ours.contains("alert: ImagePullFailing") && drop_in.contains("alert: KubeContainerImagePullFailing"));
    format!("{ours}\n{drop_in}{CLASSIC_RULE}")
}

/// The first evaluation at which our alert fires, in whatever way it was scraped.
fn first_firing(since: f64) -> Seconds {
    (0..RECORDING_LENGTH)
        .step_by(EVALUATION_INTERVAL as usize)
        .find(|now| f64::from(*now) - since > 900.0)
        .expect("an hour is enough")
}

const SCRAPE_INTERVALS: [Seconds; 3] = [15, 30, 60];

/// When the classic rule fires, as the README tells it.
fn table_cell(fires: Option<Seconds>) -> String {
    fires.map_or_else(|| "never".to_owned(), |at| format!("{} min", at / 60))
}

#[test]
fn recorded_failures_fire_in_time_and_the_classic_rule_does_not() {
    let recordings = recordings();
    let mut cases = Vec::new();
    let mut table = String::new();
    for recording in &recordings {
        let since = recording.oldest_start_at_end();
        let mut row = Vec::new();
        for every in SCRAPE_INTERVALS {
            let mut case = recording.case(every).only_alert("ImagePullFailing");
            if let Some(since) = since {
                let at = first_firing(since);
                case = case.fires(at - EVALUATION_INTERVAL, &[]).fires_at_least_once(at);
                case = case.fires_times(RECORDING_LENGTH - EVALUATION_INTERVAL, recording.workloads_failing_at_end());
            } else {
                case = case.fires(960, &[]).fires(1800, &[]).fires(RECORDING_LENGTH - EVALUATION_INTERVAL, &[]);
            }
            cases.push(case);
            let classic = recording.classic_rule_fires_at(every, 900);
            let mut case = recording.case(every).only_alert("Classic");
            case = match classic {
                Some(at) => case.fires(at - EVALUATION_INTERVAL, &[]).fires_times(at, 1),
                None => case.fires(RECORDING_LENGTH / 2, &[]).fires(RECORDING_LENGTH - EVALUATION_INTERVAL, &[]),
            };
            cases.push(case);
            row.push(table_cell(classic));
        }
        if let Some(since) = since {
            let after = (f64::from(first_firing(since)) - since) / 60.0;
            let _ = writeln!(table, "| {} | {} | {after:.1} min |", recording.name, row.join(" | "));
        }
    }
    if let Err(said) = run_promtool("recorded", &rules_with_classic(), &cases.iter().collect::<Vec<_>>(), None) {
        panic!("{said}");
    }
    crate::check_latency_table(&table);
}

#[test]
fn kube_state_metrics_alert_tolerates_alternating_reasons() {
    let mut cases = Vec::new();
    for recording in &recordings() {
        // The mirror has what kube-state-metrics has: no ephemeral containers.
        let is_shown =
            recording.states.last().is_some_and(|(_, last)| last.keys().any(|name| name.starts_with("kube_pod")));
        let Some(since) = recording.oldest_start_at_end().filter(|_| is_shown) else { continue };
        for every in SCRAPE_INTERVALS {
            let case = recording.case(every).only_alert("KubeContainerImagePullFailing");
            let (early, late) =
                (first_firing(since) - EVALUATION_INTERVAL * 2, first_firing(since) + every + 3 * EVALUATION_INTERVAL);
            cases.push(case.fires(early, &[]).fires_at_least_once(late));
        }
    }
    assert!(cases.len() > 30);
    if let Err(said) = run_promtool("drop-in", &rules_with_classic(), &cases.iter().collect::<Vec<_>>(), None) {
        panic!("{said}");
    }
}
