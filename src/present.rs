//! Serializable reports of failures and waits, shared by `list`, `explain`, the page and the JSON API.

pub mod history;
pub mod outage;
pub mod wait;

use std::time::Duration;

use serde::{Serialize, Serializer};

use image_pull_model::advice::{Advice, FailingRegistryPods, FailureContext, SANDBOX_IMAGE, advice};
use image_pull_model::cause::{Hop, hops};
use image_pull_model::facts::ContainerKind;
use image_pull_model::failure::Failure;
use image_pull_model::image::ImageReference;
use image_pull_model::image::suspect::{ReferencePart, suspect_part};
use image_pull_model::redact::redact;
use image_pull_model::snapshot::FailureRef;
use image_pull_model::time::Timestamp;
use image_pull_model::workload::workload_of;

/// A failing container. Stable JSON for scripts: fields may be added, but none is renamed or removed. Unknown values
/// are null, and texts are redacted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailureReport {
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod.
    pub uid: String,
    /// Name of the container; empty for the sandbox.
    pub container: String,
    /// `app`, `init`, `sidecar`, `ephemeral` or `sandbox`.
    pub container_type: &'static str,
    /// Kind of the workload: `Deployment`, `StatefulSet`, …; `Pod` for a pod without a controller.
    pub workload_kind: String,
    /// Name of the workload.
    pub workload: String,
    /// Node; null while the pod is unscheduled.
    pub node: Option<String>,
    /// Image as written in the spec.
    pub image: String,
    /// Registry of the image; null if the reference is invalid.
    pub registry: Option<String>,
    /// Repository of the image; null if the reference is invalid.
    pub repository: Option<String>,
    /// Tag of the image; null if absent.
    pub tag: Option<String>,
    /// Digest of the image; null if absent.
    pub digest: Option<String>,
    /// Part of the image that the cause points at: `registry`, `repository`, `tag`, `digest`, `reference`.
    pub suspect: Option<&'static str>,
    /// `Always`, `IfNotPresent` or `Never`.
    pub pull_policy: &'static str,
    /// Names of the pod's pull secrets.
    pub pull_secrets: Vec<String>,
    /// Names of pull secrets that do not exist, according to the kubelet's Events.
    pub missing_secrets: Vec<String>,
    /// Latest waiting reason.
    pub reason: &'static str,
    /// Label value of the cause.
    pub cause: &'static str,
    /// Label value of the cause group: who must act.
    pub cause_group: &'static str,
    /// Whether the cause is inferred from another container, because the kubelet reported no error text.
    pub cause_inferred: bool,
    /// Source of the cause: `status` of the container, `other_container` with the same image, or `event` of the kubelet.
    pub cause_basis: &'static str,
    /// When the current cause began, or was first observed.
    #[serde(serialize_with = "rfc3339")]
    pub cause_since: Timestamp,
    /// Basis of `cause_since`: `observed`, or `found` if the start was not observed.
    pub cause_since_basis: &'static str,
    /// Duration of the current cause in seconds; a lower bound unless `cause_since_basis` is `observed`.
    pub cause_seconds: u64,
    /// Host that failed, if the error text names one.
    pub failing_host: Option<String>,
    /// Kind of that host: `registry`, `token_service`, `blob_store`, `mirror`, `proxy`, `node` or `unknown`.
    pub failing_host_kind: Option<&'static str>,
    /// Result of each host, if the error text lists mirrors: the mirrors in order, then the registry.
    pub hops: Vec<HopReport>,
    /// Error text, redacted; may be empty.
    pub message: String,
    /// When the failure began.
    #[serde(serialize_with = "rfc3339")]
    pub since: Timestamp,
    /// When the container began to wait for the pull that failed first, if that is known. Before `since`.
    #[serde(serialize_with = "rfc3339_option")]
    pub pending_since: Option<Timestamp>,
    /// Basis of `since`: `observed`, `pod_condition`, `previous_termination`, `event` or `pod_start`.
    pub since_basis: &'static str,
    /// Duration of the failure in seconds.
    pub failing_seconds: u64,
    /// Observed failed attempts; a lower bound unless `since_basis` is `observed`.
    pub attempts: u32,
    /// Time of the last failed attempt.
    #[serde(serialize_with = "rfc3339_option")]
    pub last_attempt: Option<Timestamp>,
    /// Expected time of the next attempt.
    #[serde(serialize_with = "rfc3339_option")]
    pub next_attempt: Option<Timestamp>,
    /// When the status last changed, if the kubelet should have updated it long ago. The current state of the container
    /// is then unknown. Null while the status is up to date.
    #[serde(serialize_with = "rfc3339_option")]
    pub stale_since: Option<Timestamp>,
    /// One sentence on what is wrong, and who must act.
    pub summary: &'static str,
    /// First check, then the commands to run.
    pub advice: Vec<String>,
}

impl FailureReport {
    /// Returns the report of a failure at `now`. `seen_until` is the time up to which the view of the cluster is
    /// current.
    #[must_use]
    pub fn of(
        (pod, container, failure): FailureRef<'_>,
        now: Timestamp,
        seen_until: Timestamp,
        registry_pods: &FailingRegistryPods,
    ) -> Self {
        let image = &failure.image;
        let workload = workload_of(&pod.id, &pod.owner);
        let mut advice = advice(
            failure.cause(),
            &FailureContext {
                policy: Some(failure.policy),
                has_run_image: failure.has_run_image,
                message: &failure.message,
                host: failure.host(),
                registry_pods,
                namespace: &pod.id.namespace,
                pod: &pod.id.name,
                container: &container.name,
                node: &pod.node,
                service_account: &pod.service_account,
                missing_secrets: &pod.missing_secrets,
                image,
            },
        );
        if container.kind == ContainerKind::Sandbox {
            advice.check_first = format!("{} {}", SANDBOX_IMAGE.sentence, advice.check_first);
        }
        Self {
            namespace: pod.id.namespace.clone(),
            pod: pod.id.name.clone(),
            uid: pod.id.uid.clone(),
            container: container.name.to_string(),
            container_type: container.kind.as_str(),
            workload_kind: workload.kind.to_owned(),
            workload: workload.name.to_owned(),
            node: non_empty(&pod.node),
            image: image.redacted().into_owned(),
            registry: non_empty(image.registry()),
            repository: non_empty(image.repository()),
            tag: non_empty(image.tag()),
            digest: non_empty(image.digest()),
            suspect: suspect_part(failure.cause(), image).map(ReferencePart::as_str),
            pull_policy: failure.policy.as_str(),
            pull_secrets: pod.pull_secrets.to_vec(),
            missing_secrets: pod.missing_secrets.to_vec(),
            reason: failure.reason.as_str(),
            cause: failure.cause().as_str(),
            cause_group: failure.cause_group().as_str(),
            cause_inferred: failure.is_cause_inferred(),
            cause_basis: failure.cause_basis().as_str(),
            cause_since: failure.cause_start().at,
            cause_since_basis: failure.cause_start().basis(),
            cause_seconds: failure.cause_age(now).as_secs(),
            failing_host: failure.host().map(|host| host.name.to_string()),
            failing_host_kind: failure.host().map(|host| host.kind.as_str()),
            hops: HopReport::all(&failure.message, image),
            message: redact(&failure.message).into_owned(),
            since: failure.start.at,
            pending_since: failure.pending_since,
            since_basis: failure.start.basis.as_str(),
            failing_seconds: failure.age(now).as_secs(),
            attempts: failure.attempts,
            last_attempt: failure.last_attempt(),
            next_attempt: failure.next_attempt(),
            stale_since: pod.stale_since(failure, seen_until),
            summary: advice.summary,
            advice: advice_steps(advice),
        }
    }
}

/// Returns a number with its noun in the singular or plural.
#[must_use]
pub(crate) fn pluralize(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ if noun.ends_with('y') => format!("{number} {}ies", noun.trim_end_matches('y')),
        _ => format!("{number} {noun}s"),
    }
}

/// Returns the display name of a container. The sandbox has no name.
#[must_use]
pub fn container_label<'a>(name: &'a str, container_type: &'a str) -> &'a str {
    if name.is_empty() { container_type } else { name }
}

/// Whether the failure has no error text and its cause is not inferred either.
#[must_use]
pub fn lacks_error_text(failure: &Failure) -> bool {
    failure.has_no_error_text() && !failure.is_cause_inferred()
}

/// A host that was tried for an image, and the cause of its failure.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HopReport {
    /// Host; null if its error names none.
    pub host: Option<String>,
    /// Kind of the host; values as for `failing_host_kind`.
    pub kind: Option<&'static str>,
    /// Label value of the cause.
    pub cause: &'static str,
}

/// Returns the display text of a value of `failing_host_kind`.
#[must_use]
pub fn host_kind(kind: &str) -> String {
    match kind {
        "node" => "the node itself".to_owned(),
        "unknown" => "another host".to_owned(),
        kind => kind.replace('_', " "),
    }
}

impl HopReport {
    /// Returns the reports of all hops in an error text.
    #[must_use]
    pub fn all(message: &str, image: &ImageReference) -> Vec<Self> {
        let told = |hop: Hop| Self {
            host: hop.host.as_ref().map(|host| host.name.to_string()),
            kind: hop.host.map(|host| host.kind.as_str()),
            cause: hop.cause.as_str(),
        };
        hops(message, image).into_iter().map(told).collect()
    }
}

/// First check, then the commands to run.
#[must_use]
pub fn advice_steps(advice: Advice) -> Vec<String> {
    std::iter::once(advice.check_first).chain(advice.commands).collect()
}

/// Serializes a timestamp in RFC 3339 with seconds; null if it is out of range.
///
/// # Errors
/// Returns the serializer's error.
pub fn rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    rfc3339_option(&Some(*at), serializer)
}

/// Serializes an optional timestamp in RFC 3339 with seconds.
///
/// # Errors
/// Returns the serializer's error.
pub fn rfc3339_option<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.and_then(format_rfc3339).serialize(serializer)
}

/// Formats a timestamp in RFC 3339 with seconds, as Kubernetes does. `None` if it is out of range.
#[must_use]
pub fn format_rfc3339(at: Timestamp) -> Option<String> {
    Some(jiff::Timestamp::from_second(at.unix_millis().div_euclid(1000)).ok()?.to_string())
}

/// Formats a duration as kubectl formats ages: at most two units, the smaller one only while it is significant
/// (`HumanDuration`, k8s.io/apimachinery/pkg/util/duration, v0.36). No crate implements this format.
#[must_use]
pub fn format_age(lasted: Duration) -> String {
    let seconds = lasted.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400);
    let two = |big: u64, unit: &str, small: u64, of_small: &str| match small {
        0 => format!("{big}{unit}"),
        _ => format!("{big}{unit}{small}{of_small}"),
    };
    match () {
        () if seconds < 120 => format!("{seconds}s"),
        () if minutes < 10 => two(minutes, "m", seconds % 60, "s"),
        () if minutes < 180 => format!("{minutes}m"),
        () if hours < 8 => two(hours, "h", minutes % 60, "m"),
        () if hours < 48 => format!("{hours}h"),
        () if days < 8 => two(days, "d", hours % 24, "h"),
        () if days < 730 => format!("{days}d"),
        () if days < 8 * 365 => two(days / 365, "y", days % 365, "d"),
        () => format!("{}y", days / 365),
    }
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_formatted_like_kubectl() {
        for (seconds, shown) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (192, "3m12s"),
            (600, "10m"),
            (10_799, "179m"),
            (10_800, "3h"),
            (18_300, "5h5m"),
            (28_800, "8h"),
            (172_799, "47h"),
            (172_800, "2d"),
            (180_000, "2d2h"),
            (691_200, "8d"),
            (63_072_000, "2y"),
            (64_000_000, "2y10d"),
            (252_288_000, "8y"),
        ] {
            assert_eq!(format_age(Duration::from_secs(seconds)), shown, "{seconds}");
        }
    }

    #[test]
    fn instants_are_formatted_like_kubernetes() {
        for (millis, shown) in
            [(1_800_000_000_999, "\"2027-01-15T08:00:00Z\""), (-1, "\"1969-12-31T23:59:59Z\""), (i64::MAX, "null")]
        {
            let mut json = Vec::new();
            rfc3339(&Timestamp::from_unix_millis(millis), &mut serde_json::Serializer::new(&mut json)).unwrap();
            assert_eq!(String::from_utf8(json).unwrap(), shown);
        }
    }
}
