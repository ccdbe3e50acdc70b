//! The program in a cluster with RBAC, with exactly the shipped roles and with fewer permissions.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::common::cluster::Cluster;
use crate::common::prometheus::Prometheus;
use crate::common::{NOT_FOUND, Program, TIME_LIMIT, eventually, get, pod, sum, timed};
use image_pull_sim::api::Disconnect;
use serde_json::Value;

const EXPORTER: &str = "system:serviceaccount:image-pull-exporter:image-pull-exporter";

/// A simulated cluster with three failing pods that enforces RBAC.
fn enforcing(name: &str) -> Cluster {
    let cluster = Cluster::new(&format!("rights-{name}"));
    for namespace in ["shop", "bank", "other"] {
        cluster.store.put(pod(namespace, "web", Some(("ErrImagePull", NOT_FOUND))));
    }
    cluster.server().access().enforce();
    cluster
}

/// Binds the rules of a shipped role to the user of a token.
fn bind(cluster: &Cluster, token: &str, user: &str, namespace: Option<&str>, (file, role): (&str, &str)) {
    let text = std::fs::read_to_string(format!("deploy/kustomize/{file}")).expect("the role is there");
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).expect("it is YAML");
    let is_wanted = |object: &&Value| {
        object["metadata"]["name"] == role
            && object["kind"].as_str().is_some_and(|kind| kind.ends_with("Role"))
            && object["metadata"]["namespace"].as_str() == namespace
    };
    let role = objects.iter().find(is_wanted).expect("it has the role");
    cluster.server().access().grant(token, user, namespace, &role["rules"]);
}

fn bind_exporter(cluster: &Cluster) {
    bind(cluster, "exporter", EXPORTER, None, ("base/cluster-role.yaml", "image-pull-exporter"));
}

#[test]
fn the_shipped_cluster_role_is_enough() {
    let cluster = enforcing("enough");
    bind_exporter(&cluster);
    let program = cluster.start(&[]);
    program.wait_ready();
    let metrics = program.metrics();
    assert_eq!(sum(&metrics, "image_pull_failing{"), 3.0);
    assert_eq!(sum(&metrics, "image_pull_exporter_watch_restarts_total{cause=\"forbidden\""), 0.0);
}

#[test]
fn the_shipped_roles_are_enough_for_their_namespaces() {
    let cluster = enforcing("namespaces");
    for namespace in ["shop", "bank"] {
        let role = ("variants/namespaced/role.yaml", "image-pull-exporter");
        bind(&cluster, "exporter", EXPORTER, Some(namespace), role);
    }
    let program = cluster.start(&["--namespaces", "shop,bank"]);
    program.wait_ready();
    let metrics = program.metrics();
    assert_eq!(sum(&metrics, "image_pull_failing{"), 2.0);
    assert_eq!(sum(&metrics, "image_pull_exporter_watch_restarts_total{cause=\"forbidden\""), 0.0);
}

#[test]
fn missing_permissions_are_reported_precisely() {
    let cluster = enforcing("missing");
    let run_list = || {
        let (code, error) = run_list(&cluster);
        assert_eq!(code, Some(2));
        error
    };
    assert!(run_list().contains("credentials rejected"), "{}", run_list());
    let watch_only = serde_json::json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["watch"] }]);
    cluster.server().access().grant("exporter", EXPORTER, None, &watch_only);
    let said = run_list();
    assert!(said.contains(&format!("User \"{EXPORTER}\" cannot list resource \"pods\"")), "{said}");
    assert!(said.contains("grant the verbs list and watch on pods"), "{said}");
    // The server retries until the permission is granted.
    cluster.server().access().revoke("exporter");
    cluster.server().access().grant("exporter", EXPORTER, None, &Value::Null);
    let program = cluster.start(&[]);
    let url = format!("at http://{}/api/v1/pods", cluster.server().address());
    let quotes = |path: &str, wanted: &str| {
        eventually(|| match get(program.port, path, "").map(|answer| (answer.status, answer.text())) {
            Ok((503, text)) if text.contains(wanted) && text.contains(&url) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    };
    quotes("/readyz", "cannot watch resource \"pods\"");
    quotes("/metrics", "(403) (grant the verbs list and watch on pods)");
    cluster.server().access().revoke("exporter");
    quotes("/readyz", "(401) (credentials rejected)");
    bind_exporter(&cluster);
    program.wait_ready();
    assert_eq!(sum(&program.metrics(), "image_pull_failing{"), 3.0);
}

#[test]
fn a_forbidden_namespace_does_not_block_the_others() {
    let cluster = enforcing("partial");
    let role = ("variants/namespaced/role.yaml", "image-pull-exporter");
    bind(&cluster, "exporter", EXPORTER, Some("shop"), role);
    let program = cluster.start(&["--namespaces", "shop,bank"]);
    program.wait_ready();
    let (metrics, body) = (program.metrics(), |path: &str| get(program.port, path, "").expect("it answers").text());
    assert_eq!(sum(&metrics, "image_pull_failing{"), 1.0);
    assert_eq!(sum(&metrics, "image_pull_exporter_watch_synced"), 0.0);
    let synced = |metrics: &str, namespace: &str| {
        sum(metrics, &format!("image_pull_exporter_watch_namespace_synced{{namespace=\"{namespace}\"}}"))
    };
    assert!(metrics.contains("image_pull_exporter_watch_namespace_synced{namespace=\"bank\"} 0\n"), "{metrics}");
    assert_eq!(synced(&metrics, "shop"), 1.0);
    let ready = body("/readyz");
    assert!(ready.starts_with("ok\nmissing: namespace \"bank\": cannot watch pods: "), "{ready}");
    assert!(ready.contains("(403) (grant the verbs list and watch on pods)"), "{ready}");
    let page = body("/");
    assert!(page.contains("Some namespaces are missing from this page: bank (cannot watch pods"), "{page}");
    // Once the permission is granted, the namespace is watched.
    bind(&cluster, "exporter", EXPORTER, Some("bank"), role);
    eventually(|| match synced(&program.metrics(), "bank") {
        1.0 => Ok(()),
        other => Err(other.to_string()),
    });
    let metrics = program.metrics();
    assert_eq!(sum(&metrics, "image_pull_failing{"), 2.0);
    assert_eq!(sum(&metrics, "image_pull_exporter_watch_synced"), 1.0);
    assert_eq!(body("/readyz"), "ok\n");
    assert!(!body("/").contains("Some namespaces are missing"));
}

/// Runs `list` against the cluster. Returns the exit code and standard error.
fn run_list(cluster: &Cluster) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_image-pull-exporter"));
    command.args(["list", "--kubeconfig"]).arg(&cluster.kubeconfig).stdin(std::process::Stdio::null());
    let output = command.output().expect("it starts");
    (output.status.code(), String::from_utf8(output.stderr).expect("it is text"))
}

/// Waits for at least `count` watch restarts with this cause.
fn await_restarts(program: &Program, cause: &str, count: f64) {
    eventually(|| {
        match sum(&program.metrics(), &format!("image_pull_exporter_watch_restarts_total{{cause=\"{cause}\"")) {
            found if found >= count => Ok(()),
            found => Err(format!("{found} {cause}")),
        }
    });
}

fn await_failing(program: &Program, failing: f64) {
    eventually(|| match sum(&program.metrics(), "image_pull_failing{") {
        found if found == failing => Ok(()),
        found => Err(format!("{found} fail")),
    });
}

#[test]
fn token_files_are_reloaded_and_an_empty_one_is_an_error() {
    let cluster = enforcing("token-file");
    bind_exporter(&cluster);
    let file = cluster.kubeconfig.with_extension("token");
    let write = |token: &str| std::fs::write(&file, token).expect("the token can be written");
    write("exporter\n");
    cluster.set_user(&format!("{{tokenFile: '{}'}}", file.display()));
    let program = cluster.start(&[]);
    program.wait_ready();
    // The new token is valid and the old one is revoked.
    bind(&cluster, "second", EXPORTER, None, ("base/cluster-role.yaml", "image-pull-exporter"));
    write("second\n");
    cluster.server().access().revoke("exporter");
    cluster.server().faults().disconnect_watches(Disconnect::Abrupt);
    cluster.store.put(pod("shop", "more", Some(("ErrImagePull", NOT_FOUND))));
    await_failing(&program, 4.0);
    assert_eq!(sum(&program.metrics(), "image_pull_exporter_watch_restarts_total{cause=\"unauthorized\""), 0.0);
    // Requests without a token would be those of `system:anonymous`, and forbidden.
    write("\n");
    cluster.server().access().revoke("second");
    cluster.server().faults().disconnect_watches(Disconnect::Abrupt);
    await_restarts(&program, "credentials", 1.0);
    let (code, error) = run_list(&cluster);
    assert!(code == Some(2) && error.contains("token is empty") && !error.contains("grant"), "{code:?} {error}");
    // It recovers without a restart.
    bind(&cluster, "third", EXPORTER, None, ("base/cluster-role.yaml", "image-pull-exporter"));
    write("third");
    cluster.store.put(pod("shop", "most", Some(("ErrImagePull", NOT_FOUND))));
    await_failing(&program, 5.0);
    std::fs::remove_file(file).expect("it was written");
}

#[test]
fn a_credential_plugin_that_fails_has_a_cause_of_its_own_and_its_secrets_are_not_shown() {
    let cluster = enforcing("plugin");
    bind_exporter(&cluster);
    let (script, broken) = (cluster.kubeconfig.with_extension("sh"), cluster.kubeconfig.with_extension("broken"));
    let expired = r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"exporter","expirationTimestamp":"2020-01-01T00:00:00Z"}}"#;
    let plugin = format!(
        "if [ -e '{}' ]; then echo 'access denied: token=hunter2-hunter2' >&2; echo '{expired}'; exit 7; fi\necho '{expired}'\n",
        broken.display()
    );
    std::fs::write(&script, plugin).expect("the plugin can be written");
    let user = "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: IfAvailable, command: sh, args: ";
    cluster.set_user(&format!("{{{user}['{}']}}}}", script.display()));
    let program = cluster.start(&[]);
    program.wait_ready();
    std::fs::write(&broken, "").expect("it can be written");
    cluster.server().faults().disconnect_watches(Disconnect::Clean);
    await_restarts(&program, "credentials", 1.0);
    assert_eq!(sum(&program.metrics(), "image_pull_exporter_watch_restarts_total{cause=\"connection\""), 0.0);
    let (code, error) = run_list(&cluster);
    assert!(
        code == Some(2) && error.contains("plugin of the kubeconfig failed (exit status: 7): access denied"),
        "{error}"
    );
    assert!(!error.contains("hunter2") && !error.contains("exporter\",\"exp"), "{error}");
    std::fs::remove_file(&broken).expect("it was written");
    cluster.store.put(pod("shop", "more", Some(("ErrImagePull", NOT_FOUND))));
    await_failing(&program, 4.0);
    std::fs::remove_file(script).expect("it was written");
}

/// A cluster and an exporter with `--auth-filter`. `prometheus` is authorized to get the metrics, `visitor` is not.
fn filtering(name: &str, flags: &[&str]) -> (Cluster, Program) {
    let cluster = enforcing(name);
    bind_exporter(&cluster);
    let file = "components/auth-filter/cluster-role.yaml";
    bind(&cluster, "exporter", EXPORTER, None, (file, "image-pull-exporter-auth-filter"));
    bind(&cluster, "prometheus", "prometheus", None, (file, "image-pull-exporter-metrics-reader"));
    cluster.server().access().grant("visitor", "visitor", None, &Value::Null);
    let program = cluster.start(&[&["--auth-filter"], flags].concat());
    program.wait_ready();
    (cluster, program)
}

fn status_of(program: &Program, path: &str, token: &str) -> u16 {
    let header = format!("Authorization: Bearer {token}\r\n");
    get(program.port, path, &header).expect("the program answers").status
}

#[test]
fn only_authorized_users_get_the_metrics() {
    let (mut cluster, program) = filtering("filter", &[]);
    assert_eq!(get(program.port, "/metrics", "").expect("it answers").status, 401);
    assert_eq!(status_of(&program, "/metrics", "nobody"), 401);
    assert_eq!(status_of(&program, "/metrics", "visitor"), 403);
    assert_eq!(status_of(&program, "/metrics", "prometheus"), 200);
    assert_eq!(status_of(&program, "/", "prometheus"), 403);
    let config = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: image-pull\n  honor_labels: true\n  \
         authorization: {{credentials: prometheus}}\n  static_configs: [{{targets: ['127.0.0.1:{}']}}]\n",
        program.port
    );
    let prometheus = Prometheus::start("rights", &config, &[]);
    prometheus.wait_for_scrapes(3.0);
    assert_eq!(prometheus.query("sum(image_pull_failing)"), Ok(3.0));
    // During an API server outage, new tokens are rejected and accepted ones remain valid for a while.
    cluster.stop();
    assert_eq!(status_of(&program, "/metrics", "prometheus"), 200);
    assert_eq!(status_of(&program, "/metrics", "somebody else"), 503);
    assert_eq!(get(program.port, "/livez", "").expect("it answers").status, 200);
}

#[test]
fn passwords_do_not_replace_the_review_of_tokens_in_a_reload() {
    let config = concat!(env!("CARGO_TARGET_TMPDIR"), "/rights-reload.yml");
    std::fs::write(config, "").expect("it can be written");
    let (_cluster, program) = filtering("reload", &["--web.config.file", config]);
    assert_eq!(status_of(&program, "/metrics", "prometheus"), 200);
    let hash = bcrypt::hash("open sesame", 4).expect("it can be hashed");
    std::fs::write(config, format!("basic_auth_users: {{alice: {hash}}}\n")).expect("it can be written");
    eventually(|| {
        let metrics = get(program.port, "/metrics", "Authorization: Bearer prometheus\r\n").expect("it answers");
        assert_eq!(metrics.status, 200);
        let is_loaded = sum(&metrics.text(), "image_pull_exporter_config_last_reload_successful");
        if is_loaded == 0.0 { Ok(()) } else { Err("not read again".to_owned()) }
    });
    std::fs::remove_file(config).expect("it is there");
}

#[test]
fn tokens_are_rejected_without_permission_to_review_them() {
    let cluster = enforcing("blind");
    bind_exporter(&cluster);
    cluster.server().access().grant(
        "prometheus",
        "prometheus",
        None,
        &serde_json::json!([{ "nonResourceURLs": ["*"], "verbs": ["*"] }]),
    );
    let program = cluster.start(&["--auth-filter"]);
    program.wait_ready();
    assert_eq!(status_of(&program, "/metrics", "prometheus"), 503);
}

#[test]
fn ten_thousand_bad_tokens_neither_succeed_nor_delay_valid_ones() {
    let (cluster, program) = filtering("tokens", &[]);
    assert_eq!(status_of(&program, "/metrics", "prometheus"), 200);
    let before = cluster.server().faults().requests().other;
    let guessed = AtomicUsize::new(0);
    let slowest = thread::scope(|scope| {
        // More than the queue admits per address.
        for guesser in 0..110 {
            let (guessed, program) = (&guessed, &program);
            scope.spawn(move || {
                for number in 0.. {
                    if guessed.load(Ordering::Relaxed) >= 10_000 {
                        break;
                    }
                    let status = status_of(program, "/metrics", &format!("guess-{guesser}-{number}"));
                    assert!(matches!(status, 401 | 429), "{status}");
                    guessed.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let mut slowest = Duration::ZERO;
        let mut spent = Duration::ZERO;
        while guessed.load(Ordering::Relaxed) < 10_000 {
            let (status, took) = timed(|| status_of(&program, "/metrics", "prometheus"));
            assert_eq!(status, 200);
            slowest = slowest.max(took);
            spent += took;
            assert!(spent < TIME_LIMIT * 3, "the guesses come to no end");
        }
        slowest
    });
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    let asked = cluster.server().faults().requests().other - before;
    assert!(asked < 5_000, "most guesses are not asked about: {asked}");
}

#[test]
fn a_new_token_is_accepted_while_64_connections_guess() {
    let (_cluster, program) = filtering("new-token", &[]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for guesser in 0..64 {
            let (is_over, program) = (&is_over, &program);
            scope.spawn(move || {
                for number in 0.. {
                    assert_eq!(status_of(program, "/metrics", &format!("guess-{guesser}-{number}")), 401);
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
        }
        let codes: Vec<u16> = (0..75).map(|_| status_of(&program, "/metrics", "prometheus")).collect();
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(codes, [200; 75]);
    });
}
