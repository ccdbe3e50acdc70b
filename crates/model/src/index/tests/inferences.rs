//! Causes that are inferred from another container, in the effects of the index.

use super::*;
use crate::latest_snapshot::LatestSnapshot;

#[test]
fn an_ended_failure_has_the_cause_that_was_inferred_for_it() {
    let mut story = IndexScenario::new();
    let bare = pod("bare").image("nginx:nope").waiting("ImagePullBackOff", "Back-off pulling image \"nginx:nope\"");
    story.apply(1, &pod("web").image("nginx:nope").err_image_pull()).apply(2, &bare);
    let (_, inferred) = LatestSnapshot::default().update(story.index.changes().unwrap());
    story.index.apply_inferences(&inferred);
    let effects = story.index.delete(&bare.deleting(), at(10));
    let [IndexEffect::Failure { pod_before_end: Some(pod), .. }] = &*effects else { panic!("{effects:?}") };
    let failure = pod.containers[0].failure.as_ref().unwrap();
    assert_eq!((failure.cause().as_str(), failure.is_cause_inferred()), ("image_not_found", true));
}

#[test]
fn a_cause_inferred_for_a_pod_that_changed_since_is_dropped() {
    let mut story = IndexScenario::new();
    let bare = pod("bare").image("nginx:nope").waiting("ImagePullBackOff", "Back-off pulling image \"nginx:nope\"");
    story.apply(1, &pod("web").image("nginx:nope").err_image_pull()).apply(2, &bare);
    let (_, inferred) = LatestSnapshot::default().update(story.index.changes().unwrap());
    story.apply(3, &bare.clone().waiting("ErrImagePull", "dial tcp 10.0.0.1:443: i/o timeout"));
    story.index.apply_inferences(&inferred);
    let effects = story.index.delete(&bare.deleting(), at(10));
    let [IndexEffect::Failure { pod_before_end: Some(pod), .. }] = &*effects else { panic!("{effects:?}") };
    assert_eq!(pod.containers[0].failure.as_ref().unwrap().cause().as_str(), "timeout");
}
