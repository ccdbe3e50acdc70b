//! Explains error texts: what is wrong, whose move it is, and what to do.

use std::io::{self, BufRead, Write};

use serde::Serialize;

use crate::present::{HopTold, host_kind, steps};
use crate::terminal::escaped;
use image_pull_model::advice::{Context, RegistryPods, advice};
use image_pull_model::cause::{Reading, read};
use image_pull_model::image::{ImageReference, image_named_in};

/// How to print an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Takes an error text that says something.
///
/// # Errors
/// When it says nothing.
pub fn error_text(text: &str) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err("an error text is expected, as in the event that begins with \"Failed to pull image\"".to_owned());
    }
    Ok(text.to_owned())
}

/// One explanation, in the shape that `-o json` prints.
#[derive(Debug, Serialize)]
struct Explanation {
    cause: &'static str,
    cause_group: &'static str,
    /// The host that failed, and what it is, where the text names one.
    failing_host: Option<String>,
    failing_host_kind: Option<&'static str>,
    /// What each host answered where the text tells of mirrors.
    hops: Vec<HopTold>,
    summary: &'static str,
    /// What to check first, then the commands to run, most useful first.
    advice: Vec<String>,
}

fn explanation(text: &str) -> Explanation {
    let image = ImageReference::parse(image_named_in(text).unwrap_or_default());
    let Reading { cause, host } = read("", text, &image);
    let advice = advice(cause, &Context::of_text(&image, text, host.as_ref(), &RegistryPods::default()));
    Explanation {
        cause: cause.as_str(),
        cause_group: cause.group().as_str(),
        failing_host: host.as_ref().map(|host| host.name.to_string()),
        failing_host_kind: host.map(|host| host.kind.as_str()),
        hops: HopTold::all(text, &image),
        summary: advice.summary,
        advice: steps(advice),
    }
}

/// Explains each line of `lines`; a blank one too, so that the answers can be counted.
///
/// # Errors
/// When `lines` cannot be read or `out` takes no more.
pub fn explain(mut lines: impl BufRead, output: Output, mut out: impl Write) -> io::Result<()> {
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        let explanation = explanation(text.trim_end_matches(['\n', '\r']));
        match output {
            Output::Json => writeln!(out, "{}", serde_json::to_string(&explanation)?)?,
            Output::Text => print(&explanation, &mut out)?,
        }
        line.clear();
    }
    Ok(())
}

fn print(explanation: &Explanation, out: &mut impl Write) -> io::Result<()> {
    let Explanation { cause, cause_group, failing_host, failing_host_kind, hops, summary, advice } = explanation;
    writeln!(out, "{cause} ({cause_group})\n  {summary}")?;
    if let (Some(host), Some(kind)) = (failing_host, failing_host_kind) {
        writeln!(out, "  failed at {host} ({})", host_kind(kind))?;
    }
    for HopTold { host, cause, .. } in hops {
        writeln!(out, "  asked {}: {cause}", host.as_deref().unwrap_or("a mirror"))?;
    }
    for step in advice {
        writeln!(out, "  - {}", escaped(step))?;
    }
    Ok(())
}
