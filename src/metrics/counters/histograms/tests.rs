use super::*;

#[test]
fn an_exemplar_is_in_the_bucket_that_counts_its_value() {
    let pod = Arc::new(PodId::default());
    for (value, expected) in [(14.999, 15.0), (15.0, 15.0), (15.001, 35.0), (35.001, f64::INFINITY)] {
        let mut histogram = ExemplarHistogram::new(&[15.0, 35.0], Timestamp::default());
        histogram.observe(value, &pod, Timestamp::default());
        let metrics = encode_histograms(&[(Vec::new(), &histogram)]).unwrap();
        let buckets = &metrics[0].histogram.as_ref().unwrap().bucket;
        let first = buckets.iter().find(|bucket| bucket.cumulative_count > 0).unwrap();
        let with_exemplar: Vec<_> = buckets.iter().filter(|bucket| bucket.exemplar.is_some()).collect();
        assert_eq!(with_exemplar, [first], "{value} s");
        assert!(first.upper_bound.total_cmp(&expected).is_eq(), "{value} s: {}", first.upper_bound);
    }
}
