//! Holds the rules, in the order in which they are asked.
//!
//! The order decides as much as the texts do:
//! what the kubelet says of itself comes first; the node's disk, the manifest and its digest come before `not found`,
//! with which containerd ends such errors; what names a fault before the step of the image store that met it; a policy's
//! rejection before the statuses it arrives in; rate limits, proxies, certificates and names before authorization, since
//! a token is fetched over the same roads; the plain time-outs and broken connections come last, because nearly every
//! error can end in one.

mod content;
mod credentials;
mod local;
mod missing;
mod network;
mod registry;
mod storage;

use super::pattern::Rule;
use super::text;

const SECTIONS: &[&[Rule]] = &[
    local::KUBELET,
    registry::FULL,
    storage::FAULTS,
    content::PLATFORM,
    content::MANIFEST,
    content::POLICY,
    storage::STEPS,
    network::ROADS,
    registry::LIMITS,
    local::UNAVAILABLE,
    missing::NAMED,
    credentials::RULES,
    missing::RULES,
    registry::ERRORS,
    network::BREAKS,
    local::REASONS,
];

/// Returns the first rule that holds for one error.
pub(super) fn first_match(error: &str) -> Option<&'static Rule> {
    let text = text::without_names(error);
    all().find(|rule| rule.matches(&text))
}

pub(super) fn all() -> impl Iterator<Item = &'static Rule> {
    SECTIONS.iter().copied().flatten()
}
