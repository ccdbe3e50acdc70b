//! A clock that somebody sets.

use std::time::Duration;

use super::*;
use crate::clock_step::ClockStep;

fn step(story: &mut Story, now: i64, back: u64) {
    story.index.clock_stepped(ClockStep { now: at(now), back: Duration::from_secs(back) });
}

#[test]
fn what_began_in_the_future_is_put_right_and_what_began_before_stands() {
    let (mut story, web) = web_fails();
    // The clock is an hour ahead for a while.
    step(&mut story, 3605, 0);
    let other = pod("other").image("busybox:nope");
    story.apply(3606, &other.clone().creating()).apply(3610, &other.clone().err_image_pull());
    step(&mut story, 12, 3600);
    assert_eq!(
        story.failing(),
        [
            "other/app busybox:nope ErrImagePull since 10 observed, 1 attempts",
            "web/app nginx:nope ErrImagePull since 1 observed, 1 attempts",
        ]
    );
    story.apply(100, &web.runs_since(100)).apply(101, &other.runs_since(101));
    let ends = ["100 web/app recovered after about 99 s", "101 other/app recovered after about 91 s"];
    assert_eq!(story.lines.iter().filter(|line| line.contains("recovered")).collect::<Vec<_>>(), ends);
}

#[test]
fn an_interval_in_which_the_clock_was_set_is_not_measured() {
    for (now, back) in [(3610, 0), (1, 3600)] {
        let (mut story, web) = web_fails();
        story.apply(13, &web.clone().image_pull_back_off());
        step(&mut story, now, back);
        story.apply(now + 14, &web.clone().err_image_pull());
        assert!(!story.lines.iter().any(|line| line.contains("backed off")), "{:?}", story.lines);
        // The next one is.
        story.apply(now + 27, &web.clone().image_pull_back_off()).apply(now + 64, &web.err_image_pull());
        assert!(story.lines.iter().any(|line| line.contains("backed off 50 s")), "{:?}", story.lines);
    }
}

#[test]
fn what_was_complete_in_the_future_bounds_no_start() {
    let mut story = Story::new();
    story.apply(3600, &pod("other").image("busybox").runs());
    step(&mut story, 100, 3600);
    let web = pod("web").sandbox_ready(-499).image("nginx:nope");
    story.relist_all(400, &[web.image_pull_back_off()]);
    assert_eq!(story.failing(), ["web/app nginx:nope ImagePullBackOff since 0 pod_condition, 0 attempts"]);
}
