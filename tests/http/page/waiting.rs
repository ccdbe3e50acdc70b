//! Containers that wait without an error, on the page and in the JSON API.

use serde_json::{Value, json};

use super::test_site::TestSite;
use crate::common::browser::Browser;
use crate::common::{NOT_FOUND, eventually, pod};

/// A pod whose container waits, and is pending if its sandbox is ready.
fn waits(namespace: &str, name: &str, is_sandbox_ready: bool) -> Value {
    let mut waiting = pod(namespace, name, Some(("ContainerCreating", "")));
    if !is_sandbox_ready {
        waiting["status"]["conditions"] = json!([]);
    }
    waiting
}

/// A pending and a starting container that have waited for an hour, and a pending one for a second.
fn waiting_site() -> TestSite {
    let site = TestSite::with(&[waits("shop", "web", true), waits("bank", "ledger", false)]);
    site.apply(7199, &waits("shop", "cart", true));
    site
}

/// Like [`waiting_site`], without the third container, but with a failing one.
fn failing_and_waiting_site() -> TestSite {
    let failing = pod("shop", "api", Some(("ErrImagePull", NOT_FOUND)));
    TestSite::with(&[failing, waits("shop", "web", true), waits("bank", "ledger", false)])
}

fn names(answer: &Value) -> Vec<&str> {
    let waiting = answer["waiting"].as_array().expect("it is a list");
    waiting.iter().map(|one| one["pod"].as_str().expect("it has a name")).collect()
}

#[test]
fn waiting_containers_have_a_list_of_their_own() {
    let site = waiting_site();
    let answer = site.json("/api/v1/waiting");
    assert_eq!((names(&answer), &answer["total"]), (vec!["ledger", "web"], &json!(2)));
    assert_eq!((&answer["waiting_younger"], &answer["pending_after_seconds"]), (&json!(1), &json!(120)));
    let (ledger, web) = (&answer["waiting"][0], &answer["waiting"][1]);
    assert_eq!((&ledger["stage"], &ledger["basis"]), (&json!("starting"), &Value::Null));
    assert_eq!((&web["stage"], &web["basis"]), (&json!("pending"), &json!("sandbox_ready")));
    assert!(web["waiting_seconds"].as_u64().is_some_and(|seconds| (3600..3700).contains(&seconds)), "{web}");
    assert!(web["advice"][1].as_str().is_some_and(|command| command.starts_with("kubectl -n shop describe pod web")));
    assert_eq!(site.json("/api/v1/failures")["total"], 0);
    let summary = site.json("/api/v1/summary");
    assert_eq!(
        (&summary["waiting"], &summary["waiting_younger"], &summary["containers"]),
        (&json!(2), &json!(1), &json!(0))
    );
}

#[test]
fn filters_and_pages_apply_to_waits() {
    let site = waiting_site();
    for (query, expected) in [
        ("namespace=shop", vec!["web"]),
        ("registry=registry.example.com", vec!["ledger", "web"]),
        ("registry=docker.io", vec![]),
        ("q=STARTING", vec!["ledger"]),
        ("q=node-1&limit=1", vec!["ledger"]),
        ("q=node-1&limit=1&offset=1", vec!["web"]),
    ] {
        assert_eq!(names(&site.json(&format!("/api/v1/waiting?{query}"))), expected, "{query}");
    }
    let next = site.json("/api/v1/waiting?limit=1")["next"].clone();
    assert_eq!(next, "/api/v1/waiting?offset=1&limit=1");
    assert_eq!(site.get("/api/v1/waiting?cause=timeout").status, 400);
    let is_listed = |query: &str, name: &str| site.get(query).text().contains(&format!("/{name}</bdi></a>"));
    assert!(is_listed("/", "ledger") && is_listed("/", "web") && !is_listed("/", "cart"));
    assert!(is_listed("/?namespace=bank", "ledger") && !is_listed("/?namespace=bank", "web"));
    let of_cause = site.get("/?cause_group=network").text();
    assert!(of_cause.contains("2 waiting containers do not match the filter"), "{of_cause}");
}

#[test]
fn the_headline_counts_waiting_containers() {
    let page = waiting_site().get("/").text();
    assert!(page.contains("<title>No image pull failures, but 2 containers wait · "), "{page}");
    assert!(page.contains("class=\"headline waits\"") && !page.contains("class=\"headline good\""));
    assert!(page.contains("1 pending, 1 starting for longer than 2m"));
    assert!(page.contains("1 container has been pending or starting for at most 2m."));
    let younger = TestSite::with(&[]);
    younger.apply(7199, &waits("shop", "cart", false));
    let page = younger.get("/").text();
    assert!(page.contains("<title>No image pull failures · ") && page.contains("class=\"headline good\""));
    assert!(
        page.contains("No container fails to pull its image or has waited for longer than 2m. 1 container has been")
    );
    let page = failing_and_waiting_site().get("/").text();
    assert!(page.contains("<title>1 container cannot pull its image · "));
    assert!(page.contains("<dt>waiting</dt><dd><a href=\"#waiting\">2</a></dd>"), "{page}");
}

#[test]
fn the_pod_page_shows_a_wait_of_any_age() {
    let site = waiting_site();
    for (path, stage) in [("bank/ledger", "starting"), ("shop/web", "pending"), ("shop/cart", "pending")] {
        let page = site.get(&format!("/failures/{path}"));
        let text = page.text();
        assert_eq!(page.status, 200, "{path}");
        assert!(text.contains(&format!("class=\"stage {stage}\"")), "{path}: {text}");
        assert!(!text.contains("No open failures"), "{path}");
        assert!(text.contains("get events --field-selector"), "{path}");
    }
    let page = site.get("/failures/bank/ledger").text();
    assert!(page.contains("Volumes, sandbox or image are awaited.") && page.contains("(start of the pod)"));
    assert_eq!(names(&site.json("/api/v1/failures/shop/cart")), ["cart"]);
}

#[test]
fn a_failure_shows_since_when_its_container_was_pending() {
    let site = TestSite::with(&[waits("shop", "web", true)]);
    site.apply(4200, &pod("shop", "web", Some(("ErrImagePull", NOT_FOUND))));
    let failing = site.json("/api/v1/failures")["failing"][0].clone();
    let seconds = |name: &str| failing[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap().as_second();
    assert_eq!(seconds("since") - seconds("pending_since"), 600);
    assert!(site.get("/failures/shop/web").text().contains("<dt>pending since</dt>"));
    site.apply(5400, &pod("shop", "web", None));
    let history = site.json("/api/v1/history");
    assert_eq!(history["ended"][0]["pending_since"], failing["pending_since"]);
    assert!(site.get("/").text().contains(", pending since "));
}

#[test]
fn many_waits_are_folded_and_cut() {
    let pods: Vec<Value> = (0..150).map(|n| waits("shop", &format!("web-{n:03}"), n % 2 == 0)).collect();
    let site = TestSite::with(&pods);
    let page = site.get("/").text();
    assert!(page.contains("75 pending, 75 starting for longer than 2m") && page.contains("100 of 150 on this page"));
    assert!(page.contains("<details class=\"history waiting\" id=\"waiting\">"), "it is folded");
    assert_eq!(page.matches("class=\"stage ").count(), 100);
    assert_eq!(site.json("/api/v1/waiting?limit=1000")["total"], 150);
}

#[test]
fn a_browser_shows_waiting_containers_and_follows_their_links() {
    let site = failing_and_waiting_site();
    let browser = Browser::start("waiting");
    for width in [390, 1440] {
        browser.size(width, if width == 390 { 2000 } else { 900 });
        browser.go(&site.url("/"));
        assert_eq!(browser.run("return document.querySelector('#waiting .stage').checkVisibility();"), true);
        assert_eq!(
            browser.run("return document.documentElement.scrollWidth - window.innerWidth <= 0;"),
            true,
            "{width}"
        );
        browser.picture(&format!("waiting-{width}"));
    }
    // A refresh adds a wait without closing the table.
    site.apply(7000, &waits("shop", "queue", true));
    browser.click("a.reload");
    eventually(|| match browser.run("return document.querySelectorAll('#waiting .stage').length;").as_u64() {
        Some(3) => Ok(()),
        other => Err(format!("{other:?} waits")),
    });
    browser.leave_page(|browser| browser.click("#waiting td a"));
    assert!(browser.url().contains("/failures/"), "{}", browser.url());
    for width in [390, 1440] {
        browser.size(width, 1100);
        assert_eq!(
            browser.run("return document.documentElement.scrollWidth - window.innerWidth <= 0;"),
            true,
            "{width}"
        );
        browser.picture(&format!("waiting-pod-{width}"));
    }
    assert_eq!(browser.violations(), json!([]));

    let without_failures = waiting_site();
    browser.go(&without_failures.url("/"));
    assert_eq!(browser.run("return document.querySelectorAll('.headline.waits').length;"), 1);
    browser.picture("waiting-only");
}
