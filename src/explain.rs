//! Explains error texts: what is wrong, whose move it is, and what to do.

use std::io::{self, BufRead, Write};

use serde::Serialize;

use crate::present::steps;
use crate::pull::advice::{Context, advice};
use crate::pull::cause::classify;
use crate::pull::image::{ImageReference, image_named_in};
use crate::terminal::escaped;

/// How to print an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// One explanation, in the shape that `-o json` prints.
#[derive(Debug, Serialize)]
struct Explanation {
    cause: &'static str,
    cause_group: &'static str,
    summary: &'static str,
    /// What to check first, then the commands to run, most useful first.
    advice: Vec<String>,
}

fn explanation(text: &str) -> Explanation {
    let cause = classify("", text);
    let image = ImageReference::parse(image_named_in(text).unwrap_or_default());
    let context = Context { namespace: "", pod: "", container: "", node: "", service_account: "", image: &image };
    let advice = advice(cause, &context);
    Explanation {
        cause: cause.as_str(),
        cause_group: cause.group().as_str(),
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
    let Explanation { cause, cause_group, summary, advice } = explanation;
    writeln!(out, "{cause} ({cause_group})\n  {summary}")?;
    for step in advice {
        writeln!(out, "  - {}", escaped(step))?;
    }
    Ok(())
}
