//! Formats failing containers as a table. Also has the layout of tables.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::ops::Range;
use std::time::Duration;

use crate::present::{FailureReport, container_label, format_age};
use crate::terminal::{Terminal, escape_controls};
use image_pull_model::failure_start::StartBasis;
use image_pull_model::time::Timestamp;

const CAUSE: &str = "CAUSE";
pub(super) const STATE: &str = "STATE";
const COLUMN_GAP: &str = "  ";
/// Minimum width of a truncated column.
const MIN_COLUMN_WIDTH: usize = 6;
pub(super) const UNKNOWN: &str = "-";

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const RESET: &str = "\x1b[0m";

/// Writes one entry for all containers with the same workload, image and cause, so that a rollout of many pods is one
/// entry. The image is on its own line below, because it is long and the most important value.
pub(super) fn write_grouped(
    failing: &[FailureReport],
    now: Timestamp,
    terminal: Terminal,
    out: impl Write,
) -> io::Result<()> {
    let mut groups: BTreeMap<_, Vec<&FailureReport>> = BTreeMap::new();
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
            workload(&first.workload_kind, &first.workload),
            group.len().to_string(),
            // The age of the failure, not that of its current cause.
            format_age(Duration::from_secs(longest)),
            cause(first.cause, group.iter().all(|one| one.cause_inferred)),
            attempts(most_attempts),
            next_attempt(group.iter().filter_map(|one| one.next_attempt).min(), now),
        ];
        let container = container_label(&first.container, first.container_type);
        Some(TableEntry { cells, detail: Some(format!("{container}: {}", first.image)) })
    });
    let headings = vec!["NAMESPACE", "WORKLOAD", "PODS", "FOR", CAUSE, "ATTEMPTS", "NEXT"];
    Table { headings, flexible_columns: 0..2, lines: lines.collect() }.write(terminal, out)
}

/// Writes one line per container without truncation.
pub(super) fn write_wide(
    failing: &[FailureReport],
    now: Timestamp,
    terminal: Terminal,
    out: impl Write,
) -> io::Result<()> {
    let lines = failing.iter().map(|one| {
        let cells = vec![
            one.namespace.clone(),
            one.pod.clone(),
            container_label(&one.container, one.container_type).to_owned(),
            one.container_type.to_owned(),
            workload(&one.workload_kind, &one.workload),
            one.node.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
            one.image.clone(),
            one.reason.to_owned(),
            format_age(Duration::from_secs(one.failing_seconds)),
            one.since_basis.to_owned(),
            cause(one.cause, one.cause_inferred),
            one.cause_group.to_owned(),
            one.failing_host.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
            attempts(one),
            next_attempt(one.next_attempt, now),
        ];
        TableEntry { cells, detail: None }
    });
    let headings = vec![
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
    Table { headings, flexible_columns: 0..0, lines: lines.collect() }.write(terminal, out)
}

/// Formats a cause, and whether it is inferred.
fn cause(cause: &str, is_inferred: bool) -> String {
    if is_inferred { format!("{cause} (inferred)") } else { cause.to_owned() }
}

/// Formats a workload as `TYPE/NAME`, which kubectl accepts.
pub(super) fn workload(kind: &str, name: &str) -> String {
    let kind = match kind {
        "Deployment" => "deploy",
        "ReplicaSet" => "rs",
        "StatefulSet" => "sts",
        "DaemonSet" => "ds",
        "CronJob" => "cj",
        other => &other.to_lowercase(),
    };
    format!("{kind}/{name}")
}

/// Formats the number of attempts. `3+` is a lower bound.
fn attempts(one: &FailureReport) -> String {
    match one.attempts {
        exact if one.since_basis == StartBasis::Observed.as_str() => exact.to_string(),
        0 => UNKNOWN.to_owned(),
        seen => format!("{seen}+"),
    }
}

fn next_attempt(next: Option<Timestamp>, now: Timestamp) -> String {
    match next {
        None => UNKNOWN.to_owned(),
        Some(next) if next <= now => "now".to_owned(),
        Some(next) => format_age(next.saturating_duration_since(now)),
    }
}

pub(super) struct TableEntry {
    pub(super) cells: Vec<String>,
    /// Text of the indented line below the cells.
    pub(super) detail: Option<String>,
}

pub(super) struct Table {
    pub(super) headings: Vec<&'static str>,
    /// Columns that are truncated if the terminal is too narrow.
    pub(super) flexible_columns: Range<usize>,
    pub(super) lines: Vec<TableEntry>,
}

impl Table {
    pub(super) fn write(mut self, terminal: Terminal, mut out: impl Write) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        for line in &mut self.lines {
            for text in line.cells.iter_mut().chain(&mut line.detail) {
                if let Cow::Owned(escaped) = escape_controls(text) {
                    *text = escaped;
                }
            }
        }
        let widths = self.widths(terminal.width);
        let headings = self.headings.iter().map(|head| Cow::Borrowed(*head));
        let headings = format_row(headings.zip(&widths), |_, head| paint(head, BOLD, terminal));
        writeln!(out, "{headings}")?;
        for line in &self.lines {
            let cells = line.cells.iter().zip(&widths).map(|(cell, width)| (truncate_middle(cell, *width), width));
            let paint = |column: usize, cell: &str| match self.headings.get(column) {
                Some(&CAUSE) => paint(cell, RED, terminal),
                Some(&STATE) => paint(cell, YELLOW, terminal),
                _ => cell.to_owned(),
            };
            writeln!(out, "{}", format_row(cells, paint))?;
            if let Some(detail) = &line.detail {
                writeln!(
                    out,
                    "{COLUMN_GAP}{}",
                    truncate_middle(detail, terminal.width.saturating_sub(COLUMN_GAP.len()))
                )?;
            }
        }
        Ok(())
    }

    /// Returns the width of each column: that of its widest cell, less if the flexible columns must shrink.
    fn widths(&self, room: usize) -> Vec<usize> {
        let widest =
            |column: usize| self.lines.iter().filter_map(|line| line.cells.get(column)).map(|cell| width(cell)).max();
        let mut widths: Vec<usize> = self
            .headings
            .iter()
            .enumerate()
            .map(|(column, head)| width(head).max(widest(column).unwrap_or(0)))
            .collect();
        let gaps = COLUMN_GAP.len() * widths.len().saturating_sub(1);
        let mut excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(room);
        while excess > 0
            && let Some(widest) = widths
                .get_mut(self.flexible_columns.clone())
                .and_then(|flexible_columns| flexible_columns.iter_mut().max())
            && *widest > MIN_COLUMN_WIDTH
        {
            *widest -= 1;
            excess -= 1;
        }
        widths
    }
}

/// Pads cells to their columns. Escape codes have no width, so each cell is colored before it is padded.
fn format_row<'a>(
    cells: impl Iterator<Item = (Cow<'a, str>, &'a usize)>,
    paint: impl Fn(usize, &str) -> String,
) -> String {
    let mut row = String::new();
    let mut blanks = 0;
    for (column, (cell, column_width)) in cells.enumerate() {
        row.extend(std::iter::repeat_n(' ', blanks));
        row.push_str(&paint(column, &cell));
        blanks = column_width.saturating_sub(width(&cell)) + COLUMN_GAP.len();
    }
    row
}

fn paint(text: &str, color: &str, terminal: Terminal) -> String {
    if terminal.color { format!("{color}{text}{RESET}") } else { text.to_owned() }
}

/// Truncates a text in the middle. Keeps both ends, because an image ends with its tag.
fn truncate_middle(text: &str, columns: usize) -> Cow<'_, str> {
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
