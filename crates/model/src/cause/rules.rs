//! The classification rules, in the order in which they are tried.
//!
//! The order matters:
//!
//! - The kubelet's own texts come first.
//!
//! - The node's disk, the manifest and its digest come before `not found`, because containerd appends it to such
//!   errors.
//!
//! - Specific errors come before the step of the image store that reported them.
//!
//! - Policy rejections come before the HTTP statuses that carry them.
//!
//! - Rate limits, proxies, certificates and names come before authorization, because a token request can fail with each
//!   of them.
//!
//! - Timeouts and interrupted connections come last, because nearly every error can end in one.

mod content;
mod credentials;
mod local;
mod missing;
mod network;
mod registry;
mod storage;

use super::error_text;
use super::rule::Rule;

const RULE_SECTIONS: &[&[Rule]] = &[
    local::KUBELET,
    registry::STORAGE_FULL,
    storage::SPECIFIC_ERRORS,
    content::PLATFORM,
    content::MANIFEST,
    content::POLICY,
    storage::FAILED_STEPS,
    network::SPECIFIC_ERRORS,
    registry::LIMITS,
    local::UNAVAILABLE,
    missing::MISSING_PROJECT,
    credentials::AUTHORIZATION,
    missing::NOT_FOUND,
    registry::ERRORS,
    network::TIMEOUTS_AND_BROKEN_CONNECTIONS,
    local::REASONS,
];

/// Returns the first rule that matches one error.
pub(super) fn first_match(error: &str) -> Option<&'static Rule> {
    let text = error_text::normalize_and_mask_names(error);
    all_rules().find(|rule| rule.matches(&text))
}

pub(super) fn all_rules() -> impl Iterator<Item = &'static Rule> {
    RULE_SECTIONS.iter().copied().flatten()
}
