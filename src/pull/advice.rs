//! Says what to do about a cause: whose move it is, what to look at first, which commands to run.

#[cfg(test)]
mod tests;
mod texts;

use std::borrow::Cow;

use super::cause::Cause;
use super::image::ImageReference;

/// Where a failure is. An empty field means that it is not known; a command then shows a name in capitals.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The pod's namespace.
    pub namespace: &'a str,
    /// The pod's name.
    pub pod: &'a str,
    /// The name of the container that waits.
    pub container: &'a str,
    /// The node the pod is bound to.
    pub node: &'a str,
    /// The pod's service account.
    pub service_account: &'a str,
    /// The image the container waits for.
    pub image: &'a ImageReference,
}

/// What to do about a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// One sentence of what is wrong, and whose move it is.
    pub summary: &'static str,
    /// What to look at first.
    pub check_first: &'static str,
    /// Commands for a POSIX shell, most useful first. They hold no secret of the cluster.
    pub commands: Vec<String>,
}

/// Returns what to do about a cause in a place.
pub fn advice(cause: Cause, context: &Context<'_>) -> Advice {
    of_text(texts::for_cause(cause), context)
}

/// Returns what to do about a failure of which the kubelet gave no error text.
pub fn without_text(context: &Context<'_>) -> Advice {
    of_text(&texts::NO_TEXT, context)
}

fn of_text(text: &texts::Text, context: &Context<'_>) -> Advice {
    let places = places(context);
    Advice {
        summary: text.summary,
        check_first: text.check_first,
        commands: text.commands.iter().map(|command| filled(command, &places)).collect(),
    }
}

/// Returns what is wrong, wherever it is.
pub fn summary(cause: Cause) -> &'static str {
    texts::for_cause(cause).summary
}

/// What is wrong where the kubelet gave no error text, and what to look at first.
pub const WITHOUT_TEXT: (&str, &str) = (texts::NO_TEXT.summary, texts::NO_TEXT.check_first);

/// Returns what to look at first, wherever it is.
pub fn check_first(cause: Cause) -> &'static str {
    texts::for_cause(cause).check_first
}

/// What can stand in a command: its name in the template, the value, and what to show if the value is not known.
type Place<'a> = (&'static str, Cow<'a, str>, &'static str);

fn places<'a>(context: &Context<'a>) -> Vec<Place<'a>> {
    let image = context.image;
    let endpoint = endpoint(image.registry());
    let host = endpoint.rsplit_once(':').map_or(endpoint, |(host, _)| host);
    vec![
        ("namespace", context.namespace.into(), "NAMESPACE"),
        ("pod", context.pod.into(), "POD"),
        ("container", context.container.into(), "CONTAINER"),
        ("node", context.node.into(), "NODE"),
        ("serviceaccount", context.service_account.into(), "SERVICE_ACCOUNT"),
        ("image", image.redacted(), "IMAGE"),
        ("repository", joined(image.registry(), "/", image.repository()), "REPOSITORY"),
        ("server", secret_server(image.registry()).into(), "REGISTRY"),
        ("host", host.into(), "REGISTRY"),
        ("url", joined("https://", endpoint, "/v2/"), "https://REGISTRY/v2/"),
        ("address", if host == endpoint { joined(endpoint, ":443", "") } else { endpoint.into() }, "REGISTRY:443"),
    ]
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
            command.push_str(&if value.is_empty() { Cow::Borrowed(*unknown) } else { quoted(value) });
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
fn quoted(value: &str) -> Cow<'_, str> {
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@' | '%' | '+' | ',');
    if value.chars().all(is_plain) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("'{}'", value.replace('\'', r"'\''")))
}
