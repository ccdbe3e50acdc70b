use super::super::cause::Cause;
use super::super::facts::PodFacts;
use super::super::fixture::{Story, at, not_found, pod};

const IMAGE: &str = "reg.example/a:1";
const NO_HOST: &str = "Head \"https://reg.example/v2/a\": dial tcp: lookup reg.example: no such host";
const FULL: &str = "write /var/lib/containerd/a: no space left on device";
const DENIED: &str = "unexpected status from HEAD request to https://reg.example/v2/a: 401 Unauthorized";

/// A pod that waits with nothing but a bare back-off.
fn bare(name: &str) -> PodFacts {
    pod(name).image(IMAGE).waits("ImagePullBackOff", &format!("Back-off pulling image \"{IMAGE}\""))
}

/// A pod whose attempt failed with an error text.
fn told(name: &str, text: &str) -> PodFacts {
    pod(name).image(IMAGE).waits("ErrImagePull", text)
}

fn on(node: &str, mut pod: PodFacts) -> PodFacts {
    node.clone_into(&mut pod.node);
    pod
}

fn with_secret(secret: &str, mut pod: PodFacts) -> PodFacts {
    pod.pull_secrets = vec![secret.to_owned()];
    pod
}

/// The cause of each failure, and whether it is inferred, by the pod's name.
fn causes(story: &mut Story) -> Vec<(String, Cause, bool)> {
    let snapshot = story.index.snapshot().unwrap();
    let causes = snapshot
        .failures()
        .map(|(pod, _, failure)| (pod.id.name.clone(), failure.cause(), failure.is_cause_inferred()));
    causes.collect()
}

/// Checks the cause of the pod `bare` beside others, in whatever order they come and however often a reader looks.
#[track_caller]
fn check(bare: &PodFacts, others: &[PodFacts], expected: Option<Cause>) {
    let pods: Vec<&PodFacts> = others.iter().chain([bare]).collect();
    for turn in 0..pods.len() {
        let mut story = Story::new();
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
fn a_bare_back_off_takes_the_cause_of_a_container_with_the_same_image() {
    check(&bare("web"), &[told("other", NO_HOST)], Some(Cause::DnsFailure));
    check(&bare("web"), &[on("node-2", told("other", NO_HOST))], Some(Cause::DnsFailure));
    check(
        &bare("web"),
        &[told("other", &not_found(IMAGE)), on("node-2", told("third", NO_HOST))],
        Some(Cause::ImageNotFound),
    );
    check(&bare("web"), &[], None);
    check(&bare("web"), &[bare("other")], None);
    check(&bare("web"), &[told("other", "the moon is full")], None);
    let another_image = pod("other").image("reg.example/b:1").waits("ErrImagePull", NO_HOST);
    check(&bare("web"), &[another_image], None);
    // It never asked a registry: its policy differs.
    let never = pod("other").image(IMAGE).waits("ErrImageNeverPull", "");
    check(&bare("web"), &[never], None);
}

#[test]
fn what_is_wrong_with_a_node_or_with_credentials_says_nothing_of_others() {
    check(&bare("web"), &[told("other", FULL)], Some(Cause::DiskFull));
    check(&bare("web"), &[on("node-2", told("other", FULL))], None);
    check(&bare("web"), &[on("node-2", told("other", DENIED))], Some(Cause::Unauthorized));
    check(&bare("web"), &[with_secret("mine", told("other", DENIED))], None);
    check(&with_secret("mine", bare("web")), &[with_secret("mine", told("other", DENIED))], Some(Cause::Unauthorized));
    check(&bare("web"), &[told("other", DENIED).in_namespace("bank")], None);
}

#[test]
fn the_closest_container_counts_and_then_the_most_actionable_cause() {
    let near = told("near", NO_HOST);
    let far = on("node-2", told("far", &not_found(IMAGE)));
    check(&bare("web"), &[near, far.clone()], Some(Cause::DnsFailure));
    let other = on("node-3", told("other", NO_HOST));
    check(&bare("web"), &[other, far], Some(Cause::ImageNotFound));
}

#[test]
fn an_inferred_cause_goes_with_the_text_it_came_from_and_gives_way_to_an_own() {
    let mut story = Story::new();
    story.apply(1, &bare("web")).apply(50, &told("other", NO_HOST));
    let snapshot = story.index.snapshot().unwrap();
    let (_, _, web) = snapshot.failures().find(|(pod, _, _)| pod.id.name == "web").unwrap();
    assert_eq!(web.host().map(|host| &*host.name), Some("reg.example"));
    assert_eq!(web.cause_since().at, at(50), "no earlier than where the text was seen");
    story.apply(60, &told("web", &not_found(IMAGE)));
    assert_eq!(causes(&mut story)[1], ("web".to_owned(), Cause::ImageNotFound, false));
    let mut story = Story::new();
    story.apply(1, &bare("web")).apply(2, &told("other", NO_HOST));
    assert_eq!(causes(&mut story)[1], ("web".to_owned(), Cause::DnsFailure, true));
    story.delete(3, &told("other", NO_HOST).deleting());
    assert_eq!(causes(&mut story), [("web".to_owned(), Cause::Unknown, false)]);
    assert!(story.lines.iter().all(|line| !line.contains("unclassified")), "{:?}", story.lines);
}
