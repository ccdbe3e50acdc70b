use std::time::Duration;

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_unix_millis(1_800_000_000_000).saturating_add(Duration::from_secs(seconds))
}

fn point(seconds: u64, image_state: ImageState) -> TimelinePoint {
    TimelinePoint { at: at(seconds), image_state, text: None }
}

#[test]
fn each_attempt_and_each_wait_has_a_bar() {
    let (attempt, wait) =
        (ImageState::NoImage(WaitingReason::ErrImagePull), ImageState::NoImage(WaitingReason::ImagePullBackOff));
    let points = [point(0, attempt), point(100, wait), point(299, attempt), point(300, ImageState::BeforePull)];
    let timeline = Timeline::new(&points, at(600)).unwrap();
    assert_eq!(timeline.attempts, "M0 0h100v16h-100zM299 0h3v16h-3z");
    assert_eq!(timeline.waits, "M100 5h199v6h-199z");
    assert_eq!(timeline.others, "M300 5h300v6h-300z");
    assert_eq!((timeline.begin, timeline.count), (at(0), 2));
}

#[test]
fn empty_short_and_future_timelines_are_drawn() {
    assert_eq!(Timeline::new(&[], at(0)), None);
    let attempt = ImageState::NoImage(WaitingReason::ErrImagePull);
    assert_eq!(Timeline::new(&[point(5, attempt)], at(5)).unwrap().attempts, "M0 0h3v16h-3z");
    assert_eq!(Timeline::new(&[point(5, attempt), point(9, attempt)], at(0)).unwrap().count, 2);
}
