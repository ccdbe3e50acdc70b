use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::commands::quoted;
use super::{Advice, Context, NodeKind, RegistryKind, RegistryPods, Runtime, advice, of_row, rows};
use crate::cause::{Cause, FailingHost, HostKind, read};
use crate::facts::Scope;
use crate::fixture::{at, pod};
use crate::image::{ImageReference, PullPolicy};
use crate::index::{Index, Settings};

/// A failure with everything known, of which a test changes what matters.
fn context<'a>(image: &'a ImageReference, registry_pods: &'a RegistryPods) -> Context<'a> {
    Context {
        namespace: "shop",
        pod: "web-1",
        container: "app",
        node: "n1",
        service_account: "default",
        policy: Some(PullPolicy::IfNotPresent),
        ..Context::of_text(image, "", None, registry_pods)
    }
}

/// The advice for an error text about an image.
fn of(image: &str, message: &str) -> Advice {
    let image = ImageReference::parse(image);
    let reading = read("", message, &image);
    let none = RegistryPods::default();
    advice(reading.cause, &Context { message, host: reading.host.as_ref(), ..context(&image, &none) })
}

fn denied(image: &str) -> Advice {
    of(image, "unauthorized: authentication required")
}

#[test]
fn a_network_fault_is_tested_from_the_node_at_the_host_that_failed() {
    let Advice { commands, check_first, .. } = of(
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
    assert!(check_first.contains("For IMAGE_ON_NODE take"), "{check_first}");
    assert!(commands.iter().all(|command| !command.contains("registry-1.docker.io")), "{commands:?}");
}

#[test]
fn nothing_is_run_on_nodes_that_let_nobody_in() {
    let image = ImageReference::parse("reg.example/app:1");
    let none = RegistryPods::default();
    for (node, sentence) in [
        ("fargate-ip-10-0-0-1.eu-west-1.compute.internal", "Nobody can log in"),
        ("virtual-node-aci-linux", "Nobody can log in"),
        ("gk3-pool-1-ab12", "GKE Autopilot"),
        ("akswin000001", "Test-NetConnection"),
    ] {
        for cause in Cause::ALL {
            let Advice { commands, check_first, .. } = advice(*cause, &Context { node, ..context(&image, &none) });
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
fn credentials_come_in_the_way_of_their_registry() {
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
        let Advice { commands, .. } = denied(image);
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
            denied(image).commands.iter().any(|command| command.contains(words)),
            "{image}: {:?}",
            denied(image).commands
        );
    }
}

#[test]
fn registries_are_told_by_their_names() {
    for (registry, kind) in [
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", RegistryKind::Ecr),
        ("docker-registry.default.svc:5000", RegistryKind::OpenShift),
        ("default-route-openshift-image-registry.apps.x.example", RegistryKind::OpenShift),
        ("docker-registry.example", RegistryKind::Other),
        ("k8s.gcr.io", RegistryKind::Gcr),
        ("evilgcr.io", RegistryKind::Other),
        ("us-central1-docker.pkg.dev", RegistryKind::ArtifactRegistry),
        ("registry.gitlab.com", RegistryKind::GitLab),
        ("", RegistryKind::Other),
    ] {
        assert_eq!(RegistryKind::of(registry), kind, "{registry}");
    }
}

#[test]
fn an_image_that_the_node_has_would_start_without_asking() {
    let image = ImageReference::parse("reg.example/app:1");
    let none = RegistryPods::default();
    for (policy, has_run_image, is_told) in
        [(PullPolicy::Always, true, true), (PullPolicy::Always, false, false), (PullPolicy::IfNotPresent, true, false)]
    {
        let context = Context { policy: Some(policy), has_run_image, ..context(&image, &none) };
        let told = advice(Cause::Timeout, &context).check_first.contains("with imagePullPolicy IfNotPresent");
        assert_eq!(told, is_told);
        assert!(!advice(Cause::ImageNotFound, &context).check_first.contains("IfNotPresent it would"));
    }
}

#[test]
fn a_failure_knows_whether_its_container_has_run_the_image() {
    let mut index = Index::new(Settings::default(), &[Scope::Cluster]);
    index.reset_begin(&Scope::Cluster);
    index.reset_end(&Scope::Cluster, at(0));
    for has_run in [true, false] {
        let mut pod = pod("web").image("reg.example/web:1").err_image_pull();
        pod.containers[0].has_run_image = has_run;
        index.apply(&pod, at(10));
        let snapshot = index.snapshot().unwrap();
        assert_eq!(snapshot.failures().next().unwrap().2.has_run_image, has_run);
    }
}

#[test]
fn a_registry_among_the_failing_pods_is_told_where_its_answer_is_missing() {
    let mut index = Index::new(Settings::default(), &[Scope::Cluster]);
    index.reset_begin(&Scope::Cluster);
    index.reset_end(&Scope::Cluster, at(0));
    index.apply(&pod("web").image("harbor.example/shop/web:1").err_image_pull(), at(10));
    assert!(RegistryPods::of(&index.snapshot().unwrap()).is_empty());
    index.apply(&pod("core").image("docker.io/goharbor/harbor-core:v2.12.0").err_image_pull(), at(11));
    let registry_pods = RegistryPods::of(&index.snapshot().unwrap());
    let image = ImageReference::parse("harbor.example/shop/web:1");
    let told =
        |cause| advice(cause, &context(&image, &registry_pods)).check_first.contains("Pods of a registry are among");
    assert!(told(Cause::ConnectionFailed) && told(Cause::RegistryError) && !told(Cause::Unauthorized));
}

#[test]
fn timeouts_and_storage_are_advised_by_what_the_text_tells() {
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
        ("hcsshim::ImportLayer failed in Win32: The filename or extension is too long. (0xce)", "Windows version"),
        ("failed to extract layer sha256:140b: operation not permitted: unknown", "SELinux"),
        ("rpc error: code = Unavailable desc = error reading from server: EOF", "runtime's service"),
        ("Back-off pulling image \"reg.example/app:1\"", "Failed to pull image"),
        ("ErrImagePull", "Failed to pull image"),
    ] {
        let Advice { check_first, .. } = of("reg.example/app:1", message);
        assert!(check_first.contains(words), "{message}\n  {check_first}");
    }
    assert_eq!(Runtime::of("writing blob: x"), Some(Runtime::Crio));
    assert_eq!(Runtime::of("EOF"), None);
}

#[test]
fn the_node_itself_is_meant_by_localhost() {
    let Advice { commands, summary, .. } = of(
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
fn what_is_not_known_is_shown_in_capitals() {
    let image = ImageReference::parse("");
    let none = RegistryPods::default();
    let nowhere = Context::of_text(&image, "", None, &none);
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
fn every_cause_is_advised_in_whole_sentences() {
    let image = ImageReference::parse("nginx:1");
    let none = RegistryPods::default();
    for cause in Cause::ALL {
        let Advice { summary, check_first, commands } =
            advice(*cause, &Context { message: "x", ..context(&image, &none) });
        assert!(summary.ends_with('.') && check_first.ends_with('.'), "{cause:?}");
        assert!((1..=5).contains(&commands.len()), "{cause:?}");
        assert_eq!(summary == "The error is none that we know.", *cause == Cause::Unknown, "{cause:?}");
    }
}

#[test]
fn every_row_is_whole_and_can_speak() {
    let image = ImageReference::parse("nginx:1");
    let none = RegistryPods::default();
    let mut seen = BTreeSet::new();
    for (i, row) in rows().enumerate() {
        assert!(row.check_first.ends_with('.') && row.summary.is_none_or(|summary| summary.ends_with('.')), "{row:?}");
        assert!(!row.source.is_empty() && !row.commands.is_empty(), "{row:?}");
        for cause in row.causes {
            // No row hides behind one before it that holds wherever it does.
            let hides = rows()
                .take(i)
                .find(|other| other.causes.contains(cause) && other.when.iter().all(|when| row.when.contains(when)));
            assert!(hides.is_none(), "{row:?} is never asked, because of {hides:?}");
            let Advice { commands, .. } = of_row(*cause, row, &context(&image, &none));
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

    /// Whatever the cluster says, it is no more than a word of the command, and no flag.
    #[test]
    fn nothing_from_the_cluster_is_a_command_or_a_flag(
        value in "(-{0,2}[a-z]{1,4})?[ -~]{0,12}", cause in 0..Cause::ALL.len(), kind in 0..HostKind::ALL.len(),
    ) {
        let image = ImageReference::parse(&value);
        let none = RegistryPods::default();
        let host = FailingHost { name: Arc::from(value.as_str()), kind: HostKind::ALL[kind] };
        let context = Context {
            namespace: &value, pod: &value, container: &value, node: &value, service_account: &value,
            ..Context::of_text(&image, &value, Some(&host), &none)
        };
        let known = every_flag();
        for command in advice(Cause::ALL[cause], &context).commands {
            for word in shell_words(&command).iter().filter(|word| word.starts_with('-')) {
                prop_assert!(known.contains(word.split('=').next().unwrap()), "{} in {}", word, command);
            }
        }
    }
}

/// The flags of all commands, where nothing is known of the place.
fn every_flag() -> BTreeSet<String> {
    let image = ImageReference::parse("");
    let none = RegistryPods::default();
    let context = Context::of_text(&image, "", None, &none);
    let of_rows = rows().flat_map(|row| of_row(Cause::Unknown, row, &context).commands);
    let commands = of_rows.chain(Cause::ALL.iter().flat_map(|cause| advice(*cause, &context).commands));
    let words = commands.flat_map(|command| shell_words(&command));
    words.filter(|word| word.starts_with('-')).map(|word| word.split('=').next().unwrap().to_owned()).collect()
}

/// Splits a command into words as a POSIX shell does, as far as our commands need it.
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
