use proptest::prelude::*;

use super::{
    ImageReference, MAX_REFERENCE, PullPolicy, ReferenceProblem, default_pull_policy, image_in_error_text, is_host,
    is_same_image,
};

const HEX: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// References as written, with their registry, repository, tag and digest.
fn valid_references() -> Vec<(String, [&'static str; 3], bool)> {
    let with_digest = |name: &str| format!("{name}@sha256:{HEX}");
    vec![
        ("nginx".into(), ["docker.io", "library/nginx", ""], false),
        ("nginx:1.27".into(), ["docker.io", "library/nginx", "1.27"], false),
        ("team/app".into(), ["docker.io", "team/app", ""], false),
        ("docker.io/nginx".into(), ["docker.io", "library/nginx", ""], false),
        ("index.docker.io/nginx:1".into(), ["docker.io", "library/nginx", "1"], false),
        ("docker.io/team/app:1".into(), ["docker.io", "team/app", "1"], false),
        ("localhost/app".into(), ["localhost", "app", ""], false),
        ("localhost:5000/app:1".into(), ["localhost:5000", "app", "1"], false),
        ("localhost:5000".into(), ["docker.io", "library/localhost", "5000"], false),
        ("127.0.0.1:5000/a/b/c:1_x.y-z".into(), ["127.0.0.1:5000", "a/b/c", "1_x.y-z"], false),
        ("[::1]:5000/x".into(), ["[::1]:5000", "x", ""], false),
        ("[2001:db8::1]/x:1".into(), ["[2001:db8::1]", "x", "1"], false),
        ("Registry/app".into(), ["Registry", "app", ""], false),
        ("reg.example/a__b/c--d/e.f_g:V1".into(), ["reg.example", "a__b/c--d/e.f_g", "V1"], false),
        (with_digest("nginx"), ["docker.io", "library/nginx", ""], true),
        (with_digest("reg.example:5000/app:1"), ["reg.example:5000", "app", "1"], true),
        ("nginx:sha256abc".into(), ["docker.io", "library/nginx", "sha256abc"], false),
    ]
}

#[test]
fn a_valid_reference_has_its_parts() {
    for (raw, [registry, repository, tag], has_digest) in valid_references() {
        let image = ImageReference::parse(&raw);
        assert_eq!((image.problem(), image.raw()), (None, raw.as_str()));
        assert_eq!([image.registry(), image.repository(), image.tag()], [registry, repository, tag], "{raw}");
        assert_eq!(!image.digest().is_empty(), has_digest, "{raw}");
        assert_eq!(image.implies_latest(), tag.is_empty() && !has_digest, "{raw}");
    }
}

/// References as written, with their problem and the parts that are certain.
#[test]
fn an_invalid_reference_has_a_problem() {
    let long = format!("reg.example/{}", "a".repeat(256));
    let long_with_library = "a".repeat(248);
    let long_tag = format!("nginx:{}", "a".repeat(129));
    let short_digest = "nginx@sha256:abc".to_owned();
    let upper_digest = format!("nginx@sha256:{}", HEX.to_uppercase());
    let cases = [
        ("", ReferenceProblem::Empty, "", ""),
        ("nginx:bad tag", ReferenceProblem::Whitespace, "docker.io", "library/nginx"),
        (" nginx", ReferenceProblem::Whitespace, "", ""),
        ("nginx\n", ReferenceProblem::Whitespace, "", ""),
        ("http://127.0.0.1:5000/app:1.0", ReferenceProblem::Scheme, "", ""),
        ("docker://nginx", ReferenceProblem::Scheme, "", ""),
        (
            HEX,
            ReferenceProblem::HexName,
            "docker.io",
            "library/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        ),
        ("127.0.0.1:5000/App:1.0", ReferenceProblem::UpperCase, "127.0.0.1:5000", ""),
        ("None:None", ReferenceProblem::UpperCase, "", ""),
        ("reg.example/team//app", ReferenceProblem::EmptyComponent, "reg.example", ""),
        ("reg.example/", ReferenceProblem::EmptyComponent, "reg.example", ""),
        ("/app", ReferenceProblem::EmptyComponent, "", ""),
        (":1.0", ReferenceProblem::EmptyComponent, "", ""),
        ("reg.example/a..b", ReferenceProblem::BadComponent, "reg.example", ""),
        ("reg.example/-a", ReferenceProblem::BadComponent, "reg.example", ""),
        ("{{image}}", ReferenceProblem::BadComponent, "", ""),
        ("reg_istry.example/app", ReferenceProblem::BadRegistry, "", "app"),
        ("reg.example:port/app", ReferenceProblem::BadRegistry, "", "app"),
        ("[::1/app", ReferenceProblem::BadRegistry, "", "app"),
        (&long, ReferenceProblem::TooLong, "reg.example", ""),
        (&long_with_library, ReferenceProblem::TooLong, "", ""),
        (
            "x.dkr.ecr.us-east-1.amazonaws.com/r/r:",
            ReferenceProblem::EmptyTag,
            "x.dkr.ecr.us-east-1.amazonaws.com",
            "r/r",
        ),
        ("nginx:-1", ReferenceProblem::BadTag, "docker.io", "library/nginx"),
        ("nginx:sha256:abc", ReferenceProblem::BadTag, "docker.io", "library/nginx"),
        (&long_tag, ReferenceProblem::BadTag, "docker.io", "library/nginx"),
        ("nginx@", ReferenceProblem::BadDigest, "docker.io", "library/nginx"),
        (&short_digest, ReferenceProblem::BadDigest, "docker.io", "library/nginx"),
        (&upper_digest, ReferenceProblem::BadDigest, "docker.io", "library/nginx"),
        ("nginx@md5:0123456789abcdef0123456789abcdef", ReferenceProblem::BadDigest, "docker.io", "library/nginx"),
    ];
    for (raw, problem, registry, repository) in cases {
        let image = ImageReference::parse(raw);
        assert_eq!(image.problem(), Some(problem), "{raw}");
        assert_eq!((image.registry(), image.repository()), (registry, repository), "{raw}");
        assert!(!image.implies_latest(), "{raw}");
    }
    for problem in ReferenceProblem::ALL {
        assert!(!problem.to_string().is_empty() && !problem.to_string().ends_with('.'), "{problem:?}");
    }
}

#[test]
fn is_same_image_normalizes() {
    let pinned = format!("app@sha256:{HEX}");
    let both = format!("docker.io/library/app:1@sha256:{HEX}");
    let same = [
        ("nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx", "nginx:latest"),
        ("127.0.0.1:5000/notag", "127.0.0.1:5000/notag:latest"),
        (both.as_str(), pinned.as_str()),
        ("Not Valid", "Not Valid"),
    ];
    let different = [
        ("nginx:1", "nginx:2"),
        ("nginx:1", "nginx"),
        ("quay.io/library/nginx", "nginx"),
        ("app:1", pinned.as_str()),
        ("app", pinned.as_str()),
        ("Not Valid", "Not Valid:latest"),
        ("", "nginx"),
    ];
    assert!(same.iter().all(|(a, b)| is_same_image(a, b)));
    assert!(different.iter().all(|(a, b)| !is_same_image(a, b)));
}

#[test]
fn the_default_policy_is_the_api_servers() {
    let latest_by_digest = format!("nginx:latest@sha256:{HEX}");
    let by_digest = format!("nginx@sha256:{HEX}");
    let cases = [
        ("nginx", PullPolicy::Always),
        ("nginx:latest", PullPolicy::Always),
        (&latest_by_digest, PullPolicy::Always),
        (&by_digest, PullPolicy::IfNotPresent),
        ("nginx:1", PullPolicy::IfNotPresent),
        ("Nginx:latest", PullPolicy::IfNotPresent),
        ("", PullPolicy::IfNotPresent),
    ];
    for (image, policy) in cases {
        assert_eq!(default_pull_policy(image), policy, "{image}");
    }
    for policy in PullPolicy::ALL {
        assert_eq!(PullPolicy::parse(policy.as_str()), Some(*policy));
    }
    assert_eq!(PullPolicy::parse("always"), None);
}

#[test]
fn finds_the_image_only_in_known_phrases() {
    let cases = [
        (r#"Back-off pulling image "a:1""#, Some("a:1")),
        (
            r#"Back-off pulling image "a:1": ErrImagePull: failed to pull and unpack image "docker.io/library/a:1": x"#,
            Some("a:1"),
        ),
        (r#"Container image "a:1" is not present with pull policy of Never"#, Some("a:1")),
        (
            r#"Failed to apply default image tag "nginx:bad tag": couldn't parse image name "nginx:bad tag": invalid"#,
            Some("nginx:bad tag"),
        ),
        (r"image pull failed for a:1 because the registry is unavailable.", Some("a:1")),
        (r#"Failed to inspect image "a:1": rpc error"#, Some("a:1")),
        (r#"Failed to inspect image "": rpc error"#, None),
        (r#"Failed to record image pull intent for container image "a:1": x"#, Some("a:1")),
        (
            r#"Failed to pull image "a:1": rpc error: code = NotFound desc = failed to pull and unpack image "b:1""#,
            Some("a:1"),
        ),
        (r#"rpc error: code = NotFound desc = failed to pull and unpack image "a:1": no match"#, Some("a:1")),
        (r#"rpc error: code = Unknown desc = failed to pull image "a:1": no match"#, Some("a:1")),
        (
            r#"[rpc error: code = NotFound desc = failed to pull and unpack image "a:1": x, failed to pull and unpack image "a:1": y]"#,
            Some("a:1"),
        ),
        (r#"Back-off pulling image "a\"b""#, None),
        (r#"failed to resolve reference "a:1""#, None),
        ("reading manifest 1 in reg.example/a: manifest unknown", None),
        ("image pull failed for  because x", None),
        (r#"Back-off pulling image "unclosed"#, None),
        ("pull QPS exceeded", None),
        ("", None),
    ];
    for (message, image) in cases {
        assert_eq!(image_in_error_text(message), image, "{message}");
    }
}

#[test]
fn redacts_a_password_in_an_invalid_reference() {
    for (raw, shown) in [
        ("https://user:hunter2@reg.example/app:1", "https://<redacted>@reg.example/app:1"),
        ("user:hunter2@reg.example/app:1", "<redacted>@reg.example/app:1"),
        ("Nginx:1", "Nginx:1"),
        ("reg.example/token:1", "reg.example/token:1"),
    ] {
        let image = ImageReference::parse(raw);
        assert_eq!(image.redacted(), shown);
        assert_ne!(image.tag(), "hunter2");
    }
}

#[test]
fn lengths_are_limited() {
    let problem = |raw: &str| ImageReference::parse(raw).problem();
    assert_eq!(problem(&"a".repeat(255)), Some(ReferenceProblem::TooLong), "with the implied library/");
    assert_eq!(problem(&format!("reg.example/{}", "a".repeat(255))), None);
    assert_eq!(problem(&format!("reg.example/{}", "a".repeat(256))), Some(ReferenceProblem::TooLong));
    // A registry of any length, up to the limit of a whole reference.
    let of_length = |length: usize| format!("{}.example/app", "a".repeat(length - ".example/app".len()));
    assert_eq!(problem(&of_length(MAX_REFERENCE)), None);
    assert_eq!(problem(&of_length(MAX_REFERENCE + 1)), Some(ReferenceProblem::TooLong));
    assert_eq!(problem(&of_length(MAX_REFERENCE + 2)), Some(ReferenceProblem::TooLong));
}

#[test]
fn addresses_in_brackets_are_hosts() {
    for (host, is_valid) in
        [("[::1]", true), ("[::1]:5000", true), ("[]", false), ("[g::1]", false), ("[::1]:x", false)]
    {
        assert_eq!(is_host(host), is_valid, "{host}");
    }
}

proptest! {
    #[test]
    fn parse_accepts_any_text(raw in "(?s).{0,300}") {
        let image = ImageReference::parse(&raw);
        prop_assert_eq!(image.raw(), raw.as_str());
        let _ = (default_pull_policy(&raw), image_in_error_text(&raw));
    }

    #[test]
    fn same_image_is_reflexive_and_symmetric(a in "[a-b]{1,2}(/[a-b])?(:[1-2])?", b in "(docker.io/)?(library/)?[a-b]{1,2}(:(1|latest))?", c in ".{0,9}") {
        prop_assert!(is_same_image(&a, &a) && is_same_image(&b, &b) && is_same_image(&c, &c));
        prop_assert_eq!(is_same_image(&a, &b), is_same_image(&b, &a));
        prop_assert_eq!(is_same_image(&a, &c), is_same_image(&c, &a));
    }

    #[test]
    fn the_parts_of_a_valid_reference_make_the_same_image(
        registry in "(docker\\.io|localhost(:[0-9]{2,5})?|[a-z]{1,8}\\.example(:[0-9]{2,5})?|\\[::1\\]:5000)",
        path in "[a-z0-9]{1,5}([._-][a-z0-9]{1,5})?(/[a-z0-9]{1,5}){0,2}",
        tag in "(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,9})?",
    ) {
        let raw = format!("{registry}/{path}{tag}");
        let image = ImageReference::parse(&raw);
        prop_assert_eq!(image.problem(), None);
        let rebuilt = format!("{}/{}:{}", image.registry(), image.repository(), if image.tag().is_empty() { "latest" } else { image.tag() });
        prop_assert!(is_same_image(&raw, &rebuilt), "{} {}", raw, rebuilt);
        let again = ImageReference::parse(&rebuilt);
        prop_assert_eq!(again.repository(), image.repository());
    }
}
