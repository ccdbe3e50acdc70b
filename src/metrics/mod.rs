//! Turns what is known into metrics: one table of families, one tally of what happened, three formats.

pub mod exposition;
pub mod families;
pub mod process;
pub mod reference;
pub mod tally;
pub mod view;
