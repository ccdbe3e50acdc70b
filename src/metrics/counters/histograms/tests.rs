use super::*;

#[test]
fn an_exemplar_is_in_the_bucket_that_counts_its_value() {
    let pod = Arc::new(PodId::default());
    for (millis, expected) in [(14_999, 15.0), (15_000, 15.0), (15_001, 35.0), (35_001, f64::INFINITY)] {
        let mut histogram = DurationHistogram::new(&[15.0, 35.0], Timestamp::default());
        histogram.observe(Duration::from_millis(millis), &pod, Timestamp::default());
        let metrics = encode_histograms(&[(Vec::new(), &histogram)]).unwrap();
        let buckets = &metrics[0].histogram.as_ref().unwrap().bucket;
        let first = buckets.iter().find(|bucket| bucket.cumulative_count > 0).unwrap();
        let with_exemplar: Vec<_> = buckets.iter().filter(|bucket| bucket.exemplar.is_some()).collect();
        assert_eq!(with_exemplar, [first], "{millis} ms");
        assert!(first.upper_bound.total_cmp(&expected).is_eq(), "{millis} ms: {}", first.upper_bound);
    }
}
