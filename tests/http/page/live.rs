//! The page of `demo` in a real Chromium.

use image_pull_exporter::clock::Clock;
use serde_json::{Value, json};

use super::test_site::TestSite;
use crate::common::browser::Browser;
use crate::common::{NOT_FOUND, Program, eventually, get, pod};

/// A demo that has caught up with the system clock, and the URL of its page. Until then, failures start with each request.
fn demo() -> (Program, String) {
    let demo = Program::start(&["demo", "--speed", "1000"]);
    demo.wait_ready();
    let url = format!("http://127.0.0.1:{}/", demo.port);
    eventually(|| {
        let summary = get(demo.port, "/api/v1/summary", "").expect("the demo answers").text();
        let summary: Value = serde_json::from_str(&summary).expect("it is JSON");
        let time: jiff::Timestamp = summary["time"].as_str().expect("it has a time").parse().expect("it is RFC 3339");
        let behind = Clock::System.now().unix_millis() - time.as_millisecond();
        if behind <= 2000 { Ok(()) } else { Err(format!("{behind} ms behind")) }
    });
    (demo, url)
}

/// Checks that no request went to another host, no policy was violated, and the browser logged no errors.
#[track_caller]
fn check_no_external_requests(browser: &Browser, url: &str) {
    assert_eq!(browser.violations(), json!([]));
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
    let strangers: Vec<String> = browser.requests().into_iter().filter(|asked| !asked.starts_with(url)).collect();
    assert!(strangers.is_empty(), "{strangers:?}");
}

#[track_caller]
fn number(browser: &Browser, script: &str) -> f64 {
    browser.run(script).as_f64().unwrap_or_else(|| panic!("{script} gives no number"))
}

/// Waits until a script returns true.
#[track_caller]
fn wait_for(browser: &Browser, script: &str) {
    eventually(|| match browser.run(script) {
        Value::Bool(true) => Ok(()),
        other => Err(format!("{script}: {other}")),
    });
}

#[test]
fn an_outage_expands_to_its_failures() {
    let (_demo, url) = demo();
    let browser = Browser::start("groups");
    browser.go(&url);
    // On a slow machine, the page may load before all failures have started.
    wait_for(&browser, "return document.title.includes('containers cannot pull their image');");
    let outages = number(&browser, "return document.querySelectorAll('.outage').length;");
    let rows = number(&browser, "return document.querySelectorAll('.row').length;");
    let told = number(&browser, "return Number(document.querySelector('.totals dd').textContent);");
    assert!(
        outages > 1.0 && rows >= outages && (rows - told).abs() < 0.5,
        "{outages} outages, {rows} rows, {told} told"
    );
    assert_eq!(
        browser.run("return document.querySelectorAll('.outage[open]').length;"),
        0,
        "closed until somebody asks"
    );
    let is_seen = "return document.querySelector('.outage .row').checkVisibility();";
    assert_eq!(browser.run(is_seen), false);
    browser.click(".outage > summary");
    assert_eq!(browser.run(is_seen), true);
    browser.click(".outage .row > summary");
    assert_eq!(browser.run("return document.querySelector('.row .commands code').checkVisibility();"), true);
    let drawn = "return Array.from(document.querySelectorAll('.row svg')[0].children, path => path.getBBox().width);";
    let drawn: Vec<f64> = serde_json::from_value(browser.run(drawn)).expect("they are numbers");
    assert!(drawn.iter().any(|width| *width > 0.0), "{drawn:?}");
    browser.picture("light");
    browser.prefer("dark");
    browser.picture("dark");
    check_no_external_requests(&browser, &url);

    // The keyboard works, too.
    browser.go(&url);
    browser.run("document.querySelector('.outage > summary').focus();");
    browser.type_into(".outage > summary", "\u{e007}");
    assert_eq!(browser.run(is_seen), true);
}

#[test]
fn a_filter_is_a_link() {
    let (_demo, url) = demo();
    let browser = Browser::start("filters");
    browser.go(&url);
    let all = number(&browser, "return document.querySelectorAll('.row').length;");
    browser.leave_page(|browser| browser.click(".chip.g-network"));
    assert!(browser.url().ends_with("?cause_group=network"), "{}", browser.url());
    let network = number(&browser, "return document.querySelectorAll('.row').length;");
    assert!(network > 0.0 && network < all, "{network} of {all}");
    assert_eq!(browser.run("return document.querySelectorAll('.outage:not(.g-network)').length;"), 0);
    // A selected option is submitted at once, a text by the button.
    browser.type_into(".filters [name=q]", "search");
    browser.leave_page(|browser| browser.click(".filters button"));
    assert!(browser.url().contains("q=search") && browser.url().contains("cause_group=network"), "{}", browser.url());
    assert_eq!(browser.run("return document.querySelector('.filters [name=q]').value;"), "search");
    let found = "return Array.from(document.querySelectorAll('.row'), row => row.textContent.includes('search')).every(Boolean);";
    assert_eq!(browser.run(found), true);
    let choose_oldest = "const list = document.querySelector('.filters [name=sort]'); list.value = 'oldest'; list.dispatchEvent(new Event('change', {bubbles: true}));";
    browser.leave_page(|browser| drop(browser.run(choose_oldest)));
    assert!(browser.url().contains("sort=oldest"), "{}", browser.url());
    let ages =
        "return Array.from(document.querySelectorAll('.outage > summary time'), time => Number(time.dataset.since));";
    let ages: Vec<f64> = serde_json::from_value(browser.run(ages)).expect("they are numbers");
    assert!(ages.is_sorted(), "{ages:?}");
    check_no_external_requests(&browser, &url);
}

#[test]
fn the_next_attempt_is_counted_down() {
    let site = TestSite::with(&[]);
    // An attempt one second ago, by the clock of the server.
    let began = 7199;
    site.apply(began, &pod("shop", "web", Some(("ErrImagePull", NOT_FOUND))));
    let browser = Browser::start("countdown");
    browser.go(&site.url("/"));
    let text = "return document.querySelector('.next b').textContent;";
    let bar = "return document.querySelector('.next progress').value;";
    let (first, filled) = (browser.run(text), number(&browser, bar));
    assert!(first.as_str().is_some_and(|text| text.starts_with("in ")), "{first}");
    eventually(|| if browser.run(text) == first { Err(first.to_string()) } else { Ok(()) });
    assert!(number(&browser, bar) > filled);
    wait_for(&browser, "return document.querySelector('.next b').textContent === 'any moment';");
    // The script formats ages like the program.
    for seconds in [605_u64, 10_805, 18_305, 28_805, 172_805, 180_005, 691_205, 63_072_005, 252_288_005] {
        let script = format!(
            "const time = document.createElement('time'); time.id = 'a{seconds}'; document.body.append(time);
             time.dataset.since = Number(document.getElementById('clock').dataset.now) - {seconds}000;"
        );
        browser.run(&script);
        let told = image_pull_exporter::present::format_age(std::time::Duration::from_secs(seconds));
        wait_for(&browser, &format!("return document.getElementById('a{seconds}').textContent === '{told}';"));
    }
    let age = number(&browser, "return parseInt(document.querySelector('.row time').textContent, 10);");
    assert!((16.0..90.0).contains(&age), "{age}");
}

#[test]
fn refreshes_keep_the_scroll_position() {
    let pods: Vec<Value> =
        (0..40).map(|n| pod("shop", &format!("web-{n:02}"), Some(("ErrImagePull", NOT_FOUND)))).collect();
    let site = TestSite::with(&pods);
    let browser = Browser::start("refresh");
    browser.go(&site.url("/?sort=newest"));
    // Open a row in the middle of the only outage, which is open by default.
    browser.run("document.querySelector('.row[id^=\"shop-web-20\"]').open = true; document.querySelector('.row[id^=\"shop-web-20\"] > summary').focus(); document.querySelector('.row[id^=\"shop-web-20\"]').scrollIntoView();");
    let place = "return document.querySelector('.row[id^=\"shop-web-20\"]').getBoundingClientRect().top;";
    let (before, old_state) = (
        number(&browser, place),
        browser.run("window.old = document.getElementById('state'); return window.scrollY > 100;"),
    );
    assert_eq!(old_state, true);
    let mut other = pod("bank", "ledger", Some(("ErrImagePull", "dial tcp: lookup a.example.com: no such host")));
    other["spec"]["containers"][0]["image"] = json!("a.example.com/ledger:1");
    site.apply(7100, &other);
    wait_for(&browser, "return document.querySelectorAll('.outage').length === 2;");
    assert_eq!(
        browser.run("return document.getElementById('state') !== window.old;"),
        true,
        "it was brought up to date, not loaded anew"
    );
    assert_eq!(browser.run("return document.querySelectorAll('.row[open]').length;"), 1);
    assert_eq!(browser.run("return document.querySelector('.row[id^=\"shop-web-20\"]').open;"), true);
    assert!((number(&browser, place) - before).abs() < 2.0, "the line is where it was, under a new one above it");
    assert_eq!(browser.run("return document.activeElement.closest('details').id;"), "shop-web-20-uid/app");
    assert!(browser.title().starts_with("41 containers"));
    check_no_external_requests(&browser, &site.url("/"));

    // When the exporter is unreachable, the page shows a banner and keeps its content.
    drop(site);
    wait_for(&browser, "return !document.getElementById('offline').hidden;");
    assert_eq!(browser.run("return document.querySelectorAll('.outage').length;"), 2);
}

#[test]
fn the_page_works_without_javascript() {
    let (_demo, url) = demo();
    let browser = Browser::start("noscript");
    browser.disable_scripts();
    browser.go(&url);
    assert_eq!(browser.run("return document.documentElement.classList.contains('js');"), false, "no script ran");
    browser.click(".outage > summary");
    browser.click(".outage .row > summary");
    assert_eq!(browser.run("return document.querySelector('.row .commands code').checkVisibility();"), true);
    assert_eq!(browser.run("return document.querySelector('.copy').checkVisibility() || document.querySelector('.auto').checkVisibility();"), false, "no button that does nothing");
    assert!(
        browser
            .run("return document.querySelector('.row .age time').textContent;")
            .as_str()
            .is_some_and(|age| !age.is_empty())
    );
    browser.type_into(".filters [name=q]", "payments");
    browser.leave_page(|browser| browser.click(".filters button"));
    assert!(browser.url().contains("q=payments"));
    browser.click(".outage > summary");
    browser.click(".outage .row > summary");
    browser.leave_page(|browser| browser.click(".facts a"));
    assert!(browser.url().contains("/failures/payments/"), "{}", browser.url());
    browser.picture("pod");
}

#[test]
fn the_page_fits_phones_and_both_color_schemes() {
    let (_demo, url) = demo();
    let browser = Browser::start("phone");
    for width in [320, 414, 768] {
        browser.size(width, 700);
        browser.go(&url);
        browser.run("document.querySelectorAll('details').forEach(line => { line.open = true; });");
        let overflow = number(&browser, "return document.documentElement.scrollWidth - window.innerWidth;");
        assert!(overflow <= 0.0, "{width} pixels: {overflow} too wide");
    }
    browser.size(320, 1400);
    browser.go(&url);
    browser.picture("phone");
    let ground = "return getComputedStyle(document.body).backgroundColor;";
    browser.prefer("light");
    let light = browser.run(ground);
    browser.prefer("dark");
    assert_ne!(browser.run(ground), light);
}

#[test]
fn the_page_without_failures() {
    let healthy = pod("shop", "web", Some(("ErrImagePull", NOT_FOUND)));
    let site = TestSite::with(std::slice::from_ref(&healthy));
    site.apply(7190, &pod("shop", "web", None));
    let browser = Browser::start("empty");
    browser.go(&site.url("/"));
    assert_eq!(browser.title(), "No image pull failures · image-pull-exporter");
    assert_eq!(browser.run("return document.querySelectorAll('.headline.good').length;"), 1);
    browser.size(1280, 700);
    browser.picture("empty");
    check_no_external_requests(&browser, &site.url("/"));
}

#[test]
fn the_starting_page_refreshes_itself() {
    let site = TestSite::not_listed();
    let browser = Browser::start("starting");
    browser.go(&site.url("/"));
    assert_eq!(browser.title(), "Starting · image-pull-exporter");
    site.list();
    eventually(|| if browser.title().starts_with("No image pull failures") { Ok(()) } else { Err(browser.title()) });
}

/// axe-core, which `tests/run` fetches from npm.
fn axe() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/target/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error} (`tests/run` fetches it)"))
}

#[test]
fn the_page_is_accessible() {
    let (demo, url) = demo();
    let browser = Browser::start("axe");
    let axe = axe();
    let story = get(demo.port, "/api/v1/failures?limit=1", "").expect("it answers").text();
    let story: Value = serde_json::from_str(&story).expect("it is JSON");
    let (namespace, name) = (&story["failing"][0]["namespace"], &story["failing"][0]["pod"]);
    let story = format!("{url}failures/{}/{}", namespace.as_str().unwrap(), name.as_str().unwrap());
    let empty = TestSite::with(&[]);
    let waiting = TestSite::with(&[pod("shop", "web", Some(("ContainerCreating", "")))]);
    let waits = [waiting.url("/"), waiting.url("/failures/shop/web")];
    for page in [&url, &story, &empty.url("/"), &format!("{url}?cause=nonsense"), &waits[0], &waits[1]] {
        for (scheme, width) in [("light", 1280), ("dark", 1280), ("light", 320)] {
            browser.size(width, 900);
            browser.prefer(scheme);
            browser.go(page);
            browser.run("document.querySelectorAll('details').forEach(line => { line.open = true; });");
            browser.run(&axe);
            let found = browser.run_async(
                "const done = arguments[arguments.length - 1];
                 axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })
                   .then(({ violations, passes }) => done({ passes: passes.length, violations: violations.map(v =>
                     `${v.impact} ${v.id}: ${v.nodes.slice(0, 3).map(n => n.html + ' ' + n.failureSummary).join(' | ')}`) }));",
            );
            assert!(found["passes"].as_u64() > Some(10), "{found}");
            assert_eq!(found["violations"], json!([]), "{page} {scheme} {width}");
        }
    }
}
