//! Changes the rules in every way that somebody might by mistake, one at a time. A test has to notice each.

/// A changed rule, with all it needs and no other, and the alerts to which it matters.
pub struct Mutant {
    pub description: String,
    pub rules: String,
    pub alerts: Vec<String>,
    /// Whether it changes what an alert says, and not when it fires.
    pub changes_text: bool,
}

/// Alerts that together use everything a recording rule has.
const DEPENDENT_ALERTS: [(&str, &[&str]); 3] = [
    ("image_pull:failing_age_seconds", &["ImagePullFailing", "ImagePullJobCannotStart", "ImagePullDebugContainer"]),
    (
        "image_pull:failing_cause_age_seconds",
        &[
            "ImagePullNeedsChange",
            "ImagePullNodeFault",
            "ImagePullRegistryOutage",
            "ImagePullRateLimited",
            "ImagePullFailing",
        ],
    ),
    ("image_pull:node_fault_age_seconds", &["ImagePullNodeFault"]),
];

/// Changes that change nothing, each with the reason.
const EQUIVALENT_MUTANTS: &[(&str, &str, &str)] = &[
    ("image_pull:failing_age_seconds", "without uid in by", "one pod has one uid at a time"),
    ("image_pull:failing_age_seconds", "without uid in on", "one pod has one uid at a time"),
    ("image_pull:failing_age_seconds", "without namespace in on", "the uid says it too"),
    ("image_pull:failing_age_seconds", "without pod in on", "the uid says it too"),
    ("image_pull:failing_age_seconds", "with instance in by", "its readers take the greatest age"),
    ("image_pull:failing_age_seconds", "without node in by", "only alerts about a cause are about nodes"),
    ("image_pull:failing_age_seconds", "without cause_group in by", "only alerts about a cause are about groups"),
    ("image_pull:failing_cause_age_seconds", "without uid in by", "one pod has one uid at a time"),
    ("image_pull:failing_cause_age_seconds", "without uid in on", "one pod has one uid at a time"),
    ("image_pull:failing_cause_age_seconds", "without namespace in on", "the uid says it too"),
    ("image_pull:failing_cause_age_seconds", "without pod in on", "the uid says it too"),
    ("image_pull:failing_cause_age_seconds", "without job in on", "an instance belongs to one job"),
    ("ImagePullRegistryOutage", "without alertstate=\"firing\"", "without a `for` it is never pending"),
    ("ImagePullRegistryOutageInhibitor", "without alertstate=\"firing\"", "without a `for` it is never pending"),
    ("ImagePullRegistryOutage", "query 1: failing_age for failing_cause_age", "it counts, whatever the age"),
];

/// Every mutant of a rules file.
pub fn of_rules(rules: &str) -> Vec<Mutant> {
    let blocks: Vec<&str> =
        rules.split("\n      - ").skip(1).map(|block| block.split("\n\n").next().unwrap_or(block)).collect();
    let mut mutants = Vec::new();
    for (changed, block) in blocks.iter().enumerate() {
        let readers =
            DEPENDENT_ALERTS.iter().find(|(rule, _)| *rule == rule_name(block)).map(|(_, readers)| readers.to_vec());
        let alerts: Vec<&str> = readers.unwrap_or_else(|| vec![rule_name(block)]);
        // Texts refer to the first of their kind, and the inhibitor to the alert it is about.
        let is_needed = |block: &str| {
            block.starts_with("record: ")
                || block.contains("annotations: &")
                || alerts.contains(&rule_name(block))
                || alerts.contains(&"ImagePullRegistryOutageInhibitor") && rule_name(block) == "ImagePullRegistryOutage"
        };
        let end = block.find("\n        labels:").unwrap_or(block.len());
        let of_expression =
            mutate_expression(&block[..end]).into_iter().map(|(what, changed)| (what, changed + &block[end..], false));
        let of_text = mutate_annotation_queries(block).into_iter().map(|(what, changed)| (what, changed, true));
        for (what, block, is_text) in of_expression.chain(of_text) {
            if EQUIVALENT_MUTANTS.iter().any(|(rule, change, _)| *rule == rule_name(&block) && *change == what) {
                continue;
            }
            let mut rules = "groups:\n  - name: image-pull\n    rules:".to_owned();
            for (number, other) in blocks.iter().enumerate() {
                if number == changed {
                    rules = rules + "\n      - " + &block;
                } else if is_needed(other) {
                    rules = rules + "\n      - " + other;
                }
            }
            let alerts = alerts.iter().map(|alert| (*alert).to_owned()).collect();
            mutants.push(Mutant {
                description: format!("{}: {what}", rule_name(&block)),
                rules,
                alerts,
                changes_text: is_text,
            });
        }
    }
    mutants
}

/// The block of one alert with one thing changed in a query of its annotations.
fn mutate_annotation_queries(block: &str) -> Vec<(String, String)> {
    let mut changed = Vec::new();
    for (number, (open, _)) in block.match_indices("\"topk(").enumerate() {
        let query = &block[open..open + block[open..].find("))\"").expect("a query ends")];
        let (open_brace, close_brace) = (query.find('{').expect("it selects"), query.find('}').expect("it selects"));
        let matchers: Vec<&str> = query[open_brace + 1..close_brace].split(", ").collect();
        let mut change = |what: String, by: &str| {
            let block = [&block[..open], by, &block[open + query.len()..]].concat();
            changed.push((format!("query {}: {what}", number + 1), block));
        };
        for dropped in &matchers {
            // An argument that is formatted into a label that nothing has selects everything.
            let formatted = dropped.strip_suffix("=%q").map(|label| format!("no_{label}!=%q"));
            let kept = matchers.iter().filter_map(|matcher| match &formatted {
                Some(instead) if matcher == dropped => Some(instead.as_str()),
                None if matcher == dropped => None,
                _ => Some(matcher),
            });
            let kept = kept.collect::<Vec<_>>().join(", ");
            change(format!("without {dropped}"), &[&query[..=open_brace], &kept, &query[close_brace..]].concat());
        }
        let limit = &query["\"topk(".len()..query.find(',').expect("topk has a limit")];
        for other in ["2", "4", "9"].iter().filter(|other| **other != limit) {
            change(format!("topk({other}"), &query.replacen(limit, other, 1));
        }
        for (from, to) in
            [("topk", "bottomk"), ("max by", "min by"), ("count by", "max by"), ("failing_cause_age", "failing_age")]
        {
            if query.contains(from) {
                change(format!("{to} for {from}"), &query.replacen(from, to, 1));
            }
        }
    }
    changed
}

fn rule_name(block: &str) -> &str {
    block.lines().next().and_then(|line| line.split(": ").nth(1)).expect("a rule has a name")
}

/// The block of one rule with one thing changed.
pub fn mutate_expression(block: &str) -> Vec<(String, String)> {
    let mut changes = Vec::new();
    let mut change = |what: String, at: usize, len: usize, by: &str| {
        changes.push((what, [&block[..at], by, &block[at + len..]].concat()));
    };
    for (at, operator) in ["> ", ">= ", "== "].iter().flat_map(|operator| block.match_indices(operator)) {
        let number = &block[at + operator.len()..];
        let number = &number[..number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len())];
        let Ok(limit) = number.parse::<u32>() else { continue };
        let others = match limit {
            0 if operator == "== " => vec![1],
            0 => vec![20],
            1..60 if operator == "> " => vec![limit.saturating_sub(2), limit * 4],
            1..60 => vec![limit - 1, limit + 1],
            _ => vec![limit - 30, limit + 30],
        };
        for other in others {
            change(format!("{operator}{other} for {limit}"), at + operator.len(), number.len(), &other.to_string());
        }
    }
    for (open, _) in block.match_indices('{') {
        let inner = &block[open + 1..];
        let inner = &inner[..inner.find('}').expect("a brace is closed")];
        let matchers: Vec<&str> = inner.split(", ").collect();
        for dropped in &matchers {
            let kept: Vec<&str> = matchers.iter().filter(|matcher| *matcher != dropped).copied().collect();
            change(format!("without {dropped}"), open + 1, inner.len(), &kept.join(", "));
            let alternatives = dropped.split_once("~\"").map(|(_, list)| list.trim_end_matches('"').split('|'));
            for alternative in alternatives.into_iter().flatten() {
                let fewer =
                    inner.replacen(&format!("|{alternative}"), "", 1).replacen(&format!("{alternative}|"), "", 1);
                if fewer != inner {
                    change(format!("without {alternative} of {dropped}"), open + 1, inner.len(), &fewer);
                }
            }
        }
    }
    for (list, open) in ["by (", "on ("].iter().flat_map(|word| block.match_indices(word)) {
        let inner = &block[list + open.len()..];
        let inner = &inner[..inner.find(')').expect("a list is closed")];
        let labels: Vec<&str> = inner.split(", ").collect();
        let word = open.trim_end_matches(" (");
        for dropped in &labels {
            let kept: Vec<&str> = labels.iter().filter(|label| *label != dropped).copied().collect();
            change(format!("without {dropped} in {word}"), list + open.len(), inner.len(), &kept.join(", "));
        }
        // A label that is not there, or has one value, makes no difference.
        let reads = block[list + open.len() + inner.len() + 1..].trim_start_matches([' ', '(', '\n']);
        let others: &[&str] = match () {
            () if word == "on" => &[],
            () if reads.starts_with("image_pull_failing") => &["instance"],
            () if reads.starts_with("image_pull:") && block.contains("cause=\"") => &["pod"],
            () if reads.starts_with("image_pull:") => &["cause", "pod"],
            () => &[],
        };
        for other in others.iter().filter(|other| !labels.contains(other)) {
            change(format!("with {other} in {word}"), list + open.len(), 0, &format!("{other}, "));
        }
    }
    for (line, word) in
        ["\n        for: ", "\n        keep_firing_for: "].iter().flat_map(|word| block.match_indices(word))
    {
        let len = block[line + 1..].find('\n').map_or(block.len() - line, |len| len + 1);
        change(format!("without {}", word.trim()), line, len, "");
    }
    for (from, to) in [
        ("min by", "max by"),
        ("or on", "and on"),
        ("unless on", "and on"),
        ("and on", "or on"),
        ("[5m]", "[1m]"),
        ("[15m]", "[1m]"),
        ("[6h]", "[10m]"),
        ("[1d]", "[1m]"),
        ("[20m]", "[2m]"),
        ("timestamp(", "0 * timestamp("),
        ("absent(", "count("),
    ] {
        for (at, _) in block.match_indices(from) {
            change(format!("{to} for {from}"), at, from.len(), to);
        }
    }
    changes
}
