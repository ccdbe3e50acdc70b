//! The timelines: for each alert what makes it fire, and what must not.

mod exporters;
mod nodes;
mod registries;
mod workloads;

use crate::timeline::Case;

const MINUTE: u32 = 60;

pub fn all() -> Vec<Case> {
    let parts = [workloads::workloads(), registries::registries(), nodes::nodes(), exporters::exporters()];
    parts.into_iter().flatten().collect()
}
