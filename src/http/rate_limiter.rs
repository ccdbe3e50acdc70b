//! Limits how often the server may be asked.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// One request in each interval, and a burst after a pause: a token bucket, kept as the time at which it is full.
///
/// Times are nanoseconds since the creation of the bucket. The longest interval times the largest burst fits.
#[derive(Clone, Debug)]
pub(super) struct RateLimiter {
    interval: u128,
    /// How long an empty bucket takes to fill.
    depth: u128,
    created: Instant,
    full_at: Arc<Mutex<u128>>,
}

impl RateLimiter {
    /// Creates a full bucket; `None` where the interval is 0, which limits nothing.
    pub(super) fn new(interval: Duration, burst: u32) -> Option<Self> {
        let interval = interval.as_nanos();
        let depth = interval * u128::from(burst);
        (interval > 0).then(|| Self { interval, depth, created: Instant::now(), full_at: Arc::default() })
    }

    /// Takes a request into account, if it may be answered.
    pub(super) fn try_acquire(&self, now: Instant) -> bool {
        let now = now.saturating_duration_since(self.created).as_nanos();
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let then = (*full_at).max(now) + self.interval;
        let is_admitted = then - now <= self.depth;
        if is_admitted {
            *full_at = then;
        }
        is_admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::RateLimiter;

    const TENTH: Duration = Duration::from_millis(100);

    #[test]
    fn a_burst_is_admitted_and_then_one_request_in_each_interval() {
        let rate = RateLimiter::new(TENTH, 3).expect("it limits");
        let begin = Instant::now();
        let admitted = |after: Duration| (0..5).filter(|_| rate.try_acquire(begin + after)).count();
        assert_eq!(admitted(Duration::ZERO), 3);
        assert_eq!(admitted(TENTH.saturating_sub(Duration::from_millis(1))), 0);
        assert_eq!(admitted(TENTH), 1);
        assert_eq!(admitted(TENTH * 3), 2);
        assert_eq!(admitted(TENTH * 100), 3);
        assert!(RateLimiter::new(Duration::ZERO, 0).is_none());
    }

    #[test]
    fn the_longest_interval_does_not_overflow() {
        for burst in [1, 2, u32::MAX] {
            let rate = RateLimiter::new(Duration::MAX, burst).expect("it limits");
            let admitted = (0..3).filter(|_| rate.try_acquire(Instant::now())).count();
            assert_eq!(admitted, burst.min(3) as usize);
        }
    }
}
