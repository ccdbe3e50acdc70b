use super::{PodId, PodOwner, is_batch, workload_of};

#[track_caller]
fn check(owner: (&str, &str, &str), expected: (&str, &str)) {
    let (kind, name, hash) = owner;
    let owner = PodOwner { kind: kind.into(), name: name.into(), template_hash: hash.into() };
    let id = PodId { namespace: "shop".into(), name: "lonely".into(), uid: "1".into() };
    let found = workload_of(&id, &owner);
    assert_eq!((found.kind, found.name), expected);
}

#[test]
fn workload_is_the_top_level_controller() {
    check(("", "", ""), ("Pod", "lonely"));
    check(("ReplicaSet", "web-7d9f8c6b5d", "7d9f8c6b5d"), ("Deployment", "web"));
    check(("ReplicaSet", "by-hand", ""), ("ReplicaSet", "by-hand"));
    check(("ReplicaSet", "web-7d9f8c6b5d", "other"), ("ReplicaSet", "web-7d9f8c6b5d"));
    check(("ReplicaSet", "-7d9f", "7d9f"), ("ReplicaSet", "-7d9f"));
    check(("Job", "report-29384756", ""), ("CronJob", "report"));
    check(("Job", "report-1603185600", ""), ("CronJob", "report"));
    check(("Job", "import", ""), ("Job", "import"));
    check(("Job", "import-2024", ""), ("Job", "import-2024"));
    check(("Job", "-29384756", ""), ("Job", "-29384756"));
    check(("StatefulSet", "db", ""), ("StatefulSet", "db"));
    check(("DaemonSet", "agent", ""), ("DaemonSet", "agent"));
    check(("Node", "node-1", ""), ("Node", "node-1"));
    check(("Rollout", "canary", ""), ("Rollout", "canary"));
}

#[test]
fn batch_kinds_can_be_extended() {
    let id = PodId { namespace: "shop".into(), name: "lonely".into(), uid: "1".into() };
    let is = |kind: &str, name: &str, hash: &str, more: &[&str]| {
        let owner = PodOwner { kind: kind.into(), name: name.into(), template_hash: hash.into() };
        is_batch(&id, &owner, &more.iter().map(|kind| (*kind).to_owned()).collect::<Vec<_>>())
    };
    for kind in ["Job", "TaskRun", "Workflow", "SparkApplication", "PyTorchJob", "EphemeralRunner", "Build"] {
        assert!(is(kind, "import", "", &[]), "{kind}");
    }
    assert!(is("Job", "report-29384756", "", &[]), "a CronJob's");
    assert!(is("Pod", "driver", "", &[]), "a Spark executor's owner is the driver's pod");
    for kind in ["", "ReplicaSet", "StatefulSet", "DaemonSet", "Node", "Rollout", "job"] {
        assert!(!is(kind, "web-7d9f", "7d9f", &[]), "{kind}");
    }
    assert!(is("Rollout", "canary", "", &["Experiment", "Rollout"]));
    assert!(is("ReplicaSet", "web-7d9f", "7d9f", &["Deployment"]), "the workload's kind");
    assert!(is("ReplicaSet", "web-7d9f", "7d9f", &["ReplicaSet"]), "the controller's kind");
    assert!(is("", "", "", &["Pod"]), "pods that nothing controls, where they are batch");
    assert!(!is("StatefulSet", "db", "", &["Pod", "Rollout"]));
}
