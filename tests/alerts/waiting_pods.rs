//! From a simulated cluster to alerts: a real Prometheus evaluates the rules while a pull hangs, a node misses its sandbox image, and pods name
//! a pull secret that does not exist.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::alertmanager::{CLUSTER_TIME, write_accelerated_rules};
use crate::common::prometheus::Prometheus;
use crate::common::{Program, eventually};
use serde_json::Value;

/// Runs 60 times faster than real time for 45 minutes, until its last line, which changes nothing.
const SCRIPT: &str = "
0s pod shop/calm-0 node=n9 container calm image=ghcr.io/shop/calm:1
00:50 image registry.example.com/ml/model:1 hung
00:50 sandbox n2 not-found
00:50 registry private.example.com unauthorized
01:00 pod ml/trainer-0 owner=StatefulSet/trainer node=n1 container trainer image=registry.example.com/ml/model:1
01:05 pod shop/web-5d4c8f7b69-* owner=ReplicaSet/web-5d4c8f7b69 replicas=5 node=n1 container web image=ghcr.io/shop/web:1
01:05 pod shop/cart-5d4c8f7b69-* owner=ReplicaSet/cart-5d4c8f7b69 replicas=2 node=n2 container cart image=ghcr.io/shop/cart:1
01:05 pod bank/ledger-5d4c8f7b69-* owner=ReplicaSet/ledger-5d4c8f7b69 replicas=2 node=n3 pull-secrets=registry-key container ledger image=private.example.com/bank/ledger:1
45:00 registry private.example.com unauthorized
";

/// The alerts that fire: name and subject.
fn firing(prometheus: &Prometheus) -> Result<BTreeSet<String>, String> {
    let answer = prometheus.get("/api/v1/query?query=ALERTS%7Balertstate%3D%22firing%22%7D")?;
    let alerts = answer.pointer("/data/result").and_then(Value::as_array).ok_or_else(|| answer.to_string())?;
    let describe = |alert: &Value| {
        let label = |name: &str| alert["metric"][name].as_str().unwrap_or_default().to_owned();
        format!("{} {}{}", label("alertname"), label("workload"), label("node"))
    };
    Ok(alerts.iter().map(describe).collect())
}

#[test]
fn waiting_pods_fire_the_alerts_of_their_node_their_workload_and_their_secret() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("waiting-pods");
    // Exists only if an earlier run was interrupted.
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let rules = write_accelerated_rules(&folder);
    let script = folder.join("pods.script");
    std::fs::write(&script, SCRIPT).expect("the file can be written");
    let script = script.display().to_string();
    let exporter = Program::start(&["demo", "--speed", "60", "--script", script.as_str()]);
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n\
         - job_name: image-pull\n  honor_labels: true\n  static_configs: [{{targets: ['127.0.0.1:{}']}}]\n",
        rules.display(),
        exporter.port
    );
    let prometheus = Prometheus::start("waiting-pods", &config, &[]);
    let expect = |expected: &[&str]| {
        let firing = firing(&prometheus)?;
        let expected = expected.iter().map(|alert| (*alert).to_owned()).collect();
        if firing == expected { Ok(()) } else { Err(format!("{firing:?}")) }
    };
    let minute = format!("(scalar({CLUSTER_TIME}) - min(image_pull_pending_since_timestamp_seconds)) / 60");

    let of_nodes_and_secret = ["ImagePullNodeStuck n1", "ImagePullNodeStuck n2", "ImagePullSecretMissing ledger"];
    eventually(|| expect(&of_nodes_and_secret));
    let now = prometheus.query(&minute).expect("containers are pending");
    assert!((10.0..15.0).contains(&now), "minute {now}");
    let general = "ImagePullFailing ledger";
    let pending = ["ImagePullPending trainer", "ImagePullPending web"];
    let later = [&of_nodes_and_secret[..], &[general], &pending].concat();
    eventually(|| expect(&later));
    let now = prometheus.query(&minute).expect("containers are pending");
    assert!((30.0..35.0).contains(&now), "minute {now}");
    // The sandbox image is a matter of the node, and the missing secret has its own alert.
    let others =
        "count(max_over_time(ALERTS{alertname=~\"ImagePull(Credentials|NeedsChange|NodeFault|RegistryOutage)\"}[5m]))";
    assert!(prometheus.query(others).is_err(), "{:?}", firing(&prometheus));
}
