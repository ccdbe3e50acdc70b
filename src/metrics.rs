//! Turns what is known into metrics: one table of families, counters of what happened, three formats.

pub mod counters;
pub mod exposition;
pub mod families;
pub mod process;
pub mod reference;
pub mod scrape;
pub mod series_limit;
