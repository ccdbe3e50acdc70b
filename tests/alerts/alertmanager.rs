//! From a simulated cluster to notifications: the demo, a real Prometheus with the alerts, a real Alertmanager with the example
//! configuration, and a webhook receiver. Only the durations are shorter.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::common::prometheus::{Prometheus, free_port};
use crate::common::{Program, eventually, get};
use serde_json::Value;

/// A registry outage that affects ten workloads with five pods each on four nodes, and a workload with a wrong tag. Runs 60 times faster than
/// real time, for less than an hour: after an hour ImagePullRolloutBlocked fires.
const SCRIPT: &str = "
0s pod shop/calm-0 container calm image=ghcr.io/shop/calm:1
01:00 registry registry.example.com refused
01:05 pod shop/a-5d4c8f7b69-* owner=ReplicaSet/a-5d4c8f7b69 replicas=5 node=n1,n2,n3,n4 container app image=registry.example.com/shop/a:2
01:05 pod shop/b-5d4c8f7b69-* owner=ReplicaSet/b-5d4c8f7b69 replicas=5 node=n1,n2,n3,n4 container app image=registry.example.com/shop/b:2
01:05 pod shop/c-5d4c8f7b69-* owner=ReplicaSet/c-5d4c8f7b69 replicas=5 node=n1,n2,n3,n4 container app image=registry.example.com/shop/c:2
01:05 pod shop/d-* owner=StatefulSet/d replicas=5 node=n1,n2,n3,n4 container app image=registry.example.com/shop/d:2
01:05 pod shop/e-* owner=DaemonSet/e replicas=5 node=n1,n2,n3,n4 container app image=registry.example.com/shop/e:2
01:05 pod bank/f-5d4c8f7b69-* owner=ReplicaSet/f-5d4c8f7b69 replicas=5 node=n1,n2,n3,n4 container app image=registry.example.com/bank/f:2
01:05 pod bank/g-5d4c8f7b69-* owner=ReplicaSet/g-5d4c8f7b69 replicas=5 node=n1,n2,n3,n4 container app image=registry.example.com/bank/g:2
01:05 pod bank/h-5d4c8f7b69-* owner=ReplicaSet/h-5d4c8f7b69 replicas=5 node=n1,n2,n3,n4 container app image=registry.example.com/bank/h:2
01:05 pod bank/i-* owner=Job/i replicas=5 node=n1,n2,n3,n4 container app image=registry.example.com/bank/i:2
01:05 pod bank/j-* owner=Job/j-29912345 replicas=5 node=n1,n2,n3,n4 container app image=registry.example.com/bank/j:2
02:00 pod shop/web-6c9d7b5f48-x owner=ReplicaSet/web-6c9d7b5f48 node=n1 container web image=ghcr.io/shop/web:1.8.O pull=not-found
40:00 registry registry.example.com ok
45:00 patch shop/web-6c9d7b5f48-x web image=ghcr.io/shop/web:1.8.0
50:00 registry registry.example.com ok
";

/// The name of the receiver, and the JSON that Alertmanager sent.
type Notification = (String, Value);

/// A child process that is killed on drop.
struct KillOnDrop(Child);

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        // Both fail only if the process has exited.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts an HTTP server that records the webhooks of Alertmanager. Returns its port.
fn start_webhook_receiver() -> (u16, Arc<Mutex<Vec<Notification>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("it has an address").port();
    let notifications = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&notifications);
    drop(std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.expect("a connection"));
            let (mut line, mut path, mut length) = (String::new(), String::new(), 0);
            while stream.read_line(&mut line).expect("a head") > 2 {
                if let Some(rest) = line.strip_prefix("POST /") {
                    rest.split(' ').next().expect("a path").clone_into(&mut path);
                } else if let Some(rest) = line.to_lowercase().strip_prefix("content-length: ") {
                    length = rest.trim().parse().expect("a length");
                }
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).expect("a body");
            written.lock().unwrap().push((path, serde_json::from_slice(&body).expect("a notification is JSON")));
            let answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            stream.get_mut().write_all(answer.as_bytes()).expect("it listens");
        }
    }));
    (port, notifications)
}

/// Reads a file and applies all replacements. Panics if one does not apply.
fn read_with_replacements(path: &str, replacements: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(path).expect("the file is there");
    for (from, to) in replacements {
        assert!(text.contains(from), "{path} has no {from:?}");
        text = text.replace(from, to);
    }
    text
}

fn start_alertmanager(folder: &std::path::Path, receiver: u16) -> (KillOnDrop, u16) {
    let webhook =
        |name: &str| format!("  - name: {name}\n    webhook_configs: [{{url: 'http://127.0.0.1:{receiver}/{name}'}}]");
    let config = read_with_replacements(
        "alerts/alertmanager.example.yaml",
        &[
            ("group_wait: 30s", "group_wait: 3s"),
            ("group_interval: 5m", "group_interval: 3s"),
            ("  - name: page", &webhook("page")),
            ("  - name: ticket", &webhook("ticket")),
            ("  - name: quiet", &webhook("quiet")),
        ],
    );
    let file = folder.join("alertmanager.yaml");
    std::fs::write(&file, config).expect("the configuration can be written");
    let port = free_port();
    let child = Command::new("prometheus-alertmanager")
        .arg(format!("--config.file={}", file.display()))
        .arg(format!("--storage.path={}", folder.join("alertmanager").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .arg("--cluster.listen-address=")
        .stderr(Stdio::null())
        .spawn()
        .expect("Alertmanager runs (Debian's package prometheus-alertmanager)");
    (KillOnDrop(child), port)
}

/// The notifications so far, one line each: receiver, status, alert, registry, number of alerts.
fn notification_lines(notifications: &Mutex<Vec<Notification>>) -> Vec<String> {
    let line = |(receiver, notification): &Notification| {
        let alerts = notification["alerts"].as_array().expect("it has alerts");
        let label = |name: &str| notification["groupLabels"][name].as_str().unwrap_or_default().to_owned();
        let status = notification["status"].as_str().expect("it has a status");
        format!("{receiver} {status} {} {} {}", label("alertname"), label("registry"), alerts.len())
    };
    notifications.lock().unwrap().iter().map(line).collect()
}

/// Alerts in the syntax of `amtool`, and whether another alert inhibits them.
const INHIBITION_CASES: [(&str, bool); 35] = [
    ("ImagePullRegistryOutage registry=r", false),
    ("ImagePullFailing namespace=shop workload_kind=Deployment workload=web registry=r", true),
    ("ImagePullJobCannotStart namespace=shop workload_kind=Job workload=import registry=r", true),
    ("ImagePullRolloutBlocked namespace=shop workload_kind=Deployment workload=web registry=r", true),
    ("ImagePullDebugContainer namespace=shop workload_kind=Deployment workload=web registry=r", true),
    ("ImagePullNeedsChange namespace=shop workload_kind=Deployment workload=typo registry=r", false),
    ("ImagePullCredentials namespace=shop workload_kind=Deployment workload=secret registry=r", false),
    ("ImagePullSecretMissing namespace=shop workload_kind=Deployment workload=other registry=r", false),
    ("ImagePullPending namespace=shop workload_kind=Deployment workload=large registry=r", true),
    ("ImagePullPending namespace=shop workload_kind=Deployment workload=large registry=another", false),
    ("ImagePullNodeFault node=node-1", false),
    ("ImagePullNodeStuck node=node-1", true),
    ("ImagePullNodeStuck node=node-2", false),
    ("ImagePullNodeStuck cluster=b node=node-1", false),
    ("ImagePullFailing namespace=shop workload_kind=Deployment workload=web registry=another", false),
    ("ImagePullFailing cluster=b namespace=shop workload_kind=Deployment workload=web registry=r", false),
    ("KubePodNotReady namespace=shop pod=web-1", false),
    // After an outage.
    ("ImagePullRegistryOutageInhibitor registry=back", false),
    ("ImagePullFailing namespace=shop workload_kind=Deployment workload=web registry=back", true),
    ("ImagePullNeedsChange namespace=shop workload_kind=Deployment workload=typo registry=back", false),
    // A rate limit inhibits the general alerts of the same workload only.
    ("ImagePullRateLimited namespace=shop workload_kind=Deployment workload=a registry=hub", false),
    ("ImagePullFailing namespace=shop workload_kind=Deployment workload=a registry=hub", true),
    ("ImagePullFailing namespace=shop workload_kind=Deployment workload=b registry=hub", false),
    ("ImagePullFailing namespace=bank workload_kind=Deployment workload=a registry=hub", false),
    ("ImagePullFailing namespace=shop workload_kind=StatefulSet workload=a registry=hub", false),
    ("ImagePullRolloutBlocked namespace=shop workload_kind=Deployment workload=a registry=hub", false),
    ("ImagePullSecretMissing namespace=shop workload_kind=Deployment workload=keyless registry=hub", false),
    ("ImagePullFailing namespace=shop workload_kind=Deployment workload=keyless registry=hub", true),
    ("ImagePullPending namespace=shop workload_kind=Deployment workload=keyless registry=hub", false),
    ("ImagePullRateLimited namespace=shop workload_kind=CronJob workload=scan registry=hub", false),
    ("ImagePullJobCannotStart namespace=shop workload_kind=CronJob workload=scan registry=hub", true),
    ("ImagePullExporterAbsent cluster=c", false),
    ("ImagePullExporterStale cluster=c instance=a", true),
    ("ImagePullExporterStale cluster=d instance=a", false),
    ("ImagePullExporterTruncated cluster=c instance=a", false),
];

#[test]
fn inhibit_rules_suppress_alerts_of_the_same_fault_only() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("inhibitions");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let (receiver, _notifications) = start_webhook_receiver();
    let (_alertmanager, port) = start_alertmanager(&folder, receiver);
    eventually(|| get(port, "/-/ready", "").map(drop).map_err(|error| error.to_string()));
    for (alert, _) in INHIBITION_CASES {
        let url = format!("--alertmanager.url=http://127.0.0.1:{port}");
        let amtool = Command::new("amtool").args(["alert", "add", &url]).args(alert.split(' ')).output();
        let output = amtool.expect("amtool runs (Debian's package prometheus-alertmanager)");
        assert!(output.status.success(), "{alert}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let answer = get(port, "/api/v2/alerts", "").expect("it answers").text();
    let answer: Vec<Value> = serde_json::from_str(&answer).expect("the alerts are JSON");
    let labels = |alert: &Value| {
        let labels = alert["labels"].as_object().expect("an alert has labels").iter();
        labels.map(|(name, value)| format!("{name}={}", value.as_str().expect("a text"))).collect::<BTreeSet<_>>()
    };
    let hidden: BTreeSet<_> =
        answer.iter().filter(|alert| alert["status"]["state"] == "suppressed").map(labels).collect();
    let expected = INHIBITION_CASES
        .iter()
        .filter(|(_, is_hidden)| *is_hidden)
        .map(|(alert, _)| format!("alertname={alert}").split(' ').map(str::to_owned).collect::<BTreeSet<_>>());
    assert_eq!(answer.len(), INHIBITION_CASES.len());
    assert_eq!(hidden, expected.collect());
}

const NOTIFICATIONS_IN_OUTAGE: [&str; 2] =
    ["page firing ImagePullRegistryOutage registry.example.com 1", "ticket firing ImagePullNeedsChange ghcr.io 1"];
const NOTIFICATIONS_AFTER_RECOVERY: [&str; 4] = [
    NOTIFICATIONS_IN_OUTAGE[0],
    "page resolved ImagePullRegistryOutage registry.example.com 1",
    NOTIFICATIONS_IN_OUTAGE[1],
    "ticket resolved ImagePullNeedsChange ghcr.io 1",
];

#[test]
fn an_outage_and_a_wrong_tag_are_one_notification_each() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("alertmanager");
    // Exists only if an earlier run was interrupted.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).expect("the file can be written");
        path.display().to_string()
    };
    let script = file("outage.script", SCRIPT);
    let keep = [
        ("keep_firing_for: 2m", "keep_firing_for: 15s"),
        ("keep_firing_for: 10m", "keep_firing_for: 15s"),
        ("[20m]", "[30s]"),
    ];
    let rules = file("rules.yaml", &read_with_replacements("alerts/image-pull.yaml", &keep));
    let (receiver, notifications) = start_webhook_receiver();
    let (_alertmanager, alertmanager) = start_alertmanager(&folder, receiver);
    let demo = ["demo", "--speed", "60", "--script", script.as_str()];
    let exporter = Program::start(&demo);
    let port = exporter.port;
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: ['{rules}']\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]}}\n\
         scrape_configs:\n- job_name: image-pull\n  honor_labels: true\n  static_configs: [{{targets: ['127.0.0.1:{port}']}}]\n"
    );
    let mut prometheus = Prometheus::start("alertmanager", &config, &[]);

    let sorted = || {
        let mut lines = notification_lines(&notifications);
        lines.sort();
        lines
    };
    let expect = |wanted: &[&str]| {
        let lines = sorted();
        if lines == wanted { Ok(()) } else { Err(format!("{lines:#?}")) }
    };
    eventually(|| expect(&NOTIFICATIONS_IN_OUTAGE));
    assert_eq!(prometheus.query("sum(image_pull_failing_pods)"), Ok(51.0));
    // Each of the ten workloads with 50 pods has an alert, which is inhibited.
    let singles =
        "count(ALERTS{alertname=~\"ImagePullFailing|ImagePullJobCannotStart\",registry=\"registry.example.com\"})";
    assert_eq!(prometheus.query(singles), Ok(10.0));
    let text = |name: &str| {
        let notifications = notifications.lock().unwrap();
        let all = notifications.iter().flat_map(|(_, notification)| notification["alerts"].as_array().expect("alerts"));
        let texts = all.filter_map(|alert| alert["annotations"][name].as_str().map(str::to_owned));
        texts.collect::<Vec<_>>().join("\n")
    };
    assert!(
        text("summary").contains("Deployment shop/web cannot pull its image ghcr.io/shop/web:1.8.O: image not found")
    );
    assert!(text("summary").contains("10 workloads cannot pull from registry.example.com"), "{}", text("summary"));

    prometheus.kill_and_restart(&[]);
    eventually(|| match prometheus.query("count(ALERTS{alertstate=\"firing\"})")? {
        alerts if alerts >= 12.0 => Ok(()),
        alerts => Err(format!("{alerts} alerts")),
    });
    exporter.kill();
    let _exporter = Program::start_at(port, &demo);
    std::thread::sleep(Duration::from_secs(12));
    assert_eq!(sorted(), NOTIFICATIONS_IN_OUTAGE, "killing Prometheus or the exporter sends no notification");
    assert_eq!(prometheus.query("sum(image_pull_failing_pods)"), Ok(51.0));

    // The registry recovers, and the tag is corrected.
    std::thread::sleep(Duration::from_secs(40));
    eventually(|| expect(&NOTIFICATIONS_AFTER_RECOVERY));
    assert_eq!(prometheus.query("sum(image_pull_failing_pods)"), Ok(0.0));
}

/// The time of the cluster at its last event.
pub const CLUSTER_TIME: &str = "max(image_pull_exporter_watch_last_event_timestamp_seconds)";

/// Writes the rules for a cluster that runs 60 times faster than real time. Durations are shorter by the same factor, and ages use the clock
/// of the cluster.
pub fn write_accelerated_rules(folder: &std::path::Path) -> PathBuf {
    let since = "image_pull_failing_cause_since_timestamp_seconds";
    let faster = [
        ("keep_firing_for: 2m", "keep_firing_for: 2s"),
        ("keep_firing_for: 10m", "keep_firing_for: 10s"),
        ("[20m]", "[20s]"),
        (&format!("timestamp({since})"), &format!("({since} * 0 + on () group_left () {CLUSTER_TIME})")),
        ("time() - min by (cluster, namespace", &format!("scalar({CLUSTER_TIME}) - min by (cluster, namespace")),
    ];
    let rules = folder.join("rules.yaml");
    std::fs::write(&rules, read_with_replacements("alerts/image-pull.yaml", &faster)).expect("the file can be written");
    rules
}

/// Runs 60 times faster than real time, with shorter durations of Alertmanager.
#[test]
fn a_registry_restart_does_not_page_and_a_lasting_outage_does() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("registry-restart");
    // Exists only if an earlier run was interrupted.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let rules = write_accelerated_rules(&folder);
    let (receiver, notifications) = start_webhook_receiver();
    let (_alertmanager, alertmanager) = start_alertmanager(&folder, receiver);
    let port = free_port();
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['127.0.0.1:{alertmanager}']}}]}}]}}\n\
         scrape_configs:\n- job_name: image-pull\n  honor_labels: true\n  static_configs: [{{targets: ['127.0.0.1:{}']}}]\n",
        rules.display(),
        port
    );
    let prometheus = Prometheus::start("registry-restart", &config, &[]);
    eventually(|| get(prometheus.port, "/-/ready", "").map(drop).map_err(|error| error.to_string()));
    let _exporter =
        Program::start_at(port, &["demo", "--speed", "60", "--script", "tests/fixtures/registry-restart.script"]);
    // All failures start 25 minutes before the script.
    let minute = format!("(scalar({CLUSTER_TIME}) - min(image_pull_failing_since_timestamp_seconds)) / 60 - 25");
    let until = |wanted: f64| {
        eventually(|| match prometheus.query(&minute)? {
            minute if minute >= wanted => Ok(()),
            minute => Err(format!("minute {minute}")),
        });
    };
    let pages =
        || notification_lines(&notifications).into_iter().filter(|line| line.starts_with("page")).collect::<Vec<_>>();
    let outage = "count(ALERTS{alertname=\"ImagePullRegistryOutage\", alertstate=\"firing\"})";
    let hit = "max_over_time(count(image_pull_failing_info{cause=\"connection_failed\"})[1m:1s])";

    until(29.5);
    let hit = prometheus.query(hit);
    assert!(hit.as_ref().is_ok_and(|hit| *hit >= 5.0), "five of them or more ran into it: {hit:?}");
    assert_eq!(pages(), [""; 0]);
    let before = format!("max_over_time({outage}[1m:1s])");
    assert!(prometheus.query(&before).is_err(), "it has not fired");
    assert!(
        notification_lines(&notifications)
            .contains(&"ticket firing ImagePullNeedsChange registry.example.com 10".to_owned())
    );

    eventually(|| prometheus.query(outage).map(drop));
    let fires = prometheus.query(&minute).expect("the exporter is scraped");
    assert!((37.0..45.0).contains(&fires), "it fires in minute {fires}: seven after the attempts of five workloads");
    eventually(|| if pages().is_empty() { Err("no page".to_owned()) } else { Ok(()) });
    until(50.0);
    assert_eq!(prometheus.query(outage), Ok(1.0), "until the registry is back");
    eventually(|| match prometheus.query(outage) {
        Err(_) => Ok(()),
        Ok(_) => Err("it still fires".to_owned()),
    });
    let ends = prometheus.query(&minute).expect("the exporter is scraped");
    assert!(ends < 60.0, "it ends in minute {ends}");
    let expected = [
        "page firing ImagePullRegistryOutage registry.example.com 1",
        "page resolved ImagePullRegistryOutage registry.example.com 1",
    ];
    eventually(|| if pages() == expected { Ok(()) } else { Err(format!("{:?}", pages())) });
}
