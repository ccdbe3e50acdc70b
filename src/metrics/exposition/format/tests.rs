use super::ExpositionFormat::{self, OpenMetrics, Protobuf, Text};
use super::{negotiate, split_outside_quotes};

#[track_caller]
fn check(accept: &str, format: ExpositionFormat) {
    assert_eq!(negotiate(accept), format, "{accept}");
}

/// The headers of Prometheus 3.12 with OpenMetrics, with native histograms and with neither; then two of 2.42.
#[test]
fn prometheus_gets_its_preferred_format() {
    let rest = "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    let open = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5";
    let proto = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    check(&format!("{open},{rest}"), OpenMetrics);
    check(&format!("{proto};q=0.7,{open},{rest}"), Protobuf);
    check(rest, Text);
    check(
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        OpenMetrics,
    );
    check(&format!("{proto},application/openmetrics-text;version=1.0.0;q=0.8,*/*;q=0.1"), Protobuf);
}

#[test]
fn browsers_get_text() {
    check("", Text);
    check("*/*", Text);
    check("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8", Text);
    check("application/json", Text);
    check("\u{0}garbage;;;=,,/", Text);
}

#[test]
fn quality_values_are_honored() {
    check("text/plain;q=0.5, application/openmetrics-text;q=0.501", OpenMetrics);
    check("text/plain;q=0.501, application/openmetrics-text;q=0.5", Text);
    check("application/openmetrics-text;version=1.0.0;q=0, text/plain;q=0.1", Text);
    check("text/plain;q=0, application/openmetrics-text", OpenMetrics);
    check("text/*;q=0, */*;q=0.1", OpenMetrics);
    check("application/openmetrics-text;q=0", Text);
    check("APPLICATION/OpenMetrics-Text ; Version=1.0.0 ; Q=0.9 , text/plain;q=0.8", OpenMetrics);
    for bad in ["2", "-1", "NaN", "x", ""] {
        check(&format!("application/openmetrics-text;q={bad}, text/plain;q=0.1"), Text);
    }
}

#[test]
fn the_most_specific_range_decides() {
    check("*/*, application/openmetrics-text;version=1.0.0", OpenMetrics);
    check("application/*", OpenMetrics);
    check("application/*;q=0.9, application/openmetrics-text;q=0.1", Protobuf);
    check("text/plain, application/openmetrics-text", Text);
    check("application/openmetrics-text, text/plain", OpenMetrics);
    check("text/plain;q=0.1, text/plain;version=0.0.4;q=0.9, application/openmetrics-text;q=0.5", Text);
}

#[test]
fn versions_and_parameters_must_match() {
    check("application/openmetrics-text;version=0.0.1", Text);
    check("application/openmetrics-text;version=2.0.0, text/plain;q=0.1", Text);
    check("application/openmetrics-text", OpenMetrics);
    check("application/openmetrics-text;version=\"1.0.0\"", OpenMetrics);
    check("application/openmetrics-text;x=\"a,b;c\\\"\";version=1.0.0", OpenMetrics);
    check("application/vnd.google.protobuf;proto=other.Message;encoding=delimited", Text);
    check("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text", Text);
}

#[test]
fn separators_inside_quotes_split_nothing() {
    for (text, parts) in [
        ("a,b", &["a", "b"][..]),
        (r#"x="a,b",c"#, &[r#"x="a,b""#, "c"]),
        (r#"x="\",",c"#, &[r#"x="\",""#, "c"]),
        (r#"x="\\",c"#, &[r#"x="\\""#, "c"]),
        (r#"x=\",",c"#, &[r#"x=\",""#, "c"]),
    ] {
        assert_eq!(split_outside_quotes(text, ','), parts, "{text}");
    }
}

#[test]
fn the_content_type_names_format_and_version() {
    for (format, content_type) in [
        (Text, "text/plain; version=0.0.4; charset=utf-8"),
        (OpenMetrics, "application/openmetrics-text; version=1.0.0; charset=utf-8"),
        (Protobuf, "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"),
    ] {
        assert_eq!(format.content_type(), content_type);
        check(content_type, format);
    }
}
