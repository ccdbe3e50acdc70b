//! The banner shown when the watch is interrupted, stale or incomplete.

use std::time::Duration;

use super::labels::{age_since, format_time};
use crate::metrics::scrape::{NamespaceWatchStatus, WatchStatus};
use image_pull_model::time::Timestamp;

/// Maximum number of namespaces named in the banner.
const MAX_NAMED_NAMESPACES: usize = 5;
/// Time without a watch event after which the banner is shown, as in the alert ImagePullExporterStale.
const STALE_AFTER: Duration = Duration::from_secs(1800);

/// Returns the text of the banner, or `None` if the watch is complete and up to date.
pub(super) fn watch_banner(watch: &WatchStatus, now: Timestamp) -> Option<String> {
    let unlisted: Vec<&NamespaceWatchStatus> =
        watch.namespaces.iter().filter(|namespace| !namespace.is_listed).collect();
    if !unlisted.is_empty() {
        return Some(missing_namespaces_text(&unlisted));
    }
    let &WatchStatus { is_synced: synced, last_event, .. } = watch;
    match (synced, last_event) {
        (false, Some(at)) => Some(format!(
            "The watch is interrupted. This page shows the state at {}, {} ago. Later changes are missing.",
            format_time(at),
            age_since(at, now)
        )),
        (false, None) => Some("The watch is interrupted.".to_owned()),
        (true, Some(at)) if now.saturating_duration_since(at) > STALE_AFTER => Some(format!(
            "No watch event since {}: either no pod has changed, or the watch is hanging.",
            format_time(at)
        )),
        (true, _) => None,
    }
}

fn missing_namespaces_text(unlisted: &[&NamespaceWatchStatus]) -> String {
    let name = |watch: &&NamespaceWatchStatus| {
        format!("{} ({})", watch.namespace, watch.error.as_deref().unwrap_or("first list not complete"))
    };
    let names: Vec<String> = unlisted.iter().take(MAX_NAMED_NAMESPACES).map(name).collect();
    let more = match unlisted.len().saturating_sub(MAX_NAMED_NAMESPACES) {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("Some namespaces are missing from this page: {}{more}.", names.join(", "))
}
