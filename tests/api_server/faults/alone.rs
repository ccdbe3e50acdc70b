//! Each fault alone.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::{FutureExt, StreamExt, stream};
use image_pull_exporter::cluster::PodEvent;
use image_pull_exporter::cluster::pod_watch::{self, PodSource};
use image_pull_exporter::list::{ListFilter, list_cluster};
use image_pull_model::facts::WatchScope;
use image_pull_model::time::Timestamp;
use image_pull_sim::api::{BOOKMARK_INTERVAL, Disconnect, ErrorResponse, Faults, ResponseFault, SharedStore, Verb};
use tokio::time::sleep;

use super::lab::{Lab, client, run};

/// Maximum time from the last event to the report of a stale view.
const BLIND: Duration = Duration::from_secs(120);
const HOUR: Duration = Duration::from_secs(3600);

fn uids(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| format!("{name}-1")).collect()
}

/// A cluster where `a` fails and `b` does not, watched.
async fn watched() -> Lab {
    let lab = Lab::new(1);
    lab.put("a", 1, true);
    lab.put("b", 1, false);
    lab.settle(&uids(&["a"])).await.expect("it begins well");
    lab
}

/// Changes the pods while the watch is interrupted.
fn change(lab: &Lab) -> BTreeSet<String> {
    lab.store.delete("shop", "a");
    lab.put("b", 1, true);
    lab.put("c", 1, true);
    uids(&["b", "c"])
}

/// Lets one thing go wrong once and checks that the view is right again soon; returns the lab and how long it took.
async fn survives(name: &str, wrong: impl Fn(&Lab)) -> (Lab, Duration) {
    let lab = watched().await;
    wrong(&lab);
    let expected = change(&lab);
    let took = lab.settle(&expected).await.unwrap_or_else(|why| panic!("{name}: {why}"));
    assert!(lab.requests() <= 3 + lab.age().as_secs(), "{name}: {} requests", lab.requests());
    (lab, took)
}

#[test]
fn a_closed_watch_resumes_from_its_version() {
    for how in [Disconnect::Clean, Disconnect::Abrupt, Disconnect::Reset] {
        let (lab, took) = run(survives("a drop", |lab| lab.faults.disconnect_watches(how)));
        assert!(took < Duration::from_secs(5), "{how:?}: {took:?}");
        assert_eq!(lab.count("image_pull_exporter_relists_total"), 1.0, "{how:?}");
    }
}

#[test]
fn a_silent_connection_is_renewed_without_a_list() {
    run(async {
        let lab = watched().await;
        lab.faults.disconnect_watches(Disconnect::Silent);
        let expected = change(&lab);
        let right = lab.until(BLIND, |lab| lab.failing().as_ref() == Some(&expected)).await;
        right.expect("it is renewed");
        assert_eq!(lab.count("image_pull_exporter_relists_total"), 1.0);
        assert_eq!(faults(&lab), 0.0, "nobody can know that it was broken");
    });
}

#[test]
fn a_silent_connection_is_detected() {
    run(async {
        let lab = watched().await;
        // The first bookmark shows that the server sends bookmarks.
        sleep(BOOKMARK_INTERVAL + Duration::from_secs(1)).await;
        lab.faults.disconnect_watches(Disconnect::Silent);
        let expected = change(&lab);
        let is_noticed = |lab: &Lab| lab.count("image_pull_exporter_watch_restarts_total{cause=\"timeout\"}") > 0.0;
        let noticed = lab.until(BLIND, is_noticed).await.expect("it is noticed");
        assert!(noticed > Duration::from_secs(60), "a bookmark may still come: {noticed:?}");
        lab.settle(&expected).await.expect("it recovers");
    });
}

/// A cluster in which `a` fails, and the failures of `b` and `c` were observed from their start.
async fn watched_from_the_start() -> Lab {
    let lab = watched().await;
    lab.put("b", 1, true);
    lab.put("c", 1, true);
    lab.settle(&uids(&["a", "b", "c"])).await.expect("all fail");
    lab
}

/// A cluster that changed, and was then restored from a backup in which only `a` fails.
async fn restored_from_backup() -> Lab {
    let lab = watched().await;
    let backup = lab.store.snapshot();
    let changed = change(&lab);
    lab.settle(&changed).await.expect("it follows");
    lab.store.restore(backup);
    lab
}

/// Both recover during the interruption: the status of `b` has the time, the status of `c` does not.
fn recover(lab: &Lab, seconds: u64) {
    lab.put_running("b", 1, Some(seconds));
    lab.put_running("c", 1, None);
}

/// Checks that of two failures that ended the histogram has the one whose end is known, and how long it lasted.
async fn only_the_known_end_is_measured(lab: &Lab, lasted: std::ops::RangeInclusive<f64>) {
    lab.settle(&uids(&["a"])).await.expect("both recover");
    assert_eq!(lab.count("image_pull_failures_ended_total"), 2.0);
    assert_eq!(lab.count("image_pull_failure_duration_seconds_count"), 1.0, "the other end was not observed");
    let sum = lab.count("image_pull_failure_duration_seconds_sum");
    assert!(lasted.contains(&sum), "{sum}");
}

#[test]
fn an_outage_of_the_watch_does_not_prolong_failures() {
    run(async {
        let lab = watched_from_the_start().await;
        let began = lab.age();
        // Ten refusals with pauses of up to 30 s, and the position still stands.
        lab.faults.reject_next(Verb::Watch, ErrorResponse::TooManyRequests { retry_after_seconds: 17 }, 10);
        lab.faults.disconnect_watches(Disconnect::Abrupt);
        sleep(Duration::from_secs(1)).await;
        recover(&lab, began.as_secs() + 16);
        only_the_known_end_is_measured(&lab, 14.0..=18.0).await;
        assert!(lab.age() > began + Duration::from_secs(160), "{:?} after {began:?}", lab.age());
        assert_eq!(lab.count("image_pull_exporter_relists_total"), 1.0, "nothing was listed anew");
    });
}

#[test]
fn a_process_that_was_stopped_does_not_prolong_failures() {
    run(async {
        let lab = watched_from_the_start().await;
        let began = lab.age();
        // The clock jumps before the informer runs again, as after SIGSTOP and SIGCONT.
        recover(&lab, began.as_secs() + 16);
        tokio::time::advance(Duration::from_secs(45)).await;
        only_the_known_end_is_measured(&lab, 14.0..=18.0).await;
        assert_eq!(lab.count("image_pull_exporter_watch_restarts_total"), 0.0, "the watch goes on");
    });
}

#[test]
fn errors_in_the_stream_are_survived() {
    for refusal in [
        ErrorResponse::Gone,
        ErrorResponse::InternalError,
        ErrorResponse::Forbidden,
        ErrorResponse::Unauthorized,
        ErrorResponse::Unavailable,
        ErrorResponse::TooManyRequests { retry_after_seconds: 3 },
    ] {
        let (lab, _) = run(survives("an error event", |lab| lab.faults.send_watch_error(refusal)));
        let relists = if refusal == ErrorResponse::Gone { 2.0 } else { 1.0 };
        assert_eq!(lab.count("image_pull_exporter_relists_total"), relists, "{refusal:?}");
    }
}

#[test]
fn refusals_are_waited_out() {
    for (refusal, cause) in [
        (ErrorResponse::Gone, "gone"),
        (ErrorResponse::InternalError, "server_error"),
        (ErrorResponse::Unavailable, "server_error"),
        (ErrorResponse::Timeout, "server_error"),
        (ErrorResponse::Forbidden, "forbidden"),
        (ErrorResponse::Unauthorized, "unauthorized"),
        (ErrorResponse::TooManyRequests { retry_after_seconds: 7 }, "too_many_requests"),
    ] {
        let (lab, took) = run(survives("a refusal", |lab| {
            lab.faults.reject_next(Verb::Watch, refusal, 2);
            lab.faults.reject_next(Verb::WatchList, refusal, 1);
            lab.faults.reject_next(Verb::List, refusal, 1);
            lab.faults.disconnect_watches(Disconnect::Abrupt);
        }));
        assert!(lab.count(&format!("image_pull_exporter_watch_restarts_total{{cause=\"{cause}\"}}")) >= 1.0);
        if cause == "too_many_requests" {
            assert!(took >= Duration::from_secs(14), "it asked to be left alone twice for 7 s: {took:?}");
        }
    }
}

#[test]
fn invalid_responses_are_tolerated() {
    let page = ResponseFault::HtmlPage { code: 200, media_type: "text/html", text: "<html>log in</html>" };
    let busy = ResponseFault::HtmlPage { code: 502, media_type: "text/html", text: "<html>bad gateway</html>" };
    let cut = |after, how| ResponseFault::Cut { after, how };
    for fault in [
        ResponseFault::NeverRespond,
        page,
        busy,
        ResponseFault::MediaType("application/cbor"),
        ResponseFault::MediaType("application/json"),
        ResponseFault::Noise { seed: 1 },
        ResponseFault::Slow { piece: 7, delay: Duration::from_secs(1) },
        ResponseFault::Slow { piece: 1, delay: Duration::from_secs(20) },
        cut(0, Disconnect::Clean),
        cut(0, Disconnect::Silent),
        cut(5, Disconnect::Clean),
        cut(5, Disconnect::Abrupt),
        cut(300, Disconnect::Clean),
        cut(300, Disconnect::Silent),
    ] {
        run(survives(&format!("{fault:?}"), |lab| {
            for verb in [Verb::Watch, Verb::WatchList, Verb::List] {
                lab.faults.fail_next(verb, fault, 1);
            }
            lab.faults.disconnect_watches(Disconnect::Abrupt);
        }));
    }
}

#[test]
fn odd_habits_do_not_make_the_view_wrong() {
    type Habit = fn(&Lab);
    let habits: [(&str, Habit); 9] = [
        ("no protobuf", |lab| lab.faults.disable_protobuf(true)),
        ("no watch list", |lab| lab.faults.reject_watch_list(true)),
        ("a watch list without end", |lab| lab.faults.never_complete_watch_list(true)),
        ("no bookmarks", |lab| lab.faults.suppress_bookmarks(true)),
        ("no versions", |lab| lab.faults.omit_resource_versions(true)),
        ("events twice", |lab| lab.faults.repeat_events(true)),
        ("events in the wrong order", |lab| lab.faults.swap_events(true)),
        ("watches closed at once", |lab| lab.faults.close_new_watches(true)),
        ("slow bodies", |lab| lab.faults.delay_bodies(Some(Duration::from_secs(2)))),
    ];
    for (name, habit) in habits {
        run(async {
            let lab = Lab::new(1);
            habit(&lab);
            lab.put("a", 1, true);
            lab.put("b", 1, false);
            let right = |lab: &Lab, expected: &BTreeSet<String>| lab.failing().as_ref() == Some(expected);
            let soon = Duration::from_secs(600);
            let begun = lab.until(soon, |lab| right(lab, &uids(&["a"]))).await;
            begun.unwrap_or_else(|why| panic!("{name}: {why}"));
            let expected = change(&lab);
            let kept_up = lab.until(soon, |lab| right(lab, &expected)).await;
            kept_up.unwrap_or_else(|why| panic!("{name}: {why}"));
        });
    }
}

#[test]
fn rubbish_in_the_stream_costs_a_list_and_nothing_else() {
    for rubbish in [&b"\xff\xff\xff\xff"[..], b"\0\0\0\x05hello", b"{\"type\":\"MODIFIED\",\"object\":{\"kind\":\n"] {
        for protobuf in [true, false] {
            run(async {
                let lab = Lab::new(1);
                lab.faults.disable_protobuf(!protobuf);
                lab.put("a", 1, true);
                lab.put("b", 1, false);
                lab.settle(&uids(&["a"])).await.expect("it begins well");
                lab.faults.inject_bytes(rubbish);
                let expected = change(&lab);
                lab.settle(&expected).await.unwrap_or_else(|why| panic!("{rubbish:?}: {why}"));
            });
        }
    }
}

#[test]
fn a_cluster_restored_from_a_backup_is_listed_again() {
    run(async {
        let lab = restored_from_backup().await;
        lab.faults.disconnect_watches(Disconnect::Abrupt);
        lab.settle(&uids(&["a"])).await.expect("it follows back");
        assert_eq!(lab.count("image_pull_exporter_watch_restarts_total{cause=\"rewound\"}"), 1.0);
    });
}

#[test]
fn a_stale_view_is_not_taken_for_current_after_a_cluster_was_restored() {
    for how in [Disconnect::Clean, Disconnect::Abrupt, Disconnect::Reset] {
        run(async {
            let lab = restored_from_backup().await;
            lab.faults.disconnect_watches(how);
            let (mut stale, restored) = (Duration::ZERO, uids(&["a"]));
            for number in 0..200 {
                let step = Duration::from_millis(if number < 100 { 50 } else { 1000 });
                sleep(step).await;
                if lab.is_synced() && lab.failing().as_ref() != Some(&restored) {
                    stale += step;
                }
            }
            assert!(stale <= Duration::from_secs(1), "{how:?}: synced and stale for {stale:?}");
            assert_eq!(lab.failing(), Some(restored), "{how:?}");
        });
    }
}

/// Faults that were counted.
fn faults(lab: &Lab) -> f64 {
    let of = |labels| lab.count(&format!("image_pull_exporter_watch_restarts_total{labels}"));
    of("") - of("{cause=\"ended\"}")
}

/// Lets a server misbehave for an hour; returns the requests it got and how long the view seemed current.
async fn an_hour_of(misbehave: impl Fn(&Lab)) -> (Lab, u64, Duration) {
    let lab = watched().await;
    let before = lab.requests();
    misbehave(&lab);
    lab.faults.disconnect_watches(Disconnect::Abrupt);
    let mut current = Duration::ZERO;
    let step = Duration::from_secs(1);
    for _ in 0..HOUR.as_secs() {
        sleep(step).await;
        if lab.is_synced() {
            current += step;
        }
    }
    let requests = lab.requests() - before;
    (lab, requests, current)
}

#[test]
fn a_black_hole_gets_few_requests_and_never_counts_as_current() {
    run(async {
        let (lab, requests, current) = an_hour_of(|lab| lab.faults.never_respond(true)).await;
        assert!((30..=3600 / 20).contains(&requests), "{requests} requests");
        assert!(current < BLIND, "{current:?}");
        assert_eq!(lab.count("image_pull_exporter_watch_synced"), 0.0);
        assert_eq!(lab.failing(), Some(uids(&["a"])), "the last good view stays");
        assert!(lab.monitor.stale_for(Timestamp::from_unix_millis(i64::MAX)) > HOUR);
        lab.faults.never_respond(false);
        let expected = change(&lab);
        lab.settle(&expected).await.expect("it recovers");
    });
}

#[test]
fn a_server_that_closes_every_watch_at_once_is_read_in_lists_and_not_hurried() {
    run(async {
        let (lab, requests, _) = an_hour_of(|lab| lab.faults.close_new_watches(true)).await;
        assert!(requests < 3600, "{requests} requests");
        let expected = change(&lab);
        let kept_up = lab.until(BLIND, |lab| lab.failing().as_ref() == Some(&expected)).await;
        kept_up.expect("lists keep the view up");
    });
}

#[test]
fn a_quiet_watch_with_bookmarks_sends_no_request() {
    run(async {
        let (_, requests, current) = an_hour_of(|_| {}).await;
        assert!(requests <= 26, "a check and a watch for each time the server ends the watch: {requests}");
        assert!(current + Duration::from_secs(30) >= HOUR, "{current:?}");
    });
}

#[test]
fn a_quiet_watch_without_bookmarks_is_not_a_fault() {
    run(async {
        let lab = Lab::new(1);
        lab.faults.suppress_bookmarks(true);
        lab.put("a", 1, true);
        lab.settle(&uids(&["a"])).await.expect("it begins well");
        let before = lab.requests();
        for _ in 0..HOUR.as_secs() {
            sleep(Duration::from_secs(1)).await;
            assert!(lab.is_synced(), "after {:?}", lab.age());
        }
        assert_eq!(faults(&lab), 0.0);
        assert_eq!(lab.count("image_pull_exporter_relists_total"), 1.0);
        assert!(lab.requests() - before <= 100, "{} requests", lab.requests() - before);
        // A black hole is still detected.
        lab.faults.never_respond(true);
        lab.faults.disconnect_watches(Disconnect::Silent);
        let noticed = lab.until(BLIND, |lab| !lab.is_synced()).await.expect("it is noticed");
        assert!(noticed > Duration::from_secs(30), "{noticed:?}");
        assert_eq!(lab.count("image_pull_exporter_watch_restarts_total{cause=\"timeout\"}"), 1.0);
        lab.faults.never_respond(false);
        let expected = change(&lab);
        lab.settle(&expected).await.expect("it recovers");
    });
}

#[test]
fn endless_lists_are_requested_at_a_low_rate_and_reported() {
    let (period, step) = (Duration::from_secs(1200), Duration::from_secs(2));
    for (habit, most) in [(Faults::repeat_pages as fn(&Faults, bool), 1200), (Faults::list_endless_pods, 10_000 + 1200)]
    {
        run(async {
            let lab = watched().await;
            lab.faults.reject_watch_list(true);
            habit(&lab.faults, true);
            lab.faults.send_watch_error(ErrorResponse::Gone);
            let pages = |lab: &Lab| lab.faults.requests().continues + lab.faults.requests().list;
            let before = pages(&lab);
            sleep(Duration::from_secs(1)).await;
            let mut silent = Duration::ZERO;
            let mut reports = faults(&lab);
            for _ in 0..period.as_secs() / step.as_secs() {
                sleep(step).await;
                assert!(!lab.is_synced());
                silent = if faults(&lab) > reports { Duration::ZERO } else { silent + step };
                assert!(silent <= BLIND, "nothing is reported for {silent:?}");
                reports = faults(&lab);
            }
            assert!(pages(&lab) - before <= most, "{} pages in {period:?}", pages(&lab) - before);
            assert_eq!(lab.failing(), Some(uids(&["a"])), "the last good view stays");
            habit(&lab.faults, false);
            let expected = change(&lab);
            lab.settle(&expected).await.expect("it recovers");
        });
    }
}

#[test]
fn initial_events_without_end_are_reported() {
    run(async {
        let lab = watched().await;
        lab.faults.never_complete_watch_list(true);
        lab.faults.send_watch_error(ErrorResponse::Gone);
        sleep(Duration::from_secs(1)).await;
        let (begun, mut silent, mut reports) = (lab.requests(), Duration::ZERO, faults(&lab));
        for second in 0..700 {
            lab.put("c", second, false);
            sleep(Duration::from_secs(1)).await;
            assert!(!lab.is_synced());
            silent = if faults(&lab) > reports { Duration::ZERO } else { silent + Duration::from_secs(1) };
            assert!(silent <= BLIND, "nothing is reported for {silent:?}");
            reports = faults(&lab);
        }
        assert!(lab.requests() - begun <= 10, "{} requests", lab.requests() - begun);
    });
}

/// Initial events without end, each a second after the one before and all of them ready to be read.
fn flood() -> http::Response<axum::body::Body> {
    let line = format!("{}\n", serde_json::json!({ "type": "ADDED", "object": crate::common::pod("shop", "a", None) }));
    let events = stream::repeat_with(move || {
        // It moves the clock when it is polled first, and would only wait after that.
        let _ = tokio::time::advance(Duration::from_secs(1)).now_or_never();
        Ok::<_, std::convert::Infallible>(line.clone())
    });
    let response = http::Response::builder().header("content-type", "application/json");
    response.body(axum::body::Body::from_stream(events)).expect("it is a response")
}

#[test]
fn initial_events_that_come_faster_than_they_are_read_are_reported() {
    run(async {
        let service = tower::service_fn(|_: http::Request<kube::client::Body>| async {
            Ok::<_, std::convert::Infallible>(flood())
        });
        let began = tokio::time::Instant::now();
        let source = PodSource::all_pods(kube::Client::new(service, "default"), WatchScope::Cluster);
        let mut events = std::pin::pin!(pod_watch::watch_with_seed(source, 1));
        while !matches!(events.next().await, Some(PodEvent::WatchFailed(_))) {
            assert!(began.elapsed() <= BLIND, "nothing is reported");
        }
    });
}

#[test]
fn a_single_list_fails_if_its_pages_repeat() {
    for habit in [Faults::repeat_pages as fn(&Faults, bool), Faults::list_endless_pods] {
        run(async {
            let (store, began) = (SharedStore::default(), tokio::time::Instant::now());
            store.put(crate::common::pod("shop", "a", None));
            let (client, faults) = client(store);
            habit(&faults, true);
            let looked = list_cluster(client, &ListFilter::default(), Timestamp::default).await;
            assert!(looked.is_err(), "{looked:?}");
            assert!(began.elapsed() <= BLIND, "{:?}", began.elapsed());
        });
    }
}

/// The number of restarts of the watch of Events with a cause.
fn event_restarts(lab: &Lab, cause: &str) -> f64 {
    lab.count(&format!("image_pull_exporter_event_watch_restarts_total{{cause=\"{cause}\"}}"))
}

/// API servers have no watch cache for Events, so they send no bookmarks, and the known resourceVersion is compacted while no
/// Event is written.
#[test]
fn a_quiet_watch_of_events_without_bookmarks_loses_no_pull() {
    run(async {
        let lab = Lab::with_events(1);
        let events = lab.faults.events();
        events.suppress_bookmarks(true);
        lab.until(BLIND, |_| events.open_watches() == 1).await.expect("it begins well");
        let mut pulls = 0_u32;
        for minute in 1..=120 {
            // Other changes of the cluster raise the resourceVersion.
            lab.put("b", 1, false);
            if minute % 5 == 0 {
                lab.store.compact();
            }
            if minute % 12 == 0 {
                pulls += 1;
                lab.store.put(serde_json::json!({
                    "kind": "Event", "apiVersion": "v1",
                    "metadata": { "namespace": "shop", "name": "b.1", "uid": "event" },
                    "involvedObject": { "kind": "Pod", "namespace": "shop", "name": "b", "uid": "b-1" },
                    "reason": "Failed", "message": "Failed to pull image \"r.example/app:1\": not found",
                    "source": { "component": "kubelet", "host": "node-1" }, "count": pulls, "type": "Warning",
                }));
            }
            sleep(Duration::from_secs(60)).await;
        }
        lab.until(BLIND, |lab| lab.count("image_pulls_total{") == f64::from(pulls)).await.expect("every pull counts");
        assert!(event_restarts(&lab, "ended") > 0.0 && event_restarts(&lab, "gone") > 0.0);
        let all = lab.count("image_pull_exporter_event_watch_restarts_total{");
        assert_eq!(event_restarts(&lab, "ended") + event_restarts(&lab, "gone"), all);
        let requests = events.requests();
        assert!(requests.list + requests.watch + requests.watch_list <= 300, "{requests:?}");
        assert_eq!(lab.failing(), Some(BTreeSet::new()));
    });
}
