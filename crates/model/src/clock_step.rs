//! Detects that the system clock was set, and corrects earlier times.

use std::time::Duration;

use super::time::Timestamp;

/// Minimum deviation between two readings that counts as a step.
const TOLERANCE: Duration = Duration::from_secs(1);

/// A step of the system clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockStep {
    /// The time after the step.
    pub now: Timestamp,
    /// The length of a step back; zero for a step forward.
    pub set_back_by: Duration,
}

impl ClockStep {
    /// Corrects a time that was recorded before the step. A time in the future was read while the clock was ahead; all other
    /// times stay as they are.
    #[must_use]
    pub(super) fn correct(self, at: Timestamp) -> Timestamp {
        if at > self.now { at.saturating_sub(self.set_back_by).min(self.now) } else { at }
    }
}

/// Compares readings of the system clock with those of a monotonic clock.
#[derive(Debug, Default)]
pub struct ClockStepDetector {
    last_reading: Option<(Timestamp, Option<Duration>)>,
}

impl ClockStepDetector {
    /// Processes a reading of the system clock, and returns the step since the last one, if any.
    ///
    /// `running` is a reading of a monotonic clock. Without it, only steps back are detected.
    pub fn detect(&mut self, now: Timestamp, running: Option<Duration>) -> Option<ClockStep> {
        let (before, ran) = self.last_reading.unwrap_or((now, running));
        let passed = running.zip(ran).map(|(running, ran)| running.saturating_sub(ran));
        let expected = before.saturating_add(passed.unwrap_or_default());
        let (back, forward) = (
            expected.saturating_duration_since(now),
            passed.map_or(Duration::ZERO, |_| now.saturating_duration_since(expected)),
        );
        let step = (back.max(forward) >= TOLERANCE).then_some(ClockStep { now, set_back_by: back });
        // Without a monotonic reading, keep the last one: a later step forward is detected against it.
        if running.is_some() || ran.is_none() || step.is_some() {
            self.last_reading = Some((now, running));
        }
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_millis(seconds * 1000)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn clock_steps_are_distinguished_from_elapsed_time() {
        let mut check = ClockStepDetector::default();
        let mut read = |now, running| check.detect(at(now), Some(seconds(running))).map(|step| step.set_back_by);
        assert_eq!(read(1000, 0), None);
        assert_eq!(read(2000, 1000), None, "a long time without an event");
        assert_eq!(read(5610, 1010), Some(seconds(0)), "an hour forward");
        assert_eq!(read(5620, 1020), None);
        assert_eq!(read(2030, 1030), Some(seconds(3600)), "and back");
        assert_eq!(read(2040, 1040), None);
    }

    #[test]
    fn without_a_monotonic_clock_only_a_step_back_is_detected() {
        let mut check = ClockStepDetector::default();
        assert_eq!(check.detect(at(1000), None), None);
        assert_eq!(check.detect(at(9000), None), None);
        assert_eq!(check.detect(at(8990), None), Some(ClockStep { now: at(8990), set_back_by: seconds(10) }));
        assert_eq!(check.detect(at(8990), Some(seconds(0))), None);
        assert_eq!(check.detect(at(8995), None), None);
        assert_eq!(
            check.detect(at(9300), Some(seconds(10))),
            Some(ClockStep { now: at(9300), set_back_by: seconds(0) })
        );
    }

    #[test]
    fn only_times_in_the_future_are_corrected() {
        let step = ClockStep { now: at(100), set_back_by: seconds(3600) };
        for (recorded, corrected) in [(50, 50), (100, 100), (3650, 50), (3699, 99), (3750, 100)] {
            assert_eq!(step.correct(at(recorded)), at(corrected));
        }
    }
}
