//! Finds the image reference in an error text.

/// Prefixes of the kubelet's texts before the image as written in the pod's spec (Kubernetes 1.36
/// `pkg/kubelet/images/image_manager.go`; the fourth is that of an event).
const KUBELET_PREFIXES: &[&str] = &[
    "Back-off pulling image \"",
    "Container image \"",
    "Failed to apply default image tag \"",
    "Failed to pull image \"",
    "Failed to inspect image \"",
    "Failed to record image pull intent for container image \"",
];

/// Prefix and suffix of the only kubelet text that prints the image without quotes (`evalCRIPullErr`,
/// `image_manager.go`).
const UNQUOTED_PREFIX_AND_SUFFIX: (&str, &str) = ("image pull failed for ", " because ");

/// Phrases of containerd before the image in normalized form, anywhere in a text
/// (`internal/cri/server/images/image_pull.go`; `client/pull.go`).
const RUNTIME_PREFIXES: &[&str] = &["failed to pull and unpack image \"", "failed to pull image \""];

/// Returns the image reference in a text of the kubelet or containerd, or `None` if it contains none.
///
/// The kubelet's texts are tried first: they contain the reference of the spec, which the runtime may have normalized.
/// Since 1.32, the kubelet can print `Failed to inspect image ""`, which contains none.
pub fn image_in_error_text(message: &str) -> Option<&str> {
    let by_kubelet =
        KUBELET_PREFIXES.iter().filter_map(|opening| message.strip_prefix(opening)).find_map(up_to_closing_quote);
    let (opening, closing) = UNQUOTED_PREFIX_AND_SUFFIX;
    let unquoted = || {
        let (image, _) = message.strip_prefix(opening)?.split_once(closing)?;
        Some(image).filter(|image| !image.is_empty())
    };
    let by_runtime = || RUNTIME_PREFIXES.iter().find_map(|opening| up_to_closing_quote(message.split_once(opening)?.1));
    by_kubelet.or_else(unquoted).or_else(by_runtime)
}

/// Returns the text up to the closing quote of Go's `%q`. `None` if it contains an escape, since it then differs from
/// the reference as written.
fn up_to_closing_quote(text: &str) -> Option<&str> {
    let (image, _) = text.split_once('"')?;
    Some(image).filter(|image| !image.is_empty() && !image.contains('\\'))
}
