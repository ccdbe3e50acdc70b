//! Names what can be wrong with an image reference.

use std::fmt;

/// Why the kubelet refuses an image reference (waiting reason `InvalidImageName`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Problem {
    /// Nothing is written.
    Empty,
    /// A blank or a control character.
    Blank,
    /// A URL.
    Scheme,
    /// 64 hexadecimal digits.
    HexName,
    /// No host name before the first slash.
    BadRegistry,
    /// Upper case in the repository.
    UpperCase,
    /// A slash with nothing before or after it.
    EmptyComponent,
    /// A character, or a sequence, that a repository cannot hold.
    BadComponent,
    /// A repository of more than 255 characters, or a reference longer than any.
    TooLong,
    /// A colon without a tag.
    EmptyTag,
    /// A character that a tag cannot hold, or too many.
    BadTag,
    /// A digest of an unknown algorithm or a wrong length.
    BadDigest,
}

impl Problem {
    /// Holds every problem.
    pub const ALL: &'static [Self] = &[
        Self::Empty,
        Self::Blank,
        Self::Scheme,
        Self::HexName,
        Self::BadRegistry,
        Self::UpperCase,
        Self::EmptyComponent,
        Self::BadComponent,
        Self::TooLong,
        Self::EmptyTag,
        Self::BadTag,
        Self::BadDigest,
    ];
}

impl fmt::Display for Problem {
    /// Writes one sentence, without a full stop, that says what to change.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the reference is empty",
            Self::Blank => "it contains a blank or a control character, which no part of a reference may hold",
            Self::Scheme => "it starts like a URL; a reference begins with the registry's host, without https://",
            Self::HexName => "64 hexadecimal digits alone read as an image id, not as a repository name",
            Self::BadRegistry => "the registry before the first slash is no host name, optionally with a port",
            Self::UpperCase => "the repository has upper case letters, and only lower case is allowed",
            Self::EmptyComponent => "the repository has an empty component (a leading, trailing or double slash)",
            Self::BadComponent => {
                "the repository may hold only a-z, 0-9 and, between those, single dots, one or two underscores or hyphens"
            }
            Self::TooLong => "the repository is longer than 255 characters, or the reference longer than any can be",
            Self::EmptyTag => "there is no tag after the colon, as when a template's variable is empty",
            Self::BadTag => "a tag is at most 128 of a-z, A-Z, 0-9, _, . and -, and starts with none of the last two",
            Self::BadDigest => "a digest is sha256: and 64 lower case hexadecimal digits (or sha384:, sha512: and theirs)",
        })
    }
}
