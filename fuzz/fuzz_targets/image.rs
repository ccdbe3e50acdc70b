//! Parsing an image reference never fails, and a valid reference is equal to the join of its parts.
#![no_main]

use image_pull_model::image::{ImageReference, default_pull_policy, image_in_error_text, is_same_image};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &str| {
    let image = ImageReference::parse(raw);
    assert_eq!(image.raw(), raw);
    assert!(is_same_image(raw, raw));
    let _ = (default_pull_policy(raw), image_in_error_text(raw));
    if image.problem().is_none() {
        let tag = if image.tag().is_empty() { String::new() } else { format!(":{}", image.tag()) };
        let digest = if image.digest().is_empty() { String::new() } else { format!("@{}", image.digest()) };
        let whole = format!("{}/{}{tag}{digest}", image.registry(), image.repository());
        let again = ImageReference::parse(&whole);
        assert_eq!(again.problem(), None, "{whole}");
        assert_eq!(
            [again.registry(), again.repository(), again.tag(), again.digest()],
            [image.registry(), image.repository(), image.tag(), image.digest()],
        );
        assert!(is_same_image(raw, &whole));
    }
});
