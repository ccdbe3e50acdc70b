//! Content negotiation and encoding of objects, lists and watch events.

use axum::http::{HeaderMap, header};
use serde_json::Value;

use super::super::resource::Resource;
use super::protobuf;

/// Encoding of responses with pods or Events. All other responses are JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ResponseEncoding {
    Json,
    Protobuf,
}

impl ResponseEncoding {
    /// Returns the preferred supported encoding of an `Accept` header; `None` means 406 Not Acceptable.
    ///
    /// As in apiserver's `negotiate.go`, other parameters like `stream=watch` are ignored. A clause with `as=Table` is not
    /// supported.
    pub(super) fn negotiate(headers: &HeaderMap, has_protobuf: bool) -> Option<Self> {
        let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
        if accept.is_empty() {
            return Some(Self::Json);
        }
        let mut clauses: Vec<(f32, &str)> = accept.split(',').filter_map(parse_clause).collect();
        // Stable: equal qualities keep their order.
        clauses.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        clauses.into_iter().find_map(|(_, media_type)| match media_type {
            "application/json" | "application/*" | "*/*" => Some(Self::Json),
            "application/vnd.kubernetes.protobuf" => has_protobuf.then_some(Self::Protobuf),
            _ => None,
        })
    }

    /// Returns the media type of an object or a list.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    /// Returns the media type of a watch (apiserver, `pkg/endpoints/handlers/watch.go`).
    pub(super) fn watch_media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        }
    }

    /// Writes an object.
    pub(super) fn object(self, object: &Value) -> Vec<u8> {
        match self {
            Self::Json => object.to_string().into_bytes(),
            Self::Protobuf => protobuf::object(object),
        }
    }

    /// Writes a list.
    pub(super) fn list<'a>(
        self,
        resource: Resource,
        metadata: &Value,
        objects: impl Iterator<Item = &'a Value>,
    ) -> Vec<u8> {
        match (self, resource) {
            (Self::Json, _) => {
                let items: Vec<String> = objects.map(list_item).collect();
                let items = items.join(",");
                let kind = resource.list_kind();
                format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"v1\",\"metadata\":{metadata},\"items\":[{items}]}}")
                    .into_bytes()
            }
            (Self::Protobuf, Resource::Pods) => protobuf::pod_list(metadata, objects.map(protobuf::pod)),
            (Self::Protobuf, Resource::Events) => protobuf::event_list(metadata, objects.map(protobuf::core_event)),
        }
    }

    /// Writes an event of a watch.
    pub(super) fn event(self, kind: &str, object: &Value) -> Vec<u8> {
        match self {
            Self::Json => format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n").into_bytes(),
            Self::Protobuf => protobuf::event(kind, &protobuf::object(object)),
        }
    }
}

/// Returns quality and media type of a clause; `None` if it requests another representation.
fn parse_clause(text: &str) -> Option<(f32, &str)> {
    let mut parts = text.split(';').map(str::trim);
    let media_type = parts.next()?;
    let mut quality = 1.0;
    for parameter in parts {
        match parameter.split_once('=') {
            Some(("q", value)) => quality = value.parse().unwrap_or(1.0),
            Some(("as", _)) => return None,
            _ => {}
        }
    }
    Some((quality, media_type))
}

/// Encodes a list item: without kind and apiVersion, which the list carries. Does not copy the object, since pages are
/// large.
fn list_item(object: &Value) -> String {
    let fields =
        object.as_object().into_iter().flatten().filter(|(name, _)| !matches!(name.as_str(), "kind" | "apiVersion"));
    let fields: Vec<String> = fields.map(|(name, value)| format!("{}:{value}", Value::from(name.as_str()))).collect();
    format!("{{{}}}", fields.join(","))
}
