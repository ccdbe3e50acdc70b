//! Simulated time: milliseconds before or after the start of a script.

use std::{fmt, ops::Add, time::Duration};

/// An instant of a simulation. Scripts start at [`SimTime::ZERO`] and may contain earlier actions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(i64);

impl SimTime {
    /// The start, when the exporter begins to watch.
    pub const ZERO: Self = Self(0);

    /// Returns the instant this many milliseconds after the start.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the start, negative before it.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Returns the time from `earlier` to this instant, zero if `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for SimTime {
    type Output = Self;

    fn add(self, wait: Duration) -> Self {
        let millis = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(millis))
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let millis = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:03}s", millis / 1000, millis % 1000)
    }
}

/// Parses `-20m`, `90s`, `1h5m`, `250ms`, `00:30` or `01:02:03`.
pub(super) fn parse_time(text: &str) -> Option<SimTime> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    let wait = if rest.contains(':') { parse_clock(rest)? } else { parse_duration(rest)? };
    let millis = i64::try_from(wait.as_millis()).ok()?;
    Some(SimTime(sign * millis))
}

/// Parses `1h5m`, `90s` or `250ms`. Returns `None` if a unit is missing or unknown.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let unit_len = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit_len)?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        total = number.parse::<u64>().ok()?.checked_mul(millis)?.checked_add(total)?;
        rest = tail;
    }
    (!text.is_empty()).then(|| Duration::from_millis(total))
}

fn parse_clock(text: &str) -> Option<Duration> {
    let mut seconds = 0_u64;
    for part in text.split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    (text.split(':').count() <= 3).then(|| Duration::from_secs(seconds))
}

/// Formats a duration as Go does, in milliseconds: `792ms`, `1.019s`, `1m32.4s`, `1h0m0s`, `0s`.
pub(super) fn go_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if (1..1_000).contains(&millis) {
        return format!("{millis}ms");
    }
    let (hours, minutes, rest) = (millis / 3_600_000, millis / 60_000 % 60, millis % 60_000);
    let mut seconds = format!("{}.{:03}", rest / 1_000, rest % 1_000);
    seconds.truncate(seconds.trim_end_matches('0').trim_end_matches('.').len());
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, minutes) => format!("{minutes}m{seconds}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_in_go() {
        for (millis, text) in [
            (0, "0s"),
            (1, "1ms"),
            (792, "792ms"),
            (1_000, "1s"),
            (1_019, "1.019s"),
            (10_000, "10s"),
            (92_400, "1m32.4s"),
            (300_000, "5m0s"),
            (720_050, "12m0.05s"),
            (3_600_000, "1h0m0s"),
        ] {
            assert_eq!(go_duration(Duration::from_millis(millis)), text);
        }
    }
}
