//! Responses match the OpenAPI document, which contains all routes and parameters.

use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

use super::test_site::TestSite;
use crate::common::{NOT_FOUND, pod};

fn document() -> Value {
    serde_json::from_str(include_str!("../../../src/http/api/openapi.json")).expect("it is JSON")
}

/// A validator of a schema of the document. It rejects additional fields, so that every field is documented.
fn validator(document: &Value, schema: &Value) -> Validator {
    let mut components = document["components"].clone();
    let schemas = components["schemas"].as_object_mut().expect("there are schemas");
    for schema in schemas.values_mut() {
        assert!(
            schema["required"].as_array().map(Vec::len) == schema["properties"].as_object().map(serde_json::Map::len)
        );
        schema["additionalProperties"] = json!(false);
    }
    let mut schema = schema.clone();
    schema["components"] = components;
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .should_validate_formats(true)
        .build(&schema)
        .expect("it is a schema")
}

/// Validates the response to `path` against the schema of `route`.
#[track_caller]
fn check(site: &TestSite, route: &str, path: &str, status: u16) -> Value {
    let document = document();
    let answer = site.get(path);
    assert_eq!(answer.status, status, "{path}: {}", answer.text());
    let described = &document["paths"][route]["get"]["responses"][status.to_string()]["content"];
    let (content_type, content) = described.as_object().and_then(|kinds| kinds.iter().next()).expect("it has content");
    assert!(answer.head.contains(&format!("content-type: {content_type}")), "{path}: {}", answer.head);
    let value: Value = serde_json::from_str(&answer.text()).expect("it is JSON");
    let validator = validator(&document, &content["schema"]);
    let errors: Vec<String> =
        validator.iter_errors(&value).map(|error| format!("{} {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{path}: {errors:#?}");
    value
}

const ROUTES: [(&str, &str); 5] = [
    ("/api/v1/failures", "/api/v1/failures"),
    ("/api/v1/failures/{namespace}/{pod}", "/api/v1/failures/shop/web"),
    ("/api/v1/waiting", "/api/v1/waiting"),
    ("/api/v1/history", "/api/v1/history"),
    ("/api/v1/summary", "/api/v1/summary"),
];

#[test]
fn every_response_matches_the_document() {
    let mut invalid = pod("shop", "web", Some(("InvalidImageName", "couldn't parse image name")));
    invalid["metadata"]["uid"] = json!("another");
    invalid["spec"]["containers"][0]["image"] = json!("");
    let site = TestSite::with(&[
        pod("shop", "web", Some(("ErrImagePull", NOT_FOUND))),
        pod("shop", "api", Some(("ErrImagePull", NOT_FOUND))),
        invalid,
        pod("shop", "cron", Some(("ContainerCreating", ""))),
    ]);
    site.delete(5400, &pod("shop", "api", Some(("ErrImagePull", NOT_FOUND))));
    for (route, path) in ROUTES {
        let value = check(&site, route, path, 200);
        let is_told = |field: &str| value[field].as_array().is_none_or(|list| !list.is_empty());
        assert!(
            is_told("failing")
                && is_told("outages")
                && (is_told("waiting") || path.ends_with("/web"))
                && is_told("last_day"),
            "{path} tells something"
        );
        check(&site, route, &format!("{path}?nonsense=1"), 400);
    }
    let part = check(&site, "/api/v1/failures", "/api/v1/failures?limit=1", 200);
    assert!(part["next"].is_string());
    assert_eq!(check(&site, "/api/v1/history", "/api/v1/history", 200)["total"], 1);
    check(&site, "/api/v1/failures/{namespace}/{pod}", "/api/v1/failures/shop/api", 200);
    let waiting = check(&site, "/api/v1/failures/{namespace}/{pod}", "/api/v1/failures/shop/cron", 200);
    assert_eq!(waiting["waiting"][0]["stage"], "pending");
    check(&site, "/api/v1/failures/{namespace}/{pod}", "/api/v1/failures/shop/nobody", 404);
    check(&site, "/api/v1/openapi.json", "/api/v1/openapi.json", 200);
    let unlisted = TestSite::not_listed();
    for (route, path) in ROUTES {
        check(&unlisted, route, path, 503);
    }
}

#[test]
fn the_document_has_every_route_and_every_parameter() {
    let document = document();
    let mut routes: Vec<&str> = ROUTES.iter().map(|(route, _)| *route).chain(["/api/v1/openapi.json"]).collect();
    routes.sort_unstable();
    let mut documented: Vec<&String> = document["paths"].as_object().expect("there are paths").keys().collect();
    documented.sort_unstable();
    assert_eq!(documented, routes);
    let router = std::fs::read_to_string("src/http/router.rs").expect("the source is there");
    let served = router.split("(\"/api/v").skip(1).filter_map(|rest| rest.split('"').next());
    let mut served: Vec<String> = served.map(|rest| format!("/api/v{rest}")).collect();
    served.sort_unstable();
    assert_eq!(served, routes);

    let site = TestSite::with(&[]);
    for (route, path) in ROUTES {
        let parameters = document["paths"][route]["get"]["parameters"].as_array().expect("there are parameters");
        let name = |parameter: &Value| {
            let reference =
                parameter["$ref"].as_str().and_then(|text| text.strip_prefix('#')).expect("it is a reference");
            let parameter = document.pointer(reference).expect("what it names is there");
            (parameter["in"] == "query").then(|| parameter["name"].as_str().expect("it has a name").to_owned())
        };
        let documented: Vec<String> = parameters.iter().filter_map(name).collect();
        // The error for an unknown parameter lists the supported ones.
        let refused = site.json(&format!("{path}?nonsense=1"));
        let detail = refused["detail"].as_str().expect("it says why");
        let known = detail.split("supported: ").nth(1).unwrap_or_default().trim_end_matches(')');
        assert_eq!(documented.join(", "), known.trim_start_matches("none"), "{route}");
    }
}
