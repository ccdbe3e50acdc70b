use super::*;
use crate::http::assets::RUNBOOKS;

#[test]
fn titles_are_words() {
    assert_eq!(cause_title(Cause::DnsFailure), "DNS failure");
    assert_eq!(cause_title(Cause::NotFoundOrDenied), "Not found or denied");
    assert_eq!(cause_title(Cause::PullQpsExceeded), "Pull QPS exceeded");
    assert_eq!(
        (pluralize(1, "registry"), pluralize(2, "registry"), pluralize(0, "pod")),
        ("1 registry".into(), "2 registries".into(), "0 pods".into())
    );
}

#[test]
fn every_cause_has_a_runbook() {
    for cause in Cause::ALL {
        let name = runbook_for(*cause, cause.group());
        assert!(RUNBOOKS.iter().any(|(known, _)| *known == name), "{name}");
    }
}

#[test]
fn pod_paths_are_percent_encoded() {
    assert_eq!(pod_path("shop", "web-0"), "failures/shop/web-0");
    assert_eq!(pod_path("a/b", "<\"\u{202e}?#%"), "failures/a%2Fb/%3C%22%E2%80%AE%3F%23%25");
}

#[test]
fn pull_policies_are_explained() {
    let text = |image: &str, policy: PullPolicy| pull_policy_text(policy, &ImageReference::parse(image));
    assert!(text("nginx", PullPolicy::Always).contains("latest or no tag"));
    assert!(text("nginx:1", PullPolicy::Always).contains("AlwaysPullImages"));
    assert!(text("nginx:1", PullPolicy::IfNotPresent).contains("default for this reference"));
    assert!(text("nginx", PullPolicy::IfNotPresent).contains("set in the spec"));
    assert!(text("nginx", PullPolicy::Never).starts_with("never contacts"));
}
