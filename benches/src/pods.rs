//! Generates pods of realistic size and variety.

use serde_json::{Value, json};

use crate::stamp::{NUMBER, VERSION};

/// Recorded and reported error texts with their image.
const ERRORS: &[&str] =
    &[include_str!("../../tests/fixtures/pull-errors.tsv"), include_str!("../../tests/fixtures/pull-errors-more.tsv")];

const WORDS: &[&str] = &[
    "account",
    "basket",
    "billing",
    "catalog",
    "checkout",
    "delivery",
    "edge",
    "fraud",
    "gateway",
    "inventory",
    "ledger",
    "mailer",
    "notify",
    "orders",
    "payment",
    "pricing",
    "queue",
    "ranking",
    "search",
    "session",
    "stock",
    "tax",
];

/// The image in the error texts, to be replaced by the pod's own: the exporter ignores a text with another image than the spec.
const NAMED: &str = "reg.example/team/app:1.2";

/// Returns the error texts that contain their image.
pub fn errors() -> Vec<String> {
    let texts = ERRORS.iter().flat_map(|file| file.lines().skip(1)).filter_map(|line| line.split('\t').nth(2));
    let texts: Vec<String> = texts.filter(|text| text.contains(NAMED)).map(str::to_owned).collect();
    assert!(texts.len() > 40, "the error texts are there");
    texts
}

/// The state of a pod.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum State<'a> {
    /// Running, with this number of restarts.
    Runs(u32),
    /// Waiting for its volumes and its sandbox.
    Starts,
    /// Waiting for its image.
    Pulls,
    /// A pull has just failed.
    Errs(&'a str),
    /// Waiting for the next attempt.
    BacksOff(&'a str),
}

/// Returns a pod of the `workload`th workload. Name, uid and resourceVersion are inserted later.
pub fn pod(workload: usize, state: State<'_>) -> Value {
    let (app, team) = (WORDS[workload % WORDS.len()], WORDS[workload / WORDS.len() % WORDS.len()]);
    let namespace = format!("{team}-{}", workload % 3);
    let deployment = format!("{app}-{workload}");
    let hash = format!("{:010x}", workload.wrapping_mul(2_654_435_761) & 0xff_ffff_ffff);
    let name = format!("{deployment}-{hash}-{NUMBER}");
    let image = format!("registry-{}.example.com/{team}/{app}:2.{workload}.0", workload % 5);
    let extras = workload % 5;
    let labels = json!({
        "app.kubernetes.io/name": app, "app.kubernetes.io/instance": deployment, "app.kubernetes.io/managed-by": "Helm", "pod-template-hash": hash,
    });
    json!({
        "kind": "Pod", "apiVersion": "v1",
        "metadata": {
            "name": name, "generateName": format!("{deployment}-{hash}-"), "namespace": namespace,
            "uid": format!("5bcf5f9b-c6a8-4dbb-9f5e-00000{NUMBER}"), "resourceVersion": VERSION, "generation": 1,
            "creationTimestamp": "2026-11-23T21:22:54Z", "labels": labels,
            "annotations": { "checksum/config": format!("{workload:064x}"), "kubectl.kubernetes.io/restartedAt": "2026-11-20T08:15:30Z" },
            "ownerReferences": [{
                "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("{deployment}-{hash}"),
                "uid": format!("0f0f5f9b-c6a8-4dbb-9f5e-{workload:012x}"), "controller": true, "blockOwnerDeletion": true,
            }],
            "managedFields": managed_fields(extras),
        },
        "spec": spec(&image, app, workload, extras),
        "status": status(&image, state),
    })
}

/// Returns the Event of a pod of the `workload`th workload about its image: the pull begins or has succeeded.
pub fn pull_event(workload: usize, has_succeeded: bool) -> Value {
    let pod = pod(workload, State::Pulls);
    let metadata = &pod["metadata"];
    let (namespace, name, image) = (&metadata["namespace"], &metadata["name"], &pod["spec"]["containers"][0]["image"]);
    let (reason, message) = if has_succeeded {
        let image = image.as_str().unwrap_or_default();
        (
            "Pulled",
            format!(
                "Successfully pulled image \"{image}\" in 2.265s (3.5s including waiting). Image size: 109445312 bytes."
            ),
        )
    } else {
        ("Pulling", format!("Pulling image \"{}\"", image.as_str().unwrap_or_default()))
    };
    json!({
        "kind": "Event", "apiVersion": "v1",
        "metadata": {
            "name": format!("{}.18a2b3c4d5e6f7{}", name.as_str().unwrap_or_default(), u8::from(has_succeeded)), "namespace": namespace,
            "uid": format!("7bcf5f9b-c6a8-4dbb-9f5{}-00000{NUMBER}", u8::from(has_succeeded)), "resourceVersion": VERSION,
            "creationTimestamp": "2026-11-23T21:22:54Z",
            "managedFields": [{
                "manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": "2026-11-23T21:22:54Z", "fieldsType": "FieldsV1",
                "fieldsV1": { "f:count": {}, "f:firstTimestamp": {}, "f:involvedObject": {}, "f:lastTimestamp": {}, "f:message": {}, "f:reason": {}, "f:reportingComponent": {}, "f:reportingInstance": {}, "f:source": { "f:component": {}, "f:host": {} }, "f:type": {} },
            }],
        },
        "involvedObject": { "kind": "Pod", "namespace": namespace, "name": name, "uid": metadata["uid"], "apiVersion": "v1", "resourceVersion": VERSION, "fieldPath": "spec.containers{main}" },
        "reason": reason, "message": message, "source": { "component": "kubelet", "host": "node-1" },
        "firstTimestamp": "2026-11-23T21:22:54Z", "lastTimestamp": "2026-11-23T21:22:54Z", "count": 1, "type": "Normal",
        "eventTime": null, "reportingComponent": "kubelet", "reportingInstance": "node-1",
    })
}

fn spec(image: &str, app: &str, workload: usize, extras: usize) -> Value {
    let mut env = vec![
        json!({ "name": "POD_NAME", "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.name" } } }),
        json!({ "name": "POD_IP", "valueFrom": { "fieldRef": { "apiVersion": "v1", "fieldPath": "status.podIP" } } }),
        json!({ "name": "DATABASE_PASSWORD", "valueFrom": { "secretKeyRef": { "name": format!("{app}-database"), "key": "password" } } }),
        json!({ "name": "LOG_LEVEL", "valueFrom": { "configMapKeyRef": { "name": format!("{app}-config"), "key": "log-level", "optional": true } } }),
    ];
    env.extend((0..extras).map(
        |n| json!({ "name": format!("FEATURE_{n}_ENDPOINT"), "value": format!("https://{app}-{n}.internal.example.com:8443/api/v1") }),
    ));
    let probe = |path: &str, initial: u32| {
        json!({
            "httpGet": { "path": path, "port": "http", "scheme": "HTTP" }, "initialDelaySeconds": initial, "timeoutSeconds": 2,
            "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3,
        })
    };
    json!({
        "volumes": [
            { "name": "config", "configMap": { "name": format!("{app}-config"), "defaultMode": 420 } },
            { "name": "tmp", "emptyDir": {} },
            { "name": "kube-api-access-x2x7k", "projected": { "defaultMode": 420, "sources": [
                { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
                { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
                { "downwardAPI": { "items": [{ "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } }] } },
            ] } },
        ],
        "containers": [{
            "name": "main", "image": image, "args": ["--config=/etc/app/config.yaml", "--listen=:8080", "--metrics=:9090"],
            "ports": [{ "name": "http", "containerPort": 8080, "protocol": "TCP" }, { "name": "metrics", "containerPort": 9090, "protocol": "TCP" }],
            "env": env,
            "resources": { "limits": { "cpu": "1", "memory": "512Mi" }, "requests": { "cpu": "250m", "memory": "256Mi" } },
            "volumeMounts": [
                { "name": "config", "readOnly": true, "mountPath": "/etc/app" },
                { "name": "tmp", "mountPath": "/tmp" },
                { "name": "kube-api-access-x2x7k", "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" },
            ],
            "readinessProbe": probe("/readyz", 5),
            "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "imagePullPolicy": "IfNotPresent",
            "securityContext": { "capabilities": { "drop": ["ALL"] }, "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false },
        }],
        "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
        "nodeSelector": { "kubernetes.io/os": "linux" }, "serviceAccountName": app, "serviceAccount": app,
        "nodeName": format!("ip-10-0-{}-{}.eu-central-1.compute.internal", workload % 16, workload % 250),
        "securityContext": { "runAsUser": 10001, "runAsGroup": 10001, "runAsNonRoot": true, "fsGroup": 10001, "seccompProfile": { "type": "RuntimeDefault" } },
        "imagePullSecrets": [{ "name": "registry" }], "schedulerName": "default-scheduler",
        "tolerations": [
            { "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 },
            { "key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 },
        ],
        "priorityClassName": "production", "priority": 1000, "enableServiceLinks": true, "preemptionPolicy": "PreemptLowerPriority",
    })
}

fn status(image: &str, state: State<'_>) -> Value {
    let runs = matches!(state, State::Runs(_));
    let ready = if runs { "True" } else { "False" };
    let sandbox_ready = if state == State::Starts { "False" } else { "True" };
    let condition = |kind: &str, status: &str| {
        let mut condition = json!({ "type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": "2026-11-23T21:22:56Z", "observedGeneration": 1 });
        if status == "False" {
            condition["reason"] = "ContainersNotReady".into();
            condition["message"] = "containers with unready status: [main]".into();
        }
        condition
    };
    let container = match state {
        State::Runs(restarts) => json!({
            "name": "main", "state": { "running": { "startedAt": "2026-11-23T21:22:55Z" } }, "lastState": {}, "ready": true,
            "restartCount": restarts, "image": image, "imageID": format!("{image}@sha256:{:064x}", image.len()),
            "containerID": format!("containerd://{:057x}{NUMBER}", 0xc0ffee), "started": true,
        }),
        State::Starts | State::Pulls => json!({
            "name": "main", "state": { "waiting": { "reason": "ContainerCreating" } }, "lastState": {}, "ready": false,
            "restartCount": 0, "image": image, "imageID": "", "started": false,
        }),
        State::Errs(error) => waiting(image, "ErrImagePull", &error.replace(NAMED, image)),
        State::BacksOff(error) => waiting(
            image,
            "ImagePullBackOff",
            &format!("Back-off pulling image \"{image}\": ErrImagePull: {}", error.replace(NAMED, image)),
        ),
    };
    json!({
        "observedGeneration": 1, "phase": if runs { "Running" } else { "Pending" },
        "conditions": [
            condition("PodReadyToStartContainers", sandbox_ready), condition("Initialized", "True"), condition("Ready", ready),
            condition("ContainersReady", ready), condition("PodScheduled", "True"),
        ],
        "hostIP": "10.0.12.34", "hostIPs": [{ "ip": "10.0.12.34" }], "podIP": "10.42.7.77", "podIPs": [{ "ip": "10.42.7.77" }],
        "startTime": "2026-11-23T21:22:54Z", "containerStatuses": [container], "qosClass": "Burstable",
    })
}

fn waiting(image: &str, reason: &str, message: &str) -> Value {
    json!({
        "name": "main", "state": { "waiting": { "reason": reason, "message": message } }, "lastState": {}, "ready": false,
        "restartCount": 0, "image": image, "imageID": "", "started": false,
    })
}

/// The managedFields, a third of a pod's size.
fn managed_fields(extras: usize) -> Value {
    let env: serde_json::Map<String, Value> = (0..4 + extras)
        .map(|n| (format!("k:{{\"name\":\"FEATURE_{n}_ENDPOINT\"}}"), json!({ ".": {}, "f:name": {}, "f:value": {} })))
        .collect();
    let named = |names: &[&str]| -> serde_json::Map<String, Value> {
        names
            .iter()
            .map(|name| (format!("k:{{\"name\":\"{name}\"}}"), json!({ ".": {}, "f:name": {}, "f:mountPath": {} })))
            .collect()
    };
    let probe = json!({
        ".": {}, "f:failureThreshold": {}, "f:httpGet": { ".": {}, "f:path": {}, "f:port": {}, "f:scheme": {} },
        "f:initialDelaySeconds": {}, "f:periodSeconds": {}, "f:successThreshold": {}, "f:timeoutSeconds": {},
    });
    let container = json!({
        ".": {}, "f:args": {}, "f:env": env, "f:image": {}, "f:imagePullPolicy": {}, "f:name": {},
        "f:ports": { ".": {}, "k:{\"containerPort\":8080,\"protocol\":\"TCP\"}": { ".": {}, "f:containerPort": {}, "f:name": {}, "f:protocol": {} } },
        "f:readinessProbe": probe, "f:resources": { ".": {}, "f:limits": { ".": {}, "f:cpu": {}, "f:memory": {} }, "f:requests": { ".": {}, "f:cpu": {}, "f:memory": {} } },
        "f:securityContext": { ".": {}, "f:allowPrivilegeEscalation": {}, "f:capabilities": {}, "f:readOnlyRootFilesystem": {} },
        "f:terminationMessagePath": {}, "f:terminationMessagePolicy": {}, "f:volumeMounts": named(&["config", "tmp"]),
    });
    let condition = json!({ ".": {}, "f:lastProbeTime": {}, "f:lastTransitionTime": {}, "f:observedGeneration": {}, "f:status": {}, "f:type": {} });
    let conditions: serde_json::Map<String, Value> =
        ["ContainersReady", "Initialized", "PodReadyToStartContainers", "PodScheduled", "Ready"]
            .iter()
            .map(|kind| (format!("k:{{\"type\":\"{kind}\"}}"), condition.clone()))
            .collect();
    json!([
        {
            "manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1", "time": "2026-11-23T21:22:54Z", "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {
                    "f:annotations": { ".": {}, "f:checksum/config": {}, "f:kubectl.kubernetes.io/restartedAt": {} },
                    "f:generateName": {},
                    "f:labels": { ".": {}, "f:app.kubernetes.io/instance": {}, "f:app.kubernetes.io/managed-by": {}, "f:app.kubernetes.io/name": {}, "f:pod-template-hash": {} },
                    "f:ownerReferences": { ".": {}, "k:{\"uid\":\"0f0f5f9b-c6a8-4dbb-9f5e-000000000000\"}": {} },
                },
                "f:spec": {
                    "f:containers": { "k:{\"name\":\"main\"}": container }, "f:dnsPolicy": {}, "f:enableServiceLinks": {}, "f:imagePullSecrets": named(&["registry"]),
                    "f:nodeSelector": {}, "f:restartPolicy": {}, "f:schedulerName": {},
                    "f:securityContext": { ".": {}, "f:fsGroup": {}, "f:runAsGroup": {}, "f:runAsNonRoot": {}, "f:runAsUser": {}, "f:seccompProfile": { ".": {}, "f:type": {} } },
                    "f:serviceAccount": {}, "f:serviceAccountName": {}, "f:terminationGracePeriodSeconds": {}, "f:volumes": named(&["config", "tmp"]),
                },
            },
        },
        {
            "manager": "kubelet", "operation": "Update", "apiVersion": "v1", "time": "2026-11-23T21:22:56Z", "fieldsType": "FieldsV1", "subresource": "status",
            "fieldsV1": { "f:status": {
                "f:conditions": conditions, "f:containerStatuses": {}, "f:hostIP": {}, "f:hostIPs": {}, "f:observedGeneration": {}, "f:phase": {}, "f:podIP": {},
                "f:podIPs": { ".": {}, "k:{\"ip\":\"10.42.7.77\"}": { ".": {}, "f:ip": {} } }, "f:startTime": {},
            } },
        },
    ])
}
