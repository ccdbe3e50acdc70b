//! Which case detects which mutant. The file saves the search: each mutant runs against its case, in a tenth of a second. It runs against
//! other cases only if this one does not detect it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Mutex;

use crate::in_parallel;
use crate::mutants::{self, Mutant};
use crate::timeline::{Case, run_promtool};

const PATH: &str = "tests/golden/alert-mutants.tsv";
const HEADER: &str = "# mutant\talert\tcase. Generated; `UPDATE=1 tests/run every_mutant` writes it.\n";

/// A case whose expectations about an alert fail for a mutant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Detection<'a> {
    alert: &'a str,
    case: &'a str,
}

/// Parses the file: detections by the description of the mutant.
fn parse(text: &str) -> BTreeMap<&str, Detection<'_>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let fields = lines.filter_map(|line| {
        let (mutant, detection) = line.split_once('\t')?;
        let (alert, case) = detection.split_once('\t')?;
        Some((mutant, Detection { alert, case }))
    });
    fields.collect()
}

/// All cases that could detect the mutant, in the order of the search: for a text the cases with most series, else the fast cases about
/// its alert.
fn candidates<'a>(mutant: &'a Mutant, cases: &'a [Case]) -> Vec<(&'a str, &'a Case)> {
    let of_alert = mutant.alerts.iter().flat_map(|alert| cases.iter().map(move |case| (alert.as_str(), case)));
    let is_candidate = |(alert, case): &(&str, &Case)| {
        if mutant.changes_text { case.checks_text_of(alert) } else { case.covers(alert) }
    };
    let mut candidates: Vec<_> = of_alert.filter(is_candidate).collect();
    candidates.sort_by_key(|(alert, case)| (!case.is_about(alert), case.cost()));
    if mutant.changes_text {
        candidates.sort_by_key(|(_, case)| std::cmp::Reverse(case.series_count()));
    }
    candidates
}

/// Finds a case that detects the mutant. Tries the one of the file first.
fn detect<'a>(mutant: &'a Mutant, cases: &'a [Case], known: Option<&Detection<'_>>) -> Option<Detection<'a>> {
    let mut candidates = candidates(mutant, cases);
    candidates.sort_by_key(|(alert, case)| known != Some(&Detection { alert, case: &case.name }));
    let name = format!("mutant-{:?}", std::thread::current().id());
    let (alert, case) = candidates
        .into_iter()
        .find(|(alert, case)| run_promtool(&name, &mutant.rules, &[case], Some(alert)).is_err())?;
    Some(Detection { alert, case: &case.name })
}

/// Checks that the detecting cases pass with the original rules, limited to those that the alert needs, as for the mutants.
fn check_original(rules: &str, cases: &[Case], detections: &BTreeSet<Detection<'_>>) {
    let alerts: BTreeSet<&str> = detections.iter().map(|detection| detection.alert).collect();
    in_parallel(&alerts.into_iter().collect::<Vec<_>>(), |alert| {
        let detects = |case: &&Case| detections.contains(&Detection { alert, case: &case.name });
        let cases: Vec<&Case> = cases.iter().filter(detects).collect();
        if let Err(output) =
            run_promtool(&format!("original-{alert}"), &mutants::rules_for(rules, alert), &cases, Some(alert))
        {
            panic!("{output}");
        }
    });
}

/// Fails if a mutant is not detected, or if the file is not up to date. With `UPDATE` in the environment, writes the file.
pub fn check(rules: &str, mutants: &[Mutant], cases: &[Case]) {
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "names of cases are unique");
    let text = std::fs::read_to_string(PATH).unwrap_or_default();
    let known = parse(&text);
    let (found, survivors) = (Mutex::new(BTreeMap::new()), Mutex::new(Vec::new()));
    in_parallel(mutants, |mutant| {
        let description = mutant.description.as_str();
        match detect(mutant, cases, known.get(description)) {
            Some(detection) => drop(found.lock().unwrap().insert(description, detection)),
            None => survivors.lock().unwrap().push(description),
        }
    });
    let survivors = survivors.into_inner().unwrap();
    assert!(survivors.is_empty(), "{} of {} survive:\n{}", survivors.len(), mutants.len(), survivors.join("\n"));
    let found = found.into_inner().unwrap();
    check_original(rules, cases, &found.values().copied().collect());
    let lines = found.iter().fold(HEADER.to_owned(), |mut lines, (mutant, Detection { alert, case })| {
        let _ = writeln!(lines, "{mutant}\t{alert}\t{case}");
        lines
    });
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PATH, &lines).expect("the file can be written");
    } else {
        assert!(text == lines, "{PATH} is not up to date: run `UPDATE=1 tests/run every_mutant`");
    }
}
