use super::*;

/// The part that the cause points at, between brackets.
fn marked(cause: Cause, written: &str) -> String {
    let part = suspect_part(cause, &ImageReference::parse(written));
    let Some(range) = part.and_then(|part| part.range_in(written)) else { return written.to_owned() };
    format!("{}[{}]{}", &written[..range.start], &written[range.clone()], &written[range.end..])
}

#[test]
fn marks_the_suspect_part() {
    let digest = format!("sha256:{}", "a".repeat(64));
    for (cause, written, expected) in [
        (Cause::ImageNotFound, "ghcr.io/shop/web:1.8.O", "ghcr.io/shop/web:[1.8.O]"),
        (Cause::ImageNotFound, "localhost:5000/web:1", "localhost:5000/web:[1]"),
        (Cause::ImageNotFound, "nginx", "[nginx]"),
        (Cause::ImageNotFound, &format!("web:1@{digest}"), &format!("web:1@[{digest}]")),
        (Cause::RepositoryNotFound, "ghcr.io/shop/web:1", "ghcr.io/[shop/web]:1"),
        (Cause::NotFoundOrDenied, "web:1", "[web]:1"),
        (Cause::InvalidReference, "example.com/Banner:1", "example.com/[Banner]:1"),
        (Cause::InvalidReference, "https://example.com/web", "[https:]//example.com/web"),
        (Cause::InvalidReference, "example.com/web:", "example.com/web[:]"),
        (Cause::InvalidReference, "web:-1", "web:[-1]"),
        (Cause::InvalidReference, "web@sha256:1", "web@[sha256:1]"),
        (Cause::InvalidReference, "web 1", "[web 1]"),
        (Cause::InvalidReference, "", "[]"),
        (Cause::DnsFailure, "registry.exmaple.com/web:1", "[registry.exmaple.com]/web:1"),
        (Cause::RateLimited, "nginx:1", "nginx:1"),
        (Cause::Unauthorized, "ghcr.io/shop/web:1", "ghcr.io/shop/web:1"),
        (Cause::DiskFull, "ghcr.io/shop/web:1", "ghcr.io/shop/web:1"),
    ] {
        assert_eq!(marked(cause, written), expected, "{cause:?}");
    }
}

#[test]
fn part_ranges_lie_within_the_text() {
    for written in ["", "/", ":", "@", "a/:@", "é:é@é", "A/é/:", "\u{202e}/x@:", "x:@", "://"] {
        for part in [
            ReferencePart::Registry,
            ReferencePart::Repository,
            ReferencePart::Tag,
            ReferencePart::Digest,
            ReferencePart::Reference,
        ] {
            if let Some(range) = part.range_in(written) {
                assert!(written.get(range).is_some(), "{written:?} {part:?}");
            }
        }
    }
}

#[test]
fn names_of_parts_are_stable() {
    let parts = [
        ReferencePart::Registry,
        ReferencePart::Repository,
        ReferencePart::Tag,
        ReferencePart::Digest,
        ReferencePart::Reference,
    ];
    assert_eq!(parts.map(ReferencePart::as_str), ["registry", "repository", "tag", "digest", "reference"]);
}
