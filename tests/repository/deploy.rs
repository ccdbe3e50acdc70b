//! The manifests in deploy/: they match the schemas of Kubernetes, grant minimal permissions, and agree with each other.
//!
//! Requires kubectl, Helm and the schemas of Kubernetes in target/tools. `tests/run` installs them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output};

use crate::common::prometheus::Prometheus;
use crate::common::{check_golden, eventually};
use serde_json::{Value, json};

/// Kustomize roots and chart values with golden renderings.
const KUSTOMIZE: [&str; 5] =
    ["base", "variants/daemonset", "variants/namespaced", "variants/secured", "variants/statefulset"];
const CHART: [&str; 3] = ["", "ci/namespaced-values.yaml", "ci/secured-values.yaml"];

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn run_tool(name: &str, arguments: &[&str]) -> Output {
    let path = format!("{}/target/tools/bin/{name}", env!("CARGO_MANIFEST_DIR"));
    Command::new(path).args(arguments).output().expect("`tests/run` installs the tools")
}

#[track_caller]
fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("it is text")
}

fn kustomize(root: &str) -> String {
    stdout(&run_tool("kubectl", &["kustomize", &format!("deploy/kustomize/{root}")]))
}

fn helm(command: &str, values: &str) -> Output {
    let values = format!("deploy/chart/{values}");
    let mut arguments = vec!["tests/deploy/helm.py", command, "deploy/chart"];
    arguments.extend(Some(values.as_str()).filter(|path| Path::new(path).extension().is_some()));
    run_tool("python", &arguments)
}

fn objects(yaml: &str) -> Vec<Value> {
    let objects: Vec<Option<Value>> = serde_saphyr::from_multiple(yaml).expect("it is YAML");
    objects.into_iter().flatten().filter(|object| !object.is_null()).collect()
}

/// All renderings, by name.
fn renderings() -> Vec<(String, String)> {
    let kustomized = KUSTOMIZE.map(|root| (format!("kustomize-{}", root.replace("variants/", "")), kustomize(root)));
    let charted = CHART.map(|values| {
        let name = values.trim_start_matches("ci/").trim_end_matches("-values.yaml");
        let name = if name.is_empty() { "default" } else { name };
        (format!("chart-{name}"), stdout(&helm("template", values)))
    });
    kustomized.into_iter().chain(charted).collect()
}

fn all_objects() -> impl Iterator<Item = (String, Value)> {
    renderings()
        .into_iter()
        .flat_map(|(name, yaml)| objects(&yaml).into_iter().map(move |object| (name.clone(), object)))
}

fn of_kind<'a>(objects: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    objects.iter().filter(move |object| object["kind"] == kind)
}

#[test]
fn renderings_match_the_goldens_and_the_schemas_of_kubernetes() {
    for (name, yaml) in renderings() {
        // Rules and dashboards are long. Another test compares them with their sources.
        let is_long = |object: &Value| {
            object["kind"] == "PrometheusRule" || object["metadata"]["labels"]["grafana_dashboard"].is_string()
        };
        let short: Vec<Value> = objects(&yaml).into_iter().filter(|object| !is_long(object)).collect();
        let text: Vec<String> =
            short.iter().map(|object| serde_saphyr::to_string(object).expect("it is YAML")).collect();
        check_golden(&format!("deploy/{name}.yaml"), &text.join("---\n"));
        let file = format!("{}/{name}.yaml", env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(&file, &yaml).expect("it can be written");
        let validated = run_tool("kubernetes-validate", &["--strict", &file]);
        let complaints =
            String::from_utf8_lossy(&validated.stdout).into_owned() + &String::from_utf8_lossy(&validated.stderr);
        assert!(validated.status.success(), "{name}: {complaints}");
        // The tool has no schemas for the kinds of the Prometheus operator.
        let unknown = complaints.lines().filter(|line| line.contains("Couldn't find schema"));
        assert!(unknown.clone().all(|line| line.contains("monitoring.coreos.com/v1")), "{name}: {complaints}");
    }
}

#[test]
fn the_chart_lints_and_rejects_invalid_values() {
    for values in CHART {
        assert!(stdout(&helm("lint", values)).is_empty());
    }
    let file = format!("{}/bad-values.yaml", env!("CARGO_TARGET_TMPDIR"));
    for (bad, named) in [
        ("replica: 2", "replica"),
        ("image: {pullPolicy: Sometimes}", "pullPolicy"),
        ("image: {digest: latest}", "digest"),
        ("rbac: {namespaces: [A_b]}", "namespaces"),
        ("extraArgs: [ksm-families=none]", "extraArgs"),
        ("web: {clientAuthType: Yes}", "clientAuthType"),
        ("prometheus: {rule: {overrides: {ImagePullFailing: {severity: page}}}}", "severity"),
    ] {
        std::fs::write(&file, bad).expect("it can be written");
        let refused = run_tool("python", &["tests/deploy/helm.py", "template", "deploy/chart", &file]);
        let why = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && why.contains(named), "{bad}: {why}");
    }
}

#[test]
fn the_schema_matches_the_values() {
    fn compare(path: &str, schema: &Value, value: &Value) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let values = value.as_object().unwrap_or_else(|| panic!("{path} is an object"));
        let known: BTreeSet<_> = properties.keys().filter(|key| *key != "global").collect();
        assert_eq!(known, values.keys().collect(), "{path}");
        for (key, value) in values {
            compare(&format!("{path}.{key}"), &properties[key], value);
        }
    }
    let schema: Value = serde_json::from_str(&read("deploy/chart/values.schema.json")).expect("it is JSON");
    let values: Value = serde_saphyr::from_str(&read("deploy/chart/values.yaml")).expect("it is YAML");
    compare("", &schema, &values);
}

#[test]
fn roles_grant_list_and_watch_of_pods_and_reviews_only() {
    let watch = |resource: &str| json!({ "apiGroups": [""], "resources": [resource], "verbs": ["list", "watch"] });
    let (pods, pods_and_events) = (json!([watch("pods")]), json!([watch("pods"), watch("events")]));
    let reads_events: BTreeSet<String> =
        all_objects().filter(|(_, object)| has_flag(object, "--events")).map(|(rendering, _)| rendering).collect();
    assert_eq!(reads_events, ["chart-namespaced", "chart-secured", "kustomize-secured"].map(str::to_owned).into());
    let reviews = json!([
        { "apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"] },
        { "apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"] },
    ]);
    let metrics = json!([{ "nonResourceURLs": ["/metrics"], "verbs": ["get"] }]);
    for (rendering, object) in all_objects() {
        if matches!(object["kind"].as_str(), Some("Role" | "ClusterRole")) {
            let name = object["metadata"]["name"].as_str().expect("a role has a name");
            let expected = match name {
                _ if name.ends_with("-auth-filter") => &reviews,
                _ if name.ends_with("-metrics-reader") => &metrics,
                _ if reads_events.contains(&rendering) => &pods_and_events,
                _ => &pods,
            };
            assert_eq!(&object["rules"], expected, "{rendering} {name}");
        }
        if rendering.ends_with("namespaced") {
            assert!(!object["kind"].as_str().is_some_and(|kind| kind.starts_with("Cluster")), "{rendering}: {object}");
        }
    }
}

#[test]
fn pods_meet_the_restricted_standard() {
    let mut pods = 0;
    for (rendering, object) in all_objects().filter(|(_, object)| object["spec"]["template"].is_object()) {
        let pod = &object["spec"]["template"]["spec"];
        let container = &pod["containers"][0];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{rendering}");
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{rendering}");
        let expected = json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": { "drop": ["ALL"] },
        });
        assert_eq!(container["securityContext"], expected, "{rendering}");
        assert_eq!(pod["enableServiceLinks"], false, "{rendering}");
        assert_ne!(container["imagePullPolicy"], "Always", "{rendering}");
        let volumes = pod["volumes"].as_array().into_iter().flatten();
        assert!(volumes.clone().all(|volume| volume.get("hostPath").is_none()), "{rendering}");
        pods += 1;
    }
    assert_eq!(pods, KUSTOMIZE.len() + CHART.len());
}

#[test]
fn kustomize_and_the_chart_deploy_the_same() {
    let (base, chart) = (objects(&kustomize("base")), objects(&stdout(&helm("template", ""))));
    let pod = |objects: &[Value]| {
        let mut container =
            of_kind(objects, "Deployment").next().expect("there is one")["spec"]["template"]["spec"].clone();
        container["serviceAccountName"] = Value::Null;
        container
    };
    assert_eq!(pod(&base), pod(&chart));
    let rules = |objects: &[Value]| of_kind(objects, "ClusterRole").next().expect("there is one")["rules"].clone();
    assert_eq!(rules(&base), rules(&chart));
}

/// Whether an object is a controller whose exporter has this flag.
fn has_flag(object: &Value, flag: &str) -> bool {
    let arguments = object["spec"]["template"]["spec"]["containers"][0]["args"].as_array();
    arguments.is_some_and(|arguments| arguments.contains(&json!(flag)))
}

/// The component for Events patches each kind of role and of controller.
#[test]
fn events_can_be_added_to_every_variant() {
    for (variant, roles) in
        [("base", 1), ("variants/namespaced", 2), ("variants/daemonset", 1), ("variants/statefulset", 1)]
    {
        let directory = format!("{}/events-{}", env!("CARGO_TARGET_TMPDIR"), variant.replace('/', "-"));
        std::fs::create_dir_all(&directory).expect("the directory can be created");
        // Kustomize takes relative paths only.
        let up = "../".repeat(Path::new(&directory).components().count() - 1);
        let root = format!("{up}{}/deploy/kustomize", env!("CARGO_MANIFEST_DIR").trim_start_matches('/'));
        let overlay = format!(
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: ['{root}/{variant}']\n\
             components: ['{root}/components/events']\n"
        );
        std::fs::write(format!("{directory}/kustomization.yaml"), overlay).expect("it can be written");
        let objects = objects(&stdout(&run_tool("kubectl", &["kustomize", &directory])));
        let rules = |object: &&Value| object["rules"][1]["resources"] == json!(["events"]);
        assert_eq!(objects.iter().filter(rules).count(), roles, "{variant}");
        assert_eq!(objects.iter().filter(|object| has_flag(object, "--events")).count(), 1, "{variant}");
    }
}

/// The first endpoint of a ServiceMonitor or a PodMonitor.
fn endpoint(monitor: &Value) -> &Value {
    let lists = ["endpoints", "podMetricsEndpoints"].map(|list| &monitor["spec"][list][0]);
    lists.into_iter().find(|endpoint| !endpoint.is_null()).expect("a monitor has an endpoint")
}

#[test]
fn monitors_honor_labels() {
    let pod_monitor = read("deploy/kustomize/components/pod-monitor/pod-monitor.yaml");
    let monitors = all_objects().map(|(_, object)| object).chain(objects(&pod_monitor));
    let mut seen = 0;
    for monitor in monitors.filter(|object| object["kind"].as_str().is_some_and(|kind| kind.ends_with("Monitor"))) {
        assert_eq!(endpoint(&monitor)["honorLabels"], true, "{monitor}");
        seen += 1;
    }
    assert_eq!(seen, 4);
}

/// Applies the relabelings in a real Prometheus. Dashboards use the label `shard`.
#[test]
fn monitors_set_the_shard_label() {
    let pods = [
        ("replica:1", json!({ "__meta_kubernetes_pod_controller_kind": "ReplicaSet" }), Value::Null),
        ("stateful:1", json!({ "__meta_kubernetes_pod_label_apps_kubernetes_io_pod_index": "1" }), json!("1")),
        ("daemon:1", json!({ "__meta_kubernetes_pod_controller_kind": "DaemonSet" }), json!("node-3")),
    ];
    let targets = pods.clone().map(|(address, mut labels, _)| {
        labels["__meta_kubernetes_pod_node_name"] = json!("node-3");
        json!({ "targets": [address], "labels": labels })
    });
    let expected = BTreeMap::from(pods.map(|(address, _, shard)| (json!(address).to_string(), shard)));
    for monitor in ["service-monitor", "pod-monitor"] {
        let monitor = &objects(&read(&format!("deploy/kustomize/components/{monitor}/{monitor}.yaml")))[0];
        // Like the Prometheus operator.
        let relabelings = endpoint(monitor)["relabelings"].to_string();
        let relabelings = relabelings.replace("sourceLabels", "source_labels").replace("targetLabel", "target_label");
        let relabelings: Value = serde_json::from_str(&relabelings).expect("it is JSON");
        let job = json!({ "job_name": "exporter", "relabel_configs": relabelings, "static_configs": targets });
        let prometheus = Prometheus::start("shard-labels", &json!({ "scrape_configs": [job] }).to_string(), &[]);
        eventually(|| {
            let answer = prometheus.get("/api/v1/targets")?;
            let active = answer["data"]["activeTargets"].as_array().ok_or("no targets")?;
            let shard = |target: &Value| (target["labels"]["instance"].to_string(), target["labels"]["shard"].clone());
            let found: BTreeMap<_, _> = active.iter().map(shard).collect();
            if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
        });
    }
}

#[test]
fn shipped_rules_and_dashboards_match_their_sources() {
    let alerts: Value = serde_saphyr::from_str(&read("alerts/image-pull.yaml")).expect("it is YAML");
    let kustomized = objects(&kustomize("variants/secured"));
    assert_eq!(
        of_kind(&kustomized, "PrometheusRule").next().expect("there is one")["spec"]["groups"],
        alerts["groups"]
    );

    // The values of the test omit one alert, change another, and set the URL of the runbooks.
    let charted = objects(&stdout(&helm("template", "ci/secured-values.yaml")));
    let mut expected: Value = serde_json::from_str(
        &alerts["groups"]
            .to_string()
            .replace("https://runbooks.example.com/image-pull-exporter", "https://wiki.example.com/runbooks"),
    )
    .expect("it is JSON");
    for group in expected.as_array_mut().expect("groups are a list") {
        let rules = group["rules"].as_array_mut().expect("rules are a list");
        rules.retain(|rule| rule["alert"] != "ImagePullDebugContainer");
        for rule in rules.iter_mut().filter(|rule| rule["alert"] == "ImagePullFailing") {
            rule["for"] = json!("5m");
            rule["labels"]["severity"] = json!("info");
        }
    }
    assert_eq!(of_kind(&charted, "PrometheusRule").next().expect("there is one")["spec"]["groups"], expected);

    for objects in [&kustomized, &charted] {
        let maps = of_kind(objects, "ConfigMap").filter(|map| map["metadata"]["labels"]["grafana_dashboard"] == "1");
        let shipped: Vec<(String, String)> = maps
            .flat_map(|map| map["data"].as_object().expect("a ConfigMap has data"))
            .map(|(name, text)| (name.clone(), text.as_str().expect("it is text").trim_end().to_owned()))
            .collect();
        assert_eq!(shipped.len(), 4);
        for (name, text) in shipped {
            assert_eq!(text, read(&format!("dashboards/{name}")).trim_end(), "{name}");
        }
    }
}
