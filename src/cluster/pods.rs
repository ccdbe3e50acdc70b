//! Watches the pods of one scope with kube's watcher, and says what it sees.
//!
//! kube's watcher (5.0.0) has traps, measured against servers made to misbehave:
//! - a server that accepts and never answers hangs it for ever, so the client has a read timeout, which has to be
//!   longer than a watch that nothing happens on: hence also the watch's own timeout below;
//! - it reconnects without a word, so "synced" means here that nothing has failed since the last event;
//! - a watch that is closed at once is opened again at once, and while a LIST fails the back-off does not grow;
//! - a 410 as the HTTP status of a watch request is retried for ever, so here it begins anew.

use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use kube::api::{Api, ObjectMeta};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::wire::{self, Undecodable};
use super::{PodEvent, WatchCause, WatchFailure};
use crate::pull::facts::{PodFacts, Scope};

/// After this long the API server ends a watch and a new one begins.
const WATCH_TIMEOUT: Duration = Duration::from_secs(90);
/// No byte for this long means that the server is gone: longer than a watch on which nothing happens.
pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(100);
/// Pods in a page of a LIST. A page is held in memory three times over; more are hardly faster.
const PAGE_SIZE: u32 = 250;
/// The HTTP status for a resourceVersion that the server remembers no longer.
const GONE: u16 = 410;
/// Finished pods start no container again, and their left-over statuses would look like failures.
const UNFINISHED: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// The events of all pods in `scope`, for as long as somebody asks.
pub fn watch(client: Client, scope: Scope, include_finished: bool) -> impl Stream<Item = PodEvent> {
    let api: Api<WatchedPod> = match &scope {
        Scope::Cluster => Api::all(client),
        Scope::Namespace(namespace) => Api::namespaced(client, namespace),
    };
    let seconds = u32::try_from(WATCH_TIMEOUT.as_secs()).unwrap_or(u32::MAX);
    let config = watcher::Config::default().timeout(seconds).page_size(PAGE_SIZE);
    let config = if include_finished { config } else { config.fields(UNFINISHED) };
    let begin = move || watcher(api.clone(), config.clone()).default_backoff().boxed();
    let first = begin();
    let events = stream::unfold((first, begin), |(mut current, begin)| async move {
        let event = current.next().await?;
        // It would ask for the same resourceVersion again for ever.
        if matches!(&event, Err(watcher::Error::WatchStartFailed(kube::Error::Api(status))) if status.code == GONE) {
            current = begin();
        }
        Some((event, (current, begin)))
    });
    events.map(move |event| match event {
        Ok(watcher::Event::Init) => PodEvent::ListBegins(scope.clone()),
        Ok(watcher::Event::InitDone) => PodEvent::ListEnds(scope.clone()),
        Ok(watcher::Event::InitApply(pod)) => pod.event(PodEvent::Listed),
        Ok(watcher::Event::Apply(pod)) => pod.event(PodEvent::Applied),
        Ok(watcher::Event::Delete(pod)) => pod.event(PodEvent::Deleted),
        Err(error) => PodEvent::Failed(failure(&error)),
    })
}

/// A pod as it comes off the watch: what kube needs of it, and the facts or why there are none.
#[derive(Clone, Debug)]
struct WatchedPod {
    /// Only `resourceVersion` is filled: kube resumes from it.
    metadata: ObjectMeta,
    facts: Result<PodFacts, Undecodable>,
}

impl WatchedPod {
    fn event(self, decoded: fn(PodFacts) -> PodEvent) -> PodEvent {
        self.facts.map_or_else(PodEvent::Undecodable, decoded)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Versioned {
    metadata: Version,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Version {
    resource_version: Option<String>,
}

impl<'de> Deserialize<'de> for WatchedPod {
    /// Never fails on JSON: one broken object must not cost the page or the watch it came with.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(deserializer)?;
        let version: Versioned = serde_json::from_str(json.get()).unwrap_or_default();
        let resource_version = version.metadata.resource_version;
        Ok(Self { metadata: ObjectMeta { resource_version, ..ObjectMeta::default() }, facts: wire::decode(&json) })
    }
}

impl Resource for WatchedPod {
    type DynamicType = ();
    type Scope = kube::core::NamespaceResourceScope;

    fn kind((): &()) -> std::borrow::Cow<'_, str> {
        "Pod".into()
    }

    fn group((): &()) -> std::borrow::Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> std::borrow::Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> std::borrow::Cow<'_, str> {
        "pods".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

fn failure(error: &watcher::Error) -> WatchFailure {
    use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(error) => client_failure("cannot list pods", error),
        WatchStartFailed(error) => client_failure("cannot watch pods", error),
        WatchFailed(error) => client_failure("the watch broke", error),
        WatchError(status) => WatchFailure {
            cause: cause_of_code(status.code),
            error: format!("the API server ended the watch: {} ({})", status.message, status.code),
        },
        NoResourceVersion => WatchFailure {
            cause: WatchCause::Decode,
            error: "the API server sent a pod without resourceVersion".to_owned(),
        },
    }
}

fn client_failure(doing: &str, error: &kube::Error) -> WatchFailure {
    let (cause, what) = match error {
        kube::Error::Api(status) => {
            let advice = match status.code {
                401 => " (the credentials are not accepted)",
                403 => " (grant the verbs list and watch on pods)",
                _ => "",
            };
            (cause_of_code(status.code), format!("{} ({}){advice}", status.message, status.code))
        }
        kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => {
            (WatchCause::Connection, chain(error))
        }
        kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) | kube::Error::LinesCodecMaxLineLengthExceeded => {
            (WatchCause::Decode, chain(error))
        }
        kube::Error::Auth(_) => (WatchCause::Unauthorized, chain(error)),
        _ => (WatchCause::Other, chain(error)),
    };
    WatchFailure { cause, error: format!("{doing}: {what}") }
}

const fn cause_of_code(code: u16) -> WatchCause {
    match code {
        401 => WatchCause::Unauthorized,
        403 => WatchCause::Forbidden,
        GONE => WatchCause::Gone,
        429 => WatchCause::TooManyRequests,
        500..=599 => WatchCause::ServerError,
        _ => WatchCause::Other,
    }
}

/// An error and what caused it, in one line. Most wrappers repeat what they wrap, so each fact stands once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !text.contains(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}
