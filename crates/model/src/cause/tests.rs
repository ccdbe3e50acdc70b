//! Classification of real error texts.

mod failing_host;

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::classify::matching_rule;
use super::taxonomy::BY_ACTIONABILITY;
use super::{Cause, CauseGroup, HostKind, classify, error_text, is_bare_backoff, is_same_error, rule, rules};
use crate::reason::WaitingReason;

const COLLECTED_TEXTS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/pull-errors.tsv"));
/// Texts from public reports. A row can allow several causes, separated by `|`.
const REPORTED_TEXTS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/pull-errors-2.tsv"));
const MORE_TEXTS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/pull-errors-more.tsv"));

/// The cause and the message of each row. In the second file, `\n` stands for a line break.
fn collected_texts() -> impl Iterator<Item = (&'static str, String)> {
    COLLECTED_TEXTS.lines().skip(1).chain(MORE_TEXTS.lines().skip(1)).filter_map(|row| {
        let mut columns = row.split('\t').skip(1);
        Some((columns.next()?, columns.next()?.replace("\\n", "\n")))
    })
}

#[test]
fn every_collected_text_has_its_cause() {
    let wrong: Vec<String> = collected_texts()
        .filter(|(cause, message)| classify("", message).as_str() != *cause)
        .map(|(cause, message)| format!("{cause}, not {}: {message}", classify("", &message).as_str()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(collected_texts().count() > 250, "the tables are read");
}

#[test]
fn every_reported_text_has_one_of_its_causes() {
    let rows: Vec<(&str, String)> = REPORTED_TEXTS
        .lines()
        .skip(1)
        .filter_map(|row| {
            let mut columns = row.split('\t');
            Some((columns.next()?, columns.nth(1)?.replace("\\n", "\n")))
        })
        .collect();
    let wrong: Vec<String> = rows
        .iter()
        .map(|(causes, message)| (causes, classify("", message).as_str(), message))
        .filter(|(causes, cause, _)| causes.split('|').all(|wanted| wanted != *cause))
        .map(|(causes, cause, message)| format!("{causes}, not {cause}: {message}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(rows.len(), 44, "the table is read");
}

#[test]
fn back_off_keeps_the_cause_of_the_last_error() {
    for (cause, message) in collected_texts().filter(|(_, message)| !message.starts_with("Back-off")) {
        let backed_off = format!("Back-off pulling image \"reg.example/a:1\": ErrImagePull: {message}");
        assert_eq!(classify("ImagePullBackOff", &backed_off), classify("ErrImagePull", &message), "{cause}: {message}");
        assert!(is_same_error(&message, &backed_off), "{message}");
        assert!(!is_same_error(&message, &format!("{backed_off}, again")), "{message}");
    }
}

#[test]
fn a_generic_reason_without_text_has_no_cause() {
    for reason in WaitingReason::ALL.iter().filter(|reason| reason.defers_to_message()) {
        assert_eq!(classify(reason.as_str(), "zut"), Cause::Unknown);
    }
}

#[test]
fn every_cause_has_a_text() {
    let seen: BTreeSet<&str> = collected_texts().map(|(cause, _)| cause).collect();
    // No error text reports a missing secret. An Event does.
    let with_text = Cause::ALL.iter().filter(|cause| **cause != Cause::PullSecretMissing);
    let all: BTreeSet<&str> = with_text.map(|cause| cause.as_str()).collect();
    assert_eq!(seen, all);
}

#[test]
fn detects_a_back_off_without_a_cause() {
    assert!(is_bare_backoff("Back-off pulling image \"reg.example/a:1\""));
    assert!(!is_bare_backoff("Back-off pulling image \"a\": ErrImagePull: pull QPS exceeded"));
    assert!(!is_bare_backoff("back-off 10s restarting failed container=app"));
    assert!(!is_bare_backoff(""));
}

#[test]
fn the_reason_decides_when_no_rule_matches_the_text() {
    let cases = [
        ("InvalidImageName", Cause::InvalidReference),
        ("ErrImageNeverPull", Cause::NeverPullAbsent),
        ("ImageInspectError", Cause::NodeStorageError),
        ("RegistryUnavailable", Cause::RegistryUnavailable),
        ("SignatureValidationFailed", Cause::SignatureRejected),
        ("ErrImagePull", Cause::Unknown),
        ("illegal base64 data at input byte 4", Cause::CredentialsMalformed),
    ];
    for (reason, cause) in cases {
        assert_eq!(classify(reason, "zut"), cause, "{reason}");
        assert_eq!(classify(reason, ""), cause, "{reason}");
    }
    assert_eq!(classify("RegistryUnavailable", "dial tcp: lookup reg: no such host"), Cause::DnsFailure);
}

#[test]
fn the_attempt_that_got_furthest_decides() {
    let turned_away = "rpc error: code = Unknown desc = failed to resolve reference \"a\": 401 Unauthorized";
    let at_layers = "rpc error: code = Unknown desc = failed to copy: Get \"https://reg.example/v2/\": EOF";
    let missing = "rpc error: code = NotFound desc = failed to resolve reference \"a\": a: not found";
    let cases = [
        (format!("[{turned_away}, {missing}]"), Cause::ImageNotFound),
        (format!("[{missing}, {turned_away}]"), Cause::ImageNotFound),
        (format!("[{turned_away}, {at_layers}]"), Cause::ConnectionFailed),
        (format!("Failed to pull image \"a\":[{at_layers}, {turned_away}]"), Cause::ConnectionFailed),
        (format!("[{turned_away}; artifact err: {at_layers}, {turned_away}]"), Cause::Unauthorized),
        // A comma before any other text is part of the error.
        (format!("[{turned_away}, retried: a: not found]"), Cause::Unauthorized),
    ];
    for (message, cause) in cases {
        assert_eq!(classify("ErrImagePull", &message), cause, "{message}");
    }
}

#[test]
fn mirror_and_artifact_errors_count_only_if_the_primary_is_inconclusive() {
    let cases = [
        (
            "unable to pull image or OCI artifact: pull image err: zut; artifact err: manifest unknown",
            Cause::ImageNotFound,
        ),
        ("pull image err: no space left on device; artifact err: manifest unknown", Cause::DiskFull),
        ("(Mirrors also failed: [mirror/a: manifest unknown]): reg/a: 401 Unauthorized", Cause::Unauthorized),
        ("(Mirrors also failed: [mirror/a: manifest unknown]): reg/a: zut", Cause::ImageNotFound),
        // In an air-gapped cluster, the mirror has the image, or should.
        (
            "(Mirrors also failed: [m/a: manifest unknown]): reg/a: dial tcp: lookup reg: no such host",
            Cause::ImageNotFound,
        ),
        (
            "(Mirrors also failed: [m/a: manifest unknown]\n[n/a: 401 Unauthorized]): reg/a: i/o timeout",
            Cause::ImageNotFound,
        ),
        ("(Mirrors also failed: [m/a: i/o timeout] [n/a: 401 Unauthorized]): reg/a: i/o timeout", Cause::Unauthorized),
        ("(Mirrors also failed: [m/a: i/o timeout]): reg/a: dial tcp: lookup reg: no such host", Cause::DnsFailure),
        (
            "(Mirrors also failed: [m/a: manifest unknown]): reg/a: registry reg is blocked in /etc/containers/registries.conf",
            Cause::ImageNotFound,
        ),
        ("(Mirrors also failed: [m/a: manifest unknown]): reg/a: denied: Blocked by Xray", Cause::BlockedByPolicy),
    ];
    for (message, cause) in cases {
        assert_eq!(classify("ErrImagePull", message), cause, "{message}");
    }
}

#[test]
fn line_breaks_do_not_change_the_cause() {
    let text = "pull image: reading manifest 1 in quay.io/a/b: unauthorized: access to the requested resource is not authorized";
    for broken in ["\n", "\\n", " \t\n   ", "\\n\\t"] {
        let message = text.replace(' ', broken);
        assert_eq!(classify("ErrImagePull", &message), Cause::NotFoundOrDenied, "{message}");
    }
    let listed = r"2 errors occurred:\n\t* a/x: manifest unknown\n\t* b/x: i/o timeout\n\n";
    assert_eq!(classify("ErrImagePull", listed), Cause::ImageNotFound);
}

#[test]
fn response_meaning_depends_on_the_host() {
    let cases = [
        ("unexpected status from GET request to https://quay.io/v2/auth: 401 Unauthorized", Cause::NotFoundOrDenied),
        ("unexpected status from GET request to https://reg.example/quay.io: 401 Unauthorized", Cause::Unauthorized),
        (
            "failed to fetch oauth token: status from GET to https://eu-docker.pkg.dev/token: 404 Not Found",
            Cause::RepositoryNotFound,
        ),
        (
            "failed to fetch oauth token: status from GET to https://reg.example/token: 404 Not Found",
            Cause::Unauthorized,
        ),
        // After a URL, the status decides, not the reason phrase.
        ("https://acct.blob.core.windows.net/x: 403 This request is not authorized to perform this.", Cause::Forbidden),
        ("https://acct.blob.core.windows.net/x: 503 Egress is over the account limit.", Cause::RegistryError),
    ];
    for (message, cause) in cases {
        assert_eq!(classify("ErrImagePull", message), cause, "{message}");
    }
}

#[test]
fn image_names_do_not_affect_the_cause() {
    let names = [
        "timeout-tool:1",
        "reg.example/no-such-host",
        "x509.example.com/x509:x509",
        "reg.example:5000/manifest-unknown/denied:unauthorized",
        "team/unauthorized:429",
        "reg.example/403/toomanyrequests@sha256:0000",
        "docker.io/library/eof:eof",
    ];
    for name in names {
        let refused = format!(
            "failed to pull and unpack image \"{name}\": failed to resolve reference \"{name}\": failed to do request: \
             Head \"https://{name}/manifests/1?ns={name}\": dial tcp 10.0.0.9:443: connect: connection refused"
        );
        assert_eq!(classify("ErrImagePull", &refused), Cause::ConnectionFailed, "{refused}");
        let missing = format!("failed to resolve reference \"{name}\": {name}: not found");
        assert_eq!(classify("ErrImagePull", &missing), Cause::ImageNotFound, "{missing}");
    }
}

#[test]
fn causes_are_a_closed_set_with_one_rank_each() {
    let ranked: BTreeSet<Cause> = BY_ACTIONABILITY.iter().copied().collect();
    let all: BTreeSet<Cause> = Cause::ALL.iter().copied().collect();
    assert_eq!((ranked.len(), BY_ACTIONABILITY.len(), Cause::ALL.len()), (30, 30, 30));
    assert_eq!(ranked, all);
    let names: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.as_str()).collect();
    assert_eq!(names.len(), Cause::ALL.len());
    let groups: BTreeSet<CauseGroup> = Cause::ALL.iter().map(|cause| cause.group()).collect();
    assert_eq!(groups, CauseGroup::ALL.iter().copied().collect());
}

/// A pattern is redundant if an earlier rule matches its text, or another pattern of the same rule does.
#[test]
fn every_pattern_is_needed() {
    let idle: Vec<String> = rules::all_rules()
        .flat_map(|rule| rule.patterns().map(move |pattern| (rule, pattern)))
        .filter(|(rule, pattern)| {
            let text = pattern.replace('#', "status code ").replace('*', "x");
            let is_first = rules::first_match(&text).is_some_and(|first| std::ptr::eq(first, *rule));
            !is_first || rule.patterns().filter(|wanted| rule::pattern_matches(&text, wanted)).count() != 1
        })
        .map(|(rule, pattern)| format!("{:?}: {pattern}", rule.cause))
        .collect();
    assert!(idle.is_empty(), "{}", idle.join("\n"));
}

#[test]
fn patterns_are_lower_case_and_rules_name_their_source() {
    for rule in rules::all_rules() {
        assert!(!rule.written_by.is_empty() && !rule.source.is_empty());
        assert!(
            rule.patterns().all(|pattern| pattern == pattern.to_ascii_lowercase() && pattern.len() > 3),
            "{rule:?}"
        );
    }
}

#[test]
fn only_the_start_and_the_end_of_a_huge_text_are_read() {
    let rubbish = "é<br>".repeat(1 << 18);
    assert!(rubbish.len() > 1 << 20);
    assert!(error_text::truncate_middle(&rubbish).len() <= 20 * 1024 + 8);
    let framed = format!("failed to resolve reference \"a\": {rubbish}: dial tcp 10.0.0.9:443: i/o timeout");
    assert_eq!(classify("ErrImagePull", &framed), Cause::Timeout);
    assert_eq!(classify("ErrImagePull", &format!("pull QPS exceeded{rubbish}")), Cause::PullQpsExceeded);
}

/// The work is proportional to the number of patterns times the bytes of all parts. Splitting must not add bytes.
#[test]
fn splitting_a_text_never_makes_it_longer() {
    for joined in [
        "[".to_owned() + &"rpc error: code = Unknown desc = x, ".repeat(1000) + "]",
        "[, , , ]".to_owned(),
        "\n\t* errors occurred:".repeat(99),
        "(Mirrors also failed: [".repeat(50) + &"]\n[".repeat(50) + &"] [".repeat(50) + &"]): ".repeat(50),
    ] {
        let attempts = error_text::split_attempts(&joined);
        let parts = attempts
            .iter()
            .flat_map(|attempt| attempt.mirrors.iter().copied().chain(attempt.artifact).chain([attempt.error]));
        assert!(parts.map(str::len).sum::<usize>() <= joined.len());
    }
}

#[test]
fn matching_rule_names_its_source() {
    let rule = matching_rule("ErrImagePull", "pull QPS exceeded").unwrap();
    assert_eq!((rule.cause, rule.written_by), (Cause::PullQpsExceeded, "kubelet"));
    assert!(matching_rule("ErrImagePull", "").is_none());
}

#[test]
fn texts_up_to_twenty_kibibytes_are_read_whole() {
    let limit = 20 * 1024;
    let text = "x".repeat(limit);
    assert_eq!(error_text::truncate_middle(&text), text);
    let longer = error_text::truncate_middle(&"x".repeat(limit + 100)).into_owned();
    let (head, tail) = longer.split_once('\n').unwrap();
    assert_eq!((head.len(), tail.len()), (16 * 1024, 4 * 1024));
}

#[test]
fn the_prefix_of_an_event_is_not_part_of_the_error() {
    let event = "Failed to pull image \"a\": rpc error: code = Unknown desc = pull QPS exceeded";
    assert!(is_same_error(event, "pull QPS exceeded"));
    assert!(!is_same_error(event, "unauthorized"));
}

#[test]
fn urls_and_image_references_are_masked() {
    for (text, masked) in [
        ("timeout:1 x", "@ x"),
        ("reg.example/timeout x", "@ x"),
        ("localhost/timeout: x", "@: x"),
        ("team/timeout x", "team/timeout x"),
        ("/var/lib/a:b x", "/var/lib/a:b x"),
        ("https://quay.io/v2/ x", "quay@ x"),
    ] {
        assert_eq!(error_text::normalize_and_mask_names(text), masked);
    }
}

#[test]
fn names_of_groups_and_host_kinds_are_stable() {
    let groups: Vec<&str> = CauseGroup::ALL.iter().map(|group| group.as_str()).collect();
    assert_eq!(groups, ["image", "credentials", "registry", "network", "node", "policy", "unknown"]);
    let kinds: Vec<&str> = HostKind::ALL.iter().map(|kind| kind.as_str()).collect();
    assert_eq!(kinds, ["registry", "token_service", "blob_store", "mirror", "proxy", "node", "unknown"]);
}

proptest! {
    #[test]
    fn any_text_has_some_cause(reason in "(?s).{0,40}", message in "(?s).{0,400}") {
        let cause = classify(&reason, &message);
        prop_assert!(Cause::ALL.contains(&cause));
    }

    #[test]
    fn any_pieces_of_errors_have_some_cause(
        pieces in prop::collection::vec(prop::sample::select(&[
            "Back-off pulling image \"", "\"", ": ", "ErrImagePull: ", "rpc error: code = ", " desc = ", "[", "]", ", ", "; artifact err: ",
            "(Mirrors also failed: ", "]): ", "errors occurred:", "\n\t* ", "not found", "#401", "*", "@", "é", "401 Unauthorized", "dial tcp",
        ][..]), 0..30),
    ) {
        let text = pieces.concat();
        prop_assert!(Cause::ALL.contains(&classify("ImagePullBackOff", &text)));
        let _ = is_bare_backoff(&text);
    }
}
