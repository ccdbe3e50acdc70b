//! Pods that exist or are deleted and cannot be read: what is known of their identity counts.

use super::*;

/// The identities by which a pod may be known: all of it, less its name, or less its uid.
fn known_as(pod: &PodFacts) -> [PodId; 3] {
    let id = &pod.id;
    [id.clone(), PodId { name: String::new(), ..id.clone() }, PodId { uid: String::new(), ..id.clone() }]
}

/// Lists a pod that cannot be read, and no other.
fn relist_unread(story: &mut Story, id: &PodId, time: i64) -> Vec<Effect> {
    story.index.reset_begin(&Scope::Cluster);
    story.index.keep(&Scope::Cluster, id);
    story.index.reset_end(&Scope::Cluster, at(time))
}

#[test]
fn a_pod_that_a_relist_shows_and_nobody_can_read_goes_on_failing() {
    for place in 0..3 {
        let (mut story, web) = web_fails();
        story.apply(2, &pod("other").image("busybox:nope").err_image_pull());
        let ended = relist_unread(&mut story, &known_as(&web)[place], 30);
        assert_eq!(story.failing(), STILL);
        assert_eq!(ended.len(), 1, "the other pod's failure ended");
        // It is as it was for the next relist, too.
        assert_eq!(relist_unread(&mut story, &pod("stranger").id, 40).len(), 1);
        assert_eq!(story.failing(), [""; 0]);
    }
}

#[test]
fn a_relist_with_a_pod_of_which_nothing_is_known_ends_no_failure() {
    let (mut story, _) = web_fails();
    assert_eq!(relist_unread(&mut story, &PodId::default(), 30), []);
    assert_eq!(story.failing(), STILL);
    story.index.keep(&Scope::Cluster, &PodId::default());
    assert_eq!(relist_unread(&mut story, &pod("stranger").id, 40).len(), 1, "that was between two relists");
    assert_eq!(story.failing(), [""; 0]);
}

#[test]
fn a_deletion_that_nobody_can_read_ends_the_failures_of_the_pod_that_it_names() {
    for place in 0..3 {
        for (finished_pods_hidden, outcome) in [(false, Outcome::PodDeleted), (true, Outcome::Unknown)] {
            let settings = Settings { finished_pods_hidden, ..Settings::default() };
            let mut story = Story::with(settings, &[Scope::Cluster]);
            let web = pod("web").image("nginx:nope").err_image_pull();
            story.apply(1, &web).apply(2, &pod("other").image("busybox:nope").err_image_pull());
            let ended = story.index.delete_unread(&known_as(&web)[place], at(20));
            assert!(
                matches!(&*ended, [Effect::Failure(subject, FailureEvent::Ended { outcome: ended, .. })]
                    if subject.pod.name == "web" && *ended == outcome),
                "{ended:?}"
            );
            assert_eq!(story.failing(), ["other/app busybox:nope ErrImagePull since 2 observed, 1 attempts"]);
        }
    }
}

#[test]
fn a_deletion_that_may_be_of_several_pods_is_of_none() {
    let (mut story, web) = web_fails();
    story.apply(2, &web.clone().with_uid("another").err_image_pull());
    let [_, _, less_uid] = known_as(&web);
    for id in [less_uid, PodId { namespace: "shop".to_owned(), ..PodId::default() }, PodId::default()] {
        assert_eq!(story.index.delete_unread(&id, at(20)), []);
    }
    assert_eq!(story.failing().len(), 2);
    assert_eq!(story.index.delete_unread(&web.id, at(20)).len(), 1);
}
