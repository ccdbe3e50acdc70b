//! Mutants of the rules: each has one accidental change. A case has to detect each mutant.

/// The rules with one change, and the alerts that can show it.
pub struct Mutant {
    /// Unique among all mutants.
    pub description: String,
    /// The changed rule and the rules it needs.
    pub rules: String,
    pub alerts: Vec<String>,
    /// Whether the change affects annotations only.
    pub changes_text: bool,
}

/// Alerts that together use every label and series of a recording rule.
const DEPENDENT_ALERTS: [(&str, &[&str]); 5] = [
    (
        "image_pull:failing_age_seconds",
        &["ImagePullFailing", "ImagePullJobCannotStart", "ImagePullDebugContainer", "ImagePullNodeStuck"],
    ),
    ("image_pull:pending_age_seconds", &["ImagePullPending", "ImagePullNodeStuck"]),
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
    ("image_pull:registry_fault_age_seconds", &["ImagePullRegistryOutage"]),
    ("image_pull:node_fault_age_seconds", &["ImagePullNodeFault"]),
];

/// Mutants that behave like the original: rule, change, reason.
const EQUIVALENT_MUTANTS: &[(&str, &str, &str)] = &[
    ("image_pull:failing_age_seconds", "without uid in by", "a pod has one uid at a time"),
    ("image_pull:failing_age_seconds", "without uid in on", "a pod has one uid at a time"),
    ("image_pull:failing_age_seconds", "without namespace in on", "implied by uid"),
    ("image_pull:failing_age_seconds", "without pod in on", "implied by uid"),
    ("image_pull:failing_age_seconds", "with instance in by", "alerts use the greatest age"),
    ("image_pull:failing_age_seconds", "without cause_group in by", "only alerts about a cause use the group"),
    ("image_pull:pending_age_seconds", "without uid in by", "a pod has one uid at a time"),
    ("image_pull:pending_age_seconds", "without uid in on", "a pod has one uid at a time"),
    ("image_pull:pending_age_seconds", "without namespace in on", "implied by uid"),
    ("image_pull:pending_age_seconds", "without pod in on", "implied by uid"),
    ("image_pull:pending_age_seconds", "with instance in by", "alerts use the greatest age"),
    ("image_pull:failing_cause_age_seconds", "without uid in by", "a pod has one uid at a time"),
    ("image_pull:failing_cause_age_seconds", "without uid in on", "a pod has one uid at a time"),
    ("image_pull:failing_cause_age_seconds", "without namespace in on", "implied by uid"),
    ("image_pull:failing_cause_age_seconds", "without pod in on", "implied by uid"),
    ("image_pull:failing_cause_age_seconds", "without job in on", "an instance belongs to one job"),
    ("image_pull:registry_fault_age_seconds", "without uid in on", "a pod has one uid at a time"),
    ("image_pull:registry_fault_age_seconds", "without namespace in on", "implied by uid"),
    ("image_pull:registry_fault_age_seconds", "without pod in on", "implied by uid"),
    ("image_pull:node_fault_age_seconds", "without uid in on", "a pod has one uid at a time"),
    ("image_pull:node_fault_age_seconds", "without namespace in on", "implied by uid"),
    ("image_pull:node_fault_age_seconds", "without pod in on", "implied by uid"),
    ("ImagePullPending", "with cause in by", "a pending container has no cause"),
    ("ImagePullNodeStuck", "with cause in by", "a pending container has no cause, and a pod has one sandbox failure"),
    ("ImagePullRegistryOutage", "without alertstate=\"firing\"", "without `for` it is never pending"),
    ("ImagePullRegistryOutageInhibitor", "without alertstate=\"firing\"", "without `for` it is never pending"),
];

/// The rules, one block of YAML each.
fn blocks(rules: &str) -> Vec<&str> {
    rules.split("\n      - ").skip(1).map(|block| block.split("\n\n").next().unwrap_or(block)).collect()
}

/// Whether the alerts need the rule of this block.
fn is_needed(block: &str, alerts: &[&str]) -> bool {
    block.starts_with("record: ")
        // Other rules take annotations from it.
        || block.contains("annotations: &")
        || alerts.contains(&rule_name(block))
        || alerts.contains(&"ImagePullRegistryOutageInhibitor") && rule_name(block) == "ImagePullRegistryOutage"
}

fn group<'a>(blocks: impl Iterator<Item = &'a str>) -> String {
    blocks.fold("groups:\n  - name: image-pull\n    rules:".to_owned(), |rules, block| rules + "\n      - " + block)
}

/// The rules that one alert needs.
pub fn rules_for(rules: &str, alert: &str) -> String {
    group(blocks(rules).into_iter().filter(|block| is_needed(block, &[alert])))
}

/// All mutants of the rules, except the equivalent ones.
pub fn of_rules(rules: &str) -> Vec<Mutant> {
    let blocks = blocks(rules);
    let mut mutants: Vec<Mutant> = Vec::new();
    for (index, block) in blocks.iter().enumerate() {
        let name = rule_name(block);
        let dependent = DEPENDENT_ALERTS.iter().find(|(rule, _)| *rule == name).map(|(_, alerts)| alerts.to_vec());
        let alerts: Vec<&str> = dependent.unwrap_or_else(|| vec![name]);
        let expression_end = block.find("\n        labels:").unwrap_or(block.len());
        let (expression, rest) = block.split_at(expression_end);
        let of_expression =
            mutate_expression(expression).into_iter().map(|(change, mutated)| (change, mutated + rest, false));
        let of_text = mutate_annotation_queries(block).into_iter().map(|(change, mutated)| (change, mutated, true));
        for (change, mutated, changes_text) in of_expression.chain(of_text) {
            if EQUIVALENT_MUTANTS.iter().any(|(rule, equivalent, _)| *rule == name && *equivalent == change) {
                continue;
            }
            let others =
                blocks.iter().enumerate().filter(|(other, block)| *other == index || is_needed(block, &alerts));
            let rules = group(others.map(|(other, block)| if other == index { mutated.as_str() } else { block }));
            let description = unique(format!("{name}: {change}"), &mutants);
            let alerts = alerts.iter().map(|alert| (*alert).to_owned()).collect();
            mutants.push(Mutant { description, rules, alerts, changes_text });
        }
    }
    mutants
}

/// The description, with a number if a mutant before has the same: a change may be possible at several places of a rule.
fn unique(description: String, mutants: &[Mutant]) -> String {
    let is_taken = |description: &str| mutants.iter().any(|mutant| mutant.description == description);
    let numbered = (2..).map(|number| format!("{description} ({number})"));
    std::iter::once(description.clone()).chain(numbered).find(|name| !is_taken(name)).unwrap_or(description)
}

/// Mutants of the queries in the annotations of an alert: the change, and the changed block.
fn mutate_annotation_queries(block: &str) -> Vec<(String, String)> {
    let mut mutants = Vec::new();
    for (number, (open, _)) in block.match_indices("\"topk(").enumerate() {
        let query = &block[open..open + block[open..].find("))\"").expect("a query ends")];
        let (open_brace, close_brace) = (query.find('{').expect("a selector"), query.find('}').expect("a selector"));
        let matchers: Vec<&str> = query[open_brace + 1..close_brace].split(", ").collect();
        let mut add = |change: String, by: &str| {
            let block = [&block[..open], by, &block[open + query.len()..]].concat();
            mutants.push((format!("query {}: {change}", number + 1), block));
        };
        for dropped in &matchers {
            // The number of arguments has to stay, so the value goes to a matcher that matches everything.
            let formatted = dropped.strip_suffix("=%q").map(|label| format!("no_{label}!=%q"));
            let kept = matchers.iter().filter_map(|matcher| match &formatted {
                Some(instead) if matcher == dropped => Some(instead.as_str()),
                None if matcher == dropped => None,
                _ => Some(matcher),
            });
            let kept = kept.collect::<Vec<_>>().join(", ");
            add(format!("without {dropped}"), &[&query[..=open_brace], &kept, &query[close_brace..]].concat());
        }
        let limit = &query["\"topk(".len()..query.find(',').expect("topk has a limit")];
        for other in ["2", "4", "9"].iter().filter(|other| **other != limit) {
            add(format!("topk({other}"), &query.replacen(limit, other, 1));
        }
        for (from, to) in
            [("topk", "bottomk"), ("max by", "min by"), ("count by", "max by"), ("failing_cause_age", "failing_age")]
        {
            if query.contains(from) {
                add(format!("{to} for {from}"), &query.replacen(from, to, 1));
            }
        }
    }
    mutants
}

fn rule_name(block: &str) -> &str {
    block.lines().next().and_then(|line| line.split(": ").nth(1)).expect("a rule has a name")
}

/// Mutants of the expression of a rule, and of its `for` and `keep_firing_for`: the change, and the changed block.
pub fn mutate_expression(block: &str) -> Vec<(String, String)> {
    let mut mutants = Vec::new();
    let mut add = |change: String, at: usize, len: usize, by: &str| {
        mutants.push((change, [&block[..at], by, &block[at + len..]].concat()));
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
            add(format!("{operator}{other} for {limit}"), at + operator.len(), number.len(), &other.to_string());
        }
    }
    for (open, _) in block.match_indices('{') {
        let inner = &block[open + 1..];
        let inner = &inner[..inner.find('}').expect("a brace is closed")];
        let matchers: Vec<&str> = inner.split(", ").collect();
        for dropped in &matchers {
            let kept: Vec<&str> = matchers.iter().filter(|matcher| *matcher != dropped).copied().collect();
            add(format!("without {dropped}"), open + 1, inner.len(), &kept.join(", "));
            let alternatives = dropped.split_once("~\"").map(|(_, list)| list.trim_end_matches('"').split('|'));
            for alternative in alternatives.into_iter().flatten() {
                let fewer =
                    inner.replacen(&format!("|{alternative}"), "", 1).replacen(&format!("{alternative}|"), "", 1);
                if fewer != inner {
                    add(format!("without {alternative} of {dropped}"), open + 1, inner.len(), &fewer);
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
            add(format!("without {dropped} in {word}"), list + open.len(), inner.len(), &kept.join(", "));
        }
        // Only labels that exist and differ between series.
        let operand = block[list + open.len() + inner.len() + 1..].trim_start_matches([' ', '(', '\n']);
        let others: &[&str] = match () {
            () if word == "on" => &[],
            () if operand.starts_with("image_pull_failing") || operand.starts_with("image_pull_pending") => {
                &["instance"]
            }
            () if operand.starts_with("image_pull:") && block.contains("cause=\"") => &["pod"],
            () if operand.starts_with("image_pull:") => &["cause", "pod"],
            () => &[],
        };
        for other in others.iter().filter(|other| !labels.contains(other)) {
            add(format!("with {other} in {word}"), list + open.len(), 0, &format!("{other}, "));
        }
    }
    for (line, word) in
        ["\n        for: ", "\n        keep_firing_for: "].iter().flat_map(|word| block.match_indices(word))
    {
        let len = block[line + 1..].find('\n').map_or(block.len() - line, |len| len + 1);
        add(format!("without {}", word.trim()), line, len, "");
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
            add(format!("{to} for {from}"), at, from.len(), to);
        }
    }
    mutants
}
