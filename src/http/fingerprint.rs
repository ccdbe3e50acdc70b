//! Digests of credentials. Caches store them in place of the credentials.

use ring::{digest, hmac};

/// The first 128 bits of a SHA-256 or HMAC-SHA-256 digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Fingerprint(u128);

impl Fingerprint {
    /// Returns the HMAC of the parts. Short secrets require a key, because their plain digests could be guessed.
    pub(super) fn keyed(key: &hmac::Key, parts: &[&[u8]]) -> Self {
        let mut context = hmac::Context::with_key(key);
        update_length_prefixed(parts, |bytes| context.update(bytes));
        Self::truncate(context.sign().as_ref())
    }

    /// Returns the digest of the parts. At least one part must be long and random, or public.
    pub(super) fn unkeyed(parts: &[&[u8]]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        update_length_prefixed(parts, |bytes| context.update(bytes));
        Self::truncate(context.finish().as_ref())
    }

    fn truncate(digest: &[u8]) -> Self {
        Self(digest.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte)))
    }
}

/// Hashes each part after its length, so that different lists of parts have different digests.
fn update_length_prefixed(parts: &[&[u8]], mut update: impl FnMut(&[u8])) {
    for part in parts {
        update(&(part.len() as u64).to_be_bytes());
        update(part);
    }
}

#[cfg(test)]
mod tests {
    use ring::hmac;

    use super::Fingerprint;

    #[test]
    fn fingerprints_depend_on_key_text_and_part_boundaries() {
        let key = |bytes: &[u8]| hmac::Key::new(hmac::HMAC_SHA256, bytes);
        let of = |parts: &[&[u8]]| Fingerprint::keyed(&key(b"1"), parts);
        assert_eq!(of(&[b"ab", b"c"]), of(&[b"ab", b"c"]));
        assert_ne!(of(&[b"ab", b"c"]), of(&[b"a", b"bc"]));
        assert_ne!(of(&[b"ab", b"c"]), Fingerprint::keyed(&key(b"2"), &[b"ab", b"c"]));
        assert_ne!(Fingerprint::unkeyed(&[b"ab", b"c"]), Fingerprint::unkeyed(&[b"a", b"bc"]));
        assert_ne!(of(&[b"ab", b"c"]), Fingerprint::unkeyed(&[b"ab", b"c"]));
    }
}
