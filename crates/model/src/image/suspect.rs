//! Finds the part of an image reference that a cause points at, to highlight it.

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::super::cause::{Cause, CauseGroup};
use super::{ImageReference, Problem, split_at_first, split_domain};

/// A part of an image reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The registry's host and port.
    Registry,
    /// The repository, without an implied `library/`.
    Repository,
    /// The tag, without the colon.
    Tag,
    /// The digest, including its algorithm.
    Digest,
    /// The whole reference.
    Reference,
}

impl Part {
    /// Returns the JSON value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::Repository => "repository",
            Self::Tag => "tag",
            Self::Digest => "digest",
            Self::Reference => "reference",
        }
    }

    /// Returns the byte range of the part in a reference as written, or `None` if the part is only implied.
    #[must_use]
    pub fn range_in(self, written: &str) -> Option<Range<usize>> {
        let (domain, rest) = split_domain(written);
        let (name, digest) = split_at_first(rest, '@');
        let (path, tag) = split_at_first(name, ':');
        let (begin, end) = (written.len() - rest.len(), written.len());
        let path_end = begin + path.len();
        match self {
            Self::Registry => domain.map(|domain| 0..domain.len()),
            Self::Repository => Some(begin..path_end),
            // For an empty tag, the range of the colon.
            Self::Tag => tag.map(|tag| path_end + usize::from(!tag.is_empty())..begin + name.len()),
            Self::Digest => digest.map(|digest| end - digest.len()..end),
            Self::Reference => Some(0..end),
        }
    }
}

/// Returns the part that `cause` points at, or `None` if the reference is not at fault or the part is not known.
#[must_use]
pub fn suspect(cause: Cause, image: &ImageReference) -> Option<Part> {
    match (cause, cause.group()) {
        (Cause::ImageNotFound | Cause::DigestMismatch, _) if !image.digest().is_empty() => Some(Part::Digest),
        (Cause::ImageNotFound, _) if !image.tag().is_empty() => Some(Part::Tag),
        (Cause::ImageNotFound | Cause::RepositoryNotFound | Cause::NotFoundOrDenied, _) => Some(Part::Repository),
        (Cause::InvalidReference, _) => Some(image.problem().map_or(Part::Reference, part_of_problem)),
        (Cause::AmbiguousShortName, _) => Some(Part::Reference),
        (_, CauseGroup::Registry | CauseGroup::Network) => Some(Part::Registry),
        (
            _,
            CauseGroup::Image | CauseGroup::Credentials | CauseGroup::Node | CauseGroup::Policy | CauseGroup::Unknown,
        ) => None,
    }
}

const fn part_of_problem(problem: Problem) -> Part {
    match problem {
        Problem::Empty | Problem::Blank | Problem::HexName => Part::Reference,
        Problem::Scheme | Problem::BadRegistry => Part::Registry,
        Problem::UpperCase | Problem::EmptyComponent | Problem::BadComponent | Problem::TooLong => Part::Repository,
        Problem::EmptyTag | Problem::BadTag => Part::Tag,
        Problem::BadDigest => Part::Digest,
    }
}
