//! Makes commands of templates. Nothing from the cluster gets into a command unquoted.

use std::borrow::Cow;

use super::Context;
use super::place::{NodeKind, is_service};
use crate::cause::HostKind;

/// What stands before a command that is to run on the node.
pub(super) const ON_NODE: &str = "@node ";

/// What stands before a command that tells something only where the host can be reached from elsewhere.
const HERE: &str = "@here ";

/// How a command gets onto a node. The image must be there already, for the node may be unable to pull another, and may
/// not be a tenant's: the container runs as root beside the node's files.
const DEBUG: &str =
    "kubectl debug node/{node} -it --profile=sysadmin --image=IMAGE_ON_NODE --image-pull-policy=Never -- chroot /host ";

/// Lists the images that the operators of the cluster run on the node.
const IMAGES_ON_NODE: &str = r#"kubectl -n kube-system get pods --field-selector spec.nodeName={node},status.phase=Running -o jsonpath='{range .items[*].spec.containers[*]}{.image}{"\n"}{end}'"#;

/// Makes commands of templates, without those that cannot work in this place.
pub(super) fn commands(templates: &[&str], context: &Context<'_>) -> Vec<String> {
    let places = places(context);
    let is_debuggable = NodeKind::of(context.node, context.message) == NodeKind::Ordinary;
    let is_hidden = context.host.is_some_and(|host| host.kind == HostKind::Node) || is_service(failing_host(context));
    let mut commands = Vec::new();
    let mut is_image_listed = false;
    for template in templates {
        if let Some(on_node) = template.strip_prefix(ON_NODE) {
            if !is_debuggable {
                continue;
            }
            if !std::mem::replace(&mut is_image_listed, true) {
                commands.push(filled(IMAGES_ON_NODE, &places));
            }
            commands.push(filled(&[DEBUG, on_node].concat(), &places));
        } else if let Some(here) = template.strip_prefix(HERE) {
            if !is_hidden {
                commands.push(filled(here, &places));
            }
        } else {
            commands.push(filled(template, &places));
        }
    }
    commands
}

/// What can stand in a command: its name in the template, the value, and what to show if the value is not known.
type Place<'a> = (&'static str, Cow<'a, str>, &'static str);

fn places<'a>(context: &Context<'a>) -> Vec<Place<'a>> {
    let image = context.image;
    let registry = image.registry();
    let failing = failing_host(context);
    let host = without_port(failing);
    let label = registry.split('.').next().unwrap_or_default();
    let path = image.repository();
    let (project, rest) = path.split_once('/').unwrap_or((path, ""));
    let region = registry.split(".ecr.").nth(1).and_then(|rest| rest.split('.').next()).unwrap_or_default();
    let image_id = match (image.digest(), image.tag()) {
        ("", "") => Cow::Borrowed("imageTag=latest"),
        ("", tag) => Cow::Owned(format!("imageTag={tag}")),
        (digest, _) => Cow::Owned(format!("imageDigest={digest}")),
    };
    // A proxy and a store have no such path.
    let is_registry =
        context.host.is_none_or(|host| matches!(host.kind, HostKind::Registry | HostKind::Mirror | HostKind::Node));
    vec![
        ("namespace", context.namespace.into(), "NAMESPACE"),
        ("pod", context.pod.into(), "POD"),
        ("container", context.container.into(), "CONTAINER"),
        ("node", context.node.into(), "NODE"),
        ("serviceaccount", context.service_account.into(), "SERVICE_ACCOUNT"),
        ("image", image.redacted(), "IMAGE"),
        ("repository", joined(registry, "/", path), "REPOSITORY"),
        ("registry", registry.into(), "REGISTRY"),
        ("server", secret_server(registry).into(), "REGISTRY"),
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
        ("registryurl", joined("https://", endpoint(registry), "/v2/"), "https://REGISTRY/v2/"),
        ("url", joined("https://", failing, if is_registry { "/v2/" } else { "/" }), "https://REGISTRY/v2/"),
        ("address", if host == failing { joined(failing, ":443", "") } else { failing.into() }, "REGISTRY:443"),
    ]
}

/// The host that failed: that of the error text, else the registry's.
pub(super) fn failing_host<'a>(context: &Context<'a>) -> &'a str {
    context.host.map_or_else(|| endpoint(context.image.registry()), |host| &host.name)
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Joins three parts around a middle that must be there; empty if the registry is not known.
fn joined<'a>(first: &str, second: &str, third: &str) -> Cow<'a, str> {
    if first.is_empty() || second.is_empty() { Cow::Borrowed("") } else { Cow::Owned([first, second, third].concat()) }
}

/// The host behind a registry's name: Docker Hub answers elsewhere than at its name.
fn endpoint(registry: &str) -> &str {
    if registry == "docker.io" { "registry-1.docker.io" } else { registry }
}

/// What a pull secret must call the registry (Kubernetes docs, "Pull an Image from a Private Registry").
fn secret_server(registry: &str) -> &str {
    if registry == "docker.io" { "https://index.docker.io/v1/" } else { registry }
}

/// Puts the quoted values into a command, one pass over the template so that a value is never read as one.
fn filled(template: &str, places: &[Place<'_>]) -> String {
    let mut command = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        command.push_str(before);
        let place = places.iter().find_map(|place| Some((place, after.strip_prefix(place.0)?.strip_prefix('}')?)));
        rest = if let Some(((_, value, unknown), after)) = place {
            // What begins like a flag would be read as one, however it is quoted.
            let is_shown = !value.is_empty() && !value.starts_with('-');
            command.push_str(&if is_shown { quoted(value) } else { Cow::Borrowed(*unknown) });
            after
        } else {
            command.push('{');
            after
        };
    }
    command.push_str(rest);
    command
}

/// Quotes a value for a POSIX shell: in single quotes nothing is special but the quote itself.
pub(super) fn quoted(value: &str) -> Cow<'_, str> {
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@' | '%' | '+' | ',');
    if value.chars().all(is_plain) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("'{}'", value.replace('\'', r"'\''")))
}
