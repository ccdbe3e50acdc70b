//! Serves the files that come with the program: style, script, icon, and the runbooks, which are wanted most when
//! nothing else can be reached.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};

use super::response::static_file;

/// Names a file and its content for each runbook.
macro_rules! runbooks {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../docs/runbooks/", $name, ".md")))),*]
    };
}

/// Every runbook, as it is in the repository.
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
    "ImagePullRateLimited",
    "ImagePullRegistryOutage",
    "ImagePullRegistryOutageInhibitor",
    "ImagePullRolloutBlocked",
    "KubeContainerImagePullFailing",
];

/// The style sheet, in a file of its own because the content security policy forbids styles in the page.
pub(super) async fn style(headers: HeaderMap) -> Response {
    static_file(headers, "text/css; charset=utf-8", include_bytes!("page/style.css")).await
}

/// The script, in a file of its own for the same reason.
pub(super) async fn script(headers: HeaderMap) -> Response {
    static_file(headers, "text/javascript; charset=utf-8", include_bytes!("page/script.js")).await
}

/// The icon.
pub(super) async fn icon(headers: HeaderMap) -> Response {
    static_file(headers, "image/svg+xml", include_bytes!("page/favicon.svg")).await
}

/// A runbook. Browsers show plain text, and offer Markdown for download.
pub(super) async fn runbook(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match RUNBOOKS.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => static_file(headers, "text/plain; charset=utf-8", text.as_bytes()).await,
        None => (StatusCode::NOT_FOUND, "not found\n").into_response(),
    }
}
