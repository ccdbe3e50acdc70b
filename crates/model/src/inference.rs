//! Infers the cause of a failure that shows no error text from another container's.
//!
//! A kubelet up to 1.31 writes nothing but `Back-off pulling image "x"` while it waits, and a later one does so after its
//! own restart. Where nobody saw the attempt, as after a start of the exporter, the cause is unknown until the next one,
//! five minutes later; another container that waits for the same image may show it now.
//!
//! What is inferred is a function of the present view alone: the same failures give the same causes in whatever order
//! they came, and however often a reader looks.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use super::cause::{Cause, CauseGroup, FailingHost};
use super::failure::Failure;
use super::image::ImageReference;
use super::replaced::CauseSince;
use super::snapshot::TrackedPod;

/// A cause that another container's error text tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inferred {
    /// What keeps the other container from its image.
    pub cause: Cause,
    /// The host that failed.
    pub host: Option<FailingHost>,
    /// When the cause began there.
    pub since: CauseSince,
}

/// The causes that are known of the images that containers without an error text wait for.
///
/// The closest match counts: a container with the same image, pull secrets and node. After that any container with the
/// same image, but what is wrong with a node says nothing of another node, nor credentials of other credentials.
#[derive(Debug, Default)]
pub(super) struct KnownCauses<'a> {
    wanted: HashSet<&'a ImageReference>,
    by_all: HashMap<(Image<'a>, Secrets<'a>, &'a str), Candidate<'a>>,
    by_node: HashMap<(Image<'a>, &'a str), Candidate<'a>>,
    by_secrets: HashMap<(Image<'a>, Secrets<'a>), Candidate<'a>>,
    by_image: HashMap<Image<'a>, Candidate<'a>>,
}

type Image<'a> = &'a ImageReference;

/// The namespace, the service account and the secrets that the pod names.
type Secrets<'a> = (&'a str, &'a str, &'a [String]);

/// A failure whose error text tells a cause.
#[derive(Clone, Copy, Debug)]
struct Candidate<'a>(&'a Failure);

impl<'a> KnownCauses<'a> {
    /// Collects what is known; nothing, at the cost of one look at each failure, where every failure has a text.
    pub(super) fn of(pods: impl Iterator<Item = &'a TrackedPod> + Clone) -> Self {
        let failures = pods.flat_map(|pod| {
            pod.containers.iter().filter_map(move |container| Some((pod, container.failure.as_ref()?)))
        });
        let mut known = Self::default();
        known.wanted.extend(
            failures.clone().filter(|(_, failure)| failure.shows_no_error()).map(|(_, failure)| &*failure.image),
        );
        if !known.wanted.is_empty() {
            for (pod, failure) in failures.filter(|(_, failure)| failure.tells_cause_of_pull()) {
                known.add(pod, failure);
            }
        }
        known
    }

    /// Whether no container needs an inference.
    pub(super) fn is_empty(&self) -> bool {
        self.wanted.is_empty()
    }

    fn add(&mut self, pod: &'a TrackedPod, failure: &'a Failure) {
        let (image, secrets, node) = (&*failure.image, secrets(pod), &*pod.node);
        if !self.wanted.contains(image) {
            return;
        }
        let candidate = Candidate(failure);
        let better = |known: &mut Candidate<'a>| *known = candidate.min(*known);
        self.by_all.entry((image, secrets, node)).and_modify(better).or_insert(candidate);
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

    /// Returns the cause of a failure without an error text, where it can be inferred.
    pub(super) fn infer(&self, pod: &TrackedPod, failure: &Failure) -> Option<Inferred> {
        let (image, secrets, node) = (&*failure.image, secrets(pod), &*pod.node);
        let closest = || self.by_all.get(&(image, secrets, node)).copied();
        let others = || {
            let by_node = self.by_node.get(&(image, node));
            let by_secrets = self.by_secrets.get(&(image, secrets));
            by_node.into_iter().chain(by_secrets).chain(self.by_image.get(image)).copied().reduce(Candidate::min)
        };
        let Candidate(known) = failure.shows_no_error().then(|| closest().or_else(others)).flatten()?;
        Some(Inferred { cause: known.cause(), host: known.host().cloned(), since: known.cause_since() })
    }
}

fn secrets(pod: &TrackedPod) -> Secrets<'_> {
    (&pod.id.namespace, &pod.service_account, &pod.pull_secrets)
}

impl Candidate<'_> {
    /// Returns the one with the more actionable cause; of two with the same, the one where it began first.
    fn min(self, other: Self) -> Self {
        let (Self(one), Self(two)) = (self, other);
        let order = one.cause().rank().cmp(&two.cause().rank());
        let order = order.then_with(|| one.cause_since().at.cmp(&two.cause_since().at));
        let order = order.then_with(|| one.host().cmp(&two.host()));
        if order == Ordering::Greater { other } else { self }
    }
}

#[cfg(test)]
mod tests;
