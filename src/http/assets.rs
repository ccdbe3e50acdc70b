//! Files compiled into the program: style sheet, script, icon and runbooks. Runbooks are included because the exporter may
//! be the only reachable server during an outage.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::response::static_file;

/// Returns the name and content of each runbook.
macro_rules! runbooks {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../docs/runbooks/", $name, ".md")))),*]
    };
}

/// The runbooks, by name.
pub(super) const RUNBOOKS: &[(&str, &str)] = runbooks![
    "ImagePullCredentials",
    "ImagePullDebugContainer",
    "ImagePullExporterAbsent",
    "ImagePullExporterLabelsNotHonored",
    "ImagePullExporterNotSynced",
    "ImagePullExporterStale",
    "ImagePullExporterTruncated",
    "ImagePullExporterUnclassified",
    "ImagePullExporterWatchFailing",
    "ImagePullFailing",
    "ImagePullJobCannotStart",
    "ImagePullNeedsChange",
    "ImagePullNodeFault",
    "ImagePullNodeStuck",
    "ImagePullPending",
    "ImagePullRateLimited",
    "ImagePullRegistryOutage",
    "ImagePullRegistryOutageInhibitor",
    "ImagePullRolloutBlocked",
    "ImagePullSecretMissing",
    "KubeContainerImagePullFailing",
];

/// Returns the style sheet. It is a separate file because the content security policy forbids inline styles.
pub(super) async fn style(headers: HeaderMap) -> Response {
    static_file(headers, "text/css; charset=utf-8", include_bytes!("page/style.css")).await
}

/// Returns the script. It is a separate file for the same reason.
pub(super) async fn script(headers: HeaderMap) -> Response {
    static_file(headers, "text/javascript; charset=utf-8", include_bytes!("page/script.js")).await
}

/// Returns the icon.
pub(super) async fn icon(headers: HeaderMap) -> Response {
    static_file(headers, "image/svg+xml", include_bytes!("page/favicon.svg")).await
}

/// Returns a runbook as plain text, because browsers download Markdown instead of displaying it.
pub(super) async fn runbook(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match RUNBOOKS.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => static_file(headers, "text/plain; charset=utf-8", text.as_bytes()).await,
        None => (StatusCode::NOT_FOUND, "not found\n").into_response(),
    }
}
