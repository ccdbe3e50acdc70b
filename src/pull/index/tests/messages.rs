use super::*;
use crate::pull::cause::Cause;

/// The lines that tell of a text of no known cause.
fn unclassified(story: &Story) -> Vec<&str> {
    story.lines.iter().map(String::as_str).filter(|line| line.contains("unclassified")).collect()
}

#[test]
fn a_back_off_without_a_cause_keeps_what_the_attempt_said() {
    for (text, cause, news) in [
        (not_found("nginx:nope"), Cause::ImageNotFound, vec![]),
        ("the moon is full".to_owned(), Cause::Unknown, vec!["1 web/app unclassified 16 bytes"]),
    ] {
        let mut story = Story::new();
        let web = pod("web").image("nginx:nope");
        let err = web.clone().waits("ErrImagePull", &text);
        let bare = web.waits("ImagePullBackOff", "Back-off pulling image \"nginx:nope\"");
        story.apply(1, &err).apply(14, &bare).apply(28, &err).apply(41, &bare);
        assert_eq!(unclassified(&story), news);
        let snapshot = story.index.snapshot().unwrap();
        let (_, _, failure) = snapshot.failures().next().unwrap();
        assert_eq!((&failure.message, failure.cause), (&Arc::from(text.as_str()), cause));
    }
}

#[test]
fn an_endless_text_is_news_once() {
    let web = pod("web").image("nginx:nope").waits("ErrImagePull", &"☃".repeat(2000));
    let mut story = Story::new();
    story.apply(1, &web).apply(2, &web).apply(3, &web);
    assert_eq!(unclassified(&story), ["1 web/app unclassified 4095 bytes"]);
}
