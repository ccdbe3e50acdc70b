//! The rate limit of the web configuration: a token bucket (GCRA).
//!
//! In place of `governor`: 15 lines, and no overflow at the longest interval of the file format (292 years).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// A token bucket, stored as the time when it is full. One token is added per interval.
///
/// Times are nanoseconds since the creation of the bucket, in `u128` so that the longest interval times the largest burst
/// does not overflow.
#[derive(Clone, Debug)]
pub(super) struct RateLimiter {
    interval: u128,
    /// Time to fill an empty bucket.
    capacity: u128,
    created: Instant,
    full_at: Arc<Mutex<u128>>,
}

impl RateLimiter {
    /// Creates a full bucket. Returns `None` for an interval of 0, which disables the limit.
    pub(super) fn new(interval: Duration, burst: u32) -> Option<Self> {
        let interval = interval.as_nanos();
        let capacity = interval * u128::from(burst);
        (interval > 0).then(|| Self { interval, capacity, created: Instant::now(), full_at: Arc::default() })
    }

    /// Takes a token. Returns false if the bucket is empty.
    pub(super) fn try_acquire(&self, now: Instant) -> bool {
        let now = now.saturating_duration_since(self.created).as_nanos();
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        let next_full_at = (*full_at).max(now) + self.interval;
        let has_token = next_full_at - now <= self.capacity;
        if has_token {
            *full_at = next_full_at;
        }
        has_token
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::RateLimiter;

    const TENTH: Duration = Duration::from_millis(100);

    #[test]
    fn a_burst_is_admitted_and_then_one_request_per_interval() {
        let limiter = RateLimiter::new(TENTH, 3).expect("it limits");
        let begin = Instant::now();
        let admitted = |after: Duration| (0..5).filter(|_| limiter.try_acquire(begin + after)).count();
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
            let limiter = RateLimiter::new(Duration::MAX, burst).expect("it limits");
            let admitted = (0..3).filter(|_| limiter.try_acquire(Instant::now())).count();
            assert_eq!(admitted, burst.min(3) as usize);
        }
    }
}
