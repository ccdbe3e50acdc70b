use super::{Dialect, Histogram, Metric, TextWriter, write_bound, write_value};

fn value(value: f64) -> String {
    let mut out = Vec::new();
    write_value(&mut out, value);
    String::from_utf8(out).unwrap()
}

fn bound(bound: f64) -> String {
    let mut out = Vec::new();
    write_bound(&mut out, bound);
    String::from_utf8(out).unwrap()
}

#[test]
fn values_are_short_and_exact() {
    let cases = [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-3.0, "-3"),
        (0.1, "0.1"),
        (1_795_468_969.0, "1795468969"),
        (1_795_468_969.127, "1795468969.127"),
        (9_007_199_254_740_991.0, "9007199254740991"),
        (9_007_199_254_740_992.0, "9007199254740992"),
        (1e21, "1000000000000000000000"),
        (1e-6, "0.000001"),
        (1e-5, "0.00001"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
    ];
    for (given, written) in cases {
        assert_eq!(value(given), written);
        let read: f64 = written.parse().unwrap();
        assert!(read == given || given.is_nan());
    }
}

/// The output of `strconv.FormatFloat(bound, 'g', -1, 64)`, with the `.0` that Prometheus appends.
#[test]
fn bounds_are_formatted_like_go() {
    let cases = [
        (0.0, "0.0"),
        (0.5, "0.5"),
        (15.0, "15.0"),
        (-2.0, "-2.0"),
        (238.25, "238.25"),
        (0.0001, "0.0001"),
        (86_400.0, "86400.0"),
        (123_456.0, "123456.0"),
        (f64::INFINITY, "+Inf"),
    ];
    for (given, written) in cases {
        assert_eq!(bound(given), written);
    }
}

#[test]
fn a_histogram_without_classic_buckets_gets_the_last_one() {
    let writer = TextWriter { name: "h", ..TextWriter::new(Dialect::Classic) };
    let histogram = Histogram { sample_count: 2, sample_sum: 1.5, ..Histogram::default() };
    let mut out = Vec::new();
    writer.write_metric(&mut out, &Metric { histogram: Some(histogram), ..Metric::default() });
    assert_eq!(String::from_utf8(out).unwrap(), "h_bucket{le=\"+Inf\"} 2\nh_sum 1.5\nh_count 2\n");
}
