//! Events of the kubelet.

use super::event_scenario::{pull_failed, pulled, pulling, sandbox_failed, secrets_missing};
use super::*;
use crate::cause::Cause;
use crate::failure::CauseBasis;

/// A scenario in which the Events were listed, and there were none.
fn listed() -> IndexScenario {
    let mut story = IndexScenario::new();
    story.list_events(0, &[]);
    story
}

/// The pod `web` with the container `app`, whose sandbox is not ready.
fn starting() -> PodFacts {
    pod("web").scheduled(0).sandbox_missing().image("nginx:1").container_creating()
}

/// A pod with two containers that wait.
fn two() -> PodFacts {
    let web = pod("web").scheduled(0).sandbox_missing();
    let web = web.container("one", ContainerKind::App, "one:1").container_creating();
    web.container("two", ContainerKind::App, "two:1").container_creating()
}

fn failure(story: &mut IndexScenario) -> Failure {
    let snapshot = story.index.snapshot().unwrap();
    let (_, _, failure) = snapshot.failures().next().expect("a container fails");
    failure.clone()
}

mod counting {
    use super::*;

    #[test]
    fn the_first_list_counts_nothing_and_later_events_count_by_growth() {
        let mut story = IndexScenario::new();
        let web = pod("web");
        let failed = pull_failed(&web, "app", "nginx:nope", "not found", 5);
        story.apply_event(6, &failed);
        story.list_events(10, &[failed.clone(), pulled(&web, "app", "nginx:1", 4)]);
        assert_eq!(story.log, [""; 0]);
        story.apply_event(20, &failed.clone().again(3, 20));
        story.apply_event(30, &failed.clone().again(3, 30)).apply_event(31, &failed.clone().again(3, 20));
        story.apply_event(40, &failed.again(1, 40));
        story.apply_event(50, &pulled(&web, "app", "nginx:2", 50));
        assert_eq!(
            story.log,
            ["20 web/app pull failed 2 times", "40 web/app pull failed 1 times", "50 web/app pulled 1 times"]
        );
    }

    #[test]
    fn a_relist_counts_what_happened_since_and_nothing_twice() {
        let mut story = listed();
        let web = pod("web");
        let [one, two] = [1, 2].map(|second| pulled(&web, "app", &format!("nginx:{second}"), second));
        story.apply_event(1, &one).apply_event(1, &one);
        // The list is not in the order of the resourceVersions.
        story.list_events(10, &[two.clone(), one.clone()]).list_events(20, &[one, two.clone()]).apply_event(21, &two);
        assert_eq!(story.log, ["1 web/app pulled 1 times", "10 web/app pulled 1 times"]);
        // The cluster was restored from a backup.
        let older = |seconds| pulled(&web, "app", &format!("busybox:{seconds}"), seconds);
        story.list_events(30, &[older(-50)]).apply_event(31, &older(-49));
        assert_eq!(story.log[2..], ["31 web/app pulled 1 times"]);
    }

    #[test]
    fn scopes_count_on_their_own() {
        let scopes = ["shop", "bank"].map(|name| WatchScope::Namespace(name.to_owned()));
        let mut story = IndexScenario::with(IndexConfig::default(), &scopes);
        for scope in &scopes {
            story.index.begin_event_list(scope);
            story.index.end_event_list(scope);
        }
        let event = pulled(&pod("web"), "app", "nginx:1", 5);
        assert_eq!(story.index.apply_event(&scopes[0], &event, at(5)).len(), 1);
        assert_eq!(story.index.apply_event(&scopes[0], &event, at(5)).len(), 0);
        let event = pulled(&pod("web").in_namespace("bank"), "app", "nginx:2", 4);
        assert_eq!(story.index.apply_event(&scopes[1], &event, at(5)).len(), 1);
        assert_eq!(story.index.apply_event(&WatchScope::Cluster, &event, at(5)), []);
    }

    #[test]
    fn a_pull_report_has_the_registry_of_the_image() {
        let mut index = listed().index;
        let event = pulled(&pod("web"), "app", "reg.example/nginx:1", 5);
        let effects = index.apply_event(&WatchScope::Cluster, &event, at(5));
        let [IndexEffect::Pull(report)] = &*effects else { panic!("{effects:?}") };
        assert_eq!((&*report.subject.registry, &*report.subject.pod.name, report.count), ("reg.example", "web", 1));
    }
}

mod pull_requests {
    use super::*;

    #[test]
    fn a_pull_request_turns_starting_into_pending() {
        let mut story = listed();
        story.apply(1, &starting()).apply_event(5, &pulling(&starting(), "app", "nginx:1", 4));
        assert_eq!(story.log, ["5 web/app pending"]);
        assert_eq!(story.waiting(), ["web/app nginx:1 pending event since 4"]);
        // Kubelets before 1.36 write the condition after the first attempt.
        story.apply(6, &starting());
        assert_eq!(story.waiting(), ["web/app nginx:1 pending event since 4"]);
        let mut ready = starting().sandbox_ready(3);
        ready.is_sandbox_missing = false;
        story.apply(9, &ready.clone().running_since(9));
        assert_eq!(story.log, ["5 web/app pending", "9 web/app pending ended: started after 4 s"]);
        assert!(story.index.snapshot().unwrap().pods.is_empty());
    }

    #[test]
    fn a_lost_sandbox_ends_a_stretch_by_event() {
        let mut ready = starting().sandbox_ready(3);
        ready.is_sandbox_missing = false;
        let mut story = listed();
        story.apply(1, &starting()).apply_event(5, &pulling(&starting(), "app", "nginx:1", 4));
        story.apply(6, &ready).apply(50, &starting());
        assert_eq!(story.log, ["5 web/app pending", "50 web/app pending ended: unknown after 45 s"]);
        assert_eq!(story.waiting(), ["web/app nginx:1 starting since 50"]);
    }

    #[test]
    fn a_pull_request_leaves_other_evidence_alone() {
        let mut story = listed();
        let mut ready = starting().sandbox_ready(3);
        ready.is_sandbox_missing = false;
        story.apply(3, &ready).apply_event(5, &pulling(&ready, "app", "nginx:1", 4));
        assert_eq!(story.waiting(), ["web/app nginx:1 pending sandbox_ready since 3"]);
        let snapshot = story.index.snapshot().unwrap();
        let (_, _, wait) = snapshot.waits().next().unwrap();
        assert_eq!(wait.pull_requested_at(), Some(at(4)));
        assert_eq!(story.log, ["3 web/app pending"]);
    }

    #[test]
    fn a_pull_request_moves_the_wait_to_its_container() {
        let mut story = listed();
        story.apply(1, &two()).apply_event(2, &pulling(&two(), "one", "one:1", 2));
        story.apply_event(9, &pulling(&two(), "two", "two:1", 8));
        let moved = ["2 web/one pending", "9 web/one pending ended: started after 7 s", "9 web/two pending"];
        assert_eq!(story.log, moved);
        assert_eq!(story.waiting(), ["web/two two:1 pending event since 8"]);
        // A status that is still the same, and Events that came before.
        story.apply(10, &two()).apply_event(11, &pulling(&two(), "one", "one:1", 2));
        assert_eq!((story.waiting(), story.log.len()), (vec!["web/two two:1 pending event since 8".to_owned()], 3));
        // The next sync begins with the first container.
        story.apply_event(30, &pulling(&two(), "one", "one:1", 30));
        assert_eq!(story.waiting(), ["web/one one:1 pending event since 30"]);
        let wait = story.index.snapshot().unwrap();
        assert_eq!(wait.waits().count(), 1);
    }

    #[test]
    fn a_pull_request_without_one_before_moves_the_wait_forward_only() {
        let init = pod("web").scheduled(0).sandbox_ready(1).container("init", ContainerKind::Init, "init:1");
        let web = init.clone().terminated("Completed", 3).image("nginx:1").waiting("PodInitializing", "");
        let mut story = listed();
        story.apply(4, &web).apply_event(5, &pulling(&web, "init", "init:1", 2));
        assert_eq!(story.waiting(), ["web/app nginx:1 pending previous_container since 3"]);
        let waits = init.waiting("PodInitializing", "").image("nginx:1").waiting("PodInitializing", "");
        let mut story = listed();
        story.apply(2, &waits).apply_event(5, &pulling(&waits, "app", "nginx:1", 5));
        assert_eq!(story.waiting(), ["web/app nginx:1 pending event since 5"]);
        assert_eq!(story.log[1], "5 web/init pending ended: started after 3 s");
    }

    #[test]
    fn an_image_volume_is_named_by_its_pull_request() {
        let mut story = listed();
        let web =
            pod("web").scheduled(0).sandbox_ready(1).image("nginx:1").image_volume("model:1").container_creating();
        story.apply(2, &web).apply_event(3, &pulling(&web, "", "model:1", 3));
        assert_eq!(story.waiting(), ["web/app model:1 pending sandbox_ready since 1"]);
        story.apply(4, &web).apply_event(9, &pulling(&web, "app", "nginx:1", 9));
        assert_eq!(story.waiting(), ["web/app nginx:1 pending sandbox_ready since 1"]);
        assert_eq!(story.log, ["2 web/app pending"]);
    }

    #[test]
    fn pull_requests_of_other_pods_images_and_times_do_not_apply() {
        let mut story = listed();
        let web = starting();
        story.apply(500, &web.clone().restarted(1, 480));
        for event in [
            pulling(&web.clone().with_uid("another"), "app", "nginx:1", 501),
            pulling(&web, "app", "nginx:2", 501),
            pulling(&web, "other", "nginx:1", 501),
            pulling(&web, "", "nginx:1", 501),
            // About the run before.
            pulling(&web, "app", "nginx:1", 2),
        ] {
            story.apply_event(502, &event);
        }
        assert_eq!(story.waiting(), ["web/app nginx:1 starting since 500"]);
        assert_eq!(story.log, [""; 0]);
    }

    #[test]
    fn an_event_ahead_of_its_pod_applies_once_the_pod_is_known() {
        let mut story = listed();
        story.apply_event(5, &pulling(&starting(), "app", "nginx:1", 4)).apply(6, &starting());
        assert_eq!(story.waiting(), ["web/app nginx:1 pending event since 4"]);
        // Not after a while.
        let mut story = listed();
        story.apply_event(5, &pulling(&starting(), "app", "nginx:1", 4)).apply(90, &starting());
        assert_eq!(story.waiting(), ["web/app nginx:1 starting since 90"]);
    }

    #[test]
    fn events_ahead_of_their_pods_take_bounded_memory() {
        let mut story = listed();
        for number in 0..5000 {
            let web = pod(&format!("web-{number}"));
            story.apply_event(5, &pull_failed(&web, "app", "nginx:1", &"x".repeat(4096), 5 + number));
            assert!(story.index.recent_events.len() <= 130, "{}", story.index.recent_events.len());
        }
        let mut story = listed();
        for number in 0..5000 {
            story.apply_event(5, &pulling(&pod(&format!("web-{number}")), "app", "nginx:1", 5 + number));
            assert!(story.index.recent_events.len() <= 1024);
        }
    }

    #[test]
    fn events_of_a_static_pod_are_matched_by_name_and_node() {
        let hash = "acda2e61f377275082adfb95b9ded67e";
        let event = |node: &str| {
            let mut event = pulling(&starting().with_uid(hash), "app", "nginx:1", 4);
            node.clone_into(&mut event.node);
            event
        };
        let mut story = listed();
        story.apply(1, &starting()).apply_event(5, &event("node-2"));
        assert_eq!(story.waiting(), ["web/app nginx:1 starting since 0"]);
        story.apply_event(6, &event("node-1").again(1, 5));
        assert_eq!(story.waiting(), ["web/app nginx:1 pending event since 5"]);
        let mut story = listed();
        story.apply_event(5, &event("node-1")).apply(6, &starting());
        assert_eq!(story.waiting(), ["web/app nginx:1 pending event since 4"]);
    }

    #[test]
    fn listed_pull_requests_are_evidence_without_an_exact_start() {
        let mut story = IndexScenario::new();
        story.apply(1, &starting()).list_events(20, &[pulling(&starting(), "app", "nginx:1", 4)]);
        assert_eq!(story.waiting(), ["web/app nginx:1 pending event since 4"]);
        story.apply(24, &starting().running_since(24));
        assert_eq!(story.log, ["20 web/app pending", "24 web/app pending ended: started after about 20 s"]);
    }

    #[test]
    fn earlier_pulls_of_the_node_are_counted() {
        let of = |name: &str| pod(name).scheduled(0).sandbox_missing().image("nginx:1").container_creating();
        let mut story = listed();
        for (name, seconds) in [("a", 5), ("b", 6), ("c", 6), ("d", 3)] {
            let mut pod = of(name);
            if name == "d" {
                "node-2".clone_into(&mut pod.node);
            }
            let mut event = pulling(&pod, "app", "nginx:1", seconds);
            event.resource_version = 5000 + u64::from(name.as_bytes()[0]);
            story.apply(1, &pod).apply_event(7, &event);
        }
        story.apply(8, &of("e"));
        let snapshot = story.index.snapshot().unwrap();
        let queues = snapshot.pull_queues();
        let earlier: Vec<_> = snapshot.waits().map(|(pod, _, wait)| queues.earlier_pulls(pod, wait)).collect();
        assert_eq!(earlier, [Some(0), Some(1), Some(2), Some(0), None]);
    }
}

mod sandboxes {
    use super::*;

    const FAILS: &str = "web/ pause:1 FailedCreatePodSandBox since 3 observed, 1 attempts";

    fn failing() -> IndexScenario {
        let mut story = listed();
        story.apply(1, &starting()).apply_event(3, &sandbox_failed(&starting(), "pause:1", 2));
        story
    }

    #[test]
    fn a_missing_sandbox_image_is_a_failure_until_the_sandbox_is_ready() {
        let mut story = failing();
        check(&mut story, &["3 web/ started", "3 web/ attempted"], &[FAILS]);
        assert_eq!(story.waiting(), ["web/app nginx:1 starting since 0"]);
        let open = failure(&mut story);
        assert_eq!((open.cause(), open.cause_basis()), (Cause::ImageNotFound, CauseBasis::Event));
        let event = sandbox_failed(&starting(), "pause:1", 2);
        story.apply_event(14, &event.clone().again(2, 13)).apply(15, &starting()).apply_event(40, &event.again(4, 39));
        assert_eq!(story.failing(), ["web/ pause:1 FailedCreatePodSandBox since 3 observed, 4 attempts"]);
        let mut ready = starting().sandbox_ready(60);
        ready.is_sandbox_missing = false;
        story.apply(61, &ready);
        assert_eq!(story.log[5..], ["61 web/ recovered after 58 s", "61 web/app pending"]);
        assert_eq!(story.waiting(), ["web/app nginx:1 pending sandbox_ready since 60"]);
        // Old Events of the sandbox open no failure.
        story.apply_event(62, &sandbox_failed(&starting(), "pause:1", 2).again(5, 59));
        assert_eq!(story.failing(), [""; 0]);
    }

    #[test]
    fn a_container_that_ran_or_whose_pull_begins_or_fails_ends_the_failure() {
        let web = || pod("web").scheduled(0).image("nginx:1");
        for end in [
            web().running_since(10),
            web().terminated("Error", 10),
            web().waiting("CrashLoopBackOff", "x").restarted(1, 10),
            web().err_image_pull(),
        ] {
            let mut story = failing();
            story.apply(11, &end);
            assert!(story.log.contains(&"11 web/ recovered after 8 s".to_owned()), "{:?}", story.log);
        }
        let mut story = failing();
        story.apply_event(11, &pulling(&starting(), "app", "nginx:1", 11));
        assert_eq!(story.log[2..], ["11 web/ recovered after 8 s", "11 web/app pending"]);
    }

    #[test]
    fn statuses_from_before_the_event_do_not_end_the_failure() {
        for status in [
            starting().sandbox_ready(1),
            starting().running_since(1),
            starting().waiting("CrashLoopBackOff", "x").restarted(1, 1),
        ] {
            let mut story = failing();
            story.apply(5, &status);
            assert_eq!(story.failing(), [FAILS]);
        }
    }

    #[test]
    fn a_pod_that_goes_ends_the_failure() {
        for (last, outcome) in [(starting().deleting(), "pod_deleted"), (starting().finished(), "pod_finished")] {
            let mut story = failing();
            story.apply(9, &last);
            check(&mut story, &["3 web/ started", "3 web/ attempted", &format!("9 web/ {outcome} after 6 s")], &[]);
        }
        let mut story = failing();
        story.delete(9, &starting());
        assert_eq!(story.log[2..], ["9 web/ pod_deleted after 6 s"]);
        let mut story = failing();
        story.relist_all(9, &[starting()]);
        assert_eq!(story.failing(), [FAILS]);
    }

    #[test]
    fn a_failure_found_by_the_first_list_begins_with_its_first_event() {
        let mut story = IndexScenario::new();
        story.apply(1, &starting());
        story.list_events(100, &[sandbox_failed(&starting(), "pause:1", 2).again(9, 99)]);
        assert_eq!(story.failing(), ["web/ pause:1 FailedCreatePodSandBox since 2 event, 1 attempts"]);
        story.apply(110, &starting().running_since(110));
        assert_eq!(story.log.last().unwrap(), "110 web/ recovered after about 108 s");
    }

    #[test]
    fn a_pod_that_runs_or_is_unknown_has_no_failure() {
        let mut story = listed();
        story.apply_event(3, &sandbox_failed(&starting(), "pause:1", 2)).apply(4, &starting().running_since(4));
        check(&mut story, &[], &[]);
        // The status follows the Event.
        let mut story = listed();
        story.apply_event(3, &sandbox_failed(&starting(), "pause:1", 2)).apply(4, &starting());
        assert_eq!(story.failing(), ["web/ pause:1 FailedCreatePodSandBox since 4 observed, 1 attempts"]);
    }
}

mod secrets {
    use super::*;

    const DENIED: &str = "pull access denied, repository does not exist or may require authorization: \
                          server message: insufficient_scope: authorization failed";

    #[test]
    fn a_missing_secret_explains_a_denied_pull() {
        let mut story = listed();
        story.apply(1, &starting()).apply_event(2, &secrets_missing(&starting(), &["regcred"], 2));
        assert_eq!((story.log.len(), story.failing().len()), (0, 0), "it is no failure by itself");
        let denied = starting().waiting("ErrImagePull", DENIED);
        let effects = story.index.apply(&denied, at(5));
        let is_attempt = |effect: &IndexEffect| {
            matches!(effect, IndexEffect::Failure { event: FailureEvent::AttemptFailed(Cause::PullSecretMissing), .. })
        };
        assert!(effects.iter().any(is_attempt), "{effects:?}");
        let open = failure(&mut story);
        assert_eq!((open.cause(), open.cause_basis()), (Cause::PullSecretMissing, CauseBasis::Event));
        let snapshot = story.index.snapshot().unwrap();
        assert_eq!(*snapshot.pods[0].missing_secrets, ["regcred"]);
    }

    #[test]
    fn a_missing_secret_explains_only_a_denied_pull() {
        let mut story = listed();
        story.apply(1, &starting().err_image_pull()).apply_event(2, &secrets_missing(&starting(), &["regcred"], 2));
        assert_eq!(
            (failure(&mut story).cause(), failure(&mut story).cause_basis()),
            (Cause::ImageNotFound, CauseBasis::Status)
        );
        // It comes at every sync of a healthy pod, too.
        story.apply_event(3, &secrets_missing(&pod("other"), &["regcred"], 3));
        assert_eq!(story.index.snapshot().unwrap().pods.len(), 1);
    }

    #[test]
    fn the_first_list_shows_missing_secrets_of_any_age() {
        let denied = |reason: &str| starting().waiting(reason, DENIED);
        let mut story = IndexScenario::new();
        story.apply(3000, &denied("ImagePullBackOff"));
        story.list_events(3001, &[secrets_missing(&starting(), &["regcred"], 2)]);
        assert_eq!(failure(&mut story).cause(), Cause::PullSecretMissing);
        story.apply(3010, &denied("ErrImagePull"));
        assert_ne!(failure(&mut story).cause(), Cause::PullSecretMissing);
    }

    #[test]
    fn the_next_attempt_discards_a_secret_that_is_not_reported_again() {
        let denied = |reason: &str| starting().waiting(reason, DENIED);
        let mut story = listed();
        story.apply(1, &denied("ErrImagePull")).apply_event(2, &secrets_missing(&starting(), &["regcred"], 2));
        assert_eq!(failure(&mut story).cause(), Cause::PullSecretMissing);
        story.apply(1000, &denied("ImagePullBackOff"));
        assert_eq!(failure(&mut story).cause(), Cause::PullSecretMissing);
        story.apply(1010, &denied("ErrImagePull"));
        assert_ne!(failure(&mut story).cause(), Cause::PullSecretMissing);
        assert!(story.index.snapshot().unwrap().pods[0].missing_secrets.is_empty());
        // Old Events do not bring it back.
        story.apply_event(1011, &secrets_missing(&starting(), &["regcred"], 3));
        assert_ne!(failure(&mut story).cause(), Cause::PullSecretMissing);
    }
}

mod error_texts {
    use super::*;

    const BARE: &str = "Back-off pulling image \"nginx:nope\"";

    fn bare() -> PodFacts {
        pod("web").scheduled(0).image("nginx:nope").waiting("ImagePullBackOff", BARE)
    }

    #[test]
    fn a_bare_back_off_gets_the_error_text_of_an_event() {
        let event = pull_failed(&bare(), "app", "nginx:nope", &not_found("nginx:nope"), 40);
        for is_first in [false, true] {
            let mut story = listed();
            if is_first {
                story.apply_event(41, &event).apply(50, &bare());
            } else {
                story.apply(50, &bare()).apply_event(51, &event.clone().again(1, 49));
            }
            let open = failure(&mut story);
            assert_eq!((open.cause(), open.cause_basis()), (Cause::ImageNotFound, CauseBasis::Event));
            assert_eq!(open.reason.as_str(), "ImagePullBackOff");
            // The text is kept through the back-off, and replaced by that of the next attempt.
            story.apply(60, &bare());
            assert_eq!(failure(&mut story).cause_basis(), CauseBasis::Event);
            let refused = "dial tcp 10.0.0.1:443: connect: connection refused";
            story.apply_event(80, &pull_failed(&bare(), "app", "nginx:nope", refused, 79));
            assert_eq!(failure(&mut story).cause(), Cause::ConnectionFailed);
            story.apply(90, &bare().waiting("ErrImagePull", &not_found("nginx:nope")));
            let open = failure(&mut story);
            assert_eq!((open.cause(), open.cause_basis()), (Cause::ImageNotFound, CauseBasis::Status));
        }
    }

    #[test]
    fn an_error_text_of_the_status_or_of_another_image_stays() {
        let mut story = listed();
        story.apply(50, &bare().image_pull_back_off());
        story.apply_event(51, &pull_failed(&bare(), "app", "nginx:nope", "connection refused", 50));
        assert_eq!(failure(&mut story).cause_basis(), CauseBasis::Status);
        let mut story = listed();
        story.apply(50, &bare()).apply_event(51, &pull_failed(&bare(), "app", "nginx:other", "x", 50));
        assert!(failure(&mut story).has_no_error_text());
    }

    #[test]
    fn a_container_that_shares_the_back_off_gets_the_error_text_too() {
        let mut story = listed();
        let two = bare().container("two", ContainerKind::App, "nginx:nope").waiting("ImagePullBackOff", BARE);
        story.apply(50, &two).apply_event(51, &pull_failed(&two, "app", "nginx:nope", &not_found("nginx:nope"), 50));
        let snapshot = story.index.snapshot().unwrap();
        assert!(snapshot.failures().all(|(_, _, failure)| failure.cause_basis() == CauseBasis::Event));
        assert_eq!(snapshot.failures().count(), 2);
    }
}
