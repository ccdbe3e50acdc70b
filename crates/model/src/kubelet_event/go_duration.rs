//! Durations as Go's `time.Duration.String` prints them, for example `1m32.4s`, `792ms` and `0s`.

use std::time::Duration;

/// The units, each in nanoseconds. A unit comes before those that it begins with.
const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("µs", 1_000),
    ("μs", 1_000),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
];

/// Parses a duration. `None` if the text is anything else, negative or longer than 584 years.
pub(super) fn parse_go_duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut nanos = 0_u64;
    while !rest.is_empty() {
        let whole = digits(&mut rest);
        let fraction = match rest.strip_prefix('.') {
            Some(behind) => {
                rest = behind;
                digits(&mut rest)
            }
            None => "",
        };
        let (unit, size) = UNITS.iter().find(|(unit, _)| rest.starts_with(unit))?;
        rest = rest.strip_prefix(unit)?;
        if whole.is_empty() {
            return None;
        }
        nanos = nanos.checked_add(whole.parse::<u64>().ok()?.checked_mul(*size)?)?;
        nanos = nanos.checked_add(fraction_of(fraction, *size))?;
    }
    (!text.is_empty()).then(|| Duration::from_nanos(nanos))
}

/// Removes the leading digits.
fn digits<'a>(rest: &mut &'a str) -> &'a str {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, behind) = rest.split_at(end);
    *rest = behind;
    digits
}

/// The digits behind a decimal point, as a part of `size`. Rounds down.
fn fraction_of(digits: &str, size: u64) -> u64 {
    let (mut part, mut sum) = (size, 0);
    for digit in digits.bytes() {
        part /= 10;
        sum += u64::from(digit - b'0') * part;
    }
    sum
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_form_is_read() {
        for (text, nanos) in [
            ("0s", 0),
            ("1ns", 1),
            ("1.1µs", 1_100),
            ("1.1us", 1_100),
            ("2.2ms", 2_200_000),
            ("792ms", 792_000_000),
            ("3.3s", 3_300_000_000),
            ("49.18401355s", 49_184_013_550),
            ("1m32.4s", 92_400_000_000),
            ("1m44.6s", 104_600_000_000),
            ("4m5s", 245_000_000_000),
            ("1h0m0.5s", 3_600_500_000_000),
            ("5h6m7.001s", 18_367_001_000_000),
        ] {
            assert_eq!(parse_go_duration(text), Some(Duration::from_nanos(nanos)), "{text}");
        }
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in ["", "5", "s", ".5s", "-1s", "1 s", "1s ", "1d", "1.5", "99999999999999h", "1m32.4", "eins"] {
            assert_eq!(parse_go_duration(text), None, "{text}");
        }
    }

    /// Prints a duration of at least one second as Go does.
    fn as_go_prints(nanos: u64) -> String {
        let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        let fraction =
            if nanos == 0 { String::new() } else { format!(".{}", format!("{nanos:09}").trim_end_matches('0')) };
        match (hours, minutes) {
            (0, 0) => format!("{seconds}{fraction}s"),
            (0, minutes) => format!("{minutes}m{seconds}{fraction}s"),
            (hours, minutes) => format!("{hours}h{minutes}m{seconds}{fraction}s"),
        }
    }

    proptest! {
        #[test]
        fn printed_durations_are_read_back(nanos in 1_000_000_000..1_000_000_000_000_000_u64) {
            let text = as_go_prints(nanos);
            prop_assert_eq!(parse_go_duration(&text), Some(Duration::from_nanos(nanos)), "{}", text);
        }

        #[test]
        fn any_text_is_read_or_not(text in "[0-9.hmsnuµ -]{0,12}|.{0,20}") {
            let _ = parse_go_duration(&text);
        }
    }
}
