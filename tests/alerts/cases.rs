//! The test cases: for each alert, timelines in which it fires, and timelines in which it does not.

mod exporters;
mod nodes;
mod outages;
mod registries;
mod texts;
mod waits;
mod workloads;

use crate::timeline::{Case, Seconds};

const MINUTE: Seconds = 60;
/// Alerts about a cause fire above this age of the cause.
const CAUSE_AGE_THRESHOLD: Seconds = 7 * MINUTE;
/// The longest time between two attempts in the recordings. Until then the status shows the result of one attempt.
const LONGEST_ATTEMPT_INTERVAL: Seconds = 371;
/// Scrape intervals of Prometheus to test with.
const SCRAPE_INTERVALS: [Seconds; 3] = [15, 30, 60];

/// The time of the first scrape after `at`.
fn first_scrape_after(at: Seconds, scrape_interval: Seconds) -> Seconds {
    (at / scrape_interval + 1) * scrape_interval
}

pub fn all() -> Vec<Case> {
    let parts = [
        workloads::cases(),
        waits::cases(),
        texts::cases(),
        registries::cases(),
        outages::cases(),
        nodes::cases(),
        exporters::cases(),
    ];
    parts.into_iter().flatten().collect()
}
