//! Tests of `list`: on recordings, against `replay` on the same pods, and on invalid files.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::common::exposition::Exposition;
use crate::common::{NOT_FOUND, check_golden, pod};
use image_pull_exporter::cluster::client;
use image_pull_exporter::list::file::FileError;
use image_pull_exporter::list::{ListFilter, ListFormat, ListReport, list_cluster, list_file, print, print_notes};
use image_pull_exporter::metrics::exposition::ExpositionFormat;
use image_pull_exporter::monitor::MonitorLimits;
use image_pull_exporter::replay::{self, Options};
use image_pull_exporter::terminal::Terminal;
use image_pull_model::cause::Cause;
use image_pull_model::index::{IndexConfig, MirroredReasons};
use image_pull_model::time::Timestamp;
use image_pull_sim::api::{ApiServer, BOOKMARK_INTERVAL, ErrorResponse, SharedStore, Verb};
use serde_json::{Value, json};
use tokio::net::TcpListener;

const PLAIN: Terminal = Terminal { width: 80, color: false };
/// Recordings that end with a failing container, one for each kind of failure.
const SHOWN_RECORDINGS: [&str; 9] = [
    "dns-failure",
    "ephemeral-bad",
    "image-volume-bad",
    "init-fail",
    "invalid-name",
    "never-absent",
    "r429",
    "static-pod",
    "unauthorized",
];

fn records(name: &str) -> Vec<Value> {
    let recording = std::fs::read_to_string(format!("tests/fixtures/traces/{name}.pods.jsonl")).unwrap();
    recording.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Returns the Events at a number of seconds after the first Event of a recording.
fn events_after(name: &str, seconds: f64) -> Vec<Value> {
    let recording = std::fs::read_to_string(format!("tests/fixtures/traces/{name}.events.jsonl")).unwrap();
    let records: Vec<Value> = recording.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = records[0]["t"].as_f64().unwrap() + seconds;
    let mut events = BTreeMap::new();
    for record in records.iter().filter(|record| record["t"].as_f64().unwrap() <= end) {
        events.insert(record["object"]["metadata"]["uid"].as_str().unwrap().to_owned(), record["object"].clone());
    }
    events.into_values().collect()
}

/// Returns the pods that exist after these records.
fn pods_after(records: &[Value]) -> Vec<Value> {
    let mut pods = BTreeMap::new();
    for record in records {
        let uid = record["object"]["metadata"]["uid"].as_str().unwrap().to_owned();
        if record["type"] == "DELETED" {
            pods.remove(&uid);
        } else {
            pods.insert(uid, record["object"].clone());
        }
    }
    pods.into_values().collect()
}

fn list_of(pods: &[Value]) -> String {
    json!({ "apiVersion": "v1", "kind": "List", "items": pods }).to_string()
}

fn shown_pods() -> Vec<Value> {
    SHOWN_RECORDINGS.iter().flat_map(|name| pods_after(&records(name))).collect()
}

/// A time about an hour after the recordings.
fn later() -> Timestamp {
    Timestamp::from_unix_millis(1_795_473_000_000)
}

fn list_text(text: &str) -> ListReport {
    list_file(text, &ListFilter::default(), later()).unwrap()
}

fn printed(report: &ListReport, output: ListFormat, terminal: Terminal) -> String {
    let mut out = Vec::new();
    print(report, output, terminal, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn notes(report: &ListReport, output: ListFormat) -> String {
    let mut out = Vec::new();
    print_notes(report, output, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn names(report: &ListReport) -> Vec<&str> {
    report.failing.iter().map(|failing| failing.pod.as_str()).collect()
}

#[test]
fn list_of_recorded_pods_matches_the_golden_files() {
    let report = list_text(&list_of(&shown_pods()));
    check_golden("list.table", &printed(&report, ListFormat::Table, PLAIN));
    check_golden("list.wide", &printed(&report, ListFormat::Wide, PLAIN));
    check_golden("list.json", &printed(&report, ListFormat::Json, PLAIN));
}

/// A time at which the containers of the cases have waited or failed for hours.
fn time_of_cases() -> Timestamp {
    Timestamp::from_unix_millis("2026-11-25T09:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond())
}

fn list_case(name: &str, filter: &ListFilter) -> ListReport {
    let text = std::fs::read_to_string(format!("tests/fixtures/cases/{name}.json")).unwrap();
    list_file(&text, filter, time_of_cases()).unwrap()
}

fn after(minutes: u64) -> ListFilter {
    ListFilter { pending_after: Duration::from_secs(60 * minutes), ..ListFilter::default() }
}

#[test]
fn lists_of_the_cases_match_the_golden_files() {
    let mut names: Vec<String> = std::fs::read_dir("tests/fixtures/cases")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap().trim_end_matches(".json").to_owned())
        .collect();
    names.sort();
    let mut tables = String::new();
    for name in &names {
        let report = list_case(name, &after(2));
        let exit_code = u8::from(report.has_containers());
        for output in [ListFormat::Table, ListFormat::Wide] {
            let shown = printed(&report, output, PLAIN) + &notes(&report, output);
            writeln!(tables, "{name} {output:?}, exit code {exit_code}\n{shown}").unwrap();
        }
        check_golden(&format!("cases/{name}.json"), &printed(&report, ListFormat::Json, PLAIN));
    }
    check_golden("cases/tables.text", &tables);
}

#[test]
fn pods_held_up_by_a_slow_pull_are_listed() {
    let report = list_case("08-stuck-pulling", &after(2));
    assert_eq!((report.failing.len(), report.has_containers()), (0, true));
    let stages: Vec<_> = report.waiting.iter().map(|one| (one.pod.as_str(), one.stage, one.waiting_seconds)).collect();
    let hour = 3600;
    assert_eq!(
        stages,
        [
            ("train-0", "starting", 7 * hour),
            ("api-0", "starting", 6 * hour),
            ("api-1", "starting", 6 * hour),
            ("api-2", "starting", 6 * hour)
        ]
    );
}

#[test]
fn younger_waits_are_counted_in_a_sentence() {
    let four = list_case("08-stuck-pulling", &after(24 * 60));
    assert_eq!((four.has_containers(), four.waiting_younger), (false, 4));
    let said = "No image pull failures in 4 pods.\n4 containers have been pending or starting for at most 24h.\n";
    assert_eq!(notes(&four, ListFormat::Wide), said);
    let off = list_case("08-stuck-pulling", &after(0));
    let said = "No image pull failures in 4 pods.\n4 containers have not started, without an error.\n";
    assert_eq!((notes(&off, ListFormat::Table), off.has_containers()), (said.to_owned(), false));
    let one = list_case("08-stuck-pulling", &after(6 * 60));
    assert_eq!((one.waiting.len(), one.waiting_younger), (1, 3));
    let said = "No image pull failures in 4 pods, but 1 container waits.\n\
                3 containers have been pending or starting for at most 6h.\n";
    assert_eq!(notes(&one, ListFormat::Table), said);
    assert_eq!(notes(&one, ListFormat::Json), "");
}

#[test]
fn filters_select_waits_too() {
    let api = |registries: Vec<String>| list_case("08-stuck-pulling", &ListFilter { registries, ..after(2) });
    assert_eq!(api(vec!["docker.io".to_owned()]).waiting.len(), 3);
    assert_eq!(api(vec!["quay.io".to_owned()]).waiting.len(), 0);
    let namespaces = vec!["nowhere".to_owned()];
    assert!(list_case("08-stuck-pulling", &ListFilter { namespaces, ..after(2) }).waiting.is_empty());
    let causes = vec![Cause::DnsFailure];
    let of_cause = list_case("08-stuck-pulling", &ListFilter { causes, ..after(2) });
    assert_eq!((of_cause.waiting.len(), of_cause.waiting_younger), (0, 0));
}

#[test]
fn events_in_the_list_show_a_failing_sandbox() {
    let pods = pods_after(&records("sandbox-image-missing")[..2]);
    let now = Timestamp::from_unix_millis(1_795_470_554_000);
    let mut objects = events_after("sandbox-image-missing", 50.0);
    objects.push(
        json!({ "kind": "Event", "metadata": { "name": "e", "uid": "e" }, "involvedObject": { "kind": "Node" } }),
    );
    objects.extend(pods.clone());
    let after = ListFilter { pending_after: Duration::from_secs(30), ..ListFilter::default() };
    let report = list_file(&list_of(&objects), &after, now).unwrap();
    assert_eq!((report.pods, report.skipped.len(), report.failing.len(), report.waiting.len()), (1, 0, 1, 1));
    let failing = &report.failing[0];
    assert_eq!((failing.container.as_str(), failing.container_type, failing.cause), ("", "sandbox", "image_not_found"));
    assert_eq!(failing.image, "127.0.0.1:5000/pause:missing");
    assert!(failing.advice[0].starts_with("This is the sandbox image of the node."), "{}", failing.advice[0]);
    assert_eq!((report.waiting[0].stage, report.waiting[0].awaits), ("starting", "sandbox (its image fails)"));
    assert!(printed(&report, ListFormat::Table, PLAIN).contains("sandbox: 127.0.0.1:5000/pause:missing"));
    // The order of the objects, and YAML instead of JSON, make no difference.
    objects.reverse();
    let yaml = format!("# A comment\n{}", list_of(&objects));
    assert_eq!(list_file(&yaml, &after, now).unwrap(), report);
    // Events do not expire in a file that is read later.
    let read_later = list_file(&yaml, &after, later()).unwrap();
    assert_eq!((read_later.failing.len(), read_later.failing[0].since), (1, failing.since));
    assert_eq!(list_file(&list_of(&pods), &after, now).unwrap().failing.len(), 0, "without Events");
}

#[test]
fn events_in_the_list_name_missing_secrets() {
    let mut objects = pods_after(&records("missing-secret")[..5]);
    let cause_and_secrets = |objects: &[Value]| {
        let failing = &list_text(&list_of(objects)).failing[0];
        (failing.cause, failing.cause_basis, failing.missing_secrets.clone())
    };
    assert_eq!(cause_and_secrets(&objects), ("unauthorized", "status", vec![]));
    objects.extend(events_after("missing-secret", 30.0));
    assert_eq!(cause_and_secrets(&objects), ("pull_secret_missing", "event", vec!["regcred".to_owned()]));
}

#[test]
fn events_without_pods_are_rejected() {
    let events = list_of(&events_after("good", 30.0));
    let error = list_file(&events, &ListFilter::default(), later()).unwrap_err().to_string();
    assert!(error.starts_with("found a list of Event, expected pods"), "{error}");
}

#[test]
fn failures_and_waits_are_separate_tables() {
    let mut pods = pods_after(&records("unauthorized"));
    pods.extend(pods_after(&records("sandbox-image-missing")[..2]));
    let report = list_file(&list_of(&pods), &after(2), later()).unwrap();
    assert_eq!((report.failing.len(), report.waiting.len()), (1, 1));
    for output in [ListFormat::Table, ListFormat::Wide] {
        let table = printed(&report, output, PLAIN);
        assert_eq!((table.matches("NAMESPACE ").count(), table.matches("\n\nNAMESPACE ").count()), (2, 1), "{table}");
    }
    let painted = printed(&report, ListFormat::Table, Terminal { width: 80, color: true });
    assert!(painted.contains("\x1b[33mSTARTING\x1b[0m"), "{painted}");
}

#[test]
fn a_yaml_list_gives_the_same_report() {
    let yaml = std::fs::read_to_string("tests/fixtures/pods.yaml").unwrap();
    assert_eq!(list_text(&yaml), list_text(&list_of(&shown_pods())));
}

#[test]
fn accepts_a_single_pod_and_a_raw_pod_list() {
    let mut pods = pods_after(&records("unauthorized"));
    let one = pods.pop().unwrap();
    let raw = json!({ "kind": "PodList", "items": [{ "metadata": one["metadata"], "spec": one["spec"], "status": one["status"] }] });
    assert_eq!(list_text(&one.to_string()), list_text(&raw.to_string()));
    assert_eq!(names(&list_text(&raw.to_string())), ["p"]);
    assert_eq!(names(&list_text(&format!("\u{feff}\n{one}\n"))), ["p"]);
}

/// Returns the facts of each failing container from the metrics.
fn replayed(pods: &[Value], now: Timestamp) -> Vec<BTreeMap<String, String>> {
    let t = now.unix_seconds();
    let lines: Vec<String> =
        pods.iter().map(|pod| json!({ "t": t, "type": "ADDED", "object": pod }).to_string()).collect();
    let options = Options {
        settings: IndexConfig { mirrored_reasons: MirroredReasons::Image, ..IndexConfig::default() },
        limits: MonitorLimits::DEFAULT,
        until: None,
        keep_going: false,
    };
    let replayed = replay::replay(lines.join("\n").as_bytes(), &options, || now).unwrap();
    let mut out = Vec::new();
    replay::print(&replayed, ExpositionFormat::Text, &mut out).unwrap();
    let metrics = Exposition::parse(std::str::from_utf8(&out).unwrap());
    let mut containers = BTreeMap::new();
    for (family, value) in [
        ("image_pull_failing_info", ""),
        ("image_pull_failing_since_timestamp_seconds", "since"),
        ("image_pull_failing_cause_since_timestamp_seconds", "cause_since"),
        ("image_pull_failing_attempts", "attempts"),
        ("image_pull_last_attempt_timestamp_seconds", "last_attempt"),
        ("image_pull_next_attempt_timestamp_seconds", "next_attempt"),
    ] {
        for sample in metrics.all(family) {
            let facts: &mut BTreeMap<String, String> =
                containers.entry((sample.label("uid").to_owned(), sample.label("container").to_owned())).or_default();
            // The batch kinds are a setting of the exporter.
            let is_told = |(name, value): &&(String, String)| !value.is_empty() && name != "batch";
            facts.extend(sample.labels.iter().filter(is_told).cloned());
            if !value.is_empty() {
                facts.insert(value.to_owned(), sample.value.floor().to_string());
            }
        }
    }
    containers.into_values().collect()
}

/// Returns the facts of each failing container from the list, under the names of the metric labels.
fn listed(pods: &[Value], now: Timestamp) -> Vec<BTreeMap<String, String>> {
    let report = list_file(&list_of(pods), &ListFilter::default(), now).unwrap();
    let json: Value = serde_json::from_str(&printed(&report, ListFormat::Json, PLAIN)).unwrap();
    let mut containers: Vec<BTreeMap<String, String>> = Vec::new();
    for failing in json["failing"].as_array().unwrap() {
        let mut facts = BTreeMap::new();
        for (name, value) in failing.as_object().unwrap() {
            let seconds = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
            let (name, value) = match name.as_str() {
                "suspect" | "pull_secrets" | "missing_secrets" | "pending_since" | "cause_basis" | "reason"
                | "message" | "summary" | "advice" | "failing_seconds" | "cause_seconds" | "failing_host"
                | "failing_host_kind" | "hops" | "cause_inferred" => continue,
                "cause_since_basis" => {
                    assert_eq!(value, "found", "nobody watched");
                    continue;
                }
                _ if value.is_null() => continue,
                "since" | "cause_since" | "last_attempt" | "next_attempt" => {
                    (name.as_str(), seconds(value).to_string())
                }
                "since_basis" => ("basis", value.as_str().unwrap().to_owned()),
                "attempts" => ("attempts", value.to_string()),
                _ => (name.as_str(), value.as_str().unwrap().to_owned()),
            };
            facts.insert(name.to_owned(), value);
        }
        containers.push(facts);
    }
    containers.sort_by(|a, b| (&a["uid"], &a["container"]).cmp(&(&b["uid"], &b["container"])));
    containers
}

#[test]
fn list_agrees_with_replay_at_every_record_of_every_recording() {
    let mut compared = 0;
    for entry in std::fs::read_dir("tests/fixtures/traces").unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let Some(name) = name.strip_suffix(".pods.jsonl") else { continue };
        let records = records(name);
        for end in 1..=records.len() {
            let pods = pods_after(&records[..end]);
            let now = Timestamp::from_unix_seconds(records[end - 1]["t"].as_f64().unwrap()).unwrap();
            let listed = listed(&pods, now);
            assert_eq!(listed, replayed(&pods, now), "{name}, record {end}");
            compared += listed.len();
        }
    }
    assert!(compared > 100, "only {compared} failures were compared");
}

#[test]
fn filters_by_namespace_cause_and_registry() {
    let list = list_of(&shown_pods());
    let found = |filter: &ListFilter| list_file(&list, filter, later()).unwrap();
    let all = list_text(&list);
    assert_eq!((all.pods, all.failing.len()), (11, 11));
    let one = found(&ListFilter { namespaces: vec!["unauthorized".to_owned()], ..ListFilter::default() });
    assert_eq!((one.pods, one.failing.len(), one.failing[0].cause), (1, 1, "unauthorized"));
    let causes = vec![Cause::RateLimited, Cause::Unauthorized];
    let two = found(&ListFilter { causes: causes.clone(), ..ListFilter::default() });
    assert_eq!(two.failing.iter().map(|one| one.cause).collect::<Vec<_>>(), ["rate_limited", "unauthorized"]);
    let registries = vec!["127.0.0.1:6429".to_owned()];
    let last = found(&ListFilter { causes, registries, ..ListFilter::default() });
    assert_eq!(last.failing.iter().map(|one| one.cause).collect::<Vec<_>>(), ["rate_limited"]);
    let none = found(&ListFilter { namespaces: vec!["nowhere".to_owned()], ..ListFilter::default() });
    assert_eq!(notes(&none, ListFormat::Table), "No image pull failures in 0 pods.\n");
    assert_eq!(printed(&none, ListFormat::Table, PLAIN), "");
}

/// Pods with names and images of the maximum length in Kubernetes.
fn pods_with_long_names() -> ListReport {
    let mut pods = shown_pods();
    let image =
        format!("{}.dkr.ecr.eu-central-1.amazonaws.com/{}/app:{}", "1".repeat(12), "team".repeat(20), "v1".repeat(30));
    for one in &mut pods {
        one["metadata"]["namespace"] = json!("n".repeat(63));
        one["metadata"]["ownerReferences"] =
            json!([{ "kind": "StatefulSet", "name": "s".repeat(63), "controller": true }]);
        for container in one["spec"]["containers"].as_array_mut().unwrap() {
            container["image"] = json!(image);
        }
    }
    list_text(&list_of(&pods))
}

#[test]
fn a_table_fits_its_terminal_and_cuts_names_in_the_middle() {
    for width in [80, 100, 132] {
        let table = printed(&pods_with_long_names(), ListFormat::Table, Terminal { width, color: false });
        assert!(table.contains("sts/sss") && table.contains('…') && table.contains("v1v1\n"), "{table}");
        for line in table.lines() {
            assert!(line.chars().count() <= width && line == line.trim_end(), "{width}: {line}");
        }
    }
    let wide = printed(&pods_with_long_names(), ListFormat::Wide, PLAIN);
    assert!(!wide.contains('…') && wide.contains(&"s".repeat(63)));
}

#[test]
fn pods_of_one_workload_share_a_line() {
    let one = |name: &str| {
        let mut pod = pod("shop", name, Some(("ErrImagePull", NOT_FOUND)));
        pod["metadata"]["ownerReferences"] = json!([{ "kind": "DaemonSet", "name": "agent", "controller": true }]);
        pod
    };
    let report =
        list_text(&list_of(&[one("agent-x"), one("agent-y"), pod("shop", "web", Some(("ErrImagePull", NOT_FOUND)))]));
    let table = printed(&report, ListFormat::Table, PLAIN);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!(lines.len(), 5);
    assert_eq!([&lines[1][..], &lines[3][..]], [["shop", "ds/agent", "2"], ["shop", "pod/web", "1"]]);
    assert_eq!(printed(&report, ListFormat::Wide, PLAIN).lines().count(), 4);
}

#[test]
fn colors_only_the_headings_and_the_cause() {
    let report = list_text(&list_of(&shown_pods()));
    let painted = printed(&report, ListFormat::Table, Terminal { width: 80, color: true });
    assert!(painted.contains("\x1b[31mrate_limited\x1b[0m"));
    let mut plain = painted;
    for code in ["\x1b[1m", "\x1b[31m", "\x1b[0m"] {
        plain = plain.replace(code, "");
    }
    assert_eq!(plain, printed(&report, ListFormat::Table, PLAIN));
}

#[test]
fn control_characters_in_a_file_are_escaped() {
    let mut evil = pod("shop", "web", Some(("ErrImagePull", NOT_FOUND)));
    evil["metadata"]["namespace"] = json!("a\u{1b}]0;x\u{7}b");
    evil["spec"]["containers"][0]["image"] = json!("nginx\u{202e}:1\n");
    let mut broken = pod("shop", "\u{1b}[2J", None);
    broken["spec"] = json!("none");
    let report = list_text(&list_of(&[evil, broken]));
    for output in [ListFormat::Table, ListFormat::Wide, ListFormat::Json] {
        let shown = printed(&report, output, PLAIN) + &notes(&report, output);
        assert!(!shown.contains(['\u{1b}', '\u{7}']), "{shown}");
        assert!(output == ListFormat::Json || !shown.contains('\u{202e}'), "{shown}");
    }
    assert_eq!(report.skipped.len(), 1);
}

#[test]
fn secrets_in_errors_and_images_are_redacted() {
    let said = "Get \"https://cdn.example/blob?X-Amz-Signature=hunter2\": EOF";
    let mut leaky = pod("shop", "web", Some(("ErrImagePull", said)));
    leaky["spec"]["containers"][0]["image"] = json!("https://user:hunter2@reg.example/app:1");
    let report = list_text(&list_of(&[leaky]));
    for output in [ListFormat::Table, ListFormat::Wide, ListFormat::Json] {
        let shown = printed(&report, output, PLAIN);
        assert!(shown.contains("<redacted>") && !shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn undecodable_objects_are_reported_and_the_rest_listed() {
    let mut broken: Vec<Value> =
        (0..12).map(|i| json!({ "kind": "Pod", "metadata": { "name": format!("b{i}") } })).collect();
    broken.push(Value::Null);
    broken.push(json!({ "kind": "Service", "metadata": { "name": "no-pod" } }));
    broken.push(pod("shop", "web", Some(("ErrImagePull", NOT_FOUND))));
    let report = list_text(&list_of(&broken));
    assert_eq!((names(&report), report.pods, report.skipped.len()), (vec!["web"], 1, 13));
    let told = notes(&report, ListFormat::Table);
    assert_eq!(told.lines().count(), 11);
    assert!(told.ends_with("skipped 3 more objects\n"), "{told}");
}

#[test]
fn a_file_without_pods_is_rejected_with_a_reason() {
    let refused =
        |text: &str| list_file(text, &ListFilter::default(), later()).map_err(|error: FileError| error.to_string());
    for (text, why) in [
        ("", "the file is empty"),
        (" \n", "the file is empty"),
        ("{", "invalid JSON"),
        ("{\"items\": [", "invalid JSON"),
        ("{\"items\": 3}", "invalid JSON"),
        ("hello", "plain text"),
        ("a: [", "neither JSON nor YAML"),
        ("- a\n- b\n", "plain text"),
        ("{\"kind\": \"Deployment\"}", "a Deployment"),
        ("{\"kind\": \"List\", \"items\": [{\"kind\": \"Service\"}]}", "a list of Service"),
        ("{\"t\": 1, \"type\": \"ADDED\", \"object\": {}}", "an object without a kind"),
        ("kind: ConfigMap\n", "a ConfigMap"),
    ] {
        let error = refused(text).expect_err(text);
        assert!(error.contains(why), "{text}: {error}");
    }
    assert_eq!(refused("{\"kind\": \"List\", \"items\": []}").unwrap().pods, 0);
}

/// Lists a simulated cluster. `prepare` configures its API server first.
fn list_simulated(
    store: SharedStore,
    filter: &ListFilter,
    prepare: impl FnOnce(&ApiServer),
) -> Result<ListReport, String> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().unwrap().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = ApiServer::start(listener, store, BOOKMARK_INTERVAL).unwrap();
        prepare(&server);
        let config = kube::Config::new(format!("http://{}", server.address()).parse().unwrap());
        let client = client::new_client(config).unwrap();
        let report = list_cluster(client, filter, later).await.map_err(|error| format!("{error:#}"));
        server.shutdown().await.unwrap();
        report
    })
}

/// 600 pods in two namespaces. Every hundredth pod fails.
fn store() -> SharedStore {
    let store = SharedStore::default();
    for number in 0..600 {
        let waiting = (number % 100 == 0).then_some(("ErrImagePull", NOT_FOUND));
        store.put(pod(if number < 350 { "bank" } else { "shop" }, &format!("pod-{number:03}"), waiting));
    }
    store
}

#[test]
fn lists_a_cluster_page_by_page() {
    let all = list_simulated(store(), &ListFilter::default(), |_| {}).unwrap();
    assert_eq!(names(&all), ["pod-000", "pod-100", "pod-200", "pod-300", "pod-400", "pod-500"]);
    assert_eq!((all.pods, all.time), (600, later()));
    let filter = ListFilter { namespaces: vec!["shop".to_owned(), "zoo".to_owned()], ..ListFilter::default() };
    let some = list_simulated(store(), &filter, |_| {}).unwrap();
    assert_eq!((names(&some), some.pods), (vec!["pod-400", "pod-500"], 250));
}

#[test]
fn a_cluster_and_a_file_give_the_same_report() {
    let (store, mut pods) = (SharedStore::default(), Vec::new());
    for pod in shown_pods() {
        store.put(pod.clone());
        pods.push(pod);
    }
    assert_eq!(list_simulated(store, &ListFilter::default(), |_| {}).unwrap(), list_text(&list_of(&pods)));
}

#[test]
fn a_forbidden_list_fails_at_once() {
    let refused = |filter: &ListFilter, refusal| {
        list_simulated(store(), filter, |server| server.faults().reject_next(Verb::List, refusal, 1)).unwrap_err()
    };
    let error = refused(&ListFilter::default(), ErrorResponse::Forbidden);
    assert!(error.starts_with("cannot list pods: ") && error.contains("(403)"), "{error}");
    assert!(error.ends_with("to list a single namespace, use -n"), "{error}");
    let one = ListFilter { namespaces: vec!["shop".to_owned()], ..ListFilter::default() };
    assert!(!refused(&one, ErrorResponse::Forbidden).contains("-n"));
}

#[test]
fn an_undecodable_object_is_reported_as_skipped() {
    let store = store();
    let mut broken = pod("shop", "broken", None);
    broken["status"]["containerStatuses"] = json!("none");
    store.put(broken);
    // The simulated API server cannot encode such an object in protobuf.
    let report =
        list_simulated(store, &ListFilter::default(), |server| server.faults().disable_protobuf(true)).unwrap();
    assert_eq!((report.failing.len(), report.skipped.len()), (6, 1));
    assert!(report.skipped[0].starts_with("shop/broken: "), "{:?}", report.skipped);
}
