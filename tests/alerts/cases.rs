//! The timelines: for each alert what makes it fire, and what must not.

mod exporters;
mod nodes;
mod registries;
mod texts;
mod workloads;

use crate::timeline::{Case, Seconds};

const MINUTE: Seconds = 60;
/// For how long the alerts about a cause look on.
const OF_CAUSE: Seconds = 7 * MINUTE;
/// The longest that what one attempt ran into shows: the longest pause between two attempts in the recordings.
const ONE_ATTEMPT: Seconds = 371;
/// How often Prometheus scrapes.
const SCRAPED_EVERY: [Seconds; 3] = [15, 30, 60];

/// The first scrape after an instant.
fn first_scrape_after(at: Seconds, every: Seconds) -> Seconds {
    (at / every + 1) * every
}

pub fn all() -> Vec<Case> {
    let parts =
        [workloads::workloads(), texts::texts(), registries::registries(), nodes::nodes(), exporters::exporters()];
    parts.into_iter().flatten().collect()
}
