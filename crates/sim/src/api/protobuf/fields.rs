//! The fields of a pod and of what it is sent in: what JSON calls them, their numbers and kinds.
//!
//! Numbers, and whether a field is a pointer in Go, are those of `staging/src/k8s.io/api/core/v1/types.go` and
//! `apimachinery/pkg/apis/meta/v1/types.go` (1.37). It has the fields of simulated and recorded pods, and most fields of real
//! pods. Other fields are omitted, as by a server of an older version.

/// A message: its fields, by number.
pub(super) type Message = &'static [Field];

/// A field of a message.
#[derive(Debug)]
pub(super) struct Field {
    /// The name in JSON. The JSON value also shows whether the field is a list.
    pub(super) name: &'static str,
    pub(super) number: u32,
    /// Whether an unset field is written. As in gogo-protobuf: fields that are not a pointer, list or map in Go.
    pub(super) always: bool,
    pub(super) kind: Kind,
}

/// The type of a field.
#[derive(Debug)]
pub(super) enum Kind {
    Text,
    Number,
    Bool,
    /// `meta/v1.Time`.
    Time,
    /// `meta/v1.MicroTime`.
    MicroTime,
    /// `FieldsV1`: JSON, as it is.
    Fields,
    Quantity,
    IntOrString,
    TextMap,
    QuantityMap,
    Object(Message),
    /// A message whose fields JSON has one level higher.
    Inline(Message),
}

use Kind::{Bool, Fields, Inline, IntOrString, MicroTime, Number, Object, Quantity, QuantityMap, Text, TextMap, Time};

const fn always(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, always: true, kind }
}

const fn maybe(name: &'static str, number: u32, kind: Kind) -> Field {
    Field { name, number, always: false, kind }
}

macro_rules! fields {
    ($($name:literal $number:literal $presence:ident $kind:expr),* $(,)?) => {
        &[$($presence($name, $number, $kind)),*]
    };
}

const OBJECT_META: Message = fields![
    "name" 1 always Text, "generateName" 2 always Text, "namespace" 3 always Text, "selfLink" 4 always Text,
    "uid" 5 always Text, "resourceVersion" 6 always Text, "generation" 7 always Number,
    "creationTimestamp" 8 always Time, "deletionTimestamp" 9 maybe Time,
    "deletionGracePeriodSeconds" 10 maybe Number, "labels" 11 maybe TextMap, "annotations" 12 maybe TextMap,
    "ownerReferences" 13 maybe Object(OWNER_REFERENCE), "finalizers" 14 maybe Text,
    "managedFields" 17 maybe Object(MANAGED_FIELDS_ENTRY),
];
const OWNER_REFERENCE: Message = fields![
    "kind" 1 always Text, "name" 3 always Text, "uid" 4 always Text, "apiVersion" 5 always Text,
    "controller" 6 maybe Bool, "blockOwnerDeletion" 7 maybe Bool,
];
const MANAGED_FIELDS_ENTRY: Message = fields![
    "manager" 1 always Text, "operation" 2 always Text, "apiVersion" 3 always Text, "time" 4 maybe Time,
    "fieldsType" 6 always Text, "fieldsV1" 7 maybe Fields, "subresource" 8 always Text,
];
pub(super) const LIST_META: Message = fields![
    "selfLink" 1 always Text, "resourceVersion" 2 always Text, "continue" 3 always Text,
    "remainingItemCount" 4 maybe Number,
];
pub(super) const STATUS: Message = fields![
    "metadata" 1 always Object(LIST_META), "status" 2 always Text, "message" 3 always Text, "reason" 4 always Text,
    "details" 5 maybe Object(STATUS_DETAILS), "code" 6 always Number,
];
const STATUS_DETAILS: Message = fields![
    "name" 1 always Text, "group" 2 always Text, "kind" 3 always Text, "causes" 4 maybe Object(STATUS_CAUSE),
    "retryAfterSeconds" 5 always Number, "uid" 6 always Text,
];
const STATUS_CAUSE: Message = fields!["reason" 1 always Text, "message" 2 always Text, "field" 3 always Text];
pub(super) const EVENT: Message = fields![
    "metadata" 1 always Object(OBJECT_META), "involvedObject" 2 always Object(OBJECT_REFERENCE),
    "reason" 3 always Text, "message" 4 always Text, "source" 5 always Object(EVENT_SOURCE),
    "firstTimestamp" 6 always Time, "lastTimestamp" 7 always Time, "count" 8 always Number, "type" 9 always Text,
    "eventTime" 10 always MicroTime, "series" 11 maybe Object(EVENT_SERIES), "action" 12 always Text,
    "related" 13 maybe Object(OBJECT_REFERENCE), "reportingComponent" 14 always Text,
    "reportingInstance" 15 always Text,
];
const OBJECT_REFERENCE: Message = fields![
    "kind" 1 always Text, "namespace" 2 always Text, "name" 3 always Text, "uid" 4 always Text,
    "apiVersion" 5 always Text, "resourceVersion" 6 always Text, "fieldPath" 7 always Text,
];
const EVENT_SOURCE: Message = fields!["component" 1 always Text, "host" 2 always Text];
const EVENT_SERIES: Message = fields!["count" 1 always Number, "lastObservedTime" 2 always MicroTime];
pub(super) const POD: Message = fields![
    "metadata" 1 always Object(OBJECT_META), "spec" 2 always Object(POD_SPEC), "status" 3 always Object(POD_STATUS),
];
const POD_SPEC: Message = fields![
    "volumes" 1 maybe Object(VOLUME), "containers" 2 maybe Object(CONTAINER), "restartPolicy" 3 always Text,
    "terminationGracePeriodSeconds" 4 maybe Number, "activeDeadlineSeconds" 5 maybe Number,
    "dnsPolicy" 6 always Text, "nodeSelector" 7 maybe TextMap, "serviceAccountName" 8 always Text,
    "serviceAccount" 9 always Text, "nodeName" 10 always Text, "hostNetwork" 11 always Bool,
    "hostPID" 12 always Bool, "hostIPC" 13 always Bool, "securityContext" 14 maybe Object(POD_SECURITY_CONTEXT),
    "imagePullSecrets" 15 maybe Object(LOCAL_OBJECT_REFERENCE), "hostname" 16 always Text,
    "subdomain" 17 always Text, "schedulerName" 19 always Text, "initContainers" 20 maybe Object(CONTAINER),
    "automountServiceAccountToken" 21 maybe Bool, "tolerations" 22 maybe Object(TOLERATION),
    "priorityClassName" 24 always Text, "priority" 25 maybe Number, "enableServiceLinks" 30 maybe Bool,
    "preemptionPolicy" 31 maybe Text, "ephemeralContainers" 34 maybe Object(EPHEMERAL_CONTAINER),
];
const CONTAINER: Message = fields![
    "name" 1 always Text, "image" 2 always Text, "command" 3 maybe Text, "args" 4 maybe Text,
    "workingDir" 5 always Text, "ports" 6 maybe Object(CONTAINER_PORT), "env" 7 maybe Object(ENV_VAR),
    "resources" 8 always Object(RESOURCE_REQUIREMENTS), "volumeMounts" 9 maybe Object(VOLUME_MOUNT),
    "livenessProbe" 10 maybe Object(PROBE), "readinessProbe" 11 maybe Object(PROBE),
    "terminationMessagePath" 13 always Text, "imagePullPolicy" 14 always Text,
    "securityContext" 15 maybe Object(SECURITY_CONTEXT), "stdin" 16 always Bool, "stdinOnce" 17 always Bool,
    "tty" 18 always Bool, "envFrom" 19 maybe Object(ENV_FROM_SOURCE), "terminationMessagePolicy" 20 always Text,
    "startupProbe" 22 maybe Object(PROBE), "restartPolicy" 24 maybe Text,
];
const EPHEMERAL_CONTAINER: Message = fields![
    "ephemeralContainerCommon" 1 always Inline(CONTAINER), "targetContainerName" 2 always Text,
];
const ENV_VAR: Message = fields![
    "name" 1 always Text, "value" 2 always Text, "valueFrom" 3 maybe Object(ENV_VAR_SOURCE),
];
const ENV_VAR_SOURCE: Message = fields![
    "fieldRef" 1 maybe Object(OBJECT_FIELD_SELECTOR), "resourceFieldRef" 2 maybe Object(RESOURCE_FIELD_SELECTOR),
    "configMapKeyRef" 3 maybe Object(KEY_SELECTOR), "secretKeyRef" 4 maybe Object(KEY_SELECTOR),
];
const KEY_SELECTOR: Message = fields![
    "localObjectReference" 1 always Inline(LOCAL_OBJECT_REFERENCE), "key" 2 always Text, "optional" 3 maybe Bool,
];
const OBJECT_FIELD_SELECTOR: Message = fields!["apiVersion" 1 always Text, "fieldPath" 2 always Text];
const RESOURCE_FIELD_SELECTOR: Message = fields![
    "containerName" 1 always Text, "resource" 2 always Text, "divisor" 3 always Quantity,
];
const ENV_FROM_SOURCE: Message = fields![
    "prefix" 1 always Text, "configMapRef" 2 maybe Object(ENV_SOURCE),
    "secretRef" 3 maybe Object(ENV_SOURCE),
];
const ENV_SOURCE: Message = fields![
    "localObjectReference" 1 always Inline(LOCAL_OBJECT_REFERENCE), "optional" 2 maybe Bool,
];
const CONTAINER_PORT: Message = fields![
    "name" 1 always Text, "hostPort" 2 always Number, "containerPort" 3 always Number, "protocol" 4 always Text,
    "hostIP" 5 always Text,
];
const PROBE: Message = fields![
    "probeHandler" 1 always Inline(PROBE_HANDLER), "initialDelaySeconds" 2 always Number,
    "timeoutSeconds" 3 always Number, "periodSeconds" 4 always Number, "successThreshold" 5 always Number,
    "failureThreshold" 6 always Number, "terminationGracePeriodSeconds" 7 maybe Number,
];
const PROBE_HANDLER: Message = fields![
    "exec" 1 maybe Object(EXEC_ACTION), "httpGet" 2 maybe Object(HTTP_GET_ACTION),
    "tcpSocket" 3 maybe Object(TCP_SOCKET_ACTION),
];
const HTTP_GET_ACTION: Message = fields![
    "path" 1 always Text, "port" 2 always IntOrString, "host" 3 always Text, "scheme" 4 always Text,
];
const TCP_SOCKET_ACTION: Message = fields!["port" 1 always IntOrString, "host" 2 always Text];
const EXEC_ACTION: Message = fields!["command" 1 maybe Text];
const VOLUME_MOUNT: Message = fields![
    "name" 1 always Text, "readOnly" 2 always Bool, "mountPath" 3 always Text, "subPath" 4 always Text,
    "mountPropagation" 5 maybe Text, "subPathExpr" 6 always Text, "recursiveReadOnly" 7 maybe Text,
];
const VOLUME: Message = fields!["name" 1 always Text, "volumeSource" 2 always Inline(VOLUME_SOURCE)];
const VOLUME_SOURCE: Message = fields![
    "hostPath" 1 maybe Object(HOST_PATH_VOLUME_SOURCE), "emptyDir" 2 maybe Object(EMPTY_DIR_VOLUME_SOURCE),
    "secret" 6 maybe Object(SECRET_VOLUME_SOURCE), "configMap" 19 maybe Object(CONFIG_MAP_VOLUME_SOURCE),
    "projected" 26 maybe Object(PROJECTED_VOLUME_SOURCE), "image" 30 maybe Object(IMAGE_VOLUME_SOURCE),
];
const IMAGE_VOLUME_SOURCE: Message = fields!["reference" 1 always Text, "pullPolicy" 2 always Text];
const PROJECTED_VOLUME_SOURCE: Message = fields![
    "sources" 1 maybe Object(VOLUME_PROJECTION), "defaultMode" 2 maybe Number,
];
const VOLUME_PROJECTION: Message = fields![
    "downwardAPI" 2 maybe Object(DOWNWARD_API_PROJECTION), "configMap" 3 maybe Object(CONFIG_MAP_PROJECTION),
    "serviceAccountToken" 4 maybe Object(SERVICE_ACCOUNT_TOKEN_PROJECTION),
];
const SERVICE_ACCOUNT_TOKEN_PROJECTION: Message = fields![
    "audience" 1 always Text, "expirationSeconds" 2 maybe Number, "path" 3 always Text,
];
const CONFIG_MAP_PROJECTION: Message = fields![
    "localObjectReference" 1 always Inline(LOCAL_OBJECT_REFERENCE), "items" 2 maybe Object(KEY_TO_PATH),
    "optional" 4 maybe Bool,
];
const DOWNWARD_API_PROJECTION: Message = fields!["items" 1 maybe Object(DOWNWARD_API_VOLUME_FILE)];
const DOWNWARD_API_VOLUME_FILE: Message = fields![
    "path" 1 always Text, "fieldRef" 2 maybe Object(OBJECT_FIELD_SELECTOR),
    "resourceFieldRef" 3 maybe Object(RESOURCE_FIELD_SELECTOR), "mode" 4 maybe Number,
];
const KEY_TO_PATH: Message = fields!["key" 1 always Text, "path" 2 always Text, "mode" 3 maybe Number];
const CONFIG_MAP_VOLUME_SOURCE: Message = fields![
    "localObjectReference" 1 always Inline(LOCAL_OBJECT_REFERENCE), "items" 2 maybe Object(KEY_TO_PATH),
    "defaultMode" 3 maybe Number, "optional" 4 maybe Bool,
];
const SECRET_VOLUME_SOURCE: Message = fields![
    "secretName" 1 always Text, "items" 2 maybe Object(KEY_TO_PATH), "defaultMode" 3 maybe Number,
    "optional" 4 maybe Bool,
];
const EMPTY_DIR_VOLUME_SOURCE: Message = fields!["medium" 1 always Text, "sizeLimit" 2 maybe Quantity];
const HOST_PATH_VOLUME_SOURCE: Message = fields!["path" 1 always Text, "type" 2 maybe Text];
const RESOURCE_REQUIREMENTS: Message = fields!["limits" 1 maybe QuantityMap, "requests" 2 maybe QuantityMap];
const SECURITY_CONTEXT: Message = fields![
    "capabilities" 1 maybe Object(CAPABILITIES), "privileged" 2 maybe Bool, "runAsUser" 4 maybe Number,
    "runAsNonRoot" 5 maybe Bool, "readOnlyRootFilesystem" 6 maybe Bool, "allowPrivilegeEscalation" 7 maybe Bool,
    "runAsGroup" 8 maybe Number, "seccompProfile" 11 maybe Object(SECCOMP_PROFILE),
];
const CAPABILITIES: Message = fields!["add" 1 maybe Text, "drop" 2 maybe Text];
const POD_SECURITY_CONTEXT: Message = fields![
    "runAsUser" 2 maybe Number, "runAsNonRoot" 3 maybe Bool, "supplementalGroups" 4 maybe Number,
    "fsGroup" 5 maybe Number, "runAsGroup" 6 maybe Number, "fsGroupChangePolicy" 9 maybe Text,
    "seccompProfile" 10 maybe Object(SECCOMP_PROFILE),
];
const SECCOMP_PROFILE: Message = fields!["type" 1 always Text, "localhostProfile" 2 maybe Text];
const TOLERATION: Message = fields![
    "key" 1 always Text, "operator" 2 always Text, "value" 3 always Text, "effect" 4 always Text,
    "tolerationSeconds" 5 maybe Number,
];
const LOCAL_OBJECT_REFERENCE: Message = fields!["name" 1 always Text];
const POD_STATUS: Message = fields![
    "phase" 1 always Text, "conditions" 2 maybe Object(POD_CONDITION), "message" 3 always Text,
    "reason" 4 always Text, "hostIP" 5 always Text, "podIP" 6 always Text, "startTime" 7 maybe Time,
    "containerStatuses" 8 maybe Object(CONTAINER_STATUS), "qosClass" 9 always Text,
    "initContainerStatuses" 10 maybe Object(CONTAINER_STATUS), "nominatedNodeName" 11 always Text,
    "podIPs" 12 maybe Object(POD_IP), "ephemeralContainerStatuses" 13 maybe Object(CONTAINER_STATUS),
    "resize" 14 always Text, "hostIPs" 16 maybe Object(POD_IP), "observedGeneration" 17 always Number,
    "allocatedResources" 19 maybe QuantityMap, "resources" 20 maybe Object(RESOURCE_REQUIREMENTS),
];
const POD_CONDITION: Message = fields![
    "type" 1 always Text, "status" 2 always Text, "lastProbeTime" 3 always Time, "lastTransitionTime" 4 always Time,
    "reason" 5 always Text, "message" 6 always Text, "observedGeneration" 7 always Number,
];
const CONTAINER_STATUS: Message = fields![
    "name" 1 always Text, "state" 2 always Object(CONTAINER_STATE), "lastState" 3 always Object(CONTAINER_STATE),
    "ready" 4 always Bool, "restartCount" 5 always Number, "image" 6 always Text, "imageID" 7 always Text,
    "containerID" 8 always Text, "started" 9 maybe Bool, "allocatedResources" 10 maybe QuantityMap,
    "resources" 11 maybe Object(RESOURCE_REQUIREMENTS), "volumeMounts" 12 maybe Object(VOLUME_MOUNT_STATUS),
];
const CONTAINER_STATE: Message = fields![
    "waiting" 1 maybe Object(CONTAINER_STATE_WAITING), "running" 2 maybe Object(CONTAINER_STATE_RUNNING),
    "terminated" 3 maybe Object(CONTAINER_STATE_TERMINATED),
];
const CONTAINER_STATE_WAITING: Message = fields!["reason" 1 always Text, "message" 2 always Text];
const CONTAINER_STATE_RUNNING: Message = fields!["startedAt" 1 always Time];
const CONTAINER_STATE_TERMINATED: Message = fields![
    "exitCode" 1 always Number, "signal" 2 always Number, "reason" 3 always Text, "message" 4 always Text,
    "startedAt" 5 always Time, "finishedAt" 6 always Time, "containerID" 7 always Text,
];
const POD_IP: Message = fields!["ip" 1 always Text];
const VOLUME_MOUNT_STATUS: Message = fields![
    "name" 1 always Text, "mountPath" 2 always Text, "readOnly" 3 always Bool, "recursiveReadOnly" 4 maybe Text,
];
