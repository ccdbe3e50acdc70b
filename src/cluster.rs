//! Watches the pods of a cluster, and the Events about them. Only this module and `review` use the Kubernetes API.
//!
//! The output is a stream of [`PodEvent`]s for each scope, and one of [`KubeletEvent`]s if Events are read. Its consumers need no knowledge of clients, resourceVersions
//! and retries.
//!
//! | module | job |
//! |---|---|
//! | [`client`] | connects to the API server and reloads changed credentials |
//! | [`selection`] | selects pods by field, label and shard |
//! | `informer` | state machine of list and watch, without I/O |
//! | [`pod_watch`] | watches pods |
//! | [`event_watch`] | watches Events |
//! | `watcher` | sends the informer's requests and reads the responses |
//! | `request` | builds the HTTP requests |
//! | [`frames`] | splits the body of a watch into events |
//! | [`codec`] | decodes events and lists in JSON and protobuf |
//! | [`watched_object`] | the trait of the kinds of objects |
//! | [`pod_object`] | a pod, decoded no further than needed |
//! | [`event_object`] | an Event, decoded no further than needed |
//! | [`wire`] | the fields of Kubernetes objects that are used |

pub mod client;
pub mod codec;
mod error_chain;
mod event;
pub mod event_object;
pub mod event_watch;
pub mod frames;
mod informer;
pub mod pod_object;
pub mod pod_watch;
mod request;
pub mod selection;
pub mod watched_object;
mod watcher;
pub mod wire;

pub use crate::watch_restart_cause::WatchRestartCause;
pub use event::{InformerEvent, KubeletEvent, PodEvent, WatchFailure};
