//! Pods whose containers have their images.

use super::*;
use crate::latest_snapshot::LatestSnapshot;

/// The number of pods in the changes since the last call.
fn changed_pods(story: &mut IndexScenario) -> usize {
    let (changed, _) = LatestSnapshot::default().update(story.index.changes().expect("it was listed"));
    changed.pods.len()
}

fn crash_loop(pod: PodFacts) -> PodFacts {
    pod.waiting("CrashLoopBackOff", "back-off 1m20s restarting failed container=app").restarted(1, -5)
}

#[test]
fn a_healthy_pod_is_neither_held_nor_recorded_as_a_change() {
    for mirrored_reasons in [MirroredReasons::Image, MirroredReasons::None, MirroredReasons::All] {
        let mut story = IndexScenario::mirroring(mirrored_reasons);
        let unchanged = format!("{:?}", story.index.changes());
        let web = pod("web").image("nginx");
        story.apply(1, &web.clone().running()).apply(2, &web.clone().terminated("Completed", 2));
        if mirrored_reasons != MirroredReasons::All {
            story.apply(3, &crash_loop(web.clone()));
        }
        assert!(!story.index.contains(&web.id), "{mirrored_reasons:?}");
        assert_eq!(format!("{:?}", story.index.changes()), unchanged, "{mirrored_reasons:?}");
    }
}

#[test]
fn a_pod_is_held_while_it_fails_or_is_mirrored() {
    for (mirrored_reasons, status, is_held) in [
        (MirroredReasons::None, PodFacts::err_image_pull as fn(PodFacts) -> PodFacts, true),
        (MirroredReasons::All, crash_loop, true),
        (MirroredReasons::Image, crash_loop, false),
    ] {
        let mut story = IndexScenario::mirroring(mirrored_reasons);
        let web = pod("web").image("nginx:nope");
        story.apply(1, &status(web.clone()));
        assert_eq!((story.index.contains(&web.id), changed_pods(&mut story)), (is_held, usize::from(is_held)));
        story.apply(2, &web.clone().running());
        assert!(!story.index.contains(&web.id));
    }
}
