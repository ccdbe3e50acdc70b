//! Steps of the system clock.

use std::time::Duration;

use super::*;
use crate::clock_step::ClockStep;

fn step(story: &mut IndexScenario, now: i64, back: u64) {
    story.index.on_clock_step(ClockStep { now: at(now), set_back_by: Duration::from_secs(back) });
}

#[test]
fn only_starts_in_the_future_are_corrected() {
    let (mut story, web) = failing_pod();
    // The clock is an hour ahead until the step.
    step(&mut story, 3605, 0);
    let other = pod("other").image("busybox:nope");
    story.apply(3606, &other.clone().container_creating()).apply(3610, &other.clone().err_image_pull());
    step(&mut story, 12, 3600);
    assert_eq!(
        story.failing(),
        [
            "other/app busybox:nope ErrImagePull since 10 observed, 1 attempts",
            "web/app nginx:nope ErrImagePull since 1 observed, 1 attempts",
        ]
    );
    story.apply(100, &web.running_since(100)).apply(101, &other.running_since(101));
    let ends = ["100 web/app recovered after about 99 s", "101 other/app recovered after about 91 s"];
    assert_eq!(story.log.iter().filter(|line| line.contains("recovered")).collect::<Vec<_>>(), ends);
}

#[test]
fn an_interval_with_a_clock_step_is_not_measured() {
    for (now, back) in [(3610, 0), (1, 3600)] {
        let (mut story, web) = failing_pod();
        story.apply(13, &web.clone().image_pull_back_off());
        step(&mut story, now, back);
        story.apply(now + 14, &web.clone().err_image_pull());
        assert!(!story.log.iter().any(|line| line.contains("backed off")), "{:?}", story.log);
        // The next interval is measured.
        story.apply(now + 27, &web.clone().image_pull_back_off()).apply(now + 64, &web.err_image_pull());
        assert!(story.log.iter().any(|line| line.contains("backed off 50 s")), "{:?}", story.log);
    }
}

#[test]
fn a_view_completed_in_the_future_bounds_no_start() {
    let mut story = IndexScenario::new();
    story.apply(3600, &pod("other").image("busybox").running());
    step(&mut story, 100, 3600);
    let web = pod("web").sandbox_ready(-499).image("nginx:nope");
    story.relist_all(400, &[web.image_pull_back_off()]);
    assert_eq!(story.failing(), ["web/app nginx:nope ImagePullBackOff since 0 pod_condition, 0 attempts"]);
}
