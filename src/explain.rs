//! The `explain` command: classifies error texts and prints the advice.

use std::io::{self, BufRead, Write};

use clap::ValueEnum;
use serde::Serialize;

use crate::present::{HopReport, advice_steps, host_kind};
use crate::terminal::escape_controls;
use image_pull_model::advice::{FailingRegistryPods, FailureContext, advice};
use image_pull_model::cause::{Classification, classify_with_host};
use image_pull_model::image::{ImageReference, image_in_error_text};

/// The output formats of an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    /// Human-readable text
    Text,
    /// One JSON object per line: {"cause":…,"cause_group":…,"summary":…,"advice":[…]}
    Json,
}

/// Validates an error text argument.
///
/// # Errors
/// Returns an error if the text is blank.
pub(crate) fn parse_error_text(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("expected an error text, for example that of a \"Failed to pull image\" event".to_owned());
    }
    Ok(text.to_owned())
}

/// An explanation, as printed with `-o json`.
#[derive(Debug, Serialize)]
struct Explanation {
    cause: &'static str,
    cause_group: &'static str,
    /// Host that failed and its kind, if the text names one.
    failing_host: Option<String>,
    failing_host_kind: Option<&'static str>,
    /// Result of each host, if the text lists mirrors.
    hops: Vec<HopReport>,
    summary: &'static str,
    /// First check, then the commands to run, most useful first.
    advice: Vec<String>,
}

fn explain_line(text: &str) -> Explanation {
    let image = ImageReference::parse(image_in_error_text(text).unwrap_or_default());
    let Classification { cause, host } = classify_with_host("", text, &image);
    let advice =
        advice(cause, &FailureContext::from_error_text(&image, text, host.as_ref(), &FailingRegistryPods::default()));
    Explanation {
        cause: cause.as_str(),
        cause_group: cause.group().as_str(),
        failing_host: host.as_ref().map(|host| host.name.to_string()),
        failing_host_kind: host.map(|host| host.kind.as_str()),
        hops: HopReport::all(text, &image),
        summary: advice.summary,
        advice: advice_steps(advice),
    }
}

/// Explains each line of `lines`, including blank lines, so that output and input correspond.
///
/// # Errors
/// Returns the error of reading `lines` or writing to `out`.
pub fn explain(mut lines: impl BufRead, output: ExplainFormat, mut out: impl Write) -> io::Result<()> {
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        let explanation = explain_line(text.trim_end_matches(['\n', '\r']));
        match output {
            ExplainFormat::Json => writeln!(out, "{}", serde_json::to_string(&explanation)?)?,
            ExplainFormat::Text => print(&explanation, &mut out)?,
        }
        line.clear();
    }
    Ok(())
}

fn print(explanation: &Explanation, out: &mut impl Write) -> io::Result<()> {
    let Explanation { cause, cause_group, failing_host, failing_host_kind, hops, summary, advice } = explanation;
    writeln!(out, "{cause} ({cause_group})\n  {summary}")?;
    if let (Some(host), Some(kind)) = (failing_host, failing_host_kind) {
        writeln!(out, "  failing host: {host} ({})", host_kind(kind))?;
    }
    for HopReport { host, cause, .. } in hops {
        writeln!(out, "  tried {}: {cause}", host.as_deref().unwrap_or("a mirror"))?;
    }
    for step in advice {
        writeln!(out, "  - {}", escape_controls(step))?;
    }
    Ok(())
}
