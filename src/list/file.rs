//! Reads pods from a file: a list as `kubectl get pods -o json` or `-o yaml` prints it, or a single pod.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::cluster::codec::JsonItems;
use crate::cluster::wire::{self, Undecodable};
use image_pull_model::facts::PodFacts;

/// Why a text is no list of pods.
#[derive(Debug, thiserror::Error)]
pub enum BadFile {
    /// Nothing is in it.
    #[error("it is empty")]
    Empty,
    /// It is not JSON.
    #[error("it is no JSON")]
    Json(#[from] serde_json::Error),
    /// It is not YAML.
    #[error("it is neither JSON nor YAML: {0}")]
    Yaml(String),
    /// It holds something else.
    #[error(
        "it holds no pods but {0} (kubectl get pods -A -o json prints what is wanted; for a watch stream there is replay)"
    )]
    NoPods(String),
}

/// Hands `each` pod of a file over, or why it does not decode. Objects of other kinds among them are no business of ours.
///
/// # Errors
/// When the text holds no list at all, or one of anything but pods.
pub fn pods(text: &str, each: impl FnMut(Result<PodFacts, Undecodable>)) -> Result<(), BadFile> {
    // Windows' editors and shells begin a file with this mark.
    let text = text.trim_start_matches('\u{feff}').trim();
    match text.chars().next() {
        None => Err(BadFile::Empty),
        Some('{') => pods_of_json(text, each),
        Some(_) => pods_of_json(&json_of_yaml(text)?, each),
    }
}

#[derive(Deserialize)]
struct Document {
    items: Option<IgnoredAny>,
}

/// What an object says it is. One in a `PodList` says nothing.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Kind {
    kind: Option<String>,
}

fn pods_of_json(text: &str, mut each: impl FnMut(Result<PodFacts, Undecodable>)) -> Result<(), BadFile> {
    let document: Document = serde_json::from_str(text)?;
    if document.items.is_none() {
        return match kind(text).as_deref() {
            Some("Pod") => {
                each(wire::decode(text.as_bytes()));
                Ok(())
            }
            Some(other) => Err(BadFile::NoPods(format!("a {other}"))),
            None => Err(BadFile::NoPods("an object without a kind".to_owned())),
        };
    }
    let (mut has_pods, mut stranger) = (false, None);
    let mut items = JsonItems::of(text);
    while let Some(item) = items.next_item()? {
        let object = text.get(item).unwrap_or_default();
        match kind(object) {
            Some(other) if other != "Pod" => stranger = stranger.or(Some(other)),
            Some(_) | None => {
                has_pods = true;
                each(wire::decode(object.as_bytes()));
            }
        }
    }
    match stranger {
        Some(other) if !has_pods => Err(BadFile::NoPods(format!("a list of {other}"))),
        Some(_) | None => Ok(()),
    }
}

fn kind(object: &str) -> Option<String> {
    serde_json::from_str::<Kind>(object).unwrap_or_default().kind
}

/// The same document in JSON, so that one decoder serves both.
fn json_of_yaml(text: &str) -> Result<String, BadFile> {
    // As many nodes as the file has; what a file can make grow, its aliases, stays limited.
    let budget = serde_saphyr::budget! {
        max_reader_input_bytes: None,
        max_events: usize::MAX,
        max_nodes: usize::MAX,
        max_total_scalar_bytes: usize::MAX,
    };
    let options = serde_saphyr::options! { budget: budget, with_snippet: false };
    let document: serde_json::Value =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| BadFile::Yaml(error.to_string()))?;
    if !document.is_object() {
        return Err(BadFile::NoPods("plain text".to_owned()));
    }
    Ok(document.to_string())
}
