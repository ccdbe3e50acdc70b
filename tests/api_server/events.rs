//! The watch of Events: requests, rights, and what happens without them.

use crate::common::cluster::Cluster;
use crate::common::{NOT_FOUND, Program, eventually, pod, sum};
use image_pull_sim::api::{ErrorResponse, RequestCounts, Verb};
use serde_json::{Value, json};

const ENABLED: &str = "image_pull_exporter_events_enabled";
const REFUSED: &str = "Events are not read until a restart";

/// A cluster with a failing pod.
fn cluster(name: &str) -> Cluster {
    let cluster = Cluster::new(&format!("events-{name}"));
    cluster.store.put(pod("shop", "web", Some(("ErrImagePull", NOT_FOUND))));
    cluster
}

/// Number of requests for Events.
fn requests(cluster: &Cluster) -> u64 {
    let RequestCounts { list, watch, watch_list, .. } = cluster.server().faults().events().requests();
    list + watch + watch_list
}

fn rule(resource: &str) -> Value {
    json!({ "apiGroups": [""], "resources": [resource], "verbs": ["list", "watch"] })
}

fn await_metric(program: &Program, prefix: &str, expected: f64) {
    eventually(|| match sum(&program.metrics(), prefix) {
        found if found == expected => Ok(()),
        found => Err(format!("{prefix} {found}")),
    });
}

#[test]
fn no_events_are_requested_by_default() {
    let cluster = cluster("off");
    let program = cluster.start(&[]);
    program.wait_ready();
    // A change of a pod shows that the watch runs.
    cluster.store.put(pod("shop", "other", Some(("ErrImagePull", NOT_FOUND))));
    await_metric(&program, "image_pull_failing{", 2.0);
    assert_eq!(requests(&cluster), 0);
    let metrics = program.metrics();
    assert!(metrics.contains(&format!("{ENABLED} 0\n")), "{metrics}");
    assert!(!metrics.contains("image_pulls_total{"), "{metrics}");
}

#[test]
fn one_watch_of_events_is_open_per_scope() {
    let cluster = cluster("on");
    for (flags, watches) in [(&["--events"][..], 1), (&["--events", "--namespaces", "shop,bank"], 2)] {
        let program = cluster.start(flags);
        program.wait_ready();
        let faults = cluster.server().faults();
        eventually(|| match faults.events().open_watches() {
            open if open == watches => Ok(()),
            open => Err(format!("{open} watches")),
        });
        assert!(program.metrics().contains(&format!("{ENABLED} 1\n")));
        assert_eq!(sum(&program.metrics(), "image_pull_failing{"), 1.0);
        drop(program);
        eventually(|| match faults.events().open_watches() {
            0 => Ok(()),
            open => Err(format!("{open} watches")),
        });
    }
}

#[test]
fn a_missing_right_disables_events_and_is_logged_once() {
    let cluster = cluster("forbidden");
    cluster.server().access().grant("exporter", "exporter", None, &json!([rule("pods")]));
    let program = cluster.start(&["--events"]);
    program.wait_ready();
    await_metric(&program, "image_pull_exporter_event_watch_restarts_total{cause=\"forbidden\"}", 1.0);
    assert!(program.metrics().contains(&format!("{ENABLED} 0\n")));
    let lines = || program.log().matches(REFUSED).count();
    eventually(|| if lines() == 1 { Ok(()) } else { Err(program.log()) });
    assert!(program.log().contains("(grant the verbs list and watch on events)"), "{}", program.log());
    // The watch of pods continues, and nothing more is requested, even with the right.
    cluster.server().access().grant("exporter", "exporter", None, &json!([rule("events")]));
    for number in 1..4 {
        cluster.store.put(pod("shop", &format!("pod-{number}"), Some(("ErrImagePull", NOT_FOUND))));
        await_metric(&program, "image_pull_failing{", f64::from(number + 1));
    }
    assert_eq!(sum(&program.metrics(), "image_pull_exporter_watch_synced"), 1.0);
    assert!(requests(&cluster) <= 1 && lines() == 1, "{} requests, {}", requests(&cluster), program.log());
}

#[test]
fn the_right_to_events_is_enough() {
    let cluster = cluster("allowed");
    cluster.server().access().grant("exporter", "exporter", None, &json!([rule("pods"), rule("events")]));
    let program = cluster.start(&["--events"]);
    program.wait_ready();
    eventually(|| match cluster.server().faults().events().open_watches() {
        1 => Ok(()),
        open => Err(format!("{open} watches")),
    });
    assert!(program.metrics().contains(&format!("{ENABLED} 1\n")));
    assert_eq!(program.log().matches(REFUSED).count(), 0);
}

#[test]
fn a_failing_watch_of_events_is_retried() {
    let cluster = cluster("retried");
    let events = cluster.server().faults().events();
    events.reject_next(Verb::WatchList, ErrorResponse::Unauthorized, 1);
    let program = cluster.start(&["--events"]);
    program.wait_ready();
    await_metric(&program, "image_pull_exporter_event_watch_restarts_total{cause=\"unauthorized\"}", 1.0);
    eventually(|| match events.open_watches() {
        1 => Ok(()),
        open => Err(format!("{open} watches")),
    });
    assert!(program.metrics().contains(&format!("{ENABLED} 1\n")));
    assert_eq!(sum(&program.metrics(), "image_pull_exporter_watch_restarts_total{cause=\"unauthorized\"}"), 0.0);
}
