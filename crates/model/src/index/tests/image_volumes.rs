//! Failures of image volumes, in comparison with those of the container's own image.

use super::*;

/// Lists `pod`, so that its failure is found.
fn found(pod: PodFacts) -> IndexScenario {
    let mut story = IndexScenario::unlisted(IndexConfig::default(), &[WatchScope::Cluster]);
    story.relist_all(100, &[pod]);
    story
}

/// Whether the node had the image of the only failure.
fn has_run_image(story: &mut IndexScenario) -> bool {
    let snapshot = story.index.snapshot().expect("it was listed");
    snapshot.failures().next().expect("it fails").2.has_run_image
}

#[test]
fn an_image_volume_fails_since_the_sandbox_was_ready_and_the_own_image_since_initialization() {
    let web = pod("web")
        .sandbox_ready(20)
        .initialized(30)
        .container("init", ContainerKind::Init, "busybox")
        .terminated("Completed", 29)
        .image("nginx:nope")
        .image_volume("model:nope");
    let fails = |image: &str| found(web.clone().waiting("ErrImagePull", &not_found(image))).failing();
    assert_eq!(fails("model:nope"), ["web/app model:nope ErrImagePull since 20 pod_condition, 1 attempts"]);
    assert_eq!(fails("nginx:nope"), ["web/app nginx:nope ErrImagePull since 30 pod_condition, 1 attempts"]);
}

#[test]
fn a_run_of_the_container_proves_only_that_the_node_had_its_own_image() {
    let mut web = pod("web").image("nginx:nope").image_volume("model:nope").restarted(0, 90);
    web.containers[0].has_run_image = true;
    for (image, expected) in [("nginx:nope", true), ("model:nope", false)] {
        let mut story = found(web.clone().waiting("ErrImagePull", &not_found(image)));
        assert_eq!(has_run_image(&mut story), expected, "{image} when it is found");
        story.apply(101, &web.clone().waiting("ImagePullBackOff", &back_off(image)));
        assert_eq!(has_run_image(&mut story), expected, "{image} after the next status");
    }
}
