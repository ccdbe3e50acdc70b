//! Hostile names, images and texts are inert in a real browser, in JSON and in a list.

use image_pull_exporter::list::{self, ListFilter, ListFormat, list_file};
use image_pull_exporter::terminal::Terminal;
use image_pull_model::time::Timestamp;
use serde_json::{Value, json};

use super::test_site::TestSite;
use crate::common::browser::Browser;
use crate::common::{eventually, pod};

/// Texts that have an effect unless they are escaped.
const TEXTS: [&str; 9] = [
    "<script>window.hacked = 1</script>",
    "\"onmouseover=\"window.hacked=1\" x=\"",
    "'><img src=x onerror=window.hacked=1>",
    "</title></style></bdi></pre><h1>owned</h1>",
    "javascript:window.hacked=1",
    "&lt;script&gt;{{7*7}}${7*7}",
    "app\u{202e}gnp.exe\u{2066}\u{200b}",
    "nul\0bell\u{7}esc\u{1b}[31m",
    "line\r\nset-cookie: a=b\u{2028}",
];

fn hostile_pods() -> Vec<Value> {
    let mut pods = Vec::new();
    for (n, text) in TEXTS.iter().enumerate() {
        let mut everything = pod("shop", &format!("{n} {text}"), Some(("ErrImagePull", text)));
        everything["metadata"]["namespace"] = json!(text);
        everything["metadata"]["ownerReferences"] = json!([{ "kind": text, "name": text, "controller": true }]);
        everything["spec"]["nodeName"] = json!(text);
        everything["spec"]["imagePullSecrets"] = json!([{ "name": text }]);
        everything["spec"]["containers"][0] = json!({ "name": text, "image": text });
        everything["status"]["containerStatuses"][0]["name"] = json!(text);
        pods.push(everything);
    }
    let long = format!("{}{}", TEXTS.join(" "), "x".repeat(64 * 1024));
    pods.push(pod("shop", "long", Some(("ErrImagePull", &long))));
    pods
}

#[test]
fn hostile_texts_are_inert_in_a_browser() {
    let site = TestSite::with(&hostile_pods());
    let browser = Browser::start("hostile");
    browser.go(&site.url("/"));
    let paths = browser.run("document.querySelectorAll('details').forEach(line => { line.open = true; }); return Array.from(document.querySelectorAll('.facts a'), a => a.href);");
    let paths: Vec<String> = serde_json::from_value(paths).expect("they are texts");
    assert_eq!(paths.len(), TEXTS.len() + 1);
    browser.picture("hostile");
    let overflow = browser.run("return document.documentElement.scrollWidth - window.innerWidth;");
    assert!(overflow.as_i64() <= Some(0), "{overflow}");
    // All linked pages, and all filters.
    let mut pages = vec![site.url("/")];
    pages.extend(paths);
    pages.extend(TEXTS.iter().map(|text| {
        let encoded = text.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
        site.url(&format!("/?q={encoded}&namespace={encoded}&registry={encoded}"))
    }));
    for page in &pages {
        browser.go(page);
        let seen = browser.run(
            "document.querySelectorAll('*').forEach(e => e.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})));
             return [window.hacked ?? null, document.querySelectorAll('script').length,
                     document.querySelectorAll('img, [onmouseover], [onerror], a[href^=javascript], style, h1 h1').length,
                     document.body.innerText.match(/[\\u0000-\\u0008\\u200b-\\u200f\\u2028-\\u202e\\u2066-\\u2069]/) === null,
                     document.querySelectorAll('h1').length];",
        );
        assert_eq!(seen, json!([null, 1, 0, true, 1]), "{page}");
        assert_eq!(browser.violations(), json!([]), "{page}");
    }
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:?}");
    let own = site.url("/");
    let (asked, strangers): (Vec<String>, Vec<String>) =
        browser.requests().into_iter().partition(|url| url.starts_with(&own));
    assert!(asked.len() > pages.len() && strangers.is_empty(), "{strangers:?}");

    // An injected script would be blocked and reported.
    browser.run("const script = document.createElement('script'); script.textContent = 'window.hacked = 1'; document.body.append(script);");
    eventually(|| match browser.violations() {
        Value::Array(violations) if violations.len() == 1 => Ok(()),
        other => Err(other.to_string()),
    });
    assert_eq!(browser.run("return window.hacked ?? null;"), Value::Null);
}

#[test]
fn hostile_texts_are_texts_in_json_and_harmless_in_a_list() {
    let site = TestSite::with(&hostile_pods());
    let answer = site.get("/api/v1/failures");
    assert!(answer.head.contains("content-type: application/json\r\n") && answer.head.contains("nosniff"));
    let value: Value = serde_json::from_str(&answer.text()).expect("it is JSON");
    let namespaces: Vec<&str> =
        value["failing"].as_array().expect("it is a list").iter().filter_map(|one| one["namespace"].as_str()).collect();
    for text in TEXTS {
        assert!(namespaces.contains(&text), "{text:?} comes out as it went in");
    }
    let list = json!({ "kind": "List", "items": hostile_pods() }).to_string();
    let look =
        list_file(&list, &ListFilter::default(), Timestamp::from_unix_millis(1_795_470_000_000)).expect("it is a list");
    assert_eq!(look.failing.len(), TEXTS.len() + 1);
    for output in [ListFormat::Table, ListFormat::Wide] {
        let mut out = Vec::new();
        list::print(&look, output, Terminal { width: 120, color: false }, &mut out).expect("a Vec takes everything");
        let text = String::from_utf8(out).expect("it is text");
        let is_bad = |c: char| {
            (c.is_control() && c != '\n')
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        };
        assert!(!text.contains(is_bad), "{text:?}");
    }
}
