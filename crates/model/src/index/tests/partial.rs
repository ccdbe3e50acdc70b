//! Pods that exist or are deleted and cannot be read: what is known of their identity counts.

use super::*;

/// Complete and partial identities of a pod: with name and uid, without the name, without the uid.
fn partial_ids(pod: &PodFacts) -> [PodId; 3] {
    let id = &pod.id;
    [id.clone(), PodId { name: String::new(), ..id.clone() }, PodId { uid: String::new(), ..id.clone() }]
}

/// Relists only a pod that cannot be decoded.
fn relist_partial(story: &mut IndexScenario, id: &PodId, time: i64) -> Vec<IndexEffect> {
    story.index.begin_relist(&WatchScope::Cluster);
    story.index.keep_partial(&WatchScope::Cluster, id);
    story.index.end_relist(&WatchScope::Cluster, at(time))
}

#[test]
fn an_undecodable_pod_in_a_relist_keeps_its_failures() {
    for place in 0..3 {
        let (mut story, web) = failing_pod();
        story.apply(2, &pod("other").image("busybox:nope").err_image_pull());
        let ended = relist_partial(&mut story, &partial_ids(&web)[place], 30);
        assert_eq!(story.failing(), STILL);
        assert_eq!(ended.len(), 1, "the other pod's failure ended");
        // The next relist has the same result.
        assert_eq!(relist_partial(&mut story, &pod("stranger").id, 40).len(), 1);
        assert_eq!(story.failing(), [""; 0]);
    }
}

#[test]
fn a_relist_with_an_unidentified_pod_ends_no_failure() {
    let (mut story, _) = failing_pod();
    assert_eq!(relist_partial(&mut story, &PodId::default(), 30), []);
    assert_eq!(story.failing(), STILL);
    story.index.keep_partial(&WatchScope::Cluster, &PodId::default());
    assert_eq!(relist_partial(&mut story, &pod("stranger").id, 40).len(), 1, "that was between two relists");
    assert_eq!(story.failing(), [""; 0]);
}

#[test]
fn an_undecodable_deletion_ends_the_failures_of_its_pod() {
    for place in 0..3 {
        for (finished_pods_hidden, outcome) in [(false, FailureOutcome::PodDeleted), (true, FailureOutcome::Unknown)] {
            let settings = IndexConfig { excludes_finished_pods: finished_pods_hidden, ..IndexConfig::default() };
            let mut story = IndexScenario::with(settings, &[WatchScope::Cluster]);
            let web = pod("web").image("nginx:nope").err_image_pull();
            story.apply(1, &web).apply(2, &pod("other").image("busybox:nope").err_image_pull());
            let ended = story.index.delete_partial(&partial_ids(&web)[place], at(20));
            assert!(
                matches!(&*ended, [IndexEffect::Failure { subject, event: FailureEvent::Ended { outcome: ended, .. }, .. }]
                    if subject.pod.name == "web" && *ended == outcome),
                "{ended:?}"
            );
            assert_eq!(story.failing(), ["other/app busybox:nope ErrImagePull since 2 observed, 1 attempts"]);
        }
    }
}

#[test]
fn an_ambiguous_deletion_ends_no_failure() {
    let (mut story, web) = failing_pod();
    story.apply(2, &web.clone().with_uid("another").err_image_pull());
    let [_, _, less_uid] = partial_ids(&web);
    for id in [less_uid, PodId { namespace: "shop".to_owned(), ..PodId::default() }, PodId::default()] {
        assert_eq!(story.index.delete_partial(&id, at(20)), []);
    }
    assert_eq!(story.failing().len(), 2);
    assert_eq!(story.index.delete_partial(&web.id, at(20)).len(), 1);
}
