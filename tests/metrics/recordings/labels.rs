//! The labels of each type of container and image.

use super::*;

/// The labels of the only failure at the end of a recording.
fn check_labels(name: &str, records: &[Record], expected: &[(&str, &str)]) {
    let scrape = scrape(records, MirroredReasons::Image);
    let info: Vec<&Sample> = scrape.all("image_pull_failing_info").collect();
    assert_eq!(info.len(), 1, "{name}");
    for (label, value) in expected {
        assert_eq!(info[0].label(label), *value, "{name}: {label}");
    }
    assert_eq!(
        scrape.all("image_pull_failing").next().unwrap().label("container_type"),
        info[0].label("container_type")
    );
}

#[test]
fn container_types_are_distinguished() {
    let node = ("node", "lab-node");
    let check = |name: &str, expected: &[(&str, &str)]| check_labels(name, &oracle::read(name), expected);
    check("tag-not-found", &[("container_type", "app"), ("container", "app"), ("tag", "nope"), node]);
    check("init-fail", &[("container_type", "init"), ("container", "init-bad"), ("repository", "app"), node]);
    check("ephemeral-bad", &[("container_type", "ephemeral"), ("container", "dbg"), ("repository", "debugger"), node]);
    check("static-pod", &[("container_type", "app"), ("pod", "static-lab-node"), node]);
    check("two-containers", &[("container_type", "app"), ("container", "bad"), node]);
    check("never-absent", &[("pull_policy", "Never"), ("image", "127.0.0.1:5000/absent:1.0")]);
    check("restart-registry-died", &[("pull_policy", "Always"), ("registry", "127.0.0.1:5003"), ("container", "app")]);
}

#[test]
fn an_image_volume_s_failure_names_the_volume_s_image() {
    let expected = [
        ("container", "app"),
        ("container_type", "app"),
        ("image", "127.0.0.1:5000/model:nope"),
        ("registry", "127.0.0.1:5000"),
        ("repository", "model"),
        ("tag", "nope"),
        ("pull_policy", "IfNotPresent"),
    ];
    check_labels("image-volume-bad", &oracle::read("image-volume-bad"), &expected);
}

#[test]
fn a_restartable_init_container_is_a_sidecar() {
    let restartable = |record: Record| {
        let Record { at, kind, mut object, .. } = record;
        object["spec"]["initContainers"][1]["restartPolicy"] = "Always".into();
        Record::new(at, &kind, object)
    };
    let records: Vec<Record> = oracle::read("init-fail").into_iter().map(restartable).collect();
    check_labels("init-fail as sidecar", &records, &[("container_type", "sidecar"), ("container", "init-bad")]);
    check_failures("init-fail as sidecar", &scrape(&records, MirroredReasons::Image), &oracle::failures(&records));
    check_mirror("init-fail as sidecar", &scrape(&records, MirroredReasons::All), &records, true);
}

#[test]
fn no_ephemeral_container_shows_in_the_mirror() {
    let scrape = scrape(&oracle::read("ephemeral-bad"), MirroredReasons::All);
    assert_eq!(scrape.samples.iter().filter(|sample| sample.name.starts_with("kube_")).count(), 0);
}
