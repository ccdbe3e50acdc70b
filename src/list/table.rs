//! Lays failing containers out in columns.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;
use std::time::Duration;

use crate::present::{FailingContainer, age};
use crate::terminal::{Terminal, escaped};
use image_pull_model::since::Basis;
use image_pull_model::time::Timestamp;

const CAUSE: &str = "CAUSE";
const GAP: &str = "  ";
/// No column is cut to less than this.
const LEAST_WIDTH: usize = 6;
const UNKNOWN: &str = "-";

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const PLAIN: &str = "\x1b[0m";

/// Writes a line for all containers that wait for one image in one workload for one cause, so that a rollout of many
/// pods is one line; the image stands below, since it is long and what people look for.
pub(super) fn short(
    failing: &[FailingContainer],
    now: Timestamp,
    terminal: Terminal,
    out: impl Write,
) -> io::Result<()> {
    let mut groups: BTreeMap<_, Vec<&FailingContainer>> = BTreeMap::new();
    for one in failing {
        let place = (&one.namespace, &one.workload_kind, &one.workload, &one.container, &one.image, one.cause);
        groups.entry(place).or_default().push(one);
    }
    let lines = groups.into_values().filter_map(|group| {
        let first = group.first()?;
        let longest = group.iter().map(|one| one.failing_seconds).max()?;
        let most_attempts = group.iter().max_by_key(|one| one.attempts)?;
        let cells = vec![
            first.namespace.clone(),
            workload(first),
            group.len().to_string(),
            // The age of the failure, not that of its present cause.
            age(Duration::from_secs(longest)),
            cause(first.cause, group.iter().all(|one| one.cause_inferred)),
            attempts(most_attempts),
            next_attempt(group.iter().filter_map(|one| one.next_attempt).min(), now),
        ];
        Some(Line { cells, below: Some(format!("{}: {}", first.container, first.image)) })
    });
    let heads = vec!["NAMESPACE", "WORKLOAD", "PODS", "FOR", CAUSE, "ATTEMPTS", "NEXT"];
    Table { heads, flexible: 0..2, lines: lines.collect() }.write(terminal, out)
}

/// Writes a line for each container, and cuts nothing.
pub(super) fn wide(
    failing: &[FailingContainer],
    now: Timestamp,
    terminal: Terminal,
    out: impl Write,
) -> io::Result<()> {
    let lines = failing.iter().map(|one| {
        let cells = vec![
            one.namespace.clone(),
            one.pod.clone(),
            one.container.clone(),
            one.container_type.to_owned(),
            workload(one),
            one.node.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
            one.image.clone(),
            one.reason.to_owned(),
            age(Duration::from_secs(one.failing_seconds)),
            one.since_basis.to_owned(),
            cause(one.cause, one.cause_inferred),
            one.cause_group.to_owned(),
            one.failing_host.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
            attempts(one),
            next_attempt(one.next_attempt, now),
        ];
        Line { cells, below: None }
    });
    let heads = vec![
        "NAMESPACE",
        "POD",
        "CONTAINER",
        "TYPE",
        "WORKLOAD",
        "NODE",
        "IMAGE",
        "REASON",
        "FOR",
        "BASIS",
        CAUSE,
        "GROUP",
        "FAILED AT",
        "ATTEMPTS",
        "NEXT",
    ];
    Table { heads, flexible: 0..0, lines: lines.collect() }.write(terminal, out)
}

/// A cause, and whether it is another container's.
fn cause(cause: &str, is_inferred: bool) -> String {
    if is_inferred { format!("{cause} (inferred)") } else { cause.to_owned() }
}

/// The workload as kubectl takes it.
fn workload(one: &FailingContainer) -> String {
    let kind = match one.workload_kind.as_str() {
        "Deployment" => "deploy",
        "ReplicaSet" => "rs",
        "StatefulSet" => "sts",
        "DaemonSet" => "ds",
        "CronJob" => "cj",
        other => &other.to_lowercase(),
    };
    format!("{kind}/{}", one.workload)
}

/// How often the kubelet tried; at least so often where nobody saw it begin.
fn attempts(one: &FailingContainer) -> String {
    match one.attempts {
        exact if one.since_basis == Basis::Observed.as_str() => exact.to_string(),
        0 => UNKNOWN.to_owned(),
        seen => format!("{seen}+"),
    }
}

fn next_attempt(next: Option<Timestamp>, now: Timestamp) -> String {
    match next {
        None => UNKNOWN.to_owned(),
        Some(next) if next <= now => "now".to_owned(),
        Some(next) => age(next.since(now)),
    }
}

struct Line {
    cells: Vec<String>,
    /// What stands below the cells, indented.
    below: Option<String>,
}

struct Table {
    heads: Vec<&'static str>,
    /// The columns that are cut where the terminal is too narrow.
    flexible: Range<usize>,
    lines: Vec<Line>,
}

impl Table {
    fn write(mut self, terminal: Terminal, mut out: impl Write) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        for line in &mut self.lines {
            for text in line.cells.iter_mut().chain(&mut line.below) {
                if let Cow::Owned(escaped) = escaped(text) {
                    *text = escaped;
                }
            }
        }
        let widths = self.widths(terminal.width);
        let heads = self.heads.iter().map(|head| Cow::Borrowed(*head));
        let heads = row(heads.zip(&widths), |_, head| painted(head, BOLD, terminal));
        writeln!(out, "{heads}")?;
        for line in &self.lines {
            let cells = line.cells.iter().zip(&widths).map(|(cell, width)| (cut(cell, *width), width));
            let paint = |column: usize, cell: &str| {
                if self.heads.get(column) == Some(&CAUSE) { painted(cell, RED, terminal) } else { cell.to_owned() }
            };
            writeln!(out, "{}", row(cells, paint))?;
            if let Some(below) = &line.below {
                writeln!(out, "{GAP}{}", cut(below, terminal.width.saturating_sub(GAP.len())))?;
            }
        }
        Ok(())
    }

    /// How wide each column is: as wide as what it holds, less where the flexible ones have to give way.
    fn widths(&self, room: usize) -> Vec<usize> {
        let widest =
            |column: usize| self.lines.iter().filter_map(|line| line.cells.get(column)).map(|cell| width(cell)).max();
        let mut widths: Vec<usize> =
            self.heads.iter().enumerate().map(|(column, head)| width(head).max(widest(column).unwrap_or(0))).collect();
        let gaps = GAP.len() * widths.len().saturating_sub(1);
        let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(room);
        while excess > 0
            && let Some(widest) = widths.get_mut(self.flexible.clone()).and_then(|flexible| flexible.iter_mut().max())
            && *widest > LEAST_WIDTH
        {
            *widest -= 1;
            excess -= 1;
        }
        widths
    }
}

/// The cells in their columns. What is painted takes no room, so each cell is painted before the blanks that fill it up.
fn row<'a>(cells: impl Iterator<Item = (Cow<'a, str>, &'a usize)>, paint: impl Fn(usize, &str) -> String) -> String {
    let mut row = String::new();
    let mut blanks = 0;
    for (column, (cell, column_width)) in cells.enumerate() {
        row.extend(std::iter::repeat_n(' ', blanks));
        row.push_str(&paint(column, &cell));
        blanks = column_width.saturating_sub(width(&cell)) + GAP.len();
    }
    row
}

fn painted(text: &str, colour: &str, terminal: Terminal) -> String {
    if terminal.colour { format!("{colour}{text}{PLAIN}") } else { text.to_owned() }
}

/// The text in that many columns: both ends of it where it has more, since an image ends with its tag.
fn cut(text: &str, columns: usize) -> Cow<'_, str> {
    let all = width(text);
    if all <= columns {
        return Cow::Borrowed(text);
    }
    let kept = columns.saturating_sub(1);
    let (head, tail) = (kept / 2, kept - kept / 2);
    Cow::Owned(text.chars().take(head).chain(['…']).chain(text.chars().skip(all - tail)).collect())
}

fn width(text: &str) -> usize {
    text.chars().count()
}
