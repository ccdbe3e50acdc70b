//! What a failure to pull an image is: a pure model that takes facts and `now`, and returns effects.
//!
//! Nothing below this module reads a clock, a socket, a file, an environment variable or a lock, and nothing
//! logs. Facts about pods go in ([`facts`]), with the time they were learnt; the [`index`] keeps what is
//! failing; [`effect`]s come out for whoever counts, and a [`snapshot`] for whoever looks.

pub mod advice;
pub mod backoff;
pub mod cause;
pub mod cause_history;
pub mod clock_step;
pub mod effect;
pub mod facts;
pub mod failure;
pub mod failure_start;
pub mod history;
pub mod image;
pub mod index;
pub mod inference;
mod intern;
pub mod limits;
pub mod provenance;
pub mod reason;
pub mod redact;
#[cfg(test)]
mod scenario;
pub mod snapshot;
pub mod time;
pub mod watch_state;
pub mod workload;
