//! Limits of the texts and lists of a pod.
//!
//! The decoder applies them, so that memory, scrapes and log lines are bounded for any pod. The limits of names and
//! references are those of Kubernetes and of the grammar of image references.

use std::borrow::Cow;

/// Maximum length of a DNS label: a namespace, container, volume, kind or label value
/// (apimachinery, pkg/util/validation/validation.go, `DNS1123LabelMaxLength`).
pub const MAX_LABEL: usize = 63;
/// Maximum length of a DNS subdomain: a pod, node, secret, service account or owner (`DNS1123SubdomainMaxLength`).
pub const MAX_NAME: usize = 253;
/// Maximum length of an image reference: a DNS name with a port (259), a repository (255), a tag (128), the longest digest
/// (135), and the three separators.
pub const MAX_REFERENCE: usize = 259 + 255 + 128 + 135 + 3;
/// Maximum length of a waiting reason or message, in bytes. The kubelet writes error texts of any length.
pub const MAX_MESSAGE: usize = 4096;
/// Maximum total length of the messages of a pod, in bytes. Its waiting containers share it evenly.
pub const MAX_POD_MESSAGES: usize = 128 * 1024;
/// Length that each message may have in any case, in bytes.
pub const MIN_MESSAGE: usize = 256;
/// Maximum number of elements read from each of a pod's three lists of containers and three lists of statuses.
pub const MAX_CONTAINERS: usize = 512;
/// Maximum number of volume mounts read of a container.
pub const MAX_MOUNTS: usize = 128;
/// Maximum number of image volumes read of a pod. Other volumes are not counted.
pub const MAX_IMAGE_VOLUMES: usize = 128;
/// Maximum number of pull secrets read of a pod.
pub const MAX_PULL_SECRETS: usize = 64;

/// Marks where a text was truncated.
pub const TRUNCATED: &str = "<truncated>";

/// Shortens a text to at most `max` bytes, plus the marker [`TRUNCATED`] and a space.
///
/// Keeps the beginning and the end, a quarter of `max`, because error texts end with the root cause. Cuts at a space if
/// there is one nearby: redaction would not recognize half a secret.
#[must_use]
pub fn truncate(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let (head, tail) = (max - max / 4, text.len() - max / 4);
    let head = text.get(..text.floor_char_boundary(head)).unwrap_or_default();
    let tail = text.get(text.ceil_char_boundary(tail)..).unwrap_or_default();
    let words_end = head.rfind(char::is_whitespace).filter(|end| *end >= head.len() / 2);
    let words_begin = tail.find(char::is_whitespace).filter(|begin| *begin <= tail.len() / 2);
    let head = words_end.and_then(|end| head.get(..end)).unwrap_or(head);
    let tail = words_begin.and_then(|begin| tail.get(begin..)).unwrap_or(tail);
    let space = if words_end.is_some() { " " } else { "" };
    Cow::Owned([head, space, TRUNCATED, tail].concat())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_within_the_limit_is_unchanged() {
        for text in ["", "web", &"x".repeat(MAX_NAME)] {
            assert!(matches!(truncate(text, MAX_NAME), Cow::Borrowed(same) if same == text));
        }
    }

    #[test]
    fn the_beginning_and_the_end_are_kept() {
        let text = format!("first {} last", "x".repeat(10_000));
        let short = truncate(&text, 100);
        assert!(
            short.starts_with("first xxx") && short.contains("x<truncated>") && short.ends_with(" last"),
            "{short}"
        );
    }

    #[test]
    fn a_word_is_left_out_rather_than_cut() {
        let text = format!("{} token=secret-one {} token=secret-two end", "a ".repeat(33), "b ".repeat(500));
        let short = truncate(&text, 100);
        assert!(short.ends_with(" end") && short.contains(" <truncated> "), "{short}");
        assert!(!short.contains("secr") || short.contains("secret-"), "{short}");
    }

    proptest! {
        #[test]
        fn no_text_exceeds_the_limit(text in "(?s).{0,400}", max in 20_usize..300) {
            let short = truncate(&text, max);
            prop_assert!(short.len() <= max + TRUNCATED.len() + 1);
            prop_assert_eq!(short.contains(TRUNCATED), text.len() > max || text.contains(TRUNCATED));
        }

        #[test]
        fn a_long_reference_stays_too_long(text in "[a-z0-9/:.@é☃-]{781,900}") {
            prop_assert!(truncate(&text, MAX_REFERENCE).len() > MAX_REFERENCE);
        }
    }
}
