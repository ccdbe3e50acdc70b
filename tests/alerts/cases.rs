//! The timelines: for each alert what makes it fire, and what must not.

mod exporters;
mod nodes;
mod registries;
mod texts;
mod workloads;

use crate::timeline::{Case, Seconds};

const MINUTE: Seconds = 60;
/// For how long the alerts about a cause look on.
const CAUSE_AGE_THRESHOLD: Seconds = 7 * MINUTE;
/// The longest that what one attempt ran into shows: the longest pause between two attempts in the recordings.
const LONGEST_ATTEMPT_INTERVAL: Seconds = 371;
/// How often Prometheus scrapes.
const SCRAPE_INTERVALS: [Seconds; 3] = [15, 30, 60];

/// The first scrape after an instant.
fn first_scrape_after(at: Seconds, every: Seconds) -> Seconds {
    (at / every + 1) * every
}

pub fn all() -> Vec<Case> {
    let parts = [workloads::cases(), texts::cases(), registries::cases(), nodes::cases(), exporters::cases()];
    parts.into_iter().flatten().collect()
}
