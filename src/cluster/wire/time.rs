//! Points in time (`metav1.Time` and `metav1.MicroTime`).

use serde::Deserialize;
use serde::de::Deserializer;

use super::bounded::BoundedText;
use super::protobuf::message;
use image_pull_model::limits::MAX_LABEL;
use image_pull_model::time::Timestamp;

/// A point in time. Go's zero time, which protobuf encodes as an empty message, and unparsable times read as unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Time {
    seconds: i64,
    nanos: i64,
}
message!(Time { 1 => seconds, 2 => nanos });

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = BoundedText::<MAX_LABEL>::deserialize(deserializer)?;
        Ok(text.as_str().parse::<jiff::Timestamp>().map_or_else(
            |_| Self::default(),
            |at| Self { seconds: at.as_second(), nanos: at.subsec_nanosecond().into() },
        ))
    }
}

/// Converts a time; `None` if it is unknown.
pub(super) fn to_timestamp(time: Option<&Time>) -> Option<Timestamp> {
    let Time { seconds, nanos } = *time?;
    let millis = seconds.checked_mul(1000)?.checked_add(nanos / 1_000_000)?;
    (millis != 0).then(|| Timestamp::from_unix_millis(millis))
}
