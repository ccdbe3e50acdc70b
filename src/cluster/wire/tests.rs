use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;
use image_pull_model::facts::{
    ContainerFacts, ContainerKind, ExceededLimits, ImageFacts, PodFacts, PodId, PodOwner, PodPhase, StateFacts,
};
use image_pull_model::image::PullPolicy;
use image_pull_model::time::Timestamp;

fn decode_text(text: &str) -> Result<PodFacts, UndecodableObject> {
    decode_json_pod(text.as_bytes())
}

fn decode_value(value: &Value) -> Result<PodFacts, UndecodableObject> {
    decode_text(&value.to_string())
}

/// A pod with everything that is read, each container of another kind.
fn pod() -> Value {
    let waiting = json!({ "waiting": { "reason": "ErrImagePull", "message": "no" } });
    let status = |name: &str| {
        json!({ "name": name, "restartCount": 2, "state": waiting, "lastState": { "terminated": {
        "reason": "Error", "finishedAt": "2026-11-23T21:22:48Z" } }, "image": "old", "imageID": "old" })
    };
    json!({
        "metadata": {
            "namespace": "shop", "name": "web", "uid": "u1", "creationTimestamp": "2026-11-23T21:22:40Z",
            "labels": { "pod-template-hash": "abc", "app": "web" },
            "ownerReferences": [
                { "kind": "Node", "name": "n" },
                { "kind": "ReplicaSet", "name": "web-abc", "controller": true },
            ],
        },
        "spec": {
            "nodeName": "node-1", "serviceAccountName": "robot",
            "imagePullSecrets": [{ "name": "hub" }, { "name": "mirror" }],
            "initContainers": [
                { "name": "init", "image": "init:1", "imagePullPolicy": "Always" },
                { "name": "mesh", "image": "mesh:1", "imagePullPolicy": "Never", "restartPolicy": "Always" },
            ],
            "containers": [{ "name": "app", "image": "app:1", "volumeMounts": [{ "name": "model" }, { "name": "tmp" }] }],
            "ephemeralContainers": [{ "name": "debug", "image": "debug" }],
            "volumes": [
                { "name": "tmp", "emptyDir": {} },
                { "name": "model", "image": { "reference": "model:1", "pullPolicy": "Always" } },
            ],
        },
        "status": {
            "phase": "Pending", "startTime": "2026-11-23T21:22:41Z",
            "conditions": [
                { "type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-23T21:22:42Z" },
                { "type": "PodReadyToStartContainers", "status": "True", "lastTransitionTime": "2026-11-23T21:22:43Z" },
                { "type": "Initialized", "status": "False", "lastTransitionTime": "2026-11-23T21:22:44Z" },
            ],
            "initContainerStatuses": [status("init"), status("mesh")],
            "containerStatuses": [status("app")],
            "ephemeralContainerStatuses": [status("debug")],
        },
    })
}

/// 2026-11-23T21:22:00Z plus `seconds`, computed with `date -u -d … +%s`.
fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis((1_795_468_920 + seconds) * 1000)
}

#[test]
fn every_used_field_of_a_pod_is_decoded() {
    let facts = decode_value(&pod()).unwrap();
    let id = PodId { namespace: "shop".to_owned(), name: "web".to_owned(), uid: "u1".to_owned() };
    let owner = PodOwner { kind: "ReplicaSet".to_owned(), name: "web-abc".to_owned(), template_hash: "abc".to_owned() };
    let image = |reference: &str, policy| ImageFacts::new(reference, policy);
    let container = |name: &str, kind, images| ContainerFacts {
        name: name.to_owned(),
        kind,
        images,
        restart_count: 2,
        state: StateFacts::Waiting { reason: "ErrImagePull".to_owned(), message: "no".to_owned() },
        last_finished_at: Some(at(48)),
        has_started: false,
        has_run_image: false,
    };
    let containers = vec![
        container("init", ContainerKind::Init, vec![image("init:1", PullPolicy::Always)]),
        container("mesh", ContainerKind::Sidecar, vec![image("mesh:1", PullPolicy::Never)]),
        container(
            "app",
            ContainerKind::App,
            vec![image("app:1", PullPolicy::IfNotPresent), image("model:1", PullPolicy::Always)],
        ),
        // No tag means latest, and that means Always.
        container("debug", ContainerKind::Ephemeral, vec![image("debug", PullPolicy::Always)]),
    ];
    let expected = PodFacts {
        id,
        node: "node-1".to_owned(),
        service_account: "robot".to_owned(),
        pull_secrets: vec!["hub".to_owned(), "mirror".to_owned()],
        owner,
        phase: PodPhase::Active,
        is_deleting: false,
        created: Some(at(40)),
        started: Some(at(41)),
        scheduled: Some(at(42)),
        sandbox_ready: Some(at(43)),
        is_sandbox_missing: false,
        initialized: None,
        containers,
        exceeded: ExceededLimits::default(),
    };
    assert_eq!(facts, expected);
}

#[test]
fn a_pod_without_a_name_or_uid_is_undecodable() {
    for metadata in
        [json!({}), json!(null), json!({ "name": "web" }), json!({ "uid": "u1" }), json!({ "name": "", "uid": "u1" })]
    {
        let problem = decode_value(&json!({ "metadata": metadata })).unwrap_err();
        assert_eq!(problem.problem, UndecodableReason::MissingIdentity);
        let known = |key: &str| metadata.get(key).and_then(Value::as_str).unwrap_or_default();
        assert_eq!((problem.id.name.as_str(), problem.id.uid.as_str()), (known("name"), known("uid")));
    }
    assert_eq!(decode_text("{}").unwrap_err().problem, UndecodableReason::MissingIdentity);
}

#[test]
fn all_fields_except_name_and_uid_are_optional() {
    let bare = decode_text(r#"{"metadata":{"name":"web","uid":"u1"}}"#).unwrap();
    assert_eq!(bare.containers, []);
    assert_eq!((bare.phase, bare.is_deleting, bare.id.namespace.as_str()), (PodPhase::Active, false, ""));
}

/// Every place in a value, as the keys and positions that lead there.
fn places(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(key, value)| (key.replace('/', "~1"), value)).collect(),
        Value::Array(array) => array.iter().enumerate().map(|(place, value)| (place.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    let below = children.into_iter().flat_map(|(key, child)| {
        std::iter::once(format!("/{key}"))
            .chain(places(child).into_iter().map(move |place| format!("/{key}{place}")))
            .collect::<Vec<_>>()
    });
    below.collect()
}

#[test]
fn null_equals_absent_everywhere() {
    for place in places(&pod()) {
        let mut nulled = pod();
        *nulled.pointer_mut(&place).unwrap() = Value::Null;
        let facts = decode_value(&nulled);
        let (parent, key) = place.rsplit_once('/').unwrap();
        let is_identity = ["/metadata", "/metadata/name", "/metadata/uid"].contains(&place.as_str());
        assert_eq!(facts.is_ok(), !is_identity, "null at {place}: {facts:?}");
        let mut missing = pod();
        if let Some(Value::Object(parent)) = missing.pointer_mut(parent) {
            parent.remove(key);
            assert_eq!(decode_value(&missing), facts, "absent and null differ at {place}");
        }
    }
}

#[test]
fn a_wrong_type_is_ignored_or_an_error_that_names_the_pod() {
    for place in places(&pod()) {
        for wrong in [
            json!(true),
            json!(-1.5),
            json!("text"),
            json!([]),
            json!([1]),
            json!({}),
            json!({ "a": [{}] }),
            json!(1e300),
        ] {
            let mut broken = pod();
            *broken.pointer_mut(&place).unwrap() = wrong.clone();
            if let Err(error) = decode_value(&broken) {
                let is_identity = place.starts_with("/metadata/n") || place == "/metadata" || place == "/metadata/uid";
                let text = error.to_string();
                assert!(is_identity || text.starts_with("shop/web: "), "{wrong} at {place}: {text}");
            }
        }
    }
}

#[test]
fn an_object_without_a_readable_name_is_called_unnamed() {
    let error = decode_text(r#"{"metadata":{"name":7,"uid":"u1"}}"#).unwrap_err();
    assert!(error.to_string().starts_with("an unnamed object: "), "{error}");
    for text in ["null", "7", "[]", "\"pod\"", "true"] {
        assert!(decode_text(text).is_err(), "{text}");
    }
}

#[test]
fn unknown_fields_are_ignored() {
    let mut extended = pod();
    for place in places(&pod()).into_iter().chain([String::new()]) {
        if let Some(Value::Object(object)) = extended.pointer_mut(&place) {
            object.insert("x-of-tomorrow".to_owned(), json!({ "deep": [1, { "a": null }] }));
        }
    }
    assert_eq!(decode_value(&extended), decode_value(&pod()));
}

#[test]
fn a_container_status_without_a_spec_has_no_image() {
    let mut odd = pod();
    odd["status"]["containerStatuses"][0]["name"] = "stranger".into();
    let facts = decode_value(&odd).unwrap();
    let stranger = facts.containers.iter().find(|container| container.name == "stranger").unwrap();
    assert_eq!((stranger.kind, stranger.images.as_slice()), (ContainerKind::App, &[][..]));
}

#[test]
fn a_container_has_run_its_image_where_the_status_names_the_same() {
    for (image, id, expected) in [
        ("docker.io/library/app:1", "docker.io/library/app@sha256:ab", true),
        ("app:1", "", false),
        ("docker.io/library/app:0", "docker.io/library/app@sha256:ab", false),
        ("sha256:ab", "sha256:ab", false),
    ] {
        let mut pod = pod();
        pod["status"]["containerStatuses"][0]["image"] = image.into();
        pod["status"]["containerStatuses"][0]["imageID"] = id.into();
        let facts = decode_value(&pod).unwrap();
        let app = facts.containers.iter().find(|container| container.name == "app").unwrap();
        assert_eq!(app.has_run_image, expected, "{image}");
    }
}

#[test]
fn a_restart_count_out_of_range_is_ignored() {
    for count in [json!(-1), json!(i64::MIN), json!(u64::from(u32::MAX) + 1)] {
        let mut odd = pod();
        odd["status"]["containerStatuses"][0]["restartCount"] = count.clone();
        assert!(decode_value(&odd).is_ok(), "{count}");
    }
}

#[test]
fn an_invalid_time_is_unknown() {
    for time in ["", "yesterday", "2026-13-40T00:00:00Z", "2026-11-23", "9999999-01-01T00:00:00Z"] {
        let mut odd = pod();
        odd["metadata"]["creationTimestamp"] = time.into();
        assert_eq!(decode_value(&odd).unwrap().created, None, "{time}");
    }
    let mut micro = pod();
    micro["metadata"]["creationTimestamp"] = "2026-11-23T22:22:40.250000+01:00".into();
    assert_eq!(
        decode_value(&micro).unwrap().created,
        Some(at(40).saturating_add(std::time::Duration::from_millis(250)))
    );
}

#[test]
fn a_pod_with_any_deletion_timestamp_is_deleting() {
    let mut deleting = pod();
    deleting["metadata"]["deletionTimestamp"] = "2026-11-23T21:23:00Z".into();
    assert!(decode_value(&deleting).unwrap().is_deleting);
}

#[test]
fn finished_phases_are_recognized() {
    for (phase, expected) in [
        ("Succeeded", PodPhase::Finished),
        ("Failed", PodPhase::Finished),
        ("Pending", PodPhase::Active),
        ("Running", PodPhase::Running),
        ("Unknown", PodPhase::Active),
        ("failed", PodPhase::Active),
        ("", PodPhase::Active),
    ] {
        let mut pod = pod();
        pod["status"]["phase"] = phase.into();
        assert_eq!(decode_value(&pod).unwrap().phase, expected, "{phase}");
    }
}

/// JSON that uses the field names of a pod more often than not.
fn any_json() -> impl Strategy<Value = Value> {
    let keys = vec![
        "metadata",
        "name",
        "namespace",
        "uid",
        "spec",
        "status",
        "containers",
        "containerStatuses",
        "state",
        "waiting",
        "reason",
        "message",
        "restartCount",
        "volumes",
        "image",
        "conditions",
        "type",
        "x",
        "",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 60, 6, move |inner| {
        let object = proptest::collection::vec((proptest::sample::select(keys.clone()), inner.clone()), 0..6);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            object.prop_map(|fields| Value::from(
                fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn arbitrary_json_does_not_panic(value in any_json()) {
        let _ = decode_value(&value);
    }

    #[test]
    fn a_pod_with_one_arbitrary_field_does_not_panic(wrong in any_json(), place in any::<proptest::sample::Index>()) {
        let mut broken = pod();
        let places = places(&broken);
        *broken.pointer_mut(&places[place.index(places.len())]).unwrap() = wrong;
        let _ = decode_value(&broken);
    }
}
