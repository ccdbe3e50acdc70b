//! Problems of invalid image references.

use std::fmt;

use strum::VariantArray;

/// The problem of an invalid image reference (waiting reason `InvalidImageName`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, VariantArray)]
pub enum ReferenceProblem {
    /// The reference is empty.
    Empty,
    /// White space or a control character.
    Whitespace,
    /// A URL.
    Scheme,
    /// 64 hexadecimal digits, which is an image ID.
    HexName,
    /// The part before the first slash is not a host name.
    BadRegistry,
    /// An upper-case letter in the repository.
    UpperCase,
    /// A leading, trailing or double slash.
    EmptyComponent,
    /// An invalid character or separator in the repository.
    BadComponent,
    /// A repository of more than 255 characters, or a reference longer than any valid one.
    TooLong,
    /// A colon without a tag.
    EmptyTag,
    /// An invalid character in the tag, or too many.
    BadTag,
    /// A digest with an unknown algorithm or of the wrong length.
    BadDigest,
}

impl ReferenceProblem {
    /// Every problem.
    pub const ALL: &'static [Self] = Self::VARIANTS;
}

impl fmt::Display for ReferenceProblem {
    /// Writes one sentence without a full stop.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the reference is empty",
            Self::Whitespace => "the reference contains white space or a control character",
            Self::Scheme => "the reference is a URL; it must begin with the registry's host, without https://",
            Self::HexName => "a name of 64 hexadecimal digits is an image ID, not a repository",
            Self::BadRegistry => "the part before the first slash is not a host name with an optional port",
            Self::UpperCase => "the repository contains upper-case letters; only lower case is allowed",
            Self::EmptyComponent => "the repository has an empty component: a leading, trailing or double slash",
            Self::BadComponent => {
                "the repository may contain only a-z and 0-9, separated by a dot, one or two underscores, or hyphens"
            }
            Self::TooLong => {
                "the repository is longer than 255 characters, or the reference exceeds the longest valid one"
            }
            Self::EmptyTag => "there is no tag after the colon; a template variable may be empty",
            Self::BadTag => {
                "a tag has at most 128 characters of a-z, A-Z, 0-9, _, . and -, and begins with a letter, a digit or _"
            }
            Self::BadDigest => {
                "a digest is sha256: and 64 lower-case hexadecimal digits, or sha384: and 96, or sha512: and 128"
            }
        })
    }
}
