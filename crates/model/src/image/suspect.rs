//! Says which part of an image reference a cause points at, so that a reader sees at once where to look.

#[cfg(test)]
mod tests;

use std::ops::Range;

use super::super::cause::{Cause, CauseGroup};
use super::{ImageReference, Problem, cut, split_domain};

/// A part of an image reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The registry's host.
    Registry,
    /// The path below it.
    Repository,
    /// The tag.
    Tag,
    /// The digest.
    Digest,
    /// All of it.
    Reference,
}

impl Part {
    /// Its name.
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

    /// Where it is in a reference as written; `None` where it is only implied.
    #[must_use]
    pub fn range_in(self, written: &str) -> Option<Range<usize>> {
        let (domain, rest) = split_domain(written);
        let (name, digest) = cut(rest, '@');
        let (path, tag) = cut(name, ':');
        let (begin, end) = (written.len() - rest.len(), written.len());
        let path_end = begin + path.len();
        match self {
            Self::Registry => domain.map(|domain| 0..domain.len()),
            Self::Repository => Some(begin..path_end),
            // Where nothing follows the colon, that is what there is to see.
            Self::Tag => tag.map(|tag| path_end + usize::from(!tag.is_empty())..begin + name.len()),
            Self::Digest => digest.map(|digest| end - digest.len()..end),
            Self::Reference => Some(0..end),
        }
    }
}

/// The part that `cause` points at; `None` where the reference is not to blame, or nobody can tell.
#[must_use]
pub fn suspect(cause: Cause, image: &ImageReference) -> Option<Part> {
    match (cause, cause.group()) {
        (Cause::ImageNotFound | Cause::DigestMismatch, _) if !image.digest().is_empty() => Some(Part::Digest),
        (Cause::ImageNotFound, _) if !image.tag().is_empty() => Some(Part::Tag),
        (Cause::ImageNotFound | Cause::RepositoryNotFound | Cause::NotFoundOrDenied, _) => Some(Part::Repository),
        (Cause::InvalidReference, _) => Some(image.problem().map_or(Part::Reference, of_problem)),
        (Cause::AmbiguousShortName, _) => Some(Part::Reference),
        (_, CauseGroup::Registry | CauseGroup::Network) => Some(Part::Registry),
        (
            _,
            CauseGroup::Image | CauseGroup::Credentials | CauseGroup::Node | CauseGroup::Policy | CauseGroup::Unknown,
        ) => None,
    }
}

const fn of_problem(problem: Problem) -> Part {
    match problem {
        Problem::Empty | Problem::Blank | Problem::HexName => Part::Reference,
        Problem::Scheme | Problem::BadRegistry => Part::Registry,
        Problem::UpperCase | Problem::EmptyComponent | Problem::BadComponent | Problem::TooLong => Part::Repository,
        Problem::EmptyTag | Problem::BadTag => Part::Tag,
        Problem::BadDigest => Part::Digest,
    }
}
