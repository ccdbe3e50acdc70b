//! Shards union report the same as a single exporter, and selectors exclude pods.

use std::collections::BTreeSet;

use crate::common::cluster::Cluster;
use crate::common::{NOT_FOUND, Program, eventually, pod, samples, sum};
use serde_json::json;

/// A cluster with failing pods in three namespaces, on three nodes, with the labels of two teams.
fn cluster(name: &str) -> Cluster {
    let cluster = Cluster::new(&format!("shards-{name}"));
    for namespace in ["shop", "bank", "dev"] {
        for number in 0..20 {
            put(&cluster, namespace, number);
        }
    }
    cluster
}

fn put(cluster: &Cluster, namespace: &str, number: usize) {
    let mut pod = pod(namespace, &format!("web-{number}"), Some(("ErrImagePull", NOT_FOUND)));
    pod["spec"]["nodeName"] = json!(format!("node-{}", number % 3));
    pod["metadata"]["labels"] = json!({ "example.com/team": if number.is_multiple_of(2) { "a" } else { "b" } });
    cluster.store.put(pod);
}

/// The series of failing containers and their causes. Start times are left out, since they depend on the observer.
fn failing(program: &Program) -> Vec<String> {
    let families = ["image_pull_failing{", "image_pull_failing_info{", "kube_pod_"];
    let is_one = |series: &String| families.iter().any(|family| series.starts_with(family));
    samples(&program.metrics()).into_iter().map(|(series, _)| series).filter(is_one).collect()
}

/// The union of the series of several programs. Fails if two have the same series.
fn union(programs: &[Program]) -> Result<BTreeSet<String>, String> {
    let all: Vec<String> = programs.iter().flat_map(failing).collect();
    let set: BTreeSet<String> = all.iter().cloned().collect();
    if set.len() == all.len() { Ok(set) } else { Err(format!("{} of {} told once", set.len(), all.len())) }
}

fn shards(cluster: &Cluster, total: usize) -> Vec<Program> {
    let total_flag = total.to_string();
    let start = |index: usize| cluster.start(&["--shard", &index.to_string(), "--total-shards", &total_flag]);
    let programs: Vec<Program> = (0..total).map(start).collect();
    programs.iter().for_each(Program::wait_ready);
    programs
}

#[test]
fn shards_together_report_the_same_as_one_exporter() {
    let cluster = cluster("together");
    let one = cluster.start(&[]);
    one.wait_ready();
    let is_same = |programs: &[Program]| {
        eventually(|| {
            let (parts, whole) = (union(programs)?, failing(&one).into_iter().collect::<BTreeSet<_>>());
            if parts == whole && !whole.is_empty() {
                Ok(())
            } else {
                Err(format!("{} of {}", parts.len(), whole.len()))
            }
        });
        assert!(programs.iter().all(|program| !failing(program).is_empty()), "each has a part");
    };
    let two = shards(&cluster, 2);
    is_same(&two);
    // Pods are created and deleted.
    for number in 20..40 {
        put(&cluster, "shop", number);
        assert!(cluster.store.delete("bank", &format!("web-{}", number - 20)));
    }
    eventually(|| match failing(&one).iter().filter(|series| series.contains("namespace=\"bank\"")).count() {
        0 => Ok(()),
        left => Err(format!("{left} series of what is deleted")),
    });
    is_same(&two);
    // With a third shard, each series is exposed at least once while both generations run, and exactly once afterwards.
    let three = shards(&cluster, 3);
    let both: BTreeSet<String> = two.iter().chain(&three).flat_map(failing).collect();
    assert!(both == failing(&one).into_iter().collect(), "{} series", both.len());
    drop(two);
    is_same(&three);
}

/// The API server supports shard selectors, ignores them, or rejects them.
#[test]
fn shards_do_not_depend_on_api_server_support() {
    let cluster = cluster("selector");
    let one = cluster.start(&[]);
    one.wait_ready();
    let whole: BTreeSet<_> = failing(&one).into_iter().collect();
    let faults = cluster.server().faults();
    for (knows, refuses, watch_list) in
        [(true, false, true), (true, false, false), (false, false, true), (false, true, true), (false, true, false)]
    {
        faults.support_shards(knows);
        faults.reject_shards(refuses);
        faults.reject_watch_list(!watch_list);
        let two = shards(&cluster, 2);
        assert_eq!(union(&two).as_ref(), Ok(&whole), "{knows} {refuses} {watch_list}");
        assert!(two.iter().all(|program| !failing(program).is_empty()), "each has a part");
    }
    // With support, each shard receives half of the pods.
    faults.reject_shards(false);
    faults.reject_watch_list(false);
    let sent = |knows| {
        faults.support_shards(knows);
        let before = faults.listed_pods();
        drop(shards(&cluster, 2));
        faults.listed_pods() - before
    };
    let (whole, halves) = (sent(false), sent(true));
    assert!((whole / 2 - whole / 20..=whole / 2 + whole / 20).contains(&halves), "{halves} of {whole}");
}

#[test]
fn exporters_per_node_report_the_same_as_one() {
    let cluster = cluster("nodes");
    let one = cluster.start(&[]);
    one.wait_ready();
    let nodes = ["node-0", "node-1", "node-2"].map(|node| cluster.start(&["--node", node]));
    nodes.iter().for_each(Program::wait_ready);
    eventually(|| {
        let (parts, whole) = (union(&nodes)?, failing(&one).into_iter().collect::<BTreeSet<_>>());
        if parts == whole { Ok(()) } else { Err(format!("{} of {}", parts.len(), whole.len())) }
    });
}

#[test]
fn unselected_pods_are_not_reported() {
    let cluster = cluster("selection");
    for (flags, expected) in [
        (&["--namespaces-denylist", "dev,bank"][..], 20),
        (&["--label-selector", "example.com/team=a"], 30),
        (&["--label-selector", "example.com/team!=a", "--namespaces", "shop"], 10),
        (&["--node", "node-0", "--namespaces-denylist", "dev"], 14),
    ] {
        let program = cluster.start(flags);
        program.wait_ready();
        let told: BTreeSet<String> =
            failing(&program).into_iter().filter(|series| series.starts_with("image_pull_failing{")).collect();
        assert_eq!(told.len(), expected, "{flags:?}");
    }
}

#[test]
fn all_invalid_selections_are_reported_at_once() {
    let refused = |flags: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_image-pull-exporter"));
        let output = command.args(flags).output().expect("it starts");
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        String::from_utf8(output.stderr).expect("it is text")
    };
    assert!(refused(&["--namespaces", "a", "--namespaces-denylist", "b"]).contains("cannot be used with"));
    assert!(refused(&["--node", "a,b"]).contains("invalid Kubernetes name"));
    let said = refused(&[
        "--shard",
        "2",
        "--total-shards",
        "2",
        "--kubeconfig",
        "/nonexistent",
        "--web.config.file",
        "/nonexistent.yml",
    ]);
    assert!(said.contains("--shard 2 is out of range: the last of 2 shards (--total-shards) is 1"), "{said}");
    assert!(
        said.contains("cannot use the kubeconfig") && said.contains("/nonexistent.yml: cannot read file"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[test]
fn a_configuration_is_checked_without_being_used() {
    let mut cluster = cluster("check");
    cluster.stop();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_image-pull-exporter"));
    let output = command.args(["--config.check", "--kubeconfig"]).arg(&cluster.kubeconfig).output().expect("it starts");
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("the configuration is valid"));
}

/// An Event about a pull of a pod.
fn put_pull(cluster: &Cluster, number: u32) {
    let uid = format!("{:08x}-4c1a-9d2e-{number:012x}", number.wrapping_mul(0x9E37_79B9));
    cluster.store.put(json!({
        "kind": "Event", "apiVersion": "v1",
        "metadata": { "namespace": "shop", "name": format!("web-{number}.1"), "uid": format!("event-{number}") },
        "involvedObject": {
            "kind": "Pod", "namespace": "shop", "name": format!("web-{number}"), "uid": uid,
            "fieldPath": "spec.containers{app}",
        },
        "reason": "Pulled", "message": "Successfully pulled image \"r.example/app:1\" in 1.5s (2s including waiting)",
        "source": { "component": "kubelet", "host": "node-1" }, "count": 1, "type": "Normal",
    }));
}

#[test]
fn shards_together_count_each_pull_once() {
    let cluster = cluster("pulls");
    let events = cluster.server().faults().events();
    let start = |total: usize| {
        let total_flag = total.to_string();
        let flags = |index: usize| {
            ["--events", "--shard", &index.to_string(), "--total-shards", &total_flag].map(str::to_owned)
        };
        let programs: Vec<Program> =
            (0..total).map(|index| cluster.start(&flags(index).each_ref().map(String::as_str))).collect();
        programs.iter().for_each(Program::wait_ready);
        eventually(|| match events.open_watches() {
            open if open == total => Ok(()),
            open => Err(format!("{open} watches of Events")),
        });
        programs
    };
    // Resharding counts no pull of the time before.
    let mut number = 0_u32;
    for total in [1, 2, 3] {
        let programs = start(total);
        for _ in 0..40 {
            put_pull(&cluster, number);
            number += 1;
        }
        let pulls = |program: &Program| sum(&program.metrics(), "image_pulls_total{");
        eventually(|| match programs.iter().map(pulls).sum::<f64>() {
            40.0 => Ok(()),
            counted => Err(format!("{counted} pulls of {total} shards")),
        });
        assert!(programs.iter().all(|program| pulls(program) > 0.0), "each has a part");
        drop(programs);
        eventually(|| match events.open_watches() {
            0 => Ok(()),
            open => Err(format!("{open} watches of Events")),
        });
    }
}
