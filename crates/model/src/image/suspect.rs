//! Finds the part of an image reference that a cause points at, to highlight it.

#[cfg(test)]
mod tests;

use std::ops::Range;

use strum::IntoStaticStr;

use super::super::cause::{Cause, CauseGroup};
use super::{ImageReference, ReferenceProblem, split_at_first, split_domain};

/// A part of an image reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum ReferencePart {
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

impl ReferencePart {
    /// Returns the JSON value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
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
pub fn suspect_part(cause: Cause, image: &ImageReference) -> Option<ReferencePart> {
    match (cause, cause.group()) {
        (Cause::ImageNotFound | Cause::DigestMismatch, _) if !image.digest().is_empty() => Some(ReferencePart::Digest),
        (Cause::ImageNotFound, _) if !image.tag().is_empty() => Some(ReferencePart::Tag),
        (Cause::ImageNotFound | Cause::RepositoryNotFound | Cause::NotFoundOrDenied, _) => {
            Some(ReferencePart::Repository)
        }
        (Cause::InvalidReference, _) => Some(image.problem().map_or(ReferencePart::Reference, part_of_problem)),
        (Cause::AmbiguousShortName, _) => Some(ReferencePart::Reference),
        (_, CauseGroup::Registry | CauseGroup::Network) => Some(ReferencePart::Registry),
        (
            _,
            CauseGroup::Image | CauseGroup::Credentials | CauseGroup::Node | CauseGroup::Policy | CauseGroup::Unknown,
        ) => None,
    }
}

const fn part_of_problem(problem: ReferenceProblem) -> ReferencePart {
    match problem {
        ReferenceProblem::Empty | ReferenceProblem::Whitespace | ReferenceProblem::HexName => ReferencePart::Reference,
        ReferenceProblem::Scheme | ReferenceProblem::BadRegistry => ReferencePart::Registry,
        ReferenceProblem::UpperCase
        | ReferenceProblem::EmptyComponent
        | ReferenceProblem::BadComponent
        | ReferenceProblem::TooLong => ReferencePart::Repository,
        ReferenceProblem::EmptyTag | ReferenceProblem::BadTag => ReferencePart::Tag,
        ReferenceProblem::BadDigest => ReferencePart::Digest,
    }
}
