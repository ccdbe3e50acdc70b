//! Files around the rules: generated files, links, runbooks, and checks with promtool and amtool.

use std::collections::BTreeSet;
use std::process::Command;

use image_pull_exporter::cluster::WatchRestartCause;
use image_pull_exporter::metrics::families::FAMILIES;

const PROMETHEUS_RULE: &str = "deploy/prometheus-rule.yaml";

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The values of a key, at any depth.
fn values<'a>(yaml: &'a str, key: &str) -> Vec<&'a str> {
    yaml.lines()
        .filter_map(|line| line.trim_start().trim_start_matches("- ").strip_prefix(key))
        .map(str::trim)
        .collect()
}

#[test]
fn prometheus_rule_matches_the_rules() {
    let rules = crate::read_rules();
    let groups = rules.split_once("\ngroups:\n").expect("the rules have groups").1;
    let mut expected = "# Generated from alerts/image-pull.yaml. Update it with `UPDATE=1 tests/run prometheus_rule`.\n\
                        apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: image-pull-exporter\n  \
                        labels:\n    app.kubernetes.io/name: image-pull-exporter\nspec:\n  groups:\n"
        .to_owned();
    for line in groups.lines() {
        expected.push_str(if line.is_empty() { "" } else { "  " });
        expected.push_str(line);
        expected.push('\n');
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(PROMETHEUS_RULE, &expected).expect("the file can be written");
    }
    assert_eq!(read(PROMETHEUS_RULE), expected, "run `UPDATE=1 tests/run prometheus_rule`");
    let resource: serde_json::Value = serde_saphyr::from_str(&expected).expect("valid YAML");
    assert_eq!(resource["spec"]["groups"].as_array().map(Vec::len), Some(2));
}

#[test]
fn promtool_and_amtool_accept_the_files() {
    for (tool, arguments) in [
        ("promtool", &["check", "rules", "--lint=all", "--lint-fatal", "alerts/image-pull.yaml"][..]),
        ("promtool", &["check", "rules", "--lint=all", "--lint-fatal", "alerts/kube-state-metrics-only.yaml"]),
        ("amtool", &["check-config", "alerts/alertmanager.example.yaml"]),
    ] {
        let output = Command::new(tool)
            .args(arguments)
            .output()
            .expect("the Debian packages prometheus and prometheus-alertmanager are installed");
        assert!(output.status.success(), "{tool} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn every_alert_has_a_severity_a_runbook_and_a_dashboard() {
    let rules = crate::read_rules() + &read("alerts/kube-state-metrics-only.yaml");
    let alerts = values(&rules, "alert: ");
    assert_eq!(values(&rules, "severity: ").len(), alerts.len());
    assert!(
        values(&rules, "severity: ").iter().all(|severity| ["critical", "warning", "info", "none"].contains(severity))
    );
    let urls: Vec<String> =
        alerts.iter().map(|alert| format!("https://runbooks.example.com/image-pull-exporter/{alert}.md")).collect();
    assert_eq!(values(&rules, "runbook_url: "), urls, "the runbook of each alert");
    let pages: BTreeSet<String> = std::fs::read_dir("docs/runbooks")
        .expect("there are runbooks")
        .filter_map(|page| Some(page.ok()?.file_name().to_str()?.strip_suffix(".md")?.to_owned()))
        .filter(|page| page != "README")
        .collect();
    assert_eq!(pages, alerts.iter().map(|alert| (*alert).to_owned()).collect());
    for alert in &alerts {
        let page = read(&format!("docs/runbooks/{alert}.md"));
        assert!(page.starts_with(&format!("# {alert}\n")), "{alert}");
        for heading in ["Meaning", "Causes", "Diagnose", "Fix", "Escalate"] {
            assert!(page.contains(&format!("\n## {heading}\n")), "{alert} has no heading {heading:?}");
        }
    }
    let rows: Vec<String> = alerts
        .iter()
        .zip(values(&rules, "severity: "))
        .map(|(alert, severity)| format!("| [{alert}]({alert}.md) | {severity} |"))
        .collect();
    assert!(read("docs/runbooks/README.md").ends_with(&format!("|---|---|\n{}\n", rows.join("\n"))), "{rows:#?}");
    for url in values(&rules, "dashboard_url: ") {
        let uid = url.split("/d/").nth(1).and_then(|rest| rest.split('?').next()).expect("a dashboard has a uid");
        let board = std::fs::read_dir("dashboards").expect("there are dashboards").flatten().find_map(|file| {
            let board: serde_json::Value = serde_json::from_str(&read(file.path().to_str()?)).ok()?;
            (board["uid"] == uid).then_some(board)
        });
        let board = board.unwrap_or_else(|| panic!("no dashboard has the uid {uid}"));
        let variables: Vec<&str> = board["templating"]["list"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one["name"].as_str())
            .collect();
        for variable in url.split("var-").skip(1).filter_map(|rest| rest.split('=').next()) {
            assert!(variables.contains(&variable), "{uid} has no variable {variable}");
        }
    }
}

/// The metric names in the rules, with the labels of their matchers.
fn selectors(rules: &str) -> Vec<(&str, Vec<&str>)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let starts = rules.match_indices("image_pull").filter(|(at, _)| !rules[..*at].ends_with(is_name));
    let selector = |at: usize| {
        let rest = &rules[at..];
        let (name, rest) = rest.split_at(rest.find(|c| !is_name(c)).unwrap_or(rest.len()));
        let matchers = rest.strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
        let labels = matchers.split(',').filter_map(|matcher| matcher.split(['=', '!']).next());
        (name, labels.map(str::trim).filter(|label| !label.is_empty()).collect())
    };
    starts.map(|(at, _)| selector(at)).collect()
}

#[test]
fn rules_read_existing_metrics_and_labels() {
    let rules = crate::read_rules();
    let info =
        FAMILIES.iter().find(|family| family.header.name == "image_pull_failing_info").expect("the family exists");
    let selectors = selectors(&rules);
    assert!(selectors.len() > 30, "only {} selectors", selectors.len());
    assert!(!rules.contains("kube_"), "the rules do not depend on kube-state-metrics");
    for (name, labels) in selectors {
        let known = if name.starts_with("image_pull:") {
            info.labels
        } else {
            FAMILIES
                .iter()
                .find(|family| family.header.name == name)
                .unwrap_or_else(|| panic!("no metric {name}"))
                .labels
        };
        for label in labels {
            // Prometheus adds the prefix to labels that conflict with those of the target. `cluster` is a target label.
            let label = label.strip_prefix("exported_").unwrap_or(label);
            assert!(known.contains(&label) || label == "cluster", "{name} has no label {label}");
        }
    }
}

/// The placeholders that the README of the runbooks explains.
const PLACEHOLDERS: [&str; 12] = [
    "NAMESPACE",
    "POD",
    "NODE",
    "REGISTRY",
    "REPOSITORY",
    "IMAGE",
    "KIND",
    "NAME",
    "MONITORING",
    "TEXT",
    "USER",
    "PASSWORD",
];

#[test]
fn runbooks_use_documented_placeholders() {
    let is_placeholder = |word: &&str| word.len() > 2 && word.chars().all(|c| c.is_ascii_uppercase());
    for page in std::fs::read_dir("docs/runbooks").expect("there are runbooks").flatten() {
        let page = read(page.path().to_str().expect("a path is text"));
        for command in page.lines().filter(|line| line.starts_with("    ")) {
            let command = command.split(" # ").next().unwrap_or_default();
            for word in command.split(|c: char| !c.is_ascii_alphanumeric()).filter(is_placeholder) {
                assert!(PLACEHOLDERS.contains(&word), "{word} in {command}");
            }
        }
    }
    let readme = read("docs/runbooks/README.md");
    assert!(PLACEHOLDERS.iter().all(|word| readme.contains(&format!("`{word}`"))));
}

#[test]
fn the_readme_lists_the_critical_alerts() {
    let rules = crate::read_rules();
    let severities = values(&rules, "severity: ").into_iter().zip(values(&rules, "alert: "));
    let critical: Vec<&str> =
        severities.filter(|(severity, _)| *severity == "critical").map(|(_, alert)| alert).collect();
    assert!(read("README.md").contains(&format!("Two of them are critical: {}.", critical.join(" and "))));
}

#[test]
fn alertmanager_configuration_names_existing_alerts() {
    let rules = crate::read_rules();
    let alerts = values(&rules, "alert: ");
    let config = read("alerts/alertmanager.example.yaml");
    for name in config.split(|c: char| !c.is_ascii_alphabetic()).filter(|word| word.starts_with("ImagePull")) {
        let is_beginning = alerts.iter().any(|alert| alert.starts_with(name));
        assert!(is_beginning, "{name} is not an alert");
    }
}

#[test]
fn the_runbook_of_watch_failures_lists_every_cause() {
    let page = read("docs/runbooks/ImagePullExporterWatchFailing.md");
    for cause in WatchRestartCause::ALL.iter().copied().filter(|cause| *cause != WatchRestartCause::Ended) {
        assert!(page.contains(&format!("\n| `{}` | ", cause.as_str())), "{}", cause.as_str());
    }
}
