//! Builds the HTTP requests that list and watch objects.

use http::{HeaderValue, Request, header};
use kube::client::Body;

use super::codec::{JSON_MEDIA_TYPE, PROTOBUF_MEDIA_TYPE};
use image_pull_model::facts::WatchScope;

/// A request for the objects of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ResourceRequest {
    /// A watch that begins with all existing objects as events.
    WatchList,
    /// A page of a list: the first one, or the one that `continue_token` names.
    List { limit: u32, continue_token: String },
    /// A list of one object, which the server reads from etcd, for the current resourceVersion.
    VersionCheck,
    /// A watch of the changes after `resource_version`.
    Watch { resource_version: String },
}

/// The parameters that all requests of one informer share.
#[derive(Clone, Debug)]
pub(super) struct RequestTarget {
    /// The name of the resource in paths.
    pub(super) resource: &'static str,
    pub(super) scope: WatchScope,
    /// The field selector; empty for all objects.
    pub(super) field_selector: String,
    /// The label selector; empty for all objects.
    pub(super) label_selector: String,
    /// The shard selector; empty for all objects.
    pub(super) shard_selector: String,
    /// Whether lists may be compressed.
    pub(super) compress_lists: bool,
}

/// The features that the server supports, as far as known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServerCapabilities {
    /// Protobuf responses.
    pub(super) protobuf: bool,
    /// Shard selectors (KEP-5866).
    pub(super) server_sharding: bool,
}

/// The `timeoutSeconds` parameter of a watch.
pub(super) type WatchSeconds = u32;

impl ResourceRequest {
    /// Builds the HTTP request.
    pub(super) fn to_http(
        &self,
        target: &RequestTarget,
        words: ServerCapabilities,
        watch_seconds: WatchSeconds,
    ) -> Result<Request<Body>, http::Error> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        // A version check accepts any object. A selector would make the server search for a match.
        let selects = !matches!(self, Self::VersionCheck);
        if selects && !target.field_selector.is_empty() {
            query.append_pair("fieldSelector", &target.field_selector);
        }
        if selects && !target.label_selector.is_empty() {
            query.append_pair("labelSelector", &target.label_selector);
        }
        if selects && words.server_sharding {
            query.append_pair("shardSelector", &target.shard_selector);
        }
        let is_list = match self {
            Self::List { limit, continue_token: token } => {
                query.append_pair("limit", &limit.to_string());
                if !token.is_empty() {
                    query.append_pair("continue", token);
                }
                true
            }
            Self::VersionCheck => {
                query.append_pair("limit", "1");
                true
            }
            Self::WatchList => {
                // Without a resourceVersion, the events are not older than the request.
                query.append_pair("sendInitialEvents", "true").append_pair("resourceVersionMatch", "NotOlderThan");
                false
            }
            Self::Watch { resource_version: version } => {
                query.append_pair("resourceVersion", version);
                false
            }
        };
        if !is_list {
            query
                .append_pair("watch", "true")
                .append_pair("allowWatchBookmarks", "true")
                .append_pair("timeoutSeconds", &watch_seconds.to_string());
        }
        let path = match &target.scope {
            WatchScope::Cluster => format!("/api/v1/{}", target.resource),
            WatchScope::Namespace(namespace) => {
                let namespace: String = form_urlencoded::byte_serialize(namespace.as_bytes()).collect();
                format!("/api/v1/namespaces/{namespace}/{}", target.resource)
            }
        };
        let accept = if words.protobuf {
            format!("{PROTOBUF_MEDIA_TYPE}, {JSON_MEDIA_TYPE}")
        } else {
            JSON_MEDIA_TYPE.to_owned()
        };
        // A compressed watch is delayed until the compressor flushes. From Kubernetes 1.37, each event is compressed
        // alone.
        let encoding = if is_list && target.compress_lists { "gzip" } else { "identity" };
        Request::get(format!("{path}?{}", query.finish()))
            .header(header::ACCEPT, accept)
            .header(header::ACCEPT_ENCODING, HeaderValue::from_static(encoding))
            .body(Body::empty())
    }
}

#[cfg(test)]
mod tests;
