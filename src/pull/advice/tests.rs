use proptest::prelude::*;

use super::super::cause::Cause;
use super::super::image::ImageReference;
use super::{Advice, Context, advice, quoted};

fn context(image: &ImageReference) -> Context<'_> {
    Context { namespace: "shop", pod: "web-1", container: "app", node: "n1", service_account: "default", image }
}

#[test]
fn commands_hold_the_real_names() {
    let image = ImageReference::parse("reg.example:5000/team/app:1.2");
    let Advice { commands, .. } = advice(Cause::Unauthorized, &context(&image));
    assert_eq!(
        commands,
        [
            "kubectl -n shop get pod web-1 -o jsonpath='{.spec.imagePullSecrets[*].name}'",
            "kubectl -n shop create secret docker-registry pull-secret --docker-server=reg.example:5000 --docker-username=USER --docker-password=PASSWORD",
            r#"kubectl -n shop patch serviceaccount default -p '{"imagePullSecrets":[{"name":"pull-secret"}]}'"#,
            "kubectl -n shop describe pod web-1",
        ]
    );
    let Advice { commands, .. } = advice(Cause::TlsUntrusted, &context(&image));
    assert_eq!(commands.first().unwrap(), "openssl s_client -connect reg.example:5000 -showcerts </dev/null");
}

#[test]
fn docker_hub_is_called_what_its_secrets_and_its_endpoint_are_called() {
    let image = ImageReference::parse("nginx");
    let all: Vec<String> = Cause::ALL.iter().flat_map(|cause| advice(*cause, &context(&image)).commands).collect();
    assert!(all.iter().any(|command| command.contains("--docker-server=https://index.docker.io/v1/ ")));
    assert!(all.contains(&"curl -sSI https://registry-1.docker.io/v2/".to_owned()));
    assert!(all.contains(&"nslookup registry-1.docker.io".to_owned()));
    assert!(all.contains(&"crane ls docker.io/library/nginx".to_owned()));
}

#[test]
fn what_is_not_known_is_shown_in_capitals() {
    let image = ImageReference::parse("");
    let nowhere = Context { namespace: "", pod: "", container: "", node: "", service_account: "", image: &image };
    let all: Vec<String> = Cause::ALL.iter().flat_map(|cause| advice(*cause, &nowhere).commands).collect();
    for command in [
        "kubectl -n NAMESPACE describe pod POD",
        "crane manifest IMAGE",
        "crane ls REPOSITORY",
        "curl -sSI https://REGISTRY/v2/",
        "nslookup REGISTRY",
        "openssl s_client -connect REGISTRY:443 -showcerts </dev/null",
    ] {
        assert!(all.iter().any(|one| one == command), "{command}");
    }
}

#[test]
fn every_cause_is_advised_in_whole_sentences() {
    let image = ImageReference::parse("nginx:1");
    for cause in Cause::ALL {
        let Advice { summary, check_first, commands } = advice(*cause, &context(&image));
        assert!(summary.ends_with('.') && check_first.ends_with('.'), "{cause:?}");
        assert!((1..=4).contains(&commands.len()), "{cause:?}");
        assert_eq!(summary == "The error is none that we know.", *cause == Cause::Unknown, "{cause:?}");
        assert!(
            commands.iter().all(|command| !command.contains("{image}") && !command.contains("{node}")),
            "{commands:?}"
        );
    }
}

#[test]
fn hostile_values_stay_one_word() {
    let cases = [
        ("plain-1.2/x:y@z", "plain-1.2/x:y@z"),
        ("a b", "'a b'"),
        ("$(reboot)", "'$(reboot)'"),
        ("it's", r"'it'\''s'"),
        ("a\n;reboot", "'a\n;reboot'"),
        ("`id`", "'`id`'"),
        ("{pod}", "'{pod}'"),
        ("~root", "'~root'"),
    ];
    for (value, expected) in cases {
        assert_eq!(quoted(value), expected);
    }
}

/// What a POSIX shell makes of one quoted word.
fn unquoted(word: &str) -> String {
    if !word.starts_with('\'') {
        return word.to_owned();
    }
    word.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap().replace(r"'\''", "'")
}

proptest! {
    #[test]
    fn a_shell_reads_back_what_was_quoted(value in "(?s).{0,40}") {
        let word = quoted(&value);
        prop_assert_eq!(unquoted(&word), value.as_str());
        let outside: String = word.replace(r"'\''", "").split('\'').step_by(2).collect();
        prop_assert!(outside.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@%+,".contains(c)), "{}", word);
    }
}
