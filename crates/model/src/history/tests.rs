use std::time::Duration;

use super::*;
use crate::facts::{ContainerKind, PodFacts, WatchScope};
use crate::index::{Index, IndexConfig};
use crate::reason::WaitingReason;
use crate::scenario::{at, pod};

/// An index and a history that records its effects.
struct Watched {
    index: Index,
    history: History,
}

impl Watched {
    fn new(max_ended: usize) -> Self {
        let mut index = Index::new(IndexConfig::default(), &[WatchScope::Cluster]);
        index.begin_relist(&WatchScope::Cluster);
        let _ = index.end_relist(&WatchScope::Cluster, at(0));
        Self { index, history: History::new(max_ended) }
    }

    fn apply(&mut self, time: i64, pod: &PodFacts) -> &mut Self {
        for effect in self.index.apply(pod, at(time)) {
            self.history.record(&effect, at(time));
        }
        self
    }

    /// The timeline of the container `app`, one line for each point: `0 ErrImagePull`.
    fn timeline(&self, pod: &PodFacts) -> Vec<String> {
        let timelines = self.history.timelines(&pod.id);
        let of_app = timelines.iter().find(|(container, _)| container == "app");
        let point = |point: &TimelinePoint| {
            let second = point.at.saturating_duration_since(at(0)).as_secs();
            match point.image_state {
                ImageState::NoImage(reason) => format!("{second} {}", reason.as_str()),
                stage => format!("{second} {stage:?}"),
            }
        };
        of_app.map(|(_, points)| points.iter().map(point).collect()).unwrap_or_default()
    }
}

fn failing(name: &str) -> PodFacts {
    pod(name).image("nginx:nope").err_image_pull()
}

fn waiting(name: &str) -> PodFacts {
    pod(name).image("nginx:nope").image_pull_back_off()
}

fn running(name: &str) -> PodFacts {
    pod(name).image("nginx:nope").running()
}

#[test]
fn a_timeline_has_every_status_change() {
    let mut watched = Watched::new(9);
    watched.apply(1, &failing("web")).apply(17, &waiting("web")).apply(18, &waiting("web")).apply(30, &failing("web"));
    watched.apply(31, &pod("web").image("nginx:nope").container_creating());
    let turns = ["1 ErrImagePull", "17 ImagePullBackOff", "30 ErrImagePull", "31 BeforePull"];
    assert_eq!(watched.timeline(&failing("web")), turns);
    let (_, points) = watched.history.timelines(&failing("web").id).remove(0);
    let texts: Vec<&Arc<str>> = points.iter().filter_map(|point| point.text.as_ref()).collect();
    assert!(texts.len() == 2 && Arc::ptr_eq(texts[0], texts[1]), "attempts alone have texts, and share what is equal");
}

#[test]
fn an_ended_failure_is_kept_with_its_pod() {
    let mut watched = Watched::new(9);
    watched.apply(1, &failing("web")).apply(17, &waiting("web")).apply(30, &failing("web")).apply(95, &running("web"));
    let past = watched.history.snapshot(at(100));
    let [ended] = &past.ended[..] else { panic!("{:?}", past.ended) };
    let (pod, container, failure) = ended.failure_ref().unwrap();
    assert_eq!(
        (&*pod.id.name, &*pod.node, &*container.name, ended.outcome),
        ("web", "node-1", "app", FailureOutcome::Recovered)
    );
    assert_eq!((ended.at, failure.start.at), (at(95), at(1)));
    assert_eq!((failure.attempts, failure.image.tag()), (2, "nope"));
    assert_eq!(watched.timeline(&failing("web")), [""; 0], "the timeline of an open failure goes with it");
    assert_eq!((watched.history.bytes, watched.history.open.len()), (0, 0));
}

#[test]
fn the_newest_ended_failures_are_kept_and_evictions_counted() {
    let mut watched = Watched::new(2);
    for (time, name) in [(10, "a"), (20, "b"), (30, "c")] {
        watched.apply(time, &failing(name)).apply(time + 5, &running(name));
    }
    let past = watched.history.snapshot(at(60));
    let names: Vec<&str> = past.ended.iter().map(|ended| &*ended.pod.id.name).collect();
    assert_eq!(names, ["c", "b"]);
    assert_eq!(watched.history.evictions(), HistoryEvictions { failures: 1, points: 0 });

    let mut forgetful = Watched::new(0);
    forgetful.apply(1, &failing("web")).apply(2, &running("web"));
    assert!(forgetful.history.snapshot(at(3)).ended.is_empty());
    assert_eq!(forgetful.history.evictions(), HistoryEvictions::default(), "nobody asked for it");
}

#[test]
fn a_long_failure_keeps_its_newest_points() {
    let mut watched = Watched::new(9);
    for turn in 0..200 {
        watched.apply(turn * 300, &failing("web")).apply(turn * 300 + 13, &waiting("web"));
    }
    let timeline = watched.timeline(&failing("web"));
    assert_eq!((timeline.len(), &*timeline[319]), (MAX_POINTS, "59713 ImagePullBackOff"));
    assert_eq!(watched.history.evictions().points, 80);
}

#[test]
fn memory_is_bounded_for_any_number_of_failures_and_messages() {
    let subject = |number: usize| FailureSubject {
        pod: Arc::new(failing(&format!("web-{number}")).id),
        container: "app".to_owned(),
        registry: String::new(),
    };
    let mut history = History::new(9);
    let mut record = |number, event, time| {
        let effect = IndexEffect::Failure { subject: subject(number), event, pod_before_end: None };
        history.record(&effect, at(time));
        assert!(history.bytes <= MAX_BYTES);
        history.evictions().points
    };
    for number in 0..400 {
        record(number, FailureEvent::Started, 0);
    }
    let mut forgotten = 0;
    for time in 0..20 {
        for number in 0..400 {
            let text = Arc::from(format!("{time} {number} {}", "x".repeat(3000)));
            forgotten = record(
                number,
                FailureEvent::StatusChanged(ImageState::NoImage(WaitingReason::ErrImagePull), text),
                time,
            );
        }
    }
    let kept: usize = (0..400).map(|number| history.timelines(&subject(number).pod)[0].1.len()).sum();
    assert!(kept > 1000, "{kept}");
    assert_eq!(kept + usize::try_from(forgotten).unwrap(), 20 * 400, "what is not kept is counted");
    for number in 0..400 {
        history.remove_timeline(&subject(number));
    }
    assert_eq!(history.bytes, 0);
}

#[test]
fn a_day_is_counted_in_buckets_of_five_minutes() {
    let mut watched = Watched::new(9);
    watched.apply(10, &failing("a")).apply(20, &failing("b")).apply(30, &running("b"));
    watched.apply(650, &running("a")).apply(660, &failing("c"));
    let day = watched.history.snapshot(at(1000)).buckets;
    let shown: Vec<_> = day
        .iter()
        .map(|b| (b.start.saturating_duration_since(at(0)).as_secs(), b.failing, b.attempts, b.started, b.ended))
        .collect();
    // One failure is open, then two. A bucket without effects keeps the number of open failures.
    assert_eq!(shown, [(0, 2, 2, 2, 1), (300, 1, 0, 0, 0), (600, 1, 1, 1, 1), (900, 1, 0, 0, 0)]);
}

#[test]
fn buckets_cover_one_day_at_most_even_if_the_clock_jumps() {
    let mut watched = Watched::new(9);
    watched.apply(10, &failing("a"));
    let long = 3 * 86400;
    let day = watched.history.snapshot(at(long)).buckets;
    assert_eq!((day.len(), day[0].failing, day[287].failing), (288, 1, 1));
    assert_eq!(day[287].start, at(long));
    watched.apply(20, &failing("b"));
    assert_eq!(
        watched.history.snapshot(at(0)).buckets.last().map(|bucket| (bucket.start, bucket.failing)),
        Some((at(long), 2))
    );
}

#[test]
fn only_a_failed_attempt_has_a_message() {
    let mut watched = Watched::new(9);
    watched.apply(1, &pod("web").image("nginx:nope").waiting("ErrImageNeverPull", "absent"));
    let (_, points) = watched.history.timelines(&failing("web").id).remove(0);
    assert_eq!(
        points,
        [TimelinePoint { at: at(1), image_state: ImageState::NoImage(WaitingReason::ErrImageNeverPull), text: None }]
    );
}

#[test]
fn times_in_the_future_are_corrected_after_the_clock_was_set_back() {
    let mut watched = Watched::new(9);
    watched.apply(1, &failing("early")).apply(5, &running("early"));
    // The clock is an hour ahead.
    watched.apply(3610, &failing("web")).apply(3611, &failing("late")).apply(3620, &running("late"));
    watched.history.on_clock_step(ClockStep { now: at(25), set_back_by: Duration::from_secs(3600) });
    let ends: Vec<_> = watched.history.snapshot(at(30)).ended.iter().map(|ended| ended.at).collect();
    assert_eq!(ends, [at(20), at(5)]);
    assert_eq!(watched.timeline(&failing("web")), ["10 ErrImagePull"]);
}

#[test]
fn points_without_a_timeline_are_counted_as_evicted() {
    let mut history = History::new(9);
    let subject = |number: usize| FailureSubject {
        pod: Arc::new(failing(&format!("web-{number}")).id),
        container: "app".to_owned(),
        registry: String::new(),
    };
    let mut record = |number: usize, event| {
        history.record(&IndexEffect::Failure { subject: subject(number), event, pod_before_end: None }, at(0));
        (history.bytes, history.evictions().points)
    };
    let timelines = MAX_BYTES / TIMELINE_BYTES;
    for number in 0..timelines {
        assert_eq!(record(number, FailureEvent::Started).0, (number + 1) * TIMELINE_BYTES);
    }
    let full = timelines * TIMELINE_BYTES;
    assert_eq!(record(timelines, FailureEvent::Started), (full, 0), "no further timeline fits");
    let turn = || FailureEvent::StatusChanged(ImageState::BeforePull, Arc::default());
    assert_eq!(record(timelines, turn()), (full, 1));
    assert_eq!(record(timelines, turn()), (full, 2));
}

#[test]
fn each_attempt_of_a_timeline_has_its_text_and_equal_texts_are_counted_once() {
    let mut watched = Watched::new(9);
    let web = |text: &str| pod("web").image("nginx:nope").waiting("ErrImagePull", text);
    let turn = |watched: &mut Watched, time, text| {
        watched.apply(time, &web(text)).apply(time + 13, &waiting("web"));
        watched.history.bytes - TIMELINE_BYTES - watched.timeline(&failing("web")).len() * size_of::<TimelinePoint>()
    };
    let texts_bytes =
        [(0, "first"), (100, "first"), (200, "another")].map(|(time, text)| turn(&mut watched, time, text));
    assert_eq!(texts_bytes, ["first".len(), "first".len(), "firstanother".len()]);
    let (_, points) = watched.history.timelines(&failing("web").id).remove(0);
    let texts: Vec<&str> = points.iter().filter_map(|point| point.text.as_deref()).collect();
    assert_eq!(texts, ["first", "first", "another"]);
}

#[test]
fn an_ended_failure_is_kept_without_the_other_containers_of_its_pod() {
    let mut watched = Watched::new(9);
    let fails = |pod: PodFacts, name: &str| pod.container(name, ContainerKind::App, "nginx:nope").err_image_pull();
    let both = fails(fails(pod("web"), "one"), "two");
    watched
        .apply(1, &both)
        .apply(2, &fails(pod("web").container("one", ContainerKind::App, "nginx:nope").running(), "two"));
    let past = watched.history.snapshot(at(3));
    let names = |ended: &PastFailure| ended.pod.containers.iter().map(|own| own.name.to_string()).collect::<Vec<_>>();
    assert_eq!(past.ended.iter().map(|ended| names(ended)).collect::<Vec<_>>(), [["one"]]);
}
