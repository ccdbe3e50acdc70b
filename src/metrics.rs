//! Metrics: the table of families, the counters kept between scrapes, and the exposition formats.

pub(crate) mod counters;
pub mod exposition;
pub mod families;
pub(crate) mod process;
pub mod reference;
pub mod scrape;
pub(crate) mod series_limit;
