//! Hostile and invalid pods: the exposition stays valid, and the series of other pods are unaffected.

use std::collections::HashSet;

use crate::common::{NOT_FOUND, pod, samples, sum};
use image_pull_exporter::metrics::exposition::ExpositionFormat;
use image_pull_exporter::monitor::MonitorLimits;
use image_pull_exporter::replay::{self, Options};
use image_pull_model::index::{IndexConfig, MirroredReasons};
use image_pull_model::time::Timestamp;
use serde_json::{Value, json};

const ERR: Option<(&str, &str)> = Some(("ErrImagePull", NOT_FOUND));

/// The output of `replay` after these pods were added, and the number of skipped records.
fn replayed(pods: &[Value], mirror: MirroredReasons) -> (String, usize) {
    let event = |pod: &Value| json!({ "t": 1_795_469_000, "type": "ADDED", "object": pod }).to_string();
    let events = pods.iter().map(event).collect::<Vec<_>>().join("\n");
    let options = Options {
        settings: IndexConfig { mirrored_reasons: mirror, ..IndexConfig::default() },
        limits: MonitorLimits::DEFAULT,
        until: None,
        keep_going: true,
    };
    let replayed = replay::replay(events.as_bytes(), &options, Timestamp::default).expect("it keeps going");
    let mut printed = Vec::new();
    replay::print(&replayed, ExpositionFormat::Text, &mut printed).expect("a Vec takes everything");
    (String::from_utf8(printed).expect("it is text"), replayed.skipped)
}

/// Every line is a comment or a sample with balanced quotes, no series comes twice, and the honest pod is unharmed.
#[track_caller]
fn check(hostile: &[Value]) -> String {
    let mut pods = vec![pod("shop", "honest", ERR)];
    pods.extend_from_slice(hostile);
    for mirror in [MirroredReasons::Image, MirroredReasons::All, MirroredReasons::None] {
        let (text, skipped) = replayed(&pods, mirror);
        assert_eq!(skipped, 0, "{hostile:?}");
        let mut seen = HashSet::new();
        for (series, _) in samples(&text) {
            let mut quotes = 0;
            let mut escaped = false;
            for character in series.chars() {
                quotes += usize::from(character == '"' && !escaped);
                escaped = character == '\\' && !escaped;
            }
            assert_eq!(quotes % 2, 0, "{series}");
            assert!(seen.insert(series.clone()), "twice: {series}");
        }
        assert_eq!(sum(&text, "image_pull_failing{namespace=\"shop\",pod=\"honest\""), 1.0);
    }
    replayed(&pods, MirroredReasons::Image).0
}

fn waiting(name: &str, reason: &str, message: &str) -> Value {
    pod("shop", name, Some((reason, message)))
}

#[test]
fn texts_of_any_shape_do_no_harm() {
    let long = "x".repeat(64 * 1024);
    let reason = "y".repeat(10 * 1024);
    let text = check(&[
        waiting("quotes", "ErrImagePull", "a \"quote\", a \\ and a\nnewline\u{0} \u{202e}"),
        waiting("long", "ErrImagePull", &long),
        waiting("empty", "", ""),
        waiting("newline", "Err\nImagePull\"", "free"),
        waiting("free", "illegal base64 data at input byte 4", "illegal base64 data at input byte 4"),
        waiting("long-reason", &reason, "z"),
        waiting("long-free", &reason, &reason),
    ]);
    assert_eq!(sum(&text, "image_pull_failing{"), 5.0, "honest, quotes, long, free, long-free");
    assert_eq!(sum(&text, "image_pull_exporter_unknown_reasons_total"), 2.0, "newline, long-reason");
    assert!(!text.contains("illegal base64"), "error text is no label");
}

#[test]
fn names_and_images_of_any_shape_do_no_harm() {
    let reference = format!("{}\"\n\\{{}}", "a".repeat(300));
    // The kubelet quotes as Go's %q does.
    let message = format!("Failed to apply default image tag {reference:?}: couldn't parse image name");
    let mut image = waiting("image", "InvalidImageName", &message);
    image["spec"]["containers"][0]["image"] = json!(reference);
    let mut name = waiting("name", "ErrImagePull", "no");
    name["metadata"]["name"] = json!("<script>\"x\" \\ \n");
    name["spec"]["nodeName"] = json!("\u{0}\u{7f}\"");
    name["metadata"]["ownerReferences"] = json!([{ "kind": "\"", "name": "\n", "controller": true }]);
    let text = check(&[image, name]);
    assert_eq!(sum(&text, "image_pull_failing{"), 3.0);
}

#[test]
fn missing_and_unknown_fields_are_tolerated() {
    let mut unknown_fields = waiting("unknown-fields", "ErrImagePull", NOT_FOUND);
    unknown_fields["spec"]["future"] = json!({ "a": [1, 2, { "b": null }] });
    unknown_fields["status"]["containerStatuses"][0]["state"]["paused"] = json!({});
    let mut stranger = waiting("stranger", "ErrImagePull", NOT_FOUND);
    stranger["status"]["containerStatuses"][0]["name"] = json!("not-in-the-spec");
    let no_status = json!({ "metadata": { "name": "bare", "uid": "bare-uid" } });
    let mut no_statuses = waiting("no-statuses", "ErrImagePull", NOT_FOUND);
    no_statuses["status"]["containerStatuses"] = Value::Null;
    let mut finished = waiting("finished", "ImagePullBackOff", "Back-off pulling image \"x\"");
    finished["status"]["phase"] = json!("Failed");
    let text = check(&[unknown_fields, stranger, no_status, no_statuses, finished]);
    assert_eq!(sum(&text, "image_pull_failing{"), 2.0, "honest and unknown-fields: nobody knows a stranger's image");
    // kube-state-metrics ignores the phase.
    assert_eq!(sum(&text, "kube_pod_container_status_waiting_reason{namespace=\"shop\",pod=\"finished\""), 1.0);
}

#[test]
fn the_second_container_of_a_name_is_skipped_and_counted() {
    let mut twice = waiting("twice", "ErrImagePull", NOT_FOUND);
    let status = twice["status"]["containerStatuses"][0].clone();
    twice["status"]["containerStatuses"] = json!([status, status, status]);
    let text = check(&[twice]);
    assert_eq!(sum(&text, "image_pull_failing{"), 2.0);
    assert_eq!(sum(&text, "image_pull_exporter_duplicate_containers_total"), 2.0);
}

#[test]
fn pods_with_one_name_are_distinguished_by_uid() {
    let mut other = waiting("honest", "ErrImagePull", NOT_FOUND);
    other["metadata"]["uid"] = json!("another");
    let (text, _) = replayed(&[pod("shop", "honest", ERR), other], MirroredReasons::Image);
    assert_eq!(sum(&text, "image_pull_failing{"), 2.0);
    assert_eq!(sum(&text, "image_pull_failing_pods"), 2.0);
}

#[test]
fn a_wrong_type_anywhere_costs_that_pod_alone() {
    for (place, wrong) in [
        ("/metadata", json!([])),
        ("/metadata/uid", json!(7)),
        ("/metadata/name", Value::Null),
        ("/spec/containers", json!("none")),
        ("/spec/containers/0/image", json!({})),
        ("/status", json!(true)),
        ("/status/phase", json!([])),
        ("/status/containerStatuses", json!({})),
        ("/status/containerStatuses/0/restartCount", json!("0")),
        ("/status/containerStatuses/0/state/waiting/reason", json!(1)),
        ("/status/conditions/0/lastTransitionTime", json!(0)),
    ] {
        let mut broken = waiting("broken", "ErrImagePull", NOT_FOUND);
        *broken.pointer_mut(place).expect("the place is there") = wrong;
        let (text, skipped) = replayed(&[broken, pod("shop", "honest", ERR)], MirroredReasons::All);
        assert_eq!(skipped, 1, "{place}");
        assert_eq!(sum(&text, "image_pull_exporter_undecodable_objects_total"), 1.0, "{place}");
        assert_eq!(sum(&text, "image_pull_failing{"), 1.0, "{place}");
    }
}

#[test]
fn a_cluster_without_pods_has_totals_and_nothing_else() {
    let (text, _) = replayed(&[], MirroredReasons::All);
    assert_eq!(sum(&text, "image_pull_failing_pods"), 0.0);
    assert!(text.contains("image_pull_failing_pods 0"));
    assert!(!text.contains("image_pull_failing{"));
}
