//! The alerts, evaluated by promtool over timelines of what an exporter shows: when each fires, and when it does not.

#[path = "../common/mod.rs"]
mod common;

mod alertmanager;
mod cases;
mod kube_state_metrics;
mod mutants;
mod recordings;
mod rule_files;
mod timeline;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use timeline::{Case, run_promtool};

/// How many cases promtool is given at once.
const CHUNK: usize = 2;
/// The document that compares the time until each rule fires.
const LATENCY: &str = "docs/alert-latency.md";
/// The head of its table.
const LATENCY_TABLE_HEAD: &str =
    "| recording | classic, scraped every 15 s | every 30 s | every 60 s | ours |\n|---|---|---|---|---|\n";
const RULES_PATH: &str = "alerts/image-pull.yaml";

fn read_rules() -> String {
    std::fs::read_to_string(RULES_PATH).expect("the rules are there")
}

/// Compares the table of `LATENCY` with the recordings. With `UPDATE` in the environment, writes it.
fn check_latency_table(rows: &str) {
    let document = std::fs::read_to_string(LATENCY).expect("the document is there");
    let (before, rest) = document.split_once(LATENCY_TABLE_HEAD).expect("the document has the table");
    let after = rest.split_once("\n\n").map_or("", |(_, after)| after);
    let updated = format!("{before}{LATENCY_TABLE_HEAD}{rows}\n{after}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(LATENCY, &updated).expect("the document can be written");
    }
    assert_eq!(document, updated, "run `UPDATE=1 tests/run recorded_failures`");
}

#[test]
fn alerts_fire_when_expected() {
    let cases = cases::all();
    let cases: Vec<&Case> = cases.iter().collect();
    let halves = cases.split_at(cases.len() / 2);
    let check = |name: &str, cases: &[&Case]| {
        if let Err(said) = run_promtool(name, &read_rules(), cases, None) {
            panic!("{said}");
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| check("first-half", halves.0));
        scope.spawn(|| check("second-half", halves.1));
    });
}

#[test]
fn every_mutant_of_the_rules_is_detected() {
    let mutants = mutants::of_rules(&read_rules());
    assert!(mutants.len() > 350, "only {} mutants", mutants.len());
    let (next, survivors) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let try_mutants = || {
        let cases = cases::all();
        while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
            let name = format!("mutant-{:?}", std::thread::current().id());
            let lives = |alert: &String| {
                let is_of_use =
                    |case: &&Case| if mutant.changes_text { case.checks_text_of(alert) } else { case.covers(alert) };
                let mut cases: Vec<&Case> = cases.iter().filter(is_of_use).collect();
                // Those in which it fires first: most mutants end there.
                cases.sort_by_key(|case| !case.expects_firing_of(alert));
                cases.chunks(CHUNK).all(|cases| run_promtool(&name, &mutant.rules, cases, Some(alert)).is_ok())
            };
            if mutant.alerts.iter().all(lives) {
                survivors.lock().unwrap().push(mutant.description.clone());
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(try_mutants);
        }
    });
    let survivors = survivors.into_inner().unwrap();
    assert!(survivors.is_empty(), "{} of {} survive:\n{}", survivors.len(), mutants.len(), survivors.join("\n"));
}
