use super::*;

fn parse(query: &str) -> Result<FailureQuery, String> {
    FailureQuery::parse(query, PAGE_PARAMETERS).map_err(|error| error.to_string())
}

#[test]
fn query_parameters_are_parsed() {
    let query = "namespace=shop&namespace=&cause=dns_failure&cause_group=image&registry=a%3A5000&q=x+y&sort=oldest&offset=7&limit=9";
    let query = parse(query).unwrap();
    assert_eq!(query.namespaces, ["shop"]);
    assert_eq!((&query.causes[..], &query.groups[..]), (&[Cause::DnsFailure][..], &[CauseGroup::Image][..]));
    assert_eq!(
        (&query.registries[..], &*query.text, query.sort),
        (&["a:5000".to_owned()][..], "x y", SortOrder::Oldest)
    );
    assert_eq!((query.offset, query.limit), (7, 9));
    assert_eq!(parse(&query.query_string()).unwrap(), query, "the query string round-trips");
    assert!(parse("").unwrap().is_unfiltered() && !query.is_unfiltered());
    assert_eq!(parse("").unwrap().query_string(), "");
}

#[test]
fn invalid_parameters_are_rejected() {
    for (query, expected) in [
        ("nonsense=1", "unknown parameter \"nonsense\""),
        ("cause=bad", "invalid cause \"bad\" (expected one of image_not_found, "),
        ("cause_group=x", "invalid cause_group \"x\" (expected one of image, "),
        ("sort=age", "invalid sort \"age\" (expected one of size, oldest, newest)"),
        ("limit=0", "invalid limit \"0\""),
        ("limit=1001", "invalid limit \"1001\""),
        ("limit=99999999999999999999", "invalid limit"),
        ("offset=-1", "invalid offset \"-1\""),
        ("a%E2%80%AEb=1", "unknown parameter \"a\\u{202e}b\""),
    ] {
        let error = parse(query).unwrap_err();
        assert!(error.starts_with(expected), "{query}: {error}");
    }
    let long = parse(&format!("{}=1", "x".repeat(9999))).unwrap_err();
    assert!(long.len() < 300, "error messages truncate parameters");
    assert!(
        FailureQuery::parse("limit=1", SUMMARY_PARAMETERS).is_err()
            && FailureQuery::parse("sort=size", LIST_PARAMETERS).is_err()
    );
}

#[test]
fn lists_are_paginated() {
    let part = |offset, limit| {
        let query = FailureQuery { offset, limit, ..FailureQuery::default() };
        (query.page(&[1, 2, 3, 4, 5]).to_vec(), query.next_offset(5))
    };
    assert_eq!(part(0, 2), (vec![1, 2], Some(2)));
    assert_eq!(part(4, 2), (vec![5], None));
    assert_eq!(part(3, 2), (vec![4, 5], None));
    assert_eq!(part(5, 2), (vec![], None));
    assert_eq!(part(usize::MAX, 1000), (vec![], None));
}
