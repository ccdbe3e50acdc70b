//! Finds the image that an error text names.

/// What the kubelet prints at the start of a text, with the image as the pod's spec writes it
/// (Kubernetes 1.36 `pkg/kubelet/images/image_manager.go`; the fourth is an event's text).
const KUBELET_OPENINGS: &[&str] = &[
    "Back-off pulling image \"",
    "Container image \"",
    "Failed to apply default image tag \"",
    "Failed to pull image \"",
    "Failed to inspect image \"",
    "Failed to record image pull intent for container image \"",
];

/// The one kubelet text that prints the image without quotes (`evalCRIPullErr`, `image_manager.go`).
const UNQUOTED: (&str, &str) = ("image pull failed for ", " because ");

/// What containerd prints, anywhere in a text, with the image in its own normalised form
/// (`internal/cri/server/images/image_pull.go`; `client/pull.go`).
const RUNTIME_OPENINGS: &[&str] = &["failed to pull and unpack image \"", "failed to pull image \""];

/// Returns the image that a kubelet or containerd text names, or `None` if it prints no reference itself.
///
/// The kubelet's own words go first: they hold the reference of the spec, which the runtime may have normalised.
/// Since 1.32 the kubelet prints `Failed to inspect image ""`, which names nothing.
pub fn image_named_in(message: &str) -> Option<&str> {
    let by_kubelet = KUBELET_OPENINGS.iter().filter_map(|opening| message.strip_prefix(opening)).find_map(quoted);
    let (opening, closing) = UNQUOTED;
    let unquoted = || {
        let (image, _) = message.strip_prefix(opening)?.split_once(closing)?;
        Some(image).filter(|image| !image.is_empty())
    };
    let by_runtime = || RUNTIME_OPENINGS.iter().find_map(|opening| quoted(message.split_once(opening)?.1));
    by_kubelet.or_else(unquoted).or_else(by_runtime)
}

/// The text up to the closing quote of Go's `%q`. Text with an escape in it is not what the author wrote: `None`.
fn quoted(text: &str) -> Option<&str> {
    let (image, _) = text.split_once('"')?;
    Some(image).filter(|image| !image.is_empty() && !image.contains('\\'))
}
