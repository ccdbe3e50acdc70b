//! Reads pods and the Events about them from a file: the output of `kubectl get pods` or `kubectl get pods,events` with
//! `-o json` or `-o yaml`, or a single pod.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::cluster::codec::JsonItems;
use crate::cluster::event_object::decode_json_event;
use crate::cluster::wire::{self, UndecodableObject};
use image_pull_model::facts::PodFacts;
use image_pull_model::kubelet_event::EventFacts;

/// An error of reading pods from a file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file is empty.
    #[error("the file is empty")]
    Empty,
    /// The file is not JSON.
    #[error("invalid JSON")]
    Json(#[from] serde_json::Error),
    /// The file is neither JSON nor YAML.
    #[error("neither JSON nor YAML: {0}")]
    Yaml(String),
    /// The file contains no pods.
    #[error("found {0}, expected pods as printed by `kubectl get pods -A -o json` (for a watch stream, use `replay`)")]
    NotPods(String),
}

/// An object in a file.
#[derive(Debug)]
pub(super) enum FileObject {
    Pod(PodFacts),
    /// An Event about the image of a pod.
    Event(EventFacts),
}

/// Calls `each` with every pod in a file and every Event about the image of a pod, or with the decoding error. Ignores other
/// Events and objects of other kinds.
///
/// # Errors
/// Returns an error if the text is not a list with pods or a single pod.
pub(super) fn read_objects(
    text: &str,
    each: impl FnMut(Result<FileObject, UndecodableObject>),
) -> Result<(), FileError> {
    // Editors and shells on Windows write this byte order mark.
    let text = text.trim_start_matches('\u{feff}').trim();
    match text.chars().next() {
        None => Err(FileError::Empty),
        Some('{') => objects_of_json(text, each),
        Some(_) => objects_of_json(&json_of_yaml(text)?, each),
    }
}

#[derive(Deserialize)]
struct ListDocument {
    items: Option<IgnoredAny>,
}

/// The kind of an object. Items of a `PodList` have none.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ObjectKind {
    kind: Option<String>,
}

fn objects_of_json(text: &str, mut each: impl FnMut(Result<FileObject, UndecodableObject>)) -> Result<(), FileError> {
    let document: ListDocument = serde_json::from_str(text)?;
    if document.items.is_none() {
        return match object_kind(text).as_deref() {
            Some("Pod") => {
                each(wire::decode_json_pod(text.as_bytes()).map(FileObject::Pod));
                Ok(())
            }
            Some(other) => Err(FileError::NotPods(format!("a {other}"))),
            None => Err(FileError::NotPods("an object without a kind".to_owned())),
        };
    }
    let (mut has_pods, mut stranger) = (false, None);
    let mut items = JsonItems::new(text);
    while let Some(item) = items.next_item()? {
        let object = text.get(item).unwrap_or_default();
        match object_kind(object) {
            Some(kind) if kind == "Event" => {
                let event = decode_json_event(object.as_bytes());
                if let Some(event) = event.map(|event| event.into_facts().map(FileObject::Event)).transpose() {
                    each(event);
                }
                stranger = stranger.or(Some(kind));
            }
            Some(other) if other != "Pod" => stranger = stranger.or(Some(other)),
            Some(_) | None => {
                has_pods = true;
                each(wire::decode_json_pod(object.as_bytes()).map(FileObject::Pod));
            }
        }
    }
    match stranger {
        Some(other) if !has_pods => Err(FileError::NotPods(format!("a list of {other}"))),
        Some(_) | None => Ok(()),
    }
}

fn object_kind(object: &str) -> Option<String> {
    serde_json::from_str::<ObjectKind>(object).unwrap_or_default().kind
}

/// Converts YAML to JSON, so that there is one decoder.
fn json_of_yaml(text: &str) -> Result<String, FileError> {
    // The number of nodes is not limited; the expansion of aliases stays limited.
    let budget = serde_saphyr::budget! {
        max_reader_input_bytes: None,
        max_events: usize::MAX,
        max_nodes: usize::MAX,
        max_total_scalar_bytes: usize::MAX,
    };
    let options = serde_saphyr::options! { budget: budget, with_snippet: false };
    let document: serde_json::Value =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| FileError::Yaml(error.to_string()))?;
    if !document.is_object() {
        return Err(FileError::NotPods("plain text".to_owned()));
    }
    Ok(document.to_string())
}
