//! Fault injection of the API server, and request counts.

mod response;

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::http::Uri;
use serde_json::Value;
use tokio::{sync::broadcast, time::Instant};

use super::super::resource::Resource;
use super::query::ShardSupport;

pub use response::{Disconnect, ErrorResponse, ResponseFault};

/// Capacity of the lists of arrival times.
const MAX_ARRIVALS: usize = 10_000;

/// The kind of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The first page of a list, or all of it.
    List,
    /// A further page of a list.
    Continue,
    /// A watch from a resourceVersion.
    Watch,
    /// A watch that starts with the existing objects (sendInitialEvents).
    WatchList,
    /// Any request that is not for pods or Events.
    Other,
}

impl Verb {
    /// Returns the resource of a request that lists or watches.
    pub(super) fn resource(uri: &Uri) -> Option<Resource> {
        [Resource::Pods, Resource::Events]
            .into_iter()
            .find(|resource| uri.path().rsplit('/').next() == Some(resource.name()))
    }

    pub(super) fn of(uri: &Uri) -> Self {
        let has = |wanted: &[&str]| uri.query().unwrap_or_default().split('&').any(|pair| wanted.contains(&pair));
        let continues =
            uri.query().unwrap_or_default().split('&').any(|pair| pair.starts_with("continue=") && pair != "continue=");
        if Self::resource(uri).is_none() {
            Self::Other
        } else if has(&["watch=1", "watch=true"]) {
            if has(&["sendInitialEvents=1", "sendInitialEvents=true"]) { Self::WatchList } else { Self::Watch }
        } else if continues {
            Self::Continue
        } else {
            Self::List
        }
    }
}

/// Request counts by kind, including requests that were rejected or got no response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// See [`Verb::List`].
    pub list: u64,
    /// See [`Verb::Continue`].
    pub continues: u64,
    /// See [`Verb::Watch`].
    pub watch: u64,
    /// See [`Verb::WatchList`].
    pub watch_list: u64,
    /// See [`Verb::Other`].
    pub other: u64,
}

/// A fault of a new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionFault {
    /// Resets the connection.
    Reset,
    /// Closes the connection.
    Close,
    /// Accepts the connection and never sends a byte, not even in a TLS handshake.
    Silent,
    /// Sends these bytes after the first read, then closes.
    SendBytes(&'static [u8]),
}

/// Injected faults and request counts of one resource. Clones share the state.
///
/// Pods and Events have separate faults and counts, except for those of connections. [`Faults::events`] returns those of
/// Events. All other requests have the faults of pods.
#[derive(Clone, Debug)]
pub struct Faults {
    resource: Resource,
    pods: Arc<ResourceFaults>,
    events: Arc<ResourceFaults>,
    connections: Arc<Mutex<Connections>>,
}

#[derive(Debug)]
struct ResourceFaults {
    switches: Mutex<Switches>,
    on_watches: broadcast::Sender<WatchFault>,
    open_watches: Arc<AtomicUsize>,
    listed: AtomicUsize,
}

#[derive(Debug, Default)]
struct Connections {
    times: VecDeque<Instant>,
    faults: Vec<(ConnectionFault, u32)>,
}

#[derive(Debug, Default)]
struct Switches {
    requests: RequestCounts,
    requested: VecDeque<(Verb, Instant)>,
    faults: Vec<(Verb, ResponseFault, u32)>,
    persistent: HashSet<PersistentFault>,
    slow_body: Option<Duration>,
}

/// A fault that stays active until it is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PersistentFault {
    RejectWatchList,
    DisableProtobuf,
    SupportShards,
    RejectShards,
    NeverRespond,
    CloseNewWatches,
    SuppressBookmarks,
    NeverCompleteWatchList,
    OmitResourceVersions,
    RepeatEvents,
    SwapEvents,
    RepeatPages,
    ListEndlessPods,
}

/// A one-time fault of all open watches.
#[derive(Clone, Debug)]
pub(super) enum WatchFault {
    Disconnect(Disconnect),
    Error(ErrorResponse),
    Event(String, Value),
    Bytes(Vec<u8>),
}

impl Default for Faults {
    fn default() -> Self {
        Self { resource: Resource::Pods, pods: Arc::default(), events: Arc::default(), connections: Arc::default() }
    }
}

impl Default for ResourceFaults {
    fn default() -> Self {
        Self {
            switches: Mutex::default(),
            on_watches: broadcast::Sender::new(64),
            open_watches: Arc::default(),
            listed: AtomicUsize::new(0),
        }
    }
}

impl Faults {
    /// Returns the faults of requests for Events.
    #[must_use]
    pub fn events(&self) -> Self {
        self.of(Resource::Events)
    }

    pub(super) fn of(&self, resource: Resource) -> Self {
        Self { resource, ..self.clone() }
    }

    pub(super) fn resource(&self) -> Resource {
        self.resource
    }

    fn selected(&self) -> &ResourceFaults {
        match self.resource {
            Resource::Pods => &self.pods,
            Resource::Events => &self.events,
        }
    }
}

/// Requests received so far, with their times.
impl Faults {
    /// Returns the request counts.
    pub fn requests(&self) -> RequestCounts {
        self.lock().requests
    }

    /// Returns the arrival times of requests of a kind, among the last 10,000 requests.
    pub fn request_times(&self, verb: Verb) -> Vec<Instant> {
        self.lock().requested.iter().filter(|(of, _)| *of == verb).map(|(_, at)| *at).collect()
    }

    /// Returns the arrival times of the last 10,000 connections.
    pub fn connection_times(&self) -> Vec<Instant> {
        self.connections().times.iter().copied().collect()
    }

    /// Returns the number of pods, or of Events, sent in lists and as initial events of watches.
    pub fn listed_pods(&self) -> usize {
        self.selected().listed.load(Ordering::SeqCst)
    }

    /// Returns the number of open watches.
    pub fn open_watches(&self) -> usize {
        self.selected().open_watches.load(Ordering::SeqCst)
    }
}

/// Faults of the next `times` requests or connections; `u32::MAX` is forever.
impl Faults {
    /// Applies a fault to the next `times` responses of a kind. Error responses are left unchanged.
    pub fn fail_next(&self, verb: Verb, fault: ResponseFault, times: u32) {
        self.lock().faults.push((verb, fault, times));
    }

    /// Rejects the next `times` requests of a kind.
    pub fn reject_next(&self, verb: Verb, refusal: ErrorResponse, times: u32) {
        self.fail_next(verb, ResponseFault::Reject(refusal), times);
    }

    /// Applies a fault to the next `times` connections.
    pub fn fail_connections(&self, connect: ConnectionFault, times: u32) {
        self.connections().faults.push((connect, times));
    }

    /// Clears all faults of [`Self::fail_next`], [`Self::reject_next`] and [`Self::fail_connections`].
    pub fn clear(&self) {
        self.lock().faults.clear();
        self.connections().faults.clear();
    }
}

/// Faults that stay active until they are switched off.
impl Faults {
    /// Rejects `WatchList` with 422 Invalid, like a server without the feature.
    pub fn reject_watch_list(&self, on: bool) {
        self.set(PersistentFault::RejectWatchList, on);
    }

    /// Disables protobuf: responds in JSON, or with 406 Not Acceptable if the client does not accept JSON.
    pub fn disable_protobuf(&self, on: bool) {
        self.set(PersistentFault::DisableProtobuf, on);
    }

    /// Supports shard selectors, like a server with the feature gate `ShardedListAndWatch`.
    pub fn support_shards(&self, on: bool) {
        self.set(PersistentFault::SupportShards, on);
    }

    /// Rejects shard selectors with 400 Bad Request, like a server with another selector syntax.
    pub fn reject_shards(&self, on: bool) {
        self.set(PersistentFault::RejectShards, on);
    }

    /// Accepts requests and never responds.
    pub fn never_respond(&self, on: bool) {
        self.set(PersistentFault::NeverRespond, on);
    }

    /// Ends new watches before their first event.
    pub fn close_new_watches(&self, on: bool) {
        self.set(PersistentFault::CloseNewWatches, on);
    }

    /// Delays each 4 KiB of a body by this duration.
    pub fn delay_bodies(&self, delay: Option<Duration>) {
        self.lock().slow_body = delay;
    }

    /// Suppresses bookmarks, except the one that completes a `WatchList`.
    pub fn suppress_bookmarks(&self, on: bool) {
        self.set(PersistentFault::SuppressBookmarks, on);
    }

    /// Omits the bookmark that completes a `WatchList`, like a server that ignores `sendInitialEvents` or whose cache
    /// does not catch up.
    pub fn never_complete_watch_list(&self, on: bool) {
        self.set(PersistentFault::NeverCompleteWatchList, on);
    }

    /// Continues each list with its first page again, each time with a new token.
    pub fn repeat_pages(&self, on: bool) {
        self.set(PersistentFault::RepeatPages, on);
    }

    /// Continues each list with generated objects, without end.
    pub fn list_endless_pods(&self, on: bool) {
        self.set(PersistentFault::ListEndlessPods, on);
    }

    /// Omits the resourceVersion of objects in events.
    pub fn omit_resource_versions(&self, on: bool) {
        self.set(PersistentFault::OmitResourceVersions, on);
    }

    /// Sends each event twice.
    pub fn repeat_events(&self, on: bool) {
        self.set(PersistentFault::RepeatEvents, on);
    }

    /// Swaps pairs of pending events.
    pub fn swap_events(&self, on: bool) {
        self.set(PersistentFault::SwapEvents, on);
    }
}

/// One-time faults of all open watches.
impl Faults {
    /// Ends all open watches.
    pub fn disconnect_watches(&self, how: Disconnect) {
        self.send_watch_fault(WatchFault::Disconnect(how));
    }

    /// Sends an ERROR event to all open watches and ends them.
    pub fn send_watch_error(&self, refusal: ErrorResponse) {
        self.send_watch_fault(WatchFault::Error(refusal));
    }

    /// Sends an event with an arbitrary object to all open watches.
    pub fn inject_event(&self, kind: &str, object: &Value) {
        self.send_watch_fault(WatchFault::Event(kind.to_owned(), object.clone()));
    }

    /// Sends raw bytes to all open watches. A JSON line ends with a newline; a protobuf frame starts with its length.
    pub fn inject_bytes(&self, bytes: &[u8]) {
        self.send_watch_fault(WatchFault::Bytes(bytes.to_vec()));
    }

    fn send_watch_fault(&self, disturbance: WatchFault) {
        // An error means that no watch is open: nothing to disturb.
        let _ = self.selected().on_watches.send(disturbance);
    }
}

/// The server's view.
impl Faults {
    /// Counts a connection. Returns the fault to apply, if any.
    pub(super) fn on_connection(&self) -> Option<ConnectionFault> {
        let mut connections = self.connections();
        push_bounded(&mut connections.times, Instant::now());
        let (connect, times) = connections.faults.iter_mut().find(|(_, times)| *times > 0)?;
        decrement(times);
        Some(*connect)
    }

    /// Counts a request. Returns the fault to apply, if any.
    pub(super) fn on_request(&self, verb: Verb) -> Option<ResponseFault> {
        let mut switches = self.lock();
        push_bounded(&mut switches.requested, (verb, Instant::now()));
        let requests = &mut switches.requests;
        *match verb {
            Verb::List => &mut requests.list,
            Verb::Continue => &mut requests.continues,
            Verb::Watch => &mut requests.watch,
            Verb::WatchList => &mut requests.watch_list,
            Verb::Other => &mut requests.other,
        } += 1;
        if switches.persistent.contains(&PersistentFault::NeverRespond) {
            return Some(ResponseFault::NeverRespond);
        }
        if let Some((_, fault, times)) = switches.faults.iter_mut().find(|(of, _, times)| *of == verb && *times > 0) {
            decrement(times);
            return Some(*fault);
        }
        if switches.persistent.contains(&PersistentFault::CloseNewWatches)
            && matches!(verb, Verb::Watch | Verb::WatchList)
        {
            return Some(ResponseFault::Cut { after: 0, how: Disconnect::Clean });
        }
        switches.slow_body.map(|delay| ResponseFault::Slow { piece: 4096, delay })
    }

    pub(super) fn count_listed(&self, objects: usize) {
        self.selected().listed.fetch_add(objects, Ordering::SeqCst);
    }

    pub(super) fn shards(&self) -> ShardSupport {
        match (self.has(PersistentFault::RejectShards), self.has(PersistentFault::SupportShards)) {
            (true, _) => ShardSupport::Refused,
            (false, true) => ShardSupport::Known,
            (false, false) => ShardSupport::Unknown,
        }
    }

    pub(super) fn has(&self, fault: PersistentFault) -> bool {
        self.lock().persistent.contains(&fault)
    }

    pub(super) fn watch_faults(&self) -> broadcast::Receiver<WatchFault> {
        self.selected().on_watches.subscribe()
    }

    pub(super) fn watch_opened(&self) -> OpenWatchGuard {
        let open_watches = &self.selected().open_watches;
        open_watches.fetch_add(1, Ordering::SeqCst);
        OpenWatchGuard(open_watches.clone())
    }

    fn set(&self, fault: PersistentFault, on: bool) {
        let persistent = &mut self.lock().persistent;
        if on {
            persistent.insert(fault)
        } else {
            persistent.remove(&fault)
        };
    }

    fn lock(&self) -> MutexGuard<'_, Switches> {
        self.selected().switches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn push_bounded<T>(arrivals: &mut VecDeque<T>, arrival: T) {
    if arrivals.len() == MAX_ARRIVALS {
        arrivals.pop_front();
    }
    arrivals.push_back(arrival);
}

fn decrement(times: &mut u32) {
    if *times != u32::MAX {
        *times -= 1;
    }
}

/// Counts a watch as open until dropped.
pub(super) struct OpenWatchGuard(Arc<AtomicUsize>);

impl Drop for OpenWatchGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
