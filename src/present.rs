//! Tells a person about failures: the same words in a terminal, on a page and in JSON.

pub mod outage;
pub mod past;

use std::time::Duration;

use serde::{Serialize, Serializer};

use image_pull_model::advice::{Advice, Context, RegistryPods, advice};
use image_pull_model::cause::{Hop, hops};
use image_pull_model::failure::Failure;
use image_pull_model::image::ImageReference;
use image_pull_model::image::suspect::{Part, suspect};
use image_pull_model::redact::redact;
use image_pull_model::snapshot::Failing;
use image_pull_model::time::Timestamp;
use image_pull_model::workload::workload;

/// One failing container, in the shape of the JSON that people's scripts read: fields may be added, and none is
/// renamed or taken away. What is not known is null, and text is redacted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailingContainer {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid.
    pub uid: String,
    /// The container's name.
    pub container: String,
    /// `app`, `init`, `sidecar` or `ephemeral`.
    pub container_type: &'static str,
    /// What the pod belongs to: `Deployment`, `StatefulSet`, …, `Pod` for a pod of its own.
    pub workload_kind: String,
    /// Its name.
    pub workload: String,
    /// The node; null while unscheduled.
    pub node: Option<String>,
    /// The image as the spec names it.
    pub image: String,
    /// Its registry; null when the image is no valid reference.
    pub registry: Option<String>,
    /// Its repository; null when the image is no valid reference.
    pub repository: Option<String>,
    /// Its tag; null when it names none.
    pub tag: Option<String>,
    /// Its digest; null when it names none.
    pub digest: Option<String>,
    /// The part of the image that the cause points at: `registry`, `repository`, `tag`, `digest`, `reference`.
    pub suspect: Option<&'static str>,
    /// `Always`, `IfNotPresent` or `Never`.
    pub pull_policy: &'static str,
    /// The names of the pod's pull secrets.
    pub pull_secrets: Vec<String>,
    /// The waiting reason that the status showed last.
    pub reason: &'static str,
    /// What keeps the container from its image.
    pub cause: &'static str,
    /// Whose move it is.
    pub cause_group: &'static str,
    /// Whether the cause is inferred from another container's error text, since the kubelet gave none.
    pub cause_inferred: bool,
    /// When that cause began, or was first seen.
    #[serde(serialize_with = "rfc3339")]
    pub cause_since: Timestamp,
    /// How that is known: `observed`, or `found` where nobody watched it begin.
    pub cause_since_basis: &'static str,
    /// For how many seconds that cause has lasted; a lower bound unless `cause_since_basis` is `observed`.
    pub cause_seconds: u64,
    /// The host that failed, where the error text names one.
    pub failing_host: Option<String>,
    /// What it is: `registry`, `token_service`, `blob_store`, `mirror`, `proxy`, `node` or `unknown`.
    pub failing_host_kind: Option<&'static str>,
    /// What each host answered where the text tells of mirrors: the mirrors first, the registry last.
    pub hops: Vec<HopTold>,
    /// The error text, redacted; empty when none was seen.
    pub message: String,
    /// When the failure began.
    #[serde(serialize_with = "rfc3339")]
    pub since: Timestamp,
    /// How that is known: `observed`, `pod_condition`, `previous_termination`, `event` or `pod_start`.
    pub since_basis: &'static str,
    /// For how many seconds it has lasted.
    pub failing_seconds: u64,
    /// Failed attempts seen; a lower bound unless `since_basis` is `observed`.
    pub attempts: u32,
    /// When the last failed attempt showed.
    #[serde(serialize_with = "rfc3339_where_known")]
    pub last_attempt: Option<Timestamp>,
    /// When the kubelet is expected to try next.
    #[serde(serialize_with = "rfc3339_where_known")]
    pub next_attempt: Option<Timestamp>,
    /// Since when the status has not changed, where the kubelet should have written another one long ago: what the
    /// container does now is not known. Null while the status is kept up.
    #[serde(serialize_with = "rfc3339_where_known")]
    pub stale_since: Option<Timestamp>,
    /// What is wrong, in a sentence.
    pub summary: &'static str,
    /// What to check first, then the commands to run.
    pub advice: Vec<String>,
}

impl FailingContainer {
    /// Describes a failure as it stands at `now`. The view of the cluster is current up to `seen_until`.
    #[must_use]
    pub fn of(
        (pod, container, failure): Failing<'_>,
        now: Timestamp,
        seen_until: Timestamp,
        registry_pods: &RegistryPods,
    ) -> Self {
        let image = &failure.image;
        let workload = workload(&pod.id, &pod.owner);
        let advice = advice(
            failure.cause(),
            &Context {
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
                image,
            },
        );
        Self {
            namespace: pod.id.namespace.clone(),
            pod: pod.id.name.clone(),
            uid: pod.id.uid.clone(),
            container: container.name.to_string(),
            container_type: container.kind.as_str(),
            workload_kind: workload.kind.to_owned(),
            workload: workload.name.to_owned(),
            node: known(&pod.node),
            image: image.redacted().into_owned(),
            registry: known(image.registry()),
            repository: known(image.repository()),
            tag: known(image.tag()),
            digest: known(image.digest()),
            suspect: suspect(failure.cause(), image).map(Part::as_str),
            pull_policy: failure.policy.as_str(),
            pull_secrets: pod.pull_secrets.to_vec(),
            reason: failure.reason.as_str(),
            cause: failure.cause().as_str(),
            cause_group: failure.cause().group().as_str(),
            cause_inferred: failure.is_cause_inferred(),
            cause_since: failure.cause_since().at,
            cause_since_basis: failure.cause_since().basis(),
            cause_seconds: failure.cause_lasted(now).as_secs(),
            failing_host: failure.host().map(|host| host.name.to_string()),
            failing_host_kind: failure.host().map(|host| host.kind.as_str()),
            hops: HopTold::all(&failure.message, image),
            message: redact(&failure.message).into_owned(),
            since: failure.since.at,
            since_basis: failure.since.basis.as_str(),
            failing_seconds: failure.lasted(now).as_secs(),
            attempts: failure.attempts,
            last_attempt: failure.last_attempt(),
            next_attempt: failure.next_attempt(),
            stale_since: pod.stale_since(failure, seen_until),
            summary: advice.summary,
            advice: steps(advice),
        }
    }
}

/// Whether there is neither an error text nor another container's to go by.
#[must_use]
pub fn is_without_error(failure: &Failure) -> bool {
    failure.shows_no_error() && !failure.is_cause_inferred()
}

/// One host that was asked for an image, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HopTold {
    /// The host; null where its error names none.
    pub host: Option<String>,
    /// What it is, in the words of `failing_host_kind`.
    pub kind: Option<&'static str>,
    /// What kept it from giving the image.
    pub cause: &'static str,
}

/// Returns a word of `failing_host_kind` as people read it.
#[must_use]
pub fn host_kind(kind: &str) -> String {
    match kind {
        "node" => "the node itself".to_owned(),
        "unknown" => "another host".to_owned(),
        kind => kind.replace('_', " "),
    }
}

impl HopTold {
    /// Puts the hops of an error text into words.
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

/// What to check first, then the commands to run.
#[must_use]
pub fn steps(advice: Advice) -> Vec<String> {
    std::iter::once(advice.check_first).chain(advice.commands).collect()
}

/// Writes an instant as Kubernetes does, to the second; null where no calendar reaches.
///
/// # Errors
/// When the serializer has one.
pub fn rfc3339<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    rfc3339_where_known(&Some(*at), serializer)
}

/// The same of an instant that may not be known.
///
/// # Errors
/// When the serializer has one.
pub fn rfc3339_where_known<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    at.and_then(instant).serialize(serializer)
}

/// An instant as Kubernetes writes it, to the second; `None` where no calendar reaches.
#[must_use]
pub fn instant(at: Timestamp) -> Option<String> {
    Some(jiff::Timestamp::from_second(at.unix_millis().div_euclid(1000)).ok()?.to_string())
}

/// A duration as kubectl shows ages: never more than two units, and the smaller one only where it still matters
/// (`HumanDuration`, k8s.io/apimachinery/pkg/util/duration, v0.36).
#[must_use]
pub fn age(lasted: Duration) -> String {
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

fn known(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_read_as_kubectl_s() {
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
            assert_eq!(age(Duration::from_secs(seconds)), shown, "{seconds}");
        }
    }

    #[test]
    fn instants_read_as_kubernetes_s() {
        for (millis, shown) in
            [(1_800_000_000_999, "\"2027-01-15T08:00:00Z\""), (-1, "\"1969-12-31T23:59:59Z\""), (i64::MAX, "null")]
        {
            let mut json = Vec::new();
            rfc3339(&Timestamp::from_unix_millis(millis), &mut serde_json::Serializer::new(&mut json)).unwrap();
            assert_eq!(String::from_utf8(json).unwrap(), shown);
        }
    }
}
