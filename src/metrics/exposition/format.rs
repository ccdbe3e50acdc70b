//! The exposition formats, and their negotiation by the `Accept` header (RFC 9110, section 12.5.1).

use std::cmp::Reverse;

use clap::ValueEnum;

#[cfg(test)]
mod tests;

/// An exposition format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExpositionFormat {
    /// OpenMetrics text format 1.0.0
    #[value(name = "openmetrics")]
    OpenMetrics,
    /// Prometheus text format 0.0.4
    Text,
    /// Length-delimited `io.prometheus.client.MetricFamily` messages: the only format with native histograms.
    #[value(skip)]
    Protobuf,
}

impl ExpositionFormat {
    /// Returns the value of the `Content-Type` header.
    ///
    /// It never has an `escaping` parameter: all names are valid in the oldest scheme, which needs no escaping.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
            }
        }
    }

    /// Returns the best format for an `Accept` header; text 0.0.4 if the client accepts none.
    pub fn negotiate(accept: &str) -> Self {
        negotiate(accept)
    }
}

/// The formats in order of preference.
const FORMATS: [ExpositionFormat; 3] =
    [ExpositionFormat::Text, ExpositionFormat::OpenMetrics, ExpositionFormat::Protobuf];

/// One element of an `Accept` header, for example `text/plain;version=0.0.4;q=0.5`.
struct MediaRange<'a> {
    main_type: &'a str,
    subtype: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
    /// The quality value in thousandths.
    quality: u16,
}

/// Returns the format with the highest quality value; among equal ones, that of the most specific range, then of the first
/// range.
///
/// A client that accepts no format gets text 0.0.4 instead of status 406, since browsers can show it and Prometheus can
/// always read it.
fn negotiate(accept: &str) -> ExpositionFormat {
    let ranges: Vec<MediaRange<'_>> =
        split_outside_quotes(accept, ',').into_iter().filter_map(MediaRange::parse).collect();
    let mut best = (ExpositionFormat::Text, None);
    for format in FORMATS {
        // The most specific matching range determines the quality value of a format.
        let rank = ranges
            .iter()
            .enumerate()
            .filter_map(|(at, range)| Some((range.specificity(format)?, Reverse(at), range.quality)))
            .max()
            .filter(|(_, _, quality)| *quality > 0)
            .map(|(specificity, at, quality)| (quality, specificity, at));
        if rank > best.1 {
            best = (format, rank);
        }
    }
    best.0
}

impl<'a> MediaRange<'a> {
    /// Parses a media range. Returns `None` if it is invalid or has an invalid quality value; other ranges are still used.
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
                // Parameters after the quality value are extensions of RFC 7231 that RFC 9110 removed.
                break;
            }
            parameters.push((name, value.trim_matches('"')));
        }
        Some(Self { main_type: kind, subtype, parameters, quality })
    }

    /// Returns the specificity of this range if it matches a format.
    fn specificity(&self, format: ExpositionFormat) -> Option<usize> {
        let (kind, subtype, known) = match format {
            ExpositionFormat::Text => ("text", "plain", [("version", "0.0.4")].as_slice()),
            // A client that accepts only version 0.0.1 gets text 0.0.4. All releases of Prometheus that accept 0.0.1
            // also accept 1.0.0 or 0.0.4.
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
                // Other parameters, for example charset and escaping, do not affect the output.
                known.iter().try_fold(2, |specificity, (name, value)| match asked(name) {
                    None => Some(specificity),
                    Some(wanted) => (wanted == *value).then_some(specificity + 1),
                })
            }
            _ => None,
        }
    }
}

/// Parses a quality value of an `Accept` or `Accept-Encoding` header. Returns it in thousandths.
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
