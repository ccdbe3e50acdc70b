//! Checks the times against what was measured: on a real kubelet and on a model of its algorithm.

use super::*;

const NOT_FOUND: &str = "0s pod t/p container app image=127.0.0.1:5000/app:nope pull=not-found";

/// Onset-to-onset times of `ErrImagePull`: least, median and most seconds of 1000 runs of the
/// real algorithm with pulls of 0.6 s.
const ONSETS: [(i64, i64, i64); 7] =
    [(22, 27, 33), (22, 27, 32), (36, 50, 59), (77, 88, 100), (157, 168, 179), (296, 307, 320), (296, 307, 320)];

#[test]
fn attempts_show_at_the_measured_intervals() {
    let mut intervals = vec![Vec::new(); ONSETS.len()];
    for seed in 0..100 {
        let onsets = onsets(&play(NOT_FOUND, seed, 1_400), "ErrImagePull");
        for (pair, seen) in onsets.windows(2).zip(&mut intervals) {
            seen.push(pair[1] - pair[0]);
        }
    }
    for ((least, median, most), mut seen) in ONSETS.into_iter().zip(intervals) {
        seen.sort_unstable();
        assert_eq!(seen.len(), 100);
        let (first, middle, last) = (seen[0], seen[seen.len() / 2], seen[seen.len() - 1]);
        assert!(first >= least * 1000 && last <= most * 1000, "{first}..{last} is not within {least}..{most} s");
        assert!((middle - median * 1000).abs() <= 2_000, "median {middle}, measured {median} s");
    }
}

#[test]
fn the_first_attempt_shows_at_once() {
    for seed in 0..SEEDS {
        let events = play(NOT_FOUND, seed, 60);
        let ready = |event: &WatchEvent| {
            event.object.pointer("/status/conditions/0/status").and_then(Value::as_str) == Some("True")
        };
        let sandbox = events.iter().find(|event| ready(event)).unwrap().at.as_millis();
        let shown = onsets(&events, "ErrImagePull")[0];
        assert!((0..=2_000).contains(&(shown - sandbox)), "seed {seed}: {shown} after {sandbox}");
    }
}

#[test]
fn err_image_pull_shows_for_one_sync_at_any_step() {
    for seed in 0..SEEDS {
        let events = play(NOT_FOUND, seed, 1_400);
        let (begin, end) = (onsets(&events, "ErrImagePull"), onsets(&events, "ImagePullBackOff"));
        for (begin, end) in begin.iter().zip(&end) {
            assert!((10_000..=16_500).contains(&(end - begin)), "seed {seed}: {begin} to {end}");
        }
    }
}

/// Without a PLEG event the first two attempts are one `ErrImagePull` of 22 to 30 s (recordings ephemeral-bad,
/// restart-registry-died and kubelet-restart).
#[test]
fn the_first_two_attempts_merge_after_a_kubelet_restart() {
    let script = format!("{NOT_FOUND}\n150s restart-kubelet node-1");
    for seed in 0..SEEDS {
        let events = play(&script, seed, 300);
        let after = |reason: &str| onsets(&events, reason).into_iter().find(|at| *at > 151_000).unwrap();
        let shown = after("ImagePullBackOff") - after("ErrImagePull");
        assert!((20_000..=33_000).contains(&shown), "seed {seed}: {shown}");
    }
}

#[test]
fn nothing_is_written_while_nothing_changes() {
    let script = "0s pod t/p container app image=127.0.0.1:5000/absent:1.0 policy=Never";
    let events = play(script, 1, 3_600);
    assert_eq!(events.len(), 4, "added, creating, sandbox, and then for an hour the same");
}

#[test]
fn a_text_that_differs_at_each_attempt_is_written_each_time() {
    let script = "0s pod t/p container app image=ghcr.io/x/y:1 pull=reset";
    let events = play(script, 1, 300);
    let texts: BTreeSet<String> = events
        .iter()
        .filter_map(|event| Picture::of("", &event.object).state("app").map(str::to_owned))
        .filter(|state| state.starts_with("waiting ErrImagePull"))
        .collect();
    assert!(texts.len() >= 4, "{texts:?}");
}

/// A runtime that is down shows as `ImageInspectError` for as long, and the back-off continues (recording
/// kubelet-restart, 740 to 805 s).
#[test]
fn a_dead_runtime_hides_the_back_off_and_does_not_reset_it() {
    for seed in 0..SEEDS {
        let down = onset(NOT_FOUND, seed, "ImagePullBackOff", 5) + 20_000;
        let script = format!("{NOT_FOUND}\n{down}ms node node-1 inspect-error\n{}ms node node-1 ok", down + 20_000);
        let events = play(&script, seed, 1_200);
        assert_eq!(onsets(&events, "ImageInspectError").len(), 1, "seed {seed}");
        let pulls = onsets(&events, "ErrImagePull");
        let interval = pulls[5] - pulls[4];
        assert!((150_000..=185_000).contains(&interval), "seed {seed}: {interval}");
    }
}

#[test]
fn a_running_container_with_a_bad_new_image_keeps_the_old_one_in_its_status() {
    let script = "0s pod t/p container app image=docker.io/library/postgres:17.2
60s image docker.io/library/postgres:17.22 not-found
60s patch t/p app image=docker.io/library/postgres:17.22";
    let events = play(script, 3, 200);
    let last = Picture::of("", &events.last().unwrap().object);
    let state = last.state("app").unwrap();
    assert!(state.contains("last=[\"terminated\"] restarts=0"), "{state}");
    assert!(state.contains("image=\"docker.io/library/postgres:17.2\" has_id=true"), "{state}");
    assert!(state.contains("17.22"), "{state}");
}
