//! Decodes JSON as the API server's own decoder does.

use serde::Deserialize;
use serde::de::Deserializer;

/// Decodes JSON. Replaces invalid UTF-8, as Go's decoder does.
pub(in crate::cluster) fn from_json_lossy<T: for<'a> Deserialize<'a>>(json: &[u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(json).or_else(|error| match String::from_utf8_lossy(json) {
        std::borrow::Cow::Owned(text) => serde_json::from_str(&text),
        std::borrow::Cow::Borrowed(_) => Err(error),
    })
}

/// Decodes null as the default value, as the API server does.
pub(in crate::cluster) fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
