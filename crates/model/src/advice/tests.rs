use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::commands::{render_commands, shell_quote};
use super::{
    Advice, ContainerRuntime, FailingRegistryPods, FailureContext, NodeKind, RegistryKind, advice, advice_of_rule,
    advice_rules, default_check_first, default_summary,
};
use crate::cause::{Cause, FailingHost, HostKind, classify_with_host};
use crate::facts::WatchScope;
use crate::image::{ImageReference, PullPolicy};
use crate::index::{Index, IndexConfig};
use crate::scenario::{at, pod};

/// A context in which everything is known. Tests override what they need.
fn context<'a>(image: &'a ImageReference, registry_pods: &'a FailingRegistryPods) -> FailureContext<'a> {
    FailureContext {
        namespace: "shop",
        pod: "web-1",
        container: "app",
        node: "n1",
        service_account: "default",
        policy: Some(PullPolicy::IfNotPresent),
        ..FailureContext::from_error_text(image, "", None, registry_pods)
    }
}

/// Returns the advice for an error text about an image.
fn advice_of(image: &str, message: &str) -> Advice {
    let image = ImageReference::parse(image);
    let reading = classify_with_host("", message, &image);
    let none = FailingRegistryPods::default();
    advice(reading.cause, &FailureContext { message, host: reading.host.as_ref(), ..context(&image, &none) })
}

fn advice_of_denied(image: &str) -> Advice {
    advice_of(image, "unauthorized: authentication required")
}

#[test]
fn network_commands_test_the_failing_host_from_the_node() {
    let Advice { commands, check_first, .. } = advice_of(
        "nginx",
        "failed to copy: httpReadSeeker: failed open: failed to do request: Get \"https://production.cloudflare.docker.com/x\": dial tcp: lookup production.cloudflare.docker.com: no such host",
    );
    let on_node: Vec<&String> =
        commands.iter().filter(|command| command.starts_with("kubectl debug node/n1 ")).collect();
    assert!(
        on_node
            .iter()
            .any(|command| command.ends_with("chroot /host curl -sSI -m 20 https://production.cloudflare.docker.com/"))
    );
    assert!(on_node.iter().all(|command| command.contains(" --image=IMAGE_ON_NODE --image-pull-policy=Never ")));
    assert!(
        commands[0].starts_with("kubectl -n kube-system get pods --field-selector spec.nodeName=n1,"),
        "{commands:?}"
    );
    assert!(check_first.contains("Replace IMAGE_ON_NODE with"), "{check_first}");
    assert!(commands.iter().all(|command| !command.contains("registry-1.docker.io")), "{commands:?}");
}

#[test]
fn no_node_commands_where_node_has_no_shell() {
    let image = ImageReference::parse("reg.example/app:1");
    let none = FailingRegistryPods::default();
    for (node, sentence) in [
        ("fargate-ip-10-0-0-1.eu-west-1.compute.internal", "has no shell"),
        ("virtual-node-aci-linux", "has no shell"),
        ("gk3-pool-1-ab12", "GKE Autopilot"),
        ("akswin000001", "Test-NetConnection"),
    ] {
        for cause in Cause::ALL {
            let Advice { commands, check_first, .. } =
                advice(*cause, &FailureContext { node, ..context(&image, &none) });
            assert!(
                !commands.is_empty() && commands.iter().all(|command| !command.contains("kubectl debug")),
                "{commands:?}"
            );
            assert!(check_first.contains(sentence) && !check_first.contains("IMAGE_ON_NODE"), "{node}: {check_first}");
        }
    }
    assert_eq!(NodeKind::of("n1", "hcsshim::ImportLayer failed in Win32"), NodeKind::Windows);
    assert_eq!(NodeKind::of("ip-10-0-0-1", "dial tcp"), NodeKind::Ordinary);
}

#[test]
fn credential_advice_depends_on_the_registry() {
    for (image, words) in [
        (
            "1.dkr.ecr.eu-west-1.amazonaws.com/team/app:7",
            "aws ecr describe-images --registry-id 1 --region eu-west-1 --repository-name team/app --image-ids 'imageTag=7'",
        ),
        (
            "europe-docker.pkg.dev/p/r/app:1",
            "gcloud artifacts repositories get-iam-policy r --project=p --location=europe",
        ),
        ("eu.gcr.io/p/app:1", "gcloud projects get-iam-policy p"),
        ("corp.azurecr.io/app:1", "az aks update --resource-group GROUP --name CLUSTER --attach-acr corp"),
        (
            "image-registry.openshift-image-registry.svc:5000/tools/app:1",
            "oc policy add-role-to-user system:image-puller system:serviceaccount:shop:default --namespace=tools",
        ),
    ] {
        let Advice { commands, .. } = advice_of_denied(image);
        assert!(commands.iter().any(|command| command == words), "{image}: {commands:?}");
        assert!(commands.iter().all(|command| !command.contains("create secret")), "{image}: {commands:?}");
    }
    for (image, words) in [
        ("ghcr.io/o/app:1", "--docker-server=ghcr.io --docker-username=USER --docker-password=CLASSIC_TOKEN"),
        ("nginx", "--docker-server=https://index.docker.io/v1/ --docker-username=USER --docker-password=ACCESS_TOKEN"),
        ("harbor.example:8443/p/app:1", "--docker-server=harbor.example:8443 --docker-username='robot$PROJECT+NAME'"),
        (
            "reg.example:5000/app:1",
            "--docker-server=reg.example:5000 --docker-username=USER --docker-password=PASSWORD",
        ),
    ] {
        assert!(
            advice_of_denied(image).commands.iter().any(|command| command.contains(words)),
            "{image}: {:?}",
            advice_of_denied(image).commands
        );
    }
}

#[test]
fn registry_kind_follows_from_the_host_name() {
    for (registry, kind) in [
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", RegistryKind::Ecr),
        ("docker-registry.default.svc:5000", RegistryKind::OpenShift),
        ("default-route-openshift-image-registry.apps.x.example", RegistryKind::OpenShift),
        ("docker-registry.example", RegistryKind::Other),
        ("k8s.gcr.io", RegistryKind::Gcr),
        ("evilgcr.io", RegistryKind::Other),
        ("us-central1-docker.pkg.dev", RegistryKind::ArtifactRegistry),
        ("gcr.io", RegistryKind::Gcr),
        ("public.ecr.aws", RegistryKind::EcrPublic),
        ("quay.io", RegistryKind::Quay),
        ("quay.example:8443", RegistryKind::Quay),
        ("quayside.example", RegistryKind::Other),
        ("registry.gitlab.example", RegistryKind::GitLab),
        ("registry.gitlab.com", RegistryKind::GitLab),
        ("", RegistryKind::Other),
    ] {
        assert_eq!(RegistryKind::of(registry), kind, "{registry}");
    }
}

#[test]
fn notes_that_if_not_present_would_start_an_image_on_the_node() {
    let image = ImageReference::parse("reg.example/app:1");
    let none = FailingRegistryPods::default();
    for (policy, has_run_image, is_told) in
        [(PullPolicy::Always, true, true), (PullPolicy::Always, false, false), (PullPolicy::IfNotPresent, true, false)]
    {
        let context = FailureContext { policy: Some(policy), has_run_image, ..context(&image, &none) };
        let told = advice(Cause::Timeout, &context).check_first.contains("With imagePullPolicy IfNotPresent");
        assert_eq!(told, is_told);
        assert!(!advice(Cause::ImageNotFound, &context).check_first.contains("IfNotPresent, it would"));
    }
}

#[test]
fn failure_records_whether_the_container_has_run_the_image() {
    let mut index = Index::new(IndexConfig::default(), &[WatchScope::Cluster]);
    index.begin_relist(&WatchScope::Cluster);
    index.end_relist(&WatchScope::Cluster, at(0));
    for has_run in [true, false] {
        let mut pod = pod("web").image("reg.example/web:1").err_image_pull();
        pod.containers[0].has_run_image = has_run;
        index.apply(&pod, at(10));
        let snapshot = index.snapshot().unwrap();
        assert_eq!(snapshot.failures().next().unwrap().2.has_run_image, has_run);
    }
}

#[test]
fn notes_failing_registry_pods_for_registry_and_network_causes() {
    let mut index = Index::new(IndexConfig::default(), &[WatchScope::Cluster]);
    index.begin_relist(&WatchScope::Cluster);
    index.end_relist(&WatchScope::Cluster, at(0));
    index.apply(&pod("web").image("harbor.example/shop/web:1").err_image_pull(), at(10));
    assert!(FailingRegistryPods::of(&index.snapshot().unwrap()).is_empty());
    index.apply(&pod("core").image("docker.io/goharbor/harbor-core:v2.12.0").err_image_pull(), at(11));
    let registry_pods = FailingRegistryPods::of(&index.snapshot().unwrap());
    let image = ImageReference::parse("harbor.example/shop/web:1");
    let told = |cause| {
        advice(cause, &context(&image, &registry_pods)).check_first.contains("Pods that run a registry are failing")
    };
    assert!(told(Cause::ConnectionFailed) && told(Cause::RegistryError) && !told(Cause::Unauthorized));
}

#[test]
fn timeout_and_storage_advice_depends_on_the_error_text() {
    for (message, words) in [
        (
            "rpc error: code = Canceled desc = copying system image from manifest list: copying config: context canceled",
            "pull_progress_timeout",
        ),
        (
            "rpc error: code = Canceled desc = failed to pull and unpack image \"ghcr.io/o/app:1\": context canceled",
            "image_pull_progress_timeout",
        ),
        ("pulling image: rpc error: code = Unknown desc = context deadline exceeded", "cri-dockerd before 0.2.6"),
        (
            "failed to pull and unpack image \"a\": failed to prepare extraction snapshot \"extract-1\": parent snapshot sha256:0b16 does not exist: not found",
            "Remove the image on the node",
        ),
        (
            "failed to pull and unpack image \"a\": failed to stat snapshot sha256:f9: snapshotter not loaded: overlayfs: invalid argument",
            "snapshotter's service",
        ),
        ("open /var/lib/kubelet/image_manager/pulling/sha256-ab: read-only file system", "kernel's log"),
        (
            "failed to extract layer sha256:a1: call to DecryptLayer failed: missing private key needed for decryption",
            "decryption keys",
        ),
        ("hcsshim::ImportLayer failed in Win32: The filename or extension is too long. (0xce)", "Windows versions"),
        ("failed to extract layer sha256:140b: operation not permitted: unknown", "SELinux"),
        ("rpc error: code = Unavailable desc = error reading from server: EOF", "runtime's service"),
        ("Back-off pulling image \"reg.example/app:1\"", "Failed to pull image"),
        ("ErrImagePull", "Failed to pull image"),
    ] {
        let Advice { check_first, .. } = advice_of("reg.example/app:1", message);
        assert!(check_first.contains(words), "{message}\n  {check_first}");
    }
    assert_eq!(ContainerRuntime::of("writing blob: x"), Some(ContainerRuntime::Crio));
    assert_eq!(ContainerRuntime::of("EOF"), None);
}

#[test]
fn localhost_is_the_node_itself() {
    let Advice { commands, summary, .. } = advice_of(
        "docker.io/library/nginx:1",
        "failed to do request: Head \"https://127.0.0.1:65001/v2/library/nginx/manifests/1\": dial tcp 127.0.0.1:65001: connect: connection refused",
    );
    assert!(summary.contains("on the node itself"), "{summary}");
    assert!(commands.iter().all(|command| !command.starts_with("curl")), "{commands:?}");
    assert!(
        commands.iter().any(|command| command.ends_with("curl -sSI -m 20 https://127.0.0.1:65001/v2/")),
        "{commands:?}"
    );
}

#[test]
fn unknown_values_are_placeholders_in_capitals() {
    let image = ImageReference::parse("");
    let none = FailingRegistryPods::default();
    let nowhere = FailureContext::from_error_text(&image, "", None, &none);
    let all: Vec<String> = Cause::ALL.iter().flat_map(|cause| advice(*cause, &nowhere).commands).collect();
    for command in [
        "kubectl -n NAMESPACE describe pod POD",
        "crane manifest IMAGE",
        "crane ls REPOSITORY",
        "curl -sSI -m 20 https://REGISTRY/v2/",
        "nslookup REGISTRY",
        "openssl s_client -connect REGISTRY:443 -showcerts </dev/null",
    ] {
        assert!(all.iter().any(|one| one == command), "{command}");
    }
}

#[test]
fn every_cause_has_advice_in_whole_sentences() {
    let image = ImageReference::parse("nginx:1");
    let none = FailingRegistryPods::default();
    for cause in Cause::ALL {
        let Advice { summary, check_first, commands } =
            advice(*cause, &FailureContext { message: "x", ..context(&image, &none) });
        assert!(summary.ends_with('.') && check_first.ends_with('.'), "{cause:?}");
        assert!((1..=5).contains(&commands.len()), "{cause:?}");
        assert_eq!(summary == "Unrecognized error.", *cause == Cause::Unknown, "{cause:?}");
    }
}

#[test]
fn every_rule_is_complete_and_reachable() {
    let image = ImageReference::parse("nginx:1");
    let none = FailingRegistryPods::default();
    let mut seen = BTreeSet::new();
    for (i, row) in advice_rules().enumerate() {
        assert!(row.check_first.ends_with('.') && row.summary.is_none_or(|summary| summary.ends_with('.')), "{row:?}");
        assert!(!row.source.is_empty() && !row.commands.is_empty(), "{row:?}");
        for cause in row.causes {
            // No rule is shadowed by an earlier one with fewer conditions.
            let hides = advice_rules()
                .take(i)
                .find(|other| other.causes.contains(cause) && other.when.iter().all(|when| row.when.contains(when)));
            assert!(hides.is_none(), "{row:?} is never asked, because of {hides:?}");
            let Advice { commands, .. } = advice_of_rule(*cause, row, &context(&image, &none));
            for command in commands {
                assert!(!command.contains('@') || !command.starts_with('@'), "{command}");
                assert!(
                    !["{image}", "{node}", "{host}", "{url}", "{path}"].iter().any(|place| command.contains(place)),
                    "{command}"
                );
                seen.insert(command);
            }
        }
    }
    assert!(seen.len() > 50, "{}", seen.len());
}

#[test]
fn default_texts_are_those_of_a_context_that_no_rule_matches() {
    let image = ImageReference::parse("reg.example/app:1");
    let none = FailingRegistryPods::default();
    for cause in Cause::ALL.iter().filter(|cause| **cause != Cause::CredentialsMalformed) {
        let context = FailureContext { message: "x", ..FailureContext::from_error_text(&image, "", None, &none) };
        let advice = advice(*cause, &context);
        assert_eq!(advice.summary, default_summary(*cause));
        assert!(advice.check_first.starts_with(default_check_first(*cause)), "{cause:?}");
    }
}

#[test]
fn commands_from_outside_the_node_need_a_host_that_is_reachable_there() {
    let image = ImageReference::parse("reg.example:5000/app:1");
    let none = FailingRegistryPods::default();
    for (name, kind, is_reachable) in [
        ("reg.example:5000", HostKind::Registry, true),
        ("127.0.0.1:5000", HostKind::Node, false),
        ("reg.tools.svc:5000", HostKind::Registry, false),
        ("reg.tools.cluster.local", HostKind::Mirror, false),
        ("svc.example", HostKind::Registry, false),
        ("cluster.local.example", HostKind::Registry, true),
    ] {
        let host = FailingHost { name: Arc::from(name), kind };
        let context = FailureContext { host: Some(&host), ..context(&image, &none) };
        assert_eq!(!render_commands(&["@here curl"], &context).is_empty(), is_reachable, "{name}");
    }
    // Without a host in the error text, the registry's counts.
    for (image, is_reachable) in [("reg.tools.svc/app:1", false), ("reg.example/app:1", true)] {
        let image = ImageReference::parse(image);
        assert_eq!(!render_commands(&["@here curl"], &context(&image, &none)).is_empty(), is_reachable);
    }
}

#[test]
fn placeholders_of_hosts_have_the_form_that_their_tool_needs() {
    let none = FailingRegistryPods::default();
    for (image, template, expected) in [
        (
            "nginx",
            "{host} {url} {registryurl} {address}",
            "registry-1.docker.io https://registry-1.docker.io/v2/ https://registry-1.docker.io/v2/ registry-1.docker.io:443",
        ),
        ("reg.example:5000/app:1", "{host} {hostport} {address}", "reg.example reg.example:5000 reg.example:5000"),
        ("reg.example/app:1", "{host} {hostport} {address}", "reg.example reg.example reg.example:443"),
        ("[fd00::1]/app:1", "{host}", "'[fd00::1]'"),
        ("[fd00::a]/app:1", "{host}", "'[fd00::a]'"),
    ] {
        let image = ImageReference::parse(image);
        assert_eq!(render_commands(&[template], &context(&image, &none)), [expected]);
    }
}

#[test]
fn hostile_values_stay_one_shell_word() {
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
        assert_eq!(shell_quote(value), expected);
    }
}

/// Unquotes a word as a POSIX shell does.
fn unquoted(word: &str) -> String {
    if !word.starts_with('\'') {
        return word.to_owned();
    }
    word.strip_prefix('\'').unwrap().strip_suffix('\'').unwrap().replace(r"'\''", "'")
}

proptest! {
    #[test]
    fn shell_quote_round_trips(value in "(?s).{0,40}") {
        let word = shell_quote(&value);
        prop_assert_eq!(unquoted(&word), value.as_str());
        let outside: String = word.replace(r"'\''", "").split('\'').step_by(2).collect();
        prop_assert!(outside.chars().all(|c| c.is_ascii_alphanumeric() || "._-/:@%+,".contains(c)), "{}", word);
    }

    /// A value from the cluster is always one word of a command, and never a flag.
    #[test]
    fn nothing_from_the_cluster_is_a_command_or_a_flag(
        value in "(-{0,2}[a-z]{1,4})?[ -~]{0,12}", cause in 0..Cause::ALL.len(), kind in 0..HostKind::ALL.len(),
    ) {
        let image = ImageReference::parse(&value);
        let none = FailingRegistryPods::default();
        let host = FailingHost { name: Arc::from(value.as_str()), kind: HostKind::ALL[kind] };
        let context = FailureContext {
            namespace: &value, pod: &value, container: &value, node: &value, service_account: &value,
            ..FailureContext::from_error_text(&image, &value, Some(&host), &none)
        };
        let known = every_flag();
        for command in advice(Cause::ALL[cause], &context).commands {
            for word in shell_words(&command).iter().filter(|word| word.starts_with('-')) {
                prop_assert!(known.contains(word.split('=').next().unwrap()), "{} in {}", word, command);
            }
        }
    }
}

/// The flags of all commands in an empty context.
fn every_flag() -> BTreeSet<String> {
    let image = ImageReference::parse("");
    let none = FailingRegistryPods::default();
    let context = FailureContext::from_error_text(&image, "", None, &none);
    let of_rows = advice_rules().flat_map(|row| advice_of_rule(Cause::Unknown, row, &context).commands);
    let commands = of_rows.chain(Cause::ALL.iter().flat_map(|cause| advice(*cause, &context).commands));
    let words = commands.flat_map(|command| shell_words(&command));
    words.filter(|word| word.starts_with('-')).map(|word| word.split('=').next().unwrap().to_owned()).collect()
}

/// Splits a command into words as a POSIX shell does, for the syntax that the commands use.
fn shell_words(command: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted, mut is_word) = (Vec::new(), String::new(), false, false);
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => (is_quoted, is_word) = (!is_quoted, true),
            '\\' if !is_quoted => word.extend(chars.next()),
            ' ' if !is_quoted => {
                if is_word || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                is_word = false;
            }
            c => word.push(c),
        }
    }
    words.push(word);
    words
}
