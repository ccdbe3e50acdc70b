//! Shows a person who comes by what this is and where its metrics are.

use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse};

use super::router::Shared;

pub(super) async fn page(State(shared): State<Shared>) -> Html<String> {
    Html(shared.index.to_string())
}

/// Answers with the style sheet, in a file of its own because the content security policy forbids styles in the page.
pub(super) async fn style() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("style.css"))
}

/// Returns the page. Nothing in it needs escaping: a [`TelemetryPath`](super::TelemetryPath) has no special characters.
pub(super) fn render(telemetry_path: &str) -> String {
    format!(
        r#"<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>image-pull-exporter</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<h1>image-pull-exporter <small>{version}</small></h1>
<p>Which containers cannot get their image, since when, why, and whose move it is.</p>
<ul>
<li><a href="{telemetry_path}">{telemetry_path}</a> metrics for Prometheus</li>
<li><a href="/readyz">/readyz</a> whether they can be scraped</li>
<li><a href="/livez">/livez</a> whether the process works</li>
</ul>
</body>
</html>
"#,
        version = env!("CARGO_PKG_VERSION")
    )
}
