//! The status of the watches, for scrapes, the page and health checks.

use std::time::Duration;

use crate::metrics::scrape::{NamespaceWatchStatus, WatchStatus};
use image_pull_model::facts::WatchScope;
use image_pull_model::time::Timestamp;
use image_pull_model::watch_state::WatchState;

/// Returns the status of all watches together.
pub(super) fn watch_status(watches: &[WatchState]) -> WatchStatus {
    WatchStatus {
        is_synced: watches.iter().all(WatchState::is_current),
        // A view is as old as its oldest part.
        last_event: watches.iter().filter_map(WatchState::last_response).min(),
        listed_pods: watches.iter().map(WatchState::listed_pods).sum(),
        namespaces: watches.iter().filter_map(namespace_watch).collect(),
    }
}

/// Returns how long the view of a scope has been stale; zero while its watch works.
pub(super) fn stale_for(watch: &WatchState, now: Timestamp) -> Duration {
    let since = || watch.last_response().map_or(Duration::MAX, |at| now.saturating_duration_since(at));
    if watch.is_failing() { since() } else { Duration::ZERO }
}

/// Returns the scope and the last error of its watch, for users.
pub(super) fn describe_watch(watch: &WatchState) -> String {
    let scope = match watch.scope() {
        WatchScope::Cluster => "all namespaces".to_owned(),
        WatchScope::Namespace(name) => format!("namespace \"{name}\""),
    };
    format!("{scope}: {}", watch.error().unwrap_or("the first list is not complete"))
}

fn namespace_watch(watch: &WatchState) -> Option<NamespaceWatchStatus> {
    let WatchScope::Namespace(namespace) = watch.scope() else { return None };
    Some(NamespaceWatchStatus {
        namespace: namespace.clone(),
        is_synced: watch.is_current(),
        is_listed: watch.complete_at().is_some(),
        error: watch.error().map(str::to_owned),
    })
}
