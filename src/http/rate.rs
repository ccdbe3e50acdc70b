//! Limits how often the server may be asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// One request in each interval, and a few at once after a pause: a token bucket, kept as the moment when it is full.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    interval: Duration,
    /// How long an empty bucket takes to fill.
    depth: Duration,
    full_at: Arc<Mutex<Option<Instant>>>,
}

impl Rate {
    /// A limit; `None` where the interval is 0, which limits nothing.
    pub(super) fn new(interval: Duration, burst: u32) -> Option<Self> {
        let depth = interval.saturating_mul(burst);
        (!interval.is_zero()).then(|| Self { interval, depth, full_at: Arc::default() })
    }

    /// Takes a request into account, if it may be answered.
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let then = full_at.unwrap_or(now).max(now) + self.interval;
        let is_admitted = then - now <= self.depth;
        if is_admitted {
            *full_at = Some(then);
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Rate;

    const TENTH: Duration = Duration::from_millis(100);

    #[test]
    fn a_burst_is_admitted_and_then_one_request_in_each_interval() {
        let rate = Rate::new(TENTH, 3).expect("it limits");
        let begin = Instant::now();
        let admitted = |after: Duration| (0..5).filter(|_| rate.admits(begin + after)).count();
        assert_eq!(admitted(Duration::ZERO), 3);
        assert_eq!(admitted(TENTH.saturating_sub(Duration::from_millis(1))), 0);
        assert_eq!(admitted(TENTH), 1);
        assert_eq!(admitted(TENTH * 3), 2);
        assert_eq!(admitted(TENTH * 100), 3);
        assert!(Rate::new(Duration::ZERO, 0).is_none());
    }
}
