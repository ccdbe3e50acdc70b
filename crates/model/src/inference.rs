//! Infers the cause of a failure without an error text from another container.
//!
//! Kubelets up to 1.31 report only `Back-off pulling image "x"` during a back-off; later ones do so after their own
//! restart. If the attempt was not observed, as after a start of the exporter, the cause is unknown until the next
//! attempt, up to five minutes later. Another container with the same image may show it earlier.
//!
//! The result depends only on the current failures, not on the order of events or on the number of calls.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::cause::CauseGroup;
use super::cause_history::InferredCause;
use super::failure::Failure;
use super::image::ImageReference;
use super::snapshot::TrackedPod;

/// The known causes for the images of containers without an error text.
///
/// A container with the same image, pull secrets and node is the closest match. Otherwise, any container with the same
/// image counts. Causes of a node do not transfer to other nodes, and causes of credentials do not transfer to other
/// credentials.
#[derive(Debug, Default)]
pub(super) struct KnownCauses<'a> {
    wanted: HashSet<&'a ImageReference>,
    by_pod_context: HashMap<(Image<'a>, PullSecrets<'a>, &'a str), Candidate<'a>>,
    by_node: HashMap<(Image<'a>, &'a str), Candidate<'a>>,
    by_secrets: HashMap<(Image<'a>, PullSecrets<'a>), Candidate<'a>>,
    by_image: HashMap<Image<'a>, Candidate<'a>>,
}

type Image<'a> = &'a ImageReference;

/// Namespace, service account, and pull secrets of the pod.
type PullSecrets<'a> = (&'a str, &'a str, &'a [String]);

/// A failure with a known cause.
#[derive(Clone, Copy, Debug)]
struct Candidate<'a>(&'a Failure);

impl<'a> KnownCauses<'a> {
    /// Collects the known causes. If every failure has an error text, this is one pass over the failures that collects
    /// nothing.
    pub(super) fn from_pods(pods: impl Iterator<Item = &'a TrackedPod> + Clone) -> Self {
        let failures = pods.flat_map(|pod| {
            pod.containers.iter().filter_map(move |container| Some((pod, container.failure.as_deref()?)))
        });
        let mut known = Self::default();
        known.wanted.extend(
            failures.clone().filter(|(_, failure)| failure.has_no_error_text()).map(|(_, failure)| &*failure.image),
        );
        if !known.wanted.is_empty() {
            for (pod, failure) in failures.filter(|(_, failure)| failure.has_known_pull_cause()) {
                known.add(pod, failure);
            }
        }
        known
    }

    /// Whether no failure needs an inference.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    fn add(&mut self, pod: &'a TrackedPod, failure: &'a Failure) {
        let (image, secrets, node) = (&*failure.image, pull_secrets(pod), &*pod.node);
        if !self.wanted.contains(image) {
            return;
        }
        let candidate = Candidate(failure);
        let better = |known: &mut Candidate<'a>| *known = candidate.more_actionable(*known);
        self.by_pod_context.entry((image, secrets, node)).and_modify(better).or_insert(candidate);
        match failure.cause().group() {
            CauseGroup::Node => {
                self.by_node.entry((image, node)).and_modify(better).or_insert(candidate);
            }
            CauseGroup::Credentials => {
                self.by_secrets.entry((image, secrets)).and_modify(better).or_insert(candidate);
            }
            CauseGroup::Image
            | CauseGroup::Registry
            | CauseGroup::Network
            | CauseGroup::Policy
            | CauseGroup::Unknown => {
                self.by_image.entry(image).and_modify(better).or_insert(candidate);
            }
        }
    }

    /// Returns the cause of a failure without an error text, if it can be inferred.
    pub(super) fn infer(&self, pod: &TrackedPod, failure: &Failure) -> Option<InferredCause> {
        let (image, secrets, node) = (&*failure.image, pull_secrets(pod), &*pod.node);
        let closest = || self.by_pod_context.get(&(image, secrets, node)).copied();
        let others = || {
            let by_node = self.by_node.get(&(image, node));
            let by_secrets = self.by_secrets.get(&(image, secrets));
            by_node
                .into_iter()
                .chain(by_secrets)
                .chain(self.by_image.get(image))
                .copied()
                .reduce(Candidate::more_actionable)
        };
        let Candidate(known) = failure.has_no_error_text().then(|| closest().or_else(others)).flatten()?;
        Some(InferredCause { cause: known.cause(), host: known.host().cloned(), since: known.cause_start() })
    }
}

fn pull_secrets(pod: &TrackedPod) -> PullSecrets<'_> {
    (&pod.id.namespace, &pod.service_account, &pod.pull_secrets)
}

impl Candidate<'_> {
    /// Returns the candidate with the more actionable cause. If they have the same cause, returns the one in which it
    /// began first.
    fn more_actionable(self, other: Self) -> Self {
        let (Self(one), Self(two)) = (self, other);
        let order = one.cause().actionability_rank().cmp(&two.cause().actionability_rank());
        let order = order.then_with(|| one.cause_start().at.cmp(&two.cause_start().at));
        let order = order.then_with(|| one.host().cmp(&two.host()));
        if order == Ordering::Greater { other } else { self }
    }
}

#[cfg(test)]
mod tests;
