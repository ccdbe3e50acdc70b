use super::super::cause::Cause;
use super::super::facts::PodFacts;
use super::super::scenario::{IndexScenario, at, not_found, pod};

const IMAGE: &str = "reg.example/a:1";
const NO_HOST: &str = "Head \"https://reg.example/v2/a\": dial tcp: lookup reg.example: no such host";
const FULL: &str = "write /var/lib/containerd/a: no space left on device";
const DENIED: &str = "unexpected status from HEAD request to https://reg.example/v2/a: 401 Unauthorized";

/// A pod in a back-off without an error text.
fn in_bare_back_off(name: &str) -> PodFacts {
    pod(name).image(IMAGE).waiting("ImagePullBackOff", &format!("Back-off pulling image \"{IMAGE}\""))
}

/// A pod whose attempt failed with an error text.
fn failed_with(name: &str, text: &str) -> PodFacts {
    pod(name).image(IMAGE).waiting("ErrImagePull", text)
}

fn on_node(node: &str, mut pod: PodFacts) -> PodFacts {
    node.clone_into(&mut pod.node);
    pod
}

fn with_secret(secret: &str, mut pod: PodFacts) -> PodFacts {
    pod.pull_secrets = vec![secret.to_owned()];
    pod
}

/// Pod name, cause, and whether the cause is inferred, of each failure.
fn causes(story: &mut IndexScenario) -> Vec<(String, Cause, bool)> {
    let snapshot = story.index.snapshot().unwrap();
    let causes = snapshot
        .failures()
        .map(|(pod, _, failure)| (pod.id.name.clone(), failure.cause(), failure.is_cause_inferred()));
    causes.collect()
}

/// Checks the cause of the pod `bare` next to others, for every order of events and with and without intermediate
/// snapshots.
#[track_caller]
fn check(bare: &PodFacts, others: &[PodFacts], expected: Option<Cause>) {
    let pods: Vec<&PodFacts> = others.iter().chain([bare]).collect();
    for turn in 0..pods.len() {
        let mut story = IndexScenario::new();
        for pod in pods.iter().cycle().skip(turn).take(pods.len()) {
            story.apply(1, pod);
            if turn % 2 == 0 {
                let _ = causes(&mut story);
            }
        }
        let all = causes(&mut story);
        let (_, cause, is_inferred) = all.iter().find(|(name, _, _)| *name == bare.id.name).unwrap();
        assert_eq!((*cause, *is_inferred), (expected.unwrap_or(Cause::Unknown), expected.is_some()), "turn {turn}");
    }
}

#[test]
fn infers_the_cause_from_a_container_with_the_same_image() {
    check(&in_bare_back_off("web"), &[failed_with("other", NO_HOST)], Some(Cause::DnsFailure));
    check(&in_bare_back_off("web"), &[on_node("node-2", failed_with("other", NO_HOST))], Some(Cause::DnsFailure));
    check(
        &in_bare_back_off("web"),
        &[failed_with("other", &not_found(IMAGE)), on_node("node-2", failed_with("third", NO_HOST))],
        Some(Cause::ImageNotFound),
    );
    check(&in_bare_back_off("web"), &[], None);
    check(&in_bare_back_off("web"), &[in_bare_back_off("other")], None);
    check(&in_bare_back_off("web"), &[failed_with("other", "the moon is full")], None);
    let another_image = pod("other").image("reg.example/b:1").waiting("ErrImagePull", NO_HOST);
    check(&in_bare_back_off("web"), &[another_image], None);
    // No request was sent to a registry: the pull policy differs.
    let never = pod("other").image(IMAGE).waiting("ErrImageNeverPull", "");
    check(&in_bare_back_off("web"), &[never], None);
}

#[test]
fn node_and_credential_causes_do_not_transfer() {
    check(&in_bare_back_off("web"), &[failed_with("other", FULL)], Some(Cause::DiskFull));
    check(&in_bare_back_off("web"), &[on_node("node-2", failed_with("other", FULL))], None);
    check(&in_bare_back_off("web"), &[on_node("node-2", failed_with("other", DENIED))], Some(Cause::Unauthorized));
    check(&in_bare_back_off("web"), &[with_secret("mine", failed_with("other", DENIED))], None);
    check(
        &with_secret("mine", in_bare_back_off("web")),
        &[with_secret("mine", failed_with("other", DENIED))],
        Some(Cause::Unauthorized),
    );
    check(&in_bare_back_off("web"), &[failed_with("other", DENIED).in_namespace("bank")], None);
}

#[test]
fn prefers_the_closest_container_then_the_most_actionable_cause() {
    let near = failed_with("near", NO_HOST);
    let far = on_node("node-2", failed_with("far", &not_found(IMAGE)));
    check(&in_bare_back_off("web"), &[near, far.clone()], Some(Cause::DnsFailure));
    let other = on_node("node-3", failed_with("other", NO_HOST));
    check(&in_bare_back_off("web"), &[other, far], Some(Cause::ImageNotFound));
}

#[test]
fn an_inferred_cause_ends_with_its_source_and_yields_to_an_own_text() {
    let mut story = IndexScenario::new();
    story.apply(1, &in_bare_back_off("web")).apply(50, &failed_with("other", NO_HOST));
    let snapshot = story.index.snapshot().unwrap();
    let (_, _, web) = snapshot.failures().find(|(pod, _, _)| pod.id.name == "web").unwrap();
    assert_eq!(web.host().map(|host| &*host.name), Some("reg.example"));
    assert_eq!(web.cause_start().at, at(50), "no earlier than where the text was seen");
    story.apply(60, &failed_with("web", &not_found(IMAGE)));
    assert_eq!(causes(&mut story)[1], ("web".to_owned(), Cause::ImageNotFound, false));
    let mut story = IndexScenario::new();
    story.apply(1, &in_bare_back_off("web")).apply(2, &failed_with("other", NO_HOST));
    assert_eq!(causes(&mut story)[1], ("web".to_owned(), Cause::DnsFailure, true));
    story.delete(3, &failed_with("other", NO_HOST).deleting());
    assert_eq!(causes(&mut story), [("web".to_owned(), Cause::Unknown, false)]);
    assert!(story.log.iter().all(|line| !line.contains("unclassified")), "{:?}", story.log);
}
