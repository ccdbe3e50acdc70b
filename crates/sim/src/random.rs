//! Deterministic random numbers: splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
//!
//! A seed must give the same numbers on every machine and with every version of every crate, which a dependency does
//! not guarantee.

use std::time::Duration;

/// Alphabet of generated names, without vowels (apimachinery util/rand).
const NAME_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// A random number generator with a seed.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns a generator seeded by a text, for values that must not depend on earlier draws.
    pub(super) fn from_text(text: &str) -> Self {
        // FNV-1a, 64 bit.
        Self(
            text.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)),
        )
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Returns a duration from `low` to `high` milliseconds.
    pub(super) fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(low + self.next() % (high.saturating_sub(low) + 1))
    }

    /// Returns `base` to `base` and a half: `wait.Jitter(base, 0.5)` of the kubelet.
    pub(super) fn jitter(&mut self, base: Duration) -> Duration {
        let base = u64::try_from(base.as_millis()).unwrap_or(u64::MAX / 2);
        self.millis(base, base + base / 2)
    }

    /// Returns the random suffix of a generated name, for example `x7k2p`.
    pub(super) fn name_suffix(&mut self) -> String {
        (0..5).filter_map(|_| self.name_letter()).collect()
    }

    fn name_letter(&mut self) -> Option<char> {
        let at = usize::try_from(self.next() % NAME_ALPHABET.len() as u64).ok()?;
        NAME_ALPHABET.get(at).map(|byte| char::from(*byte))
    }

    /// Returns 64 hexadecimal digits: a SHA-256 digest or a container id.
    pub(super) fn hex64(&mut self) -> String {
        let [a, b, c, d] = [self.next(), self.next(), self.next(), self.next()];
        format!("{a:016x}{b:016x}{c:016x}{d:016x}")
    }

    /// Returns a version 4 UUID.
    pub(super) fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | (b >> 48) & 0x3fff,
            b & 0xffff_ffff_ffff
        )
    }
}
