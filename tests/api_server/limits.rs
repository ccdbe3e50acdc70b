//! Pods that exceed every limit, as a tenant may create them: what is kept of them stays within the limits, in both
//! encodings, and so does the memory of the program that watches them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

use crate::common::cluster::Cluster;
use crate::common::{NOT_FOUND, Program, eventually, get, pod, sum};
use image_pull_exporter::cluster::codec::Encoding;
use image_pull_exporter::cluster::pod_object::PodObject;
use image_pull_exporter::present::FailureReport;
use image_pull_model::advice::FailingRegistryPods;
use image_pull_model::facts::{ExceededLimits, PodFacts, StateFacts, WatchScope};
use image_pull_model::index::{Index, IndexConfig, MirroredReasons};
use image_pull_model::limits::{
    MAX_CONTAINERS, MAX_IMAGE_VOLUMES, MAX_LABEL, MAX_MESSAGE, MAX_MOUNTS, MAX_NAME, MAX_POD_MESSAGES,
    MAX_PULL_SECRETS, MAX_REFERENCE, MIN_MESSAGE, TRUNCATED,
};
use image_pull_model::time::Timestamp;
use image_pull_sim::api::protobuf;
use proptest::prelude::*;
use serde_json::{Value, json};

const ERR: Option<(&str, &str)> = Some(("ErrImagePull", NOT_FOUND));
/// The memory limit that the manifests set, in KiB.
const LIMIT_KIB: u64 = 128 * 1024;
/// The bytes that the marker adds to a truncated text.
const MARKER: usize = TRUNCATED.len() + 1;

/// The sizes of the parts of a pod.
#[derive(Clone, Debug)]
struct Sizes {
    containers: usize,
    volumes: usize,
    mounts: usize,
    secrets: usize,
    text: usize,
}

/// Sizes within each limit, at it and beyond it.
fn sizes() -> impl Strategy<Value = Sizes> {
    let near = |max: usize| prop::sample::select(vec![0, 1, max - 1, max, max + 1, 2 * max]);
    let texts = [MAX_LABEL, MAX_NAME, MAX_REFERENCE, MAX_MESSAGE].map(|max| [1, max - 1, max, max + 1, 3 * max]);
    (
        near(MAX_CONTAINERS),
        near(MAX_IMAGE_VOLUMES),
        near(MAX_MOUNTS),
        near(MAX_PULL_SECRETS),
        prop::sample::select(texts.concat()),
    )
        .prop_map(|(containers, volumes, mounts, secrets, text)| Sizes {
            containers,
            volumes,
            mounts,
            secrets,
            text,
        })
}

/// A pod of these sizes whose containers all fail. The first container has the mounts, so that the test stays fast.
fn pod_of(sizes: &Sizes) -> Value {
    let Sizes { containers, volumes, mounts, secrets, text } = *sizes;
    let long = |begin: &str| format!("{begin}{}", "é".repeat(text / 2));
    let image = format!("registry.example.com/{}", "a".repeat(text));
    let mounts: Vec<Value> =
        (0..mounts).map(|number| json!({ "name": format!("v{number}"), "mountPath": "/" })).collect();
    let container = |number: usize| json!({ "name": format!("c{number}"), "image": image, "volumeMounts": if number == 0 { &*mounts } else { &[] } });
    let status = |number: usize| {
        let state = json!({ "waiting": { "reason": "ErrImagePull", "message": long("m") } });
        json!({ "name": format!("c{number}"), "state": state, "restartCount": 0 })
    };
    let volume = |number: usize| json!({ "name": format!("v{number}"), "image": { "reference": format!("{image}{number}"), "pullPolicy": "Always" } });
    json!({
        "metadata": {
            "namespace": long("s"), "name": long("p"), "uid": long("u"),
            "labels": { "pod-template-hash": long("h") },
            "ownerReferences": [{ "kind": long("K"), "name": long("o"), "controller": true }],
        },
        "spec": {
            "nodeName": long("n"), "serviceAccountName": long("a"),
            "imagePullSecrets": (0..secrets).map(|number| json!({ "name": long(&number.to_string()) })).collect::<Vec<_>>(),
            "volumes": (0..volumes).map(volume).collect::<Vec<_>>(),
            "containers": (0..containers).map(container).collect::<Vec<_>>(),
        },
        "status": { "phase": "Pending", "containerStatuses": (0..containers).map(status).collect::<Vec<_>>() },
    })
}

/// A pod as it comes out of a list in this encoding.
fn decoded(encoding: Encoding, pod: &Value) -> PodFacts {
    let metadata = json!({ "resourceVersion": "9" });
    let list = match encoding {
        Encoding::Json => json!({ "metadata": metadata, "items": [pod] }).to_string().into_bytes(),
        Encoding::Protobuf => protobuf::pod_list(&metadata, [protobuf::pod(pod)]),
    };
    let mut items = encoding.decode_list(list.into()).expect("it is a list");
    items
        .next_object::<PodObject>()
        .expect("it is an item")
        .expect("there is one")
        .and_then(PodObject::into_facts)
        .expect("it is a pod")
}

#[track_caller]
fn check_text(text: &str, max: usize) {
    assert!(text.len() <= max + MARKER, "{} bytes where {max} are allowed", text.len());
}

/// Checks every text and list of a pod.
fn check(pod: &PodFacts) {
    for text in [&pod.id.namespace, &pod.id.uid, &pod.owner.kind, &pod.owner.template_hash] {
        check_text(text, MAX_LABEL);
    }
    for text in [&pod.id.name, &pod.node, &pod.service_account, &pod.owner.name].into_iter().chain(&pod.pull_secrets) {
        check_text(text, MAX_NAME);
    }
    let message = |state: &StateFacts| if let StateFacts::Waiting { message, .. } = state { message.len() } else { 0 };
    let messages: usize = pod.containers.iter().map(|container| message(&container.state)).sum();
    assert!(
        messages <= MAX_POD_MESSAGES + pod.containers.len() * (MIN_MESSAGE + MARKER),
        "{messages} bytes of messages"
    );
    assert!(pod.pull_secrets.len() <= MAX_PULL_SECRETS && pod.containers.len() <= 3 * MAX_CONTAINERS);
    for container in &pod.containers {
        check_text(&container.name, MAX_LABEL);
        assert!(container.images.len() <= 1 + MAX_IMAGE_VOLUMES);
        container.images.iter().for_each(|image| check_text(image.reference.raw(), MAX_REFERENCE));
        if let StateFacts::Waiting { reason, message } = &container.state {
            check_text(reason, MAX_MESSAGE);
            check_text(message, MAX_MESSAGE);
        }
    }
}

/// The number of elements that a pod of these sizes has beyond the limits.
fn beyond(sizes: &Sizes) -> usize {
    let Sizes { containers, volumes, mounts, secrets, .. } = *sizes;
    let mounts = if containers > 0 { mounts.saturating_sub(MAX_MOUNTS) } else { 0 };
    2 * containers.saturating_sub(MAX_CONTAINERS)
        + volumes.saturating_sub(MAX_IMAGE_VOLUMES)
        + mounts
        + secrets.saturating_sub(MAX_PULL_SECRETS)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_pod_exceeds_the_limits_once_it_is_decoded(sizes in sizes()) {
        let pod = pod_of(&sizes);
        let facts = decoded(Encoding::Json, &pod);
        check(&facts);
        let ExceededLimits { texts, elements } = facts.exceeded;
        prop_assert_eq!(elements, beyond(&sizes) as u64, "what is omitted is counted");
        prop_assert_eq!(texts == 0, sizes.text / 2 * 2 < MAX_LABEL, "what is truncated is counted: {} texts", texts);
        prop_assert_eq!(decoded(Encoding::Protobuf, &pod), facts, "both encodings say the same");
    }

    #[test]
    fn the_text_of_any_failure_is_bounded(sizes in sizes()) {
        let facts = decoded(Encoding::Protobuf, &pod_of(&Sizes { containers: sizes.containers.min(9), ..sizes }));
        let mut index = Index::new(IndexConfig { mirrored_reasons: MirroredReasons::All, ..IndexConfig::default() }, &[WatchScope::Cluster]);
        index.begin_relist(&WatchScope::Cluster);
        index.apply(&facts, Timestamp::default());
        index.end_relist(&WatchScope::Cluster, Timestamp::default());
        let snapshot = index.snapshot().expect("everything was listed");
        prop_assert_eq!(snapshot.failures().count(), facts.containers.len());
        for failing in snapshot.failures() {
            let shown = serde_json::to_string(&FailureReport::of(failing, Timestamp::default(), Timestamp::default(), &FailingRegistryPods::default())).expect("it is JSON");
            prop_assert!(shown.len() < 64 * 1024, "{} bytes", shown.len());
        }
    }
}

#[test]
fn an_image_volume_is_found_among_many_other_mounts() {
    // The image volume is mounted last, beyond the limit.
    let mut pod = pod_of(&Sizes { containers: 1, volumes: 3, mounts: 0, secrets: 0, text: 1 });
    let mounts = (0..2 * MAX_MOUNTS).map(|_| json!({ "name": "tmp" })).chain([json!({ "name": "v2" })]);
    pod["spec"]["containers"][0]["volumeMounts"] = mounts.collect();
    for encoding in [Encoding::Json, Encoding::Protobuf] {
        let facts = decoded(encoding, &pod);
        assert_eq!(facts.containers[0].images.len(), 4, "its own and that of every volume");
        assert_eq!(facts.exceeded.elements, MAX_MOUNTS as u64 + 1);
    }
}

/// Checks that the program reports these failures and stays well below the memory limit.
#[track_caller]
fn check_program(program: &Program, failing: f64) -> String {
    let mut metrics = String::new();
    eventually(|| {
        metrics = program.metrics();
        let found = sum(&metrics, "image_pull_failing{");
        if found == failing { Ok(()) } else { Err(format!("{found} failures")) }
    });
    assert!(program.peak_kib() < LIMIT_KIB / 2, "{} KiB", program.peak_kib());
    metrics
}

/// A failing pod whose image reference has the given length in bytes.
fn with_long_image(name: &str, length: usize) -> Value {
    let image = format!("registry.example.com/{}", "a".repeat(length));
    let mut pod = pod("shop", name, Some(("InvalidImageName", "Failed to apply default image tag: invalid reference")));
    pod["spec"]["containers"][0]["image"] = json!(image);
    pod
}

#[test]
fn a_long_reference_that_is_mounted_two_thousand_times_is_held_once() {
    let cluster = Cluster::new("limits-mounts");
    let mut pod = with_long_image("mounts", 100);
    let reference = format!("registry.example.com/{}", "a".repeat(900_000));
    pod["spec"]["volumes"] = json!([{ "name": "v", "image": { "reference": reference, "pullPolicy": "Always" } }]);
    let mounts = (0..2000).map(|number| json!({ "name": "v", "mountPath": format!("/{number}") }));
    pod["spec"]["containers"][0]["volumeMounts"] = mounts.collect();
    cluster.store.put(pod);
    let program = cluster.start(&[]);
    program.wait_ready();
    let metrics = check_program(&program, 1.0);
    assert_eq!(sum(&metrics, "image_pull_exporter_pod_limits_exceeded_total{limit=\"text\"}"), 1.0);
    assert_eq!(
        sum(&metrics, "image_pull_exporter_pod_limits_exceeded_total{limit=\"element\"}"),
        2000.0 - MAX_MOUNTS as f64
    );
}

/// A pod as large as etcd takes, whose containers all have invalid images; the kubelet quotes them twice.
fn with_many_invalid_images(name: &str) -> Value {
    let image = |number: usize| format!("Registry.example.com/{name}/{number}/{}", "A".repeat(1900));
    let message =
        |image: &str| format!("Failed to apply default image tag \"{image}\": couldn't parse image name \"{image}\"");
    let containers = (0..250).map(|number| json!({ "name": format!("c{number}"), "image": image(number) }));
    let statuses = (0..250).map(|number| {
        let state = json!({ "waiting": { "reason": "InvalidImageName", "message": message(&image(number)) } });
        json!({ "name": format!("c{number}"), "state": state, "restartCount": 0 })
    });
    let mut pod = pod("shop", name, ERR);
    pod["spec"]["containers"] = containers.collect();
    pod["status"]["containerStatuses"] = statuses.collect();
    pod
}

#[test]
fn many_pods_with_many_long_messages_fit_into_memory() {
    let cluster = Cluster::new("limits-messages");
    for number in 0..60 {
        cluster.store.put(with_many_invalid_images(&format!("invalid-{number}")));
    }
    let program = cluster.start(&["--max-container-series", "1000"]);
    program.wait_ready();
    eventually(|| match sum(&program.metrics(), "image_pull_failing_pods") {
        60.0 => Ok(()),
        pods => Err(format!("{pods} pods")),
    });
    // 15,000 failing containers with the longest messages.
    assert!(program.peak_kib() < LIMIT_KIB * 9 / 16, "{} KiB", program.peak_kib());
}

#[test]
fn long_references_make_no_long_scrape_page_or_history() {
    let cluster = Cluster::new("limits-references");
    let name = |number| format!("long-{number}");
    for number in 0..40 {
        cluster.store.put(with_long_image(&name(number), 700_000));
    }
    let program = cluster.start(&["--ksm-families", "all"]);
    program.wait_ready();
    let metrics = check_program(&program, 40.0);
    assert!(metrics.len() < 40 * 8192, "{} bytes", metrics.len());
    assert!(metrics.contains("aaaa<truncated>aaaa"));
    for number in 0..40 {
        cluster.store.delete("shop", &name(number));
    }
    check_program(&program, 0.0);
    for path in ["/", "/api/v1/failing", "/api/v1/history"] {
        let response = get(program.port, path, "").expect("the program answers");
        assert!(response.body.len() < 40 * 64 * 1024, "{path}: {} bytes", response.body.len());
    }
    assert!(program.peak_kib() < LIMIT_KIB / 2, "{} KiB", program.peak_kib());
}

#[test]
fn thousands_of_containers_volumes_and_mounts_are_read_up_to_the_limits() {
    let cluster = Cluster::new("limits-lists");
    let mut pod = pod_of(&Sizes { containers: 8000, volumes: 8000, mounts: 8000, secrets: 8000, text: 1 });
    pod["metadata"]["namespace"] = json!("shop");
    cluster.store.put(pod);
    let program = cluster.start(&[]);
    program.wait_ready();
    check_program(&program, MAX_CONTAINERS as f64);
    assert_eq!(get(program.port, "/livez", "").expect("the program answers").status, 200);
}

/// An API server without WatchList. Its lists have this body and its watches have no events. Returns its kubeconfig.
fn serve_list(name: &str, body: Vec<u8>) -> PathBuf {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let address = listener.local_addr().expect("it listens");
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let body = body.clone();
            std::thread::spawn(move || respond(stream, &body));
        }
    });
    let kubeconfig = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.kubeconfig"));
    let config = format!(
        "{{apiVersion: v1, kind: Config, current-context: x, contexts: [{{name: x, context: {{cluster: x, user: x}}}}], \
         clusters: [{{name: x, cluster: {{server: 'http://{address}'}}}}], users: [{{name: x, user: {{token: x}}}}]}}"
    );
    std::fs::write(&kubeconfig, config).expect("the kubeconfig can be written");
    kubeconfig
}

/// Responds to the requests of a connection until the client closes it.
fn respond(mut stream: TcpStream, body: &[u8]) {
    let mut request = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte).is_ok_and(|length| length > 0) {
        request.push(byte[0]);
        if !request.ends_with(b"\r\n\r\n") {
            continue;
        }
        let head = String::from_utf8_lossy(&request).into_owned();
        let (status, body) = match head.lines().next().unwrap_or_default() {
            line if line.contains("sendInitialEvents") => ("400 Bad Request", &b"{}"[..]),
            line if line.contains("watch=true") => ("200 OK\r\nTransfer-Encoding: chunked", &b""[..]),
            _ => ("200 OK", body),
        };
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let head = format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{length}\r\n");
        if stream.write_all(&[head.as_bytes(), body].concat()).is_err() {
            return;
        }
        request.clear();
    }
}

#[test]
fn a_page_of_a_million_objects_is_read_one_by_one() {
    let mut list = br#"{"metadata":{"resourceVersion":"9"},"items":["#.to_vec();
    list.extend(b"{},".repeat(999_999));
    list.extend(b"{}]}");
    let kubeconfig = serve_list("limits-objects", list);
    let program = Program::start(&["--kubeconfig", kubeconfig.to_str().expect("a path is text")]);
    program.wait_ready();
    let metrics = check_program(&program, 0.0);
    assert_eq!(sum(&metrics, "image_pull_exporter_undecodable_objects_total"), 1_000_000.0);
}
