//! The time unit of the informer.

use std::time::Duration;

/// Time since the informer was created.
pub(in crate::cluster) type Elapsed = Duration;
