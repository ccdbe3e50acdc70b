//! The alerts, evaluated by promtool: when each fires, when it does not, and that a test detects every change of a rule.

#[path = "../common/mod.rs"]
mod common;

mod alertmanager;
mod cases;
mod detections;
mod kube_state_metrics;
mod mutants;
mod recordings;
mod rule_files;
mod timeline;
mod waiting_pods;

use std::collections::BTreeMap;

use timeline::{Case, run_promtool};

const RULES_PATH: &str = "alerts/image-pull.yaml";

fn read_rules() -> String {
    std::fs::read_to_string(RULES_PATH).expect("the rules can be read")
}

/// Calls `work` with each item, on two threads.
fn in_parallel<'a, T: Sync>(items: &'a [T], work: impl Fn(&'a T) + Sync) {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let take_items = || {
        while let Some(item) = items.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
            work(item);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(take_items);
        }
    });
}

#[test]
fn alerts_fire_when_expected() {
    /// Cases that promtool gets at once.
    const CHUNK: usize = 10;
    let (rules, cases) = (read_rules(), cases::all());
    // A case for one alert needs the rules of this alert only.
    let mut by_alert: BTreeMap<Option<&str>, Vec<&Case>> = BTreeMap::new();
    for case in &cases {
        by_alert.entry(case.alert()).or_default().push(case);
    }
    let runs: Vec<(String, String, &[&Case])> = by_alert
        .iter()
        .flat_map(|(alert, cases)| {
            let rules = alert.map_or_else(|| rules.clone(), |alert| mutants::rules_for(&rules, alert));
            let name = |number: usize| format!("{}-{number}", alert.unwrap_or("all"));
            cases.chunks(CHUNK).enumerate().map(move |(number, cases)| (name(number), rules.clone(), cases))
        })
        .collect();
    let failures = std::sync::Mutex::new(String::new());
    in_parallel(&runs, |(name, rules, cases)| {
        if let Err(output) = run_promtool(name, rules, cases, None) {
            failures.lock().unwrap().push_str(&output);
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn every_mutant_of_the_rules_is_detected() {
    let rules = read_rules();
    let mutants = mutants::of_rules(&rules);
    assert!(mutants.len() > 350, "only {} mutants", mutants.len());
    detections::check(&rules, &mutants, &cases::all());
}
