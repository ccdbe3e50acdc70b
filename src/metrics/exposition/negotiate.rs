//! Chooses a format by the `Accept` header (RFC 9110, section 12.5.1).

use std::cmp::Reverse;

use super::ExpositionFormat;

#[cfg(test)]
mod tests;

/// The formats in the order of preference among equals.
const FORMATS: [ExpositionFormat; 3] =
    [ExpositionFormat::Text, ExpositionFormat::OpenMetrics, ExpositionFormat::Protobuf];

/// One element of an `Accept` header, such as `text/plain;version=0.0.4;q=0.5`.
struct MediaRange<'a> {
    main_type: &'a str,
    subtype: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    /// The weight, in thousandths.
    quality: u16,
}

/// Returns the format with the highest weight; among equals that which was named most exactly, then first.
///
/// A client that wants none of ours gets text 0.0.4 rather than 406: a person with a browser is better off with it, and
/// Prometheus reads it whatever it asked for.
pub(super) fn negotiate(accept: &str) -> ExpositionFormat {
    let ranges: Vec<MediaRange<'_>> =
        split_outside_quotes(accept, ',').into_iter().filter_map(MediaRange::parse).collect();
    let mut best = (ExpositionFormat::Text, None);
    for format in FORMATS {
        // The most exact range that covers a format decides over it, even against one with a higher weight.
        let rank = ranges
            .iter()
            .enumerate()
            .filter_map(|(at, range)| Some((range.specificity(format)?, Reverse(at), range.quality)))
            .max()
            .filter(|(_, _, quality)| *quality > 0)
            .map(|(exactness, at, quality)| (quality, exactness, at));
        if rank > best.1 {
            best = (format, rank);
        }
    }
    best.0
}

impl<'a> MediaRange<'a> {
    /// Returns nothing for text that is no media range or has no valid weight; the other elements still count.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = split_outside_quotes(text, ';').into_iter();
        let (kind, subtype) = parts.next()?.trim().split_once('/')?;
        let mut parameters = Vec::new();
        let mut quality = 1000;
        for part in parts {
            // Empty parameters are allowed ("text/plain;").
            let Some((name, value)) = part.trim().split_once('=') else {
                continue;
            };
            if name.eq_ignore_ascii_case("q") {
                quality = parse_weight(value)?;
                // What follows the weight concerned the weight, in RFC 7231, and is nothing in RFC 9110.
                break;
            }
            parameters.push((name, value.trim_matches('"')));
        }
        Some(Self { main_type: kind, subtype, parameters, quality })
    }

    /// Returns how exactly this range names a format, or nothing if it does not cover it.
    fn specificity(&self, format: ExpositionFormat) -> Option<usize> {
        let (kind, subtype, known) = match format {
            ExpositionFormat::Text => ("text", "plain", [("version", "0.0.4")].as_slice()),
            // A client that lists version 0.0.1 alone has not said that it reads 1.0.0, so it gets text 0.0.4. All
            // releases of Prometheus that list it list 1.0.0 or 0.0.4 as well.
            ExpositionFormat::OpenMetrics => ("application", "openmetrics-text", [("version", "1.0.0")].as_slice()),
            ExpositionFormat::Protobuf => (
                "application",
                "vnd.google.protobuf",
                [("proto", "io.prometheus.client.MetricFamily"), ("encoding", "delimited")].as_slice(),
            ),
        };
        match (self.main_type, self.subtype) {
            ("*", "*") => Some(0),
            (own, "*") if own.eq_ignore_ascii_case(kind) => Some(1),
            (own, sub) if own.eq_ignore_ascii_case(kind) && sub.eq_ignore_ascii_case(subtype) => {
                let asked = |name: &str| {
                    self.parameters.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
                };
                // Parameters that we do not know (charset, escaping) change nothing in what we write.
                known.iter().try_fold(2, |exactness, (name, value)| match asked(name) {
                    None => Some(exactness),
                    Some(wanted) => (wanted == *value).then_some(exactness + 1),
                })
            }
            _ => None,
        }
    }
}

/// Returns the weight of an element of an `Accept` or `Accept-Encoding` header, in thousandths.
pub(crate) fn parse_weight(text: &str) -> Option<u16> {
    let weight: f32 = text.trim().parse().ok()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
    (0.0..=1.0).contains(&weight).then(|| (weight * 1000.0).round() as u16)
}

/// Splits at a separator that is not inside a quoted string.
fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(|next: char| {
        let splits = next == separator && !quoted;
        (quoted, escaped) = match next {
            _ if escaped => (quoted, false),
            '\\' if quoted => (quoted, true),
            '"' => (!quoted, false),
            _ => (quoted, false),
        };
        splits
    })
    .collect()
}
