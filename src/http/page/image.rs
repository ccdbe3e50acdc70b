//! An image reference with the faulty part highlighted.

use std::ops::Range;

use image_pull_model::cause::Cause;
use image_pull_model::image::ImageReference;
use image_pull_model::image::suspect::suspect_part;

/// An image reference, split around the part that the cause points to.
pub(super) struct HighlightedImage {
    pub(super) before: String,
    /// Empty if the cause points to no part.
    pub(super) highlighted: String,
    pub(super) after: String,
}

impl HighlightedImage {
    /// Returns a reference without a highlighted part.
    pub(super) fn plain(text: &str) -> Self {
        Self { before: text.to_owned(), highlighted: String::new(), after: String::new() }
    }

    /// Splits `text`, the redacted form of `image`.
    pub(super) fn new(text: &str, cause: Cause, image: &ImageReference) -> Self {
        let range = suspect_part(cause, image).and_then(|part| part.range_in(text)).unwrap_or(0..0);
        let part = |range: Range<usize>| text.get(range).unwrap_or_default().to_owned();
        if range.is_empty() {
            return Self::plain(text);
        }
        Self { before: part(0..range.start), highlighted: part(range.clone()), after: part(range.end..text.len()) }
    }
}
