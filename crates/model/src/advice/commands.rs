//! Renders command templates. Values from the cluster are always shell-quoted.

use std::borrow::Cow;

use super::conditions::{NodeKind, is_cluster_service};
use super::context::{FailureContext, registry_endpoint};
use crate::cause::HostKind;

/// Prefix of a template that runs on the node.
pub(super) const NODE_PREFIX: &str = "@node ";

/// Prefix of a template that is only useful if the host is reachable from outside the node.
const REACHABLE_PREFIX: &str = "@here ";

/// Opens a shell on the node. The node may be unable to pull images, so the image must already be there. It must not be
/// a tenant's image: the container runs as root with access to the node's files.
const NODE_SHELL: &str =
    "kubectl debug node/{node} -it --profile=sysadmin --image=IMAGE_ON_NODE --image-pull-policy=Never -- chroot /host ";

/// Lists the images that the cluster's own pods run on the node.
const LIST_NODE_IMAGES: &str = r#"kubectl -n kube-system get pods --field-selector spec.nodeName={node},status.phase=Running -o jsonpath='{range .items[*].spec.containers[*]}{.image}{"\n"}{end}'"#;

/// Renders templates. Omits commands that cannot work in this context.
pub(super) fn render_commands(templates: &[&str], context: &FailureContext<'_>) -> Vec<String> {
    let places = placeholders(context);
    let is_debuggable = NodeKind::of(context.node, context.message) == NodeKind::Ordinary;
    let is_hidden =
        context.host.is_some_and(|host| host.kind == HostKind::Node) || is_cluster_service(context.failing_host());
    let mut commands = Vec::new();
    let mut is_image_listed = false;
    for template in templates {
        if let Some(on_node) = template.strip_prefix(NODE_PREFIX) {
            if !is_debuggable {
                continue;
            }
            if !std::mem::replace(&mut is_image_listed, true) {
                commands.push(fill_template(LIST_NODE_IMAGES, &places));
            }
            commands.push(fill_template(&[NODE_SHELL, on_node].concat(), &places));
        } else if let Some(here) = template.strip_prefix(REACHABLE_PREFIX) {
            if !is_hidden {
                commands.push(fill_template(here, &places));
            }
        } else {
            commands.push(fill_template(template, &places));
        }
    }
    commands
}

/// Whether one of the commands runs in a shell on the node.
pub(super) fn need_node_shell(commands: &[String]) -> bool {
    commands.iter().any(|command| command.contains("IMAGE_ON_NODE"))
}

/// A placeholder of a template: its name, its value, and the text to show if the value is not known.
type Placeholder<'a> = (&'static str, Cow<'a, str>, &'static str);

fn placeholders<'a>(context: &FailureContext<'a>) -> Vec<Placeholder<'a>> {
    let image = context.image;
    let registry = image.registry();
    let failing = context.failing_host();
    let host = strip_port(failing);
    let label = registry.split('.').next().unwrap_or_default();
    let path = image.repository();
    let (project, rest) = path.split_once('/').unwrap_or((path, ""));
    let region = registry.split(".ecr.").nth(1).and_then(|rest| rest.split('.').next()).unwrap_or_default();
    let image_id = match (image.digest(), image.tag()) {
        ("", "") => Cow::Borrowed("imageTag=latest"),
        ("", tag) => Cow::Owned(format!("imageTag={tag}")),
        (digest, _) => Cow::Owned(format!("imageDigest={digest}")),
    };
    // Proxies and blob stores have no registry API.
    let is_registry =
        context.host.is_none_or(|host| matches!(host.kind, HostKind::Registry | HostKind::Mirror | HostKind::Node));
    vec![
        ("namespace", context.namespace.into(), "NAMESPACE"),
        ("pod", context.pod.into(), "POD"),
        ("container", context.container.into(), "CONTAINER"),
        ("node", context.node.into(), "NODE"),
        ("serviceaccount", context.service_account.into(), "SERVICE_ACCOUNT"),
        ("missingsecret", context.missing_secrets.first().map_or("", String::as_str).into(), "SECRET"),
        ("image", image.redacted(), "IMAGE"),
        ("repository", concat_if_known(registry, "/", path), "REPOSITORY"),
        ("registry", registry.into(), "REGISTRY"),
        ("server", pull_secret_server(registry).into(), "REGISTRY"),
        ("path", path.into(), "REPOSITORY"),
        ("project", project.into(), "PROJECT"),
        ("subrepository", rest.split('/').next().unwrap_or_default().into(), "REPOSITORY"),
        ("label", label.into(), "REGISTRY"),
        ("account", label.into(), "ACCOUNT"),
        ("region", region.into(), "REGION"),
        ("location", label.strip_suffix("-docker").unwrap_or_default().into(), "LOCATION"),
        ("imageid", image_id, "imageTag=TAG"),
        ("host", host.into(), "REGISTRY"),
        ("hostport", failing.into(), "HOST:PORT"),
        ("registryurl", concat_if_known("https://", registry_endpoint(registry), "/v2/"), "https://REGISTRY/v2/"),
        ("url", concat_if_known("https://", failing, if is_registry { "/v2/" } else { "/" }), "https://REGISTRY/v2/"),
        (
            "address",
            if host == failing { concat_if_known(failing, ":443", "") } else { failing.into() },
            "REGISTRY:443",
        ),
    ]
}

fn strip_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Concatenates three parts. Returns an empty string if the first or the second is empty.
fn concat_if_known<'a>(first: &str, second: &str, third: &str) -> Cow<'a, str> {
    if first.is_empty() || second.is_empty() { Cow::Borrowed("") } else { Cow::Owned([first, second, third].concat()) }
}

/// Returns the registry's name in a pull secret (Kubernetes docs, "Pull an Image from a Private Registry").
fn pull_secret_server(registry: &str) -> &str {
    if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry }
}

/// Replaces the placeholders of a template by quoted values. Makes one pass, so a value is never expanded again.
fn fill_template(template: &str, places: &[Placeholder<'_>]) -> String {
    let mut command = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        command.push_str(before);
        let place = places.iter().find_map(|place| Some((place, after.strip_prefix(place.0)?.strip_prefix('}')?)));
        rest = if let Some(((_, value, unknown), after)) = place {
            // A value with a leading hyphen would be parsed as a flag, even in quotes.
            let is_shown = !value.is_empty() && !value.starts_with('-');
            command.push_str(&if is_shown { shell_quote(value) } else { Cow::Borrowed(*unknown) });
            after
        } else {
            command.push('{');
            after
        };
    }
    command.push_str(rest);
    command
}

/// Quotes a value for a POSIX shell. In single quotes, only the single quote itself is special.
pub(super) fn shell_quote(value: &str) -> Cow<'_, str> {
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@' | '%' | '+' | ',');
    if value.chars().all(is_plain) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("'{}'", value.replace('\'', r"'\''")))
}
