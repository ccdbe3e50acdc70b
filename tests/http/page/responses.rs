//! Content of the page and of the JSON API.

use std::collections::BTreeSet;
use std::io::Read as _;

use serde_json::{Value, json};

use super::test_site::TestSite;
use crate::common::{NOT_FOUND, get, pod};

const UNKNOWN_TAG: &str = "manifest unknown: the named manifest is not known to the registry";

/// A pod that waits for an image, with a waiting reason and message.
fn waiting(namespace: &str, name: &str, image: &str, reason: &str, message: &str) -> Value {
    let mut waiting = pod(namespace, name, Some((reason, message)));
    waiting["spec"]["containers"][0]["image"] = json!(image);
    waiting
}

fn some_pods() -> Vec<Value> {
    let dns = "dial tcp: lookup registry.exmaple.com on 10.0.0.2:53: no such host";
    let denied =
        "unexpected status from HEAD request to https://ghcr.io/v2/a/manifests/1?token=secret: 401 Unauthorized";
    let mut owned = waiting("shop", "web-7c9-x", "registry.exmaple.com/shop/web:1", "ErrImagePull", dns);
    owned["metadata"]["ownerReferences"] = json!([{ "kind": "StatefulSet", "name": "web", "controller": true }]);
    owned["spec"]["imagePullSecrets"] = json!([{ "name": "hub-login" }]);
    vec![
        owned,
        waiting("shop", "cart", "registry.exmaple.com/shop/cart:1", "ErrImagePull", dns),
        waiting("bank", "ledger", "ghcr.io/bank/ledger:1", "ErrImagePull", denied),
        waiting("bank", "Upper", "ghcr.io/bank/Upper:1", "InvalidImageName", "couldn't parse image name"),
    ]
}

fn pods(answer: &Value) -> Vec<String> {
    let failing = answer["failing"].as_array().expect("it is a list");
    failing.iter().map(|one| one["pod"].as_str().expect("it has a name").to_owned()).collect()
}

#[test]
fn filters_narrow_what_is_listed() {
    let site = TestSite::with(&some_pods());
    for (query, expected) in [
        ("", vec!["Upper", "ledger", "cart", "web-7c9-x"]),
        ("namespace=shop", vec!["cart", "web-7c9-x"]),
        ("namespace=shop&namespace=bank&cause=invalid_reference", vec!["Upper"]),
        ("cause_group=network", vec!["cart", "web-7c9-x"]),
        ("registry=ghcr.io", vec!["Upper", "ledger"]),
        ("q=NO+SUCH+HOST", vec!["cart", "web-7c9-x"]),
        ("q=web&namespace=", vec!["web-7c9-x"]),
        ("q=secret", vec![]),
        ("q=%3Credacted%3E", vec!["ledger"]),
        ("namespace=nowhere", vec![]),
    ] {
        let answer = site.json(&format!("/api/v1/failures?{query}"));
        assert_eq!(
            (pods(&answer), &answer["total"]),
            (expected.iter().map(|s| (*s).to_owned()).collect(), &json!(expected.len())),
            "{query}"
        );
        let page = site.get(&format!("/?{query}")).text();
        for name in ["Upper", "ledger", "cart", "web-7c9-x"] {
            let is_shown = page.contains(&format!(">{name}</bdi> ·"));
            assert_eq!(is_shown, expected.contains(&name), "{query} {name}");
        }
    }
    let nothing = site.get("/?namespace=nowhere").text();
    assert!(nothing.contains("0 of 4 failing containers match") && nothing.contains("No failures match the filter"));
}

#[test]
fn the_summary_counts_what_each_outage_affects() {
    let site = TestSite::with(&some_pods());
    let summary = site.json("/api/v1/summary");
    let counts = |of: &Value| {
        ["containers", "pods", "workloads", "namespaces", "nodes", "registries"].map(|field| of[field].as_u64())
    };
    assert_eq!(counts(&summary), [4, 4, 4, 2, 1, 2].map(Some));
    let outages = summary["outages"].as_array().expect("it is a list");
    let names: Vec<_> = outages.iter().map(|outage| (&outage["cause"], &outage["registry"])).collect();
    let dns = (&json!("dns_failure"), &json!("registry.exmaple.com"));
    assert!(names[0] == dns && names.len() == 3, "the largest first: {names:?}");
    assert_eq!(counts(&outages[0]), [2, 2, 2, 1, 1, 1].map(Some));
    assert_eq!(counts(&site.json("/api/v1/summary?namespace=bank"))[0], Some(2));
    assert_eq!(site.json("/api/v1/summary?namespace=nowhere")["since"], Value::Null);
}

#[test]
fn an_outage_is_as_old_as_its_cause_and_not_as_the_failures_that_it_hits() {
    let site = TestSite::with(&[waiting("shop", "web", "reg.example/web:1.8.O", "ErrImagePull", UNKNOWN_TAG)]);
    let refused = "dial tcp 10.0.0.1:443: connect: connection refused";
    // Five minutes ago the registry became unavailable, after a bad tag had failed for 55 minutes.
    site.apply(6900, &waiting("shop", "web", "reg.example/web:1.8.O", "ErrImagePull", refused));
    let about =
        |seconds: &Value, expected: u64| seconds.as_u64().is_some_and(|at| (expected..expected + 60).contains(&at));
    let failing = &site.json("/api/v1/failures")["failing"][0];
    assert_eq!((&failing["cause"], &failing["cause_since_basis"]), (&json!("connection_failed"), &json!("observed")));
    assert!(about(&failing["cause_seconds"], 300) && about(&failing["failing_seconds"], 3600), "{failing}");
    let summary = site.json("/api/v1/summary");
    let outage = &summary["outages"][0];
    assert_eq!(outage["cause_since"], failing["cause_since"]);
    assert_eq!((&outage["cause_since_basis"], &outage["since"]), (&json!("observed"), &failing["since"]));
    assert_eq!(summary["since"], failing["since"], "what has failed longest");
    let page = site.get("/").text();
    let outage = page.split("class=\"outage").nth(1).expect("the page has the outage");
    let age_of = |part: &str| {
        let time = part.split("</time>").next().and_then(|time| time.rsplit('>').next());
        time.expect("it has an age").to_owned()
    };
    assert!(age_of(outage).starts_with("5m"), "{}", age_of(outage));
    let row = outage.split("class=\"row\"").nth(1).expect("it has the container");
    assert_eq!(age_of(row), "60m");
    assert!(row.contains("current cause for 5m"), "{row}");
    assert!(!outage.contains("at least"), "the start was observed");
}

#[test]
fn an_unobserved_start_is_shown_as_a_lower_bound() {
    let site = TestSite::not_listed();
    site.relist(6900, &[waiting("shop", "web", "reg.example/web:1", "ErrImagePull", UNKNOWN_TAG)]);
    assert_eq!(site.json("/api/v1/failures")["failing"][0]["cause_since_basis"], "found");
    assert_eq!(site.json("/api/v1/summary")["outages"][0]["cause_since_basis"], "found");
    let page = site.get("/").text();
    assert!(
        page.contains("</time><abbr title=\"at least: the start of the cause was not observed\">+</abbr>"),
        "{page}"
    );
    assert!(page.contains("current cause for at least 5m"));
}

#[test]
fn pagination_covers_the_whole_list() {
    let pods: Vec<Value> =
        (0..25).map(|n| pod("shop", &format!("web-{n:02}"), Some(("ErrImagePull", NOT_FOUND)))).collect();
    let site = TestSite::with(&pods);
    let (mut seen, mut next) = (Vec::new(), "/api/v1/failures?limit=10&namespace=shop".to_owned());
    loop {
        let part = site.json(&next);
        seen.extend(self::pods(&part));
        match part["next"].as_str() {
            Some(link) => next = link.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, (0..25).map(|n| format!("web-{n:02}")).collect::<Vec<_>>());

    let mut shown = BTreeSet::new();
    for offset in [0, 10, 20] {
        let page = site.get(&format!("/?limit=10&offset={offset}")).text();
        shown.extend((0..25).filter(|n| page.contains(&format!("id=\"shop-web-{n:02}-uid/app\""))));
        assert_eq!(page.contains("rel=\"next\""), offset < 20);
        assert_eq!(page.contains("rel=\"prev\""), offset > 0);
    }
    assert_eq!(shown.len(), 25);
}

#[test]
fn responses_have_etags() {
    let site = TestSite::with(&some_pods());
    for path in
        ["/api/v1/failures", "/api/v1/waiting", "/api/v1/summary", "/api/v1/history", "/api/v1/failures/shop/cart"]
    {
        let etag = |response: &crate::common::Response| {
            let line = response.head.lines().find_map(|line| line.strip_prefix("etag: ")).map(str::to_owned);
            line.expect("it has a tag").replace("w/", "W/")
        };
        let first = etag(&site.get(path));
        let known = get(site.port, path, &format!("If-None-Match: {first}\r\n")).expect("it answers");
        assert_eq!((known.status, known.body.len()), (304, 0), "{path}");
    }
    let before = site.get("/api/v1/failures").head;
    site.delete(7000, &some_pods()[1]);
    let after = site.get("/api/v1/failures").head;
    let tag = |head: &str| head.lines().find(|line| line.starts_with("etag")).map(str::to_owned);
    assert_ne!(tag(&before), tag(&after));
}

#[test]
fn responses_are_compressed_when_accepted() {
    let site = TestSite::with(&some_pods());
    for path in ["/", "/api/v1/failures", "/failures/shop/cart"] {
        let zipped = get(site.port, path, "Accept-Encoding: gzip\r\n").expect("it answers");
        assert!(
            zipped.head.contains("content-encoding: gzip") && zipped.head.contains("vary: accept-encoding"),
            "{path}"
        );
        let mut text = String::new();
        flate2::read::GzDecoder::new(&zipped.body[..]).read_to_string(&mut text).expect("it is compressed text");
        assert!(text.contains("cart"), "{path}");
    }
}

#[test]
fn a_thousand_failures_make_a_small_page_and_five_thousand_come_in_parts() {
    let one = |n: u32| {
        let registry = n % 20;
        let image = format!("registry-{registry}.example.com/team-{}/service-{n}:1.{n}", n % 50);
        let text = format!(
            "failed to do request: Head \"https://registry-{registry}.example.com/v2/{n}\": dial tcp 10.0.{registry}.{}:443: i/o timeout",
            n % 250
        );
        waiting(&format!("team-{}", n % 50), &format!("service-{n}-{:x}", n * 7919), &image, "ErrImagePull", &text)
    };
    let site = TestSite::with(&(0..1000).map(one).collect::<Vec<_>>());
    let page = get(site.port, "/?limit=1000", "Accept-Encoding: gzip\r\n").expect("it answers");
    assert!(page.body.len() < 300_000, "{} bytes", page.body.len());
    assert_eq!(site.get("/?limit=1000").text().matches("class=\"row\"").count(), 1000);
    for n in 1000..5000 {
        site.apply(3700, &one(n));
    }
    let page = site.get("/").text();
    assert_eq!(page.matches("class=\"row\"").count(), 200);
    assert!(page.contains("5000 containers cannot pull their image") && page.contains("1 to 200 of 5000"));
}

#[test]
fn ended_failures_are_listed_with_their_outcome() {
    let site = TestSite::with(&some_pods());
    let mut cart = some_pods().remove(1);
    cart["status"]["containerStatuses"][0]["state"] = json!({ "running": {} });
    site.apply(5400, &cart);
    let history = site.json("/api/v1/history");
    assert_eq!(history["total"], 1);
    let ended = &history["ended"][0];
    assert_eq!(
        (&ended["pod"], &ended["outcome"], &ended["failing_seconds"]),
        (&json!("cart"), &json!("recovered"), &json!(1800))
    );
    assert_eq!((&ended["attempts"], &ended["next_attempt"]), (&json!(1), &Value::Null));
    assert_eq!(site.json("/api/v1/history?namespace=bank")["total"], 0);
    assert!(site.get("/").text().contains("recovered"));

    let story = site.json("/api/v1/failures/shop/cart");
    assert_eq!(
        (story["failing"].as_array().map(Vec::len), story["ended"].as_array().map(Vec::len)),
        (Some(0), Some(1))
    );
    let page = site.get("/failures/shop/cart").text();
    assert!(page.contains("No open failures") && page.contains("recovered"));

    let day = site.json("/api/v1/summary")["last_day"].as_array().cloned().expect("it is a list");
    let sum = |field: &str| day.iter().filter_map(|five| five[field].as_u64()).sum::<u64>();
    assert_eq!((sum("started"), sum("ended"), sum("attempts")), (4, 1, 3));
    assert_eq!(day.iter().filter_map(|five| five["failing"].as_u64()).max(), Some(4));
    assert_eq!(day.last().map(|five| &five["failing"]), Some(&json!(3)));
}

#[test]
fn the_pod_page_shows_all_details() {
    let site = TestSite::with(&some_pods());
    let mut web = some_pods().remove(0);
    let state = &mut web["status"]["containerStatuses"][0]["state"]["waiting"];
    *state = json!({ "reason": "ImagePullBackOff", "message": "Back-off pulling image \"registry.exmaple.com/shop/web:1\"" });
    site.apply(3615, &web);
    let story = site.json("/api/v1/failures/shop/web-7c9-x");
    let statuses = &story["failing"][0]["statuses"];
    assert_eq!((&statuses[0]["status"], &statuses[0]["attempt"]), (&json!("ErrImagePull"), &json!(true)));
    assert!(statuses[0]["message"].as_str().is_some_and(|text| text.contains("no such host")));
    assert_eq!((&statuses[1]["status"], &statuses[1]["message"]), (&json!("ImagePullBackOff"), &Value::Null));
    assert_eq!(story["failing"][0]["pull_secrets"], json!(["hub-login"]));
    let page = site.get("/failures/shop/web-7c9-x").text();
    for shown in [
        "StatefulSet",
        "hub-login",
        "node-1",
        "shop/web",
        "<mark>registry.exmaple.com</mark>",
        "IfNotPresent",
        "(observed)",
        "no such host",
        "nslookup registry.exmaple.com",
    ] {
        assert!(page.contains(shown), "{shown}");
    }
    let invalid = site.get("/failures/bank/Upper").text();
    assert!(invalid.contains("ghcr.io/<mark>bank/Upper</mark>:1") && invalid.contains("only lower case is allowed"));
    for path in ["/failures/shop/nobody", "/api/v1/failures/shop/nobody"] {
        assert_eq!(site.get(path).status, 404, "{path}");
    }
}

#[test]
fn an_interrupted_watch_is_reported() {
    let site = TestSite::with(&some_pods());
    assert_eq!(site.json("/api/v1/failures")["synced"], true);
    assert!(site.get("/").text().contains("No watch event since"), "an hour of silence");
    site.break_watch(3700);
    assert_eq!(site.json("/api/v1/failures")["synced"], false);
    assert!(site.get("/").text().contains("The watch is interrupted. This page shows the state at"));
}

#[test]
fn a_stale_status_is_reported() {
    let site = TestSite::with(&some_pods()[..1]);
    let told = || (site.json("/api/v1/failures")["failing"][0]["stale_since"].clone(), site.get("/").text());
    // During an interruption of the watch, a stale status cannot be detected.
    site.sync(3600 + 900);
    site.break_watch(3600 + 900);
    let (stale_since, page) = told();
    assert!(stale_since.is_null() && !page.contains("The status has not changed for"));
    site.sync(3600 + 901);
    let (stale_since, page) = told();
    assert!(stale_since.is_string() && page.contains("The status has not changed for"), "{page}");
    assert!(site.get("/failures/shop/web-7c9-x").text().contains("The status has not changed for"));
}

#[test]
fn errors_match_the_requested_content_type() {
    let site = TestSite::with(&[]);
    let page = site.get("/?cause=%3Cscript%3E");
    assert_eq!(page.status, 400);
    assert!(page.text().contains("invalid cause &quot;&lt;script&gt;&quot;") && page.head.contains("text/html"));
    let json = site.get("/api/v1/failures?limit=many");
    let problem: Value = serde_json::from_str(&json.text()).expect("it is JSON");
    assert_eq!((json.status, &problem["status"], &problem["title"]), (400, &json!(400), &json!("Bad Request")));
    assert!(json.head.contains("content-type: application/problem+json"));
    let unknown = site.get("/api/v2/failures");
    assert!(unknown.status == 404 && unknown.head.contains("content-type: application/problem+json"));
}
