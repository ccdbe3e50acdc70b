//! Statuses that the kubelet does not keep up.

use super::*;

/// Since when the status of the first failure is stale, where the view is current up to `seen_until`.
fn stale_since(story: &mut IndexScenario, seen_until: i64) -> Option<i64> {
    let snapshot = story.index.snapshot().expect("it was listed");
    let (pod, _, failure) = snapshot.failures().next().expect("it fails");
    pod.stale_since(failure, at(seen_until))
        .map(|since| i64::try_from(since.saturating_duration_since(at(0)).as_secs()).unwrap())
}

#[test]
fn a_status_unchanged_for_fifteen_minutes_is_stale() {
    const WEEK: i64 = 7 * 86_400;
    let (mut story, web) = failing_pod();
    story.apply(15, &web.clone().image_pull_back_off());
    assert_eq!((stale_since(&mut story, 915), stale_since(&mut story, 916)), (None, Some(15)));
    // The kubelet restarts and then stops. Its last status is a week old.
    story.apply(20, &web.clone().container_creating());
    assert_eq!(stale_since(&mut story, WEEK), Some(20));
    // A change of the pod by another client is not a status update by the kubelet.
    story.apply(WEEK, &PodFacts { service_account: "other".to_owned(), ..web.clone().container_creating() });
    assert_eq!(stale_since(&mut story, WEEK), Some(20));
    story.apply(WEEK, &web.err_image_pull());
    assert_eq!((story.failing().len(), stale_since(&mut story, WEEK + 900)), (1, None));
}

#[test]
fn a_status_that_is_written_once_or_with_a_changing_one_is_not_stale() {
    let mut story = IndexScenario::new();
    story.apply(1, &pod("web").image("Nginx").waiting("InvalidImageName", "couldn't parse image name \"Nginx\""));
    assert_eq!(stale_since(&mut story, 1_000_000), None);
    let mut story = IndexScenario::new();
    let two = |second: fn(PodFacts) -> PodFacts| {
        second(pod("web").image("nginx:nope").image_pull_back_off().container("two", ContainerKind::App, "nginx:nope"))
    };
    story.apply(1, &two(PodFacts::err_image_pull)).apply(600, &two(PodFacts::image_pull_back_off));
    assert_eq!(stale_since(&mut story, 1400), None, "the kubelet tries the image that both share");
}
