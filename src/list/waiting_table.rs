//! Formats containers that wait without an error as a table.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::time::Duration;

use super::table::{STATE, Table, TableEntry, UNKNOWN, workload};
use crate::present::format_age;
use crate::present::wait::WaitReport;
use crate::terminal::Terminal;

/// Writes one entry for all containers with the same workload, image and state.
pub(super) fn write_grouped(waiting: &[WaitReport], terminal: Terminal, out: impl Write) -> io::Result<()> {
    let mut groups: BTreeMap<_, Vec<&WaitReport>> = BTreeMap::new();
    for one in waiting {
        let place =
            (&one.namespace, &one.workload_kind, &one.workload, &one.container, &one.image, one.stage, one.awaits);
        groups.entry(place).or_default().push(one);
    }
    let lines = groups.into_values().filter_map(|group| {
        let first = group.first()?;
        let longest = group.iter().map(|one| one.waiting_seconds).max()?;
        let nodes: BTreeSet<&str> = group.iter().filter_map(|one| one.node.as_deref()).collect();
        let cells = vec![
            first.namespace.clone(),
            workload(&first.workload_kind, &first.workload),
            node_label(&nodes),
            group.len().to_string(),
            format_age(Duration::from_secs(longest)),
            first.stage.to_uppercase(),
            first.awaits.to_owned(),
        ];
        Some(TableEntry { cells, detail: Some(format!("{}: {}", first.container, first.image)) })
    });
    let headings = vec!["NAMESPACE", "WORKLOAD", "NODE", "PODS", "FOR", STATE, "AWAITS"];
    Table { headings, flexible_columns: 0..3, lines: lines.collect() }.write(terminal, out)
}

/// Writes one line per container without truncation.
pub(super) fn write_wide(waiting: &[WaitReport], terminal: Terminal, out: impl Write) -> io::Result<()> {
    let lines = waiting.iter().map(|one| {
        let cells = vec![
            one.namespace.clone(),
            one.pod.clone(),
            one.container.clone(),
            one.container_type.to_owned(),
            workload(&one.workload_kind, &one.workload),
            one.node.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
            one.image.clone(),
            one.stage.to_uppercase(),
            format_age(Duration::from_secs(one.waiting_seconds)),
            one.basis.unwrap_or(UNKNOWN).to_owned(),
            one.awaits.to_owned(),
        ];
        TableEntry { cells, detail: None }
    });
    let headings =
        vec!["NAMESPACE", "POD", "CONTAINER", "TYPE", "WORKLOAD", "NODE", "IMAGE", STATE, "FOR", "BASIS", "AWAITS"];
    Table { headings, flexible_columns: 0..0, lines: lines.collect() }.write(terminal, out)
}

fn node_label(nodes: &BTreeSet<&str>) -> String {
    match (nodes.len(), nodes.first()) {
        (1, Some(node)) => (*node).to_owned(),
        (0, _) => UNKNOWN.to_owned(),
        (count, _) => format!("{count} nodes"),
    }
}
