//! Writes the requests that list and watch pods.

use http::{HeaderValue, Request, header};
use kube::client::Body;

use super::codec::{JSON_MEDIA_TYPE, PROTOBUF_MEDIA_TYPE};
use image_pull_model::facts::WatchScope;

/// What to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PodRequest {
    /// A watch that begins with all pods there are.
    WatchList,
    /// A page of a list: the first one, or the one that `token` names.
    List { limit: u32, continue_token: String },
    /// The current resourceVersion: a list of one pod, which the server reads from etcd.
    VersionCheck,
    /// What happened after `version`.
    Watch { resource_version: String },
}

/// What every request of one informer says.
#[derive(Clone, Debug)]
pub(super) struct RequestTarget {
    pub(super) scope: WatchScope,
    /// Which pods, by their fields; all of them when empty.
    pub(super) field_selector: String,
    /// Which pods, by their labels; all of them when empty.
    pub(super) label_selector: String,
    /// Which shard, in the words of the API server; all of them when empty.
    pub(super) shard_selector: String,
    /// Whether lists may come compressed.
    pub(super) compress_lists: bool,
}

/// What the server understands, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ServerCapabilities {
    /// Answers in protobuf.
    pub(super) protobuf: bool,
    /// Questions for a shard.
    pub(super) server_sharding: bool,
}

/// After how many seconds the server is to end a watch.
pub(super) type WatchSeconds = u32;

impl PodRequest {
    /// The request for this.
    pub(super) fn to_http(
        &self,
        target: &RequestTarget,
        words: ServerCapabilities,
        watch_seconds: WatchSeconds,
    ) -> Result<Request<Body>, http::Error> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        // Any pod will do for a check; a selector would have the server look for one that matches.
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
                // With no version, what comes is no older than the moment of asking.
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
            WatchScope::Cluster => "/api/v1/pods".to_owned(),
            WatchScope::Namespace(namespace) => {
                let namespace: String = form_urlencoded::byte_serialize(namespace.as_bytes()).collect();
                format!("/api/v1/namespaces/{namespace}/pods")
            }
        };
        let accept = if words.protobuf {
            format!("{PROTOBUF_MEDIA_TYPE}, {JSON_MEDIA_TYPE}")
        } else {
            JSON_MEDIA_TYPE.to_owned()
        };
        // A compressed watch is held back until enough has come; from Kubernetes 1.37 on each event is compressed alone.
        let encoding = if is_list && target.compress_lists { "gzip" } else { "identity" };
        Request::get(format!("{path}?{}", query.finish()))
            .header(header::ACCEPT, accept)
            .header(header::ACCEPT_ENCODING, HeaderValue::from_static(encoding))
            .body(Body::empty())
    }
}

#[cfg(test)]
mod tests;
