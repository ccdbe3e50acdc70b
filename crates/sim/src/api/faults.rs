//! Misbehaves on demand, and counts requests.

mod answer;

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

use super::query::Shards;

pub use answer::{Drop, Fault, Refusal};

/// How many arrivals are remembered with their time.
const REMEMBERED: usize = 10_000;

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// The first page of a list, or all of it.
    List,
    /// A further page.
    Continue,
    /// A watch from a resourceVersion.
    Watch,
    /// A watch that begins with what exists (sendInitialEvents).
    WatchList,
    /// Anything that is not about pods.
    Other,
}

impl Verb {
    pub(super) fn of(uri: &Uri) -> Self {
        let has = |wanted: &[&str]| uri.query().unwrap_or_default().split('&').any(|pair| wanted.contains(&pair));
        let continues =
            uri.query().unwrap_or_default().split('&').any(|pair| pair.starts_with("continue=") && pair != "continue=");
        if !uri.path().ends_with("/pods") {
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

/// How many requests there were of each kind, refused and swallowed ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
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

/// What becomes of a connection instead of being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    /// It is reset.
    Reset,
    /// It is closed.
    Close,
    /// Nothing is ever said, not even in a TLS handshake.
    Silent,
    /// It is told this, whatever it asks, and closed.
    Say(&'static [u8]),
}

/// Switches for misbehaviour, shared by all who hold a clone.
#[derive(Clone, Debug)]
pub struct Faults {
    switches: Arc<Mutex<Switches>>,
    disturbances: broadcast::Sender<Disturbance>,
    open_watches: Arc<AtomicUsize>,
    listed_pods: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Switches {
    requests: Requests,
    requested: VecDeque<(Verb, Instant)>,
    connected: VecDeque<Instant>,
    connects: Vec<(Connect, u32)>,
    faults: Vec<(Verb, Fault, u32)>,
    habits: HashSet<Habit>,
    slow_body: Option<Duration>,
}

/// What the server does until it is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Habit {
    RefusesWatchList,
    RefusesProtobuf,
    KnowsShards,
    RefusesShards,
    Swallows,
    ClosesWatches,
    SaysNoBookmarks,
    NeverEndsWatchList,
    OmitsVersions,
    RepeatsEvents,
    SwapsEvents,
    RepeatsPages,
    InventsPods,
}

/// Something that happens to all open watches.
#[derive(Clone, Debug)]
pub(super) enum Disturbance {
    Drop(Drop),
    Error(Refusal),
    Event(String, Value),
    Bytes(Vec<u8>),
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            switches: Arc::default(),
            disturbances: broadcast::Sender::new(64),
            open_watches: Arc::default(),
            listed_pods: Arc::default(),
        }
    }
}

/// What is seen.
impl Faults {
    /// Returns how many requests there have been.
    pub fn requests(&self) -> Requests {
        self.lock().requests
    }

    /// Returns when the requests of a kind came, of all kinds the last 10,000.
    pub fn requested(&self, verb: Verb) -> Vec<Instant> {
        self.lock().requested.iter().filter(|(of, _)| *of == verb).map(|(_, at)| *at).collect()
    }

    /// Returns when the last 10,000 connections came.
    pub fn connections(&self) -> Vec<Instant> {
        self.lock().connected.iter().copied().collect()
    }

    /// Returns how many pods were said to exist, in lists and at the beginning of watches.
    pub fn listed_pods(&self) -> usize {
        self.listed_pods.load(Ordering::SeqCst)
    }

    /// Returns how many watches are open.
    pub fn open_watches(&self) -> usize {
        self.open_watches.load(Ordering::SeqCst)
    }
}

/// What goes wrong a number of times; `u32::MAX` is for good.
impl Faults {
    /// Spoils the next `times` answers to requests of a kind. One that is no success is not spoilt further.
    pub fn next(&self, verb: Verb, fault: Fault, times: u32) {
        self.lock().faults.push((verb, fault, times));
    }

    /// Refuses the next `times` requests of a kind.
    pub fn refuse(&self, verb: Verb, refusal: Refusal, times: u32) {
        self.next(verb, Fault::Refuse(refusal), times);
    }

    /// Does not serve the next `times` connections.
    pub fn connect(&self, connect: Connect, times: u32) {
        self.lock().connects.push((connect, times));
    }

    /// Ends what [`Self::next`], [`Self::refuse`] and [`Self::connect`] have begun.
    pub fn clear(&self) {
        let mut switches = self.lock();
        switches.faults.clear();
        switches.connects.clear();
    }
}

/// What goes wrong until it is switched off.
impl Faults {
    /// Answers `WatchList` 422 Invalid, as a server without the feature does.
    pub fn refuse_watch_list(&self, on: bool) {
        self.set(Habit::RefusesWatchList, on);
    }

    /// Knows no protobuf: answers JSON, or 406 Not Acceptable to a client that does not accept it.
    pub fn refuse_protobuf(&self, on: bool) {
        self.set(Habit::RefusesProtobuf, on);
    }

    /// Knows shards, as a server with the feature gate `ShardedListAndWatch` does.
    pub fn know_shards(&self, on: bool) {
        self.set(Habit::KnowsShards, on);
    }

    /// Answers 400 Bad Request to whoever asks for a shard, as a server that writes its selectors in other words.
    pub fn refuse_shards(&self, on: bool) {
        self.set(Habit::RefusesShards, on);
    }

    /// Accepts requests and never answers them.
    pub fn black_hole(&self, on: bool) {
        self.set(Habit::Swallows, on);
    }

    /// Ends each new watch before its first event.
    pub fn close_watches_at_once(&self, on: bool) {
        self.set(Habit::ClosesWatches, on);
    }

    /// Waits this long before each piece of 4 KiB of a body.
    pub fn slow_bodies(&self, delay: Option<Duration>) {
        self.lock().slow_body = delay;
    }

    /// Says no bookmarks but those that end the beginning of a `WatchList`.
    pub fn no_bookmarks(&self, on: bool) {
        self.set(Habit::SaysNoBookmarks, on);
    }

    /// Says what exists but never that this was all, as a server that does not know `sendInitialEvents`, or one whose
    /// cache does not catch up.
    pub fn never_end_watch_list(&self, on: bool) {
        self.set(Habit::NeverEndsWatchList, on);
    }

    /// Says after each page of a list, with a token that is new each time, that the list begins again.
    pub fn repeat_pages(&self, on: bool) {
        self.set(Habit::RepeatsPages, on);
    }

    /// Lists, after the pods there are, others without end.
    pub fn invent_pods(&self, on: bool) {
        self.set(Habit::InventsPods, on);
    }

    /// Leaves the resourceVersion out of the objects of events.
    pub fn omit_versions(&self, on: bool) {
        self.set(Habit::OmitsVersions, on);
    }

    /// Says each event twice.
    pub fn repeat_events(&self, on: bool) {
        self.set(Habit::RepeatsEvents, on);
    }

    /// Says two events in the wrong order whenever two are to be said.
    pub fn swap_events(&self, on: bool) {
        self.set(Habit::SwapsEvents, on);
    }
}

/// What goes wrong at once.
impl Faults {
    /// Ends all open watches.
    pub fn drop_watches(&self, how: Drop) {
        self.disturb(Disturbance::Drop(how));
    }

    /// Says an ERROR event in all open watches, and ends them.
    pub fn error_in_watches(&self, refusal: Refusal) {
        self.disturb(Disturbance::Error(refusal));
    }

    /// Sends an object that may be of a wrong type or hostile into all open watches, as an event of this type.
    pub fn inject_event(&self, kind: &str, object: &Value) {
        self.disturb(Disturbance::Event(kind.to_owned(), object.clone()));
    }

    /// Sends bytes as they are into all open watches; a line of JSON ends with a newline, a frame of protobuf begins
    /// with its length.
    pub fn inject(&self, bytes: &[u8]) {
        self.disturb(Disturbance::Bytes(bytes.to_vec()));
    }

    fn disturb(&self, disturbance: Disturbance) {
        // An error means that no watch is open: nothing to disturb.
        let _ = self.disturbances.send(disturbance);
    }
}

/// What the server asks.
impl Faults {
    /// Counts a connection and says what becomes of it, `None` if it is served.
    pub(super) fn connected(&self) -> Option<Connect> {
        let mut switches = self.lock();
        remember(&mut switches.connected, Instant::now());
        let (connect, times) = switches.connects.iter_mut().find(|(_, times)| *times > 0)?;
        spend(times);
        Some(*connect)
    }

    /// Counts a request and says what happens to its answer.
    pub(super) fn admit(&self, verb: Verb) -> Option<Fault> {
        let mut switches = self.lock();
        remember(&mut switches.requested, (verb, Instant::now()));
        let requests = &mut switches.requests;
        *match verb {
            Verb::List => &mut requests.list,
            Verb::Continue => &mut requests.continues,
            Verb::Watch => &mut requests.watch,
            Verb::WatchList => &mut requests.watch_list,
            Verb::Other => &mut requests.other,
        } += 1;
        if switches.habits.contains(&Habit::Swallows) {
            return Some(Fault::Swallow);
        }
        if let Some((_, fault, times)) = switches.faults.iter_mut().find(|(of, _, times)| *of == verb && *times > 0) {
            spend(times);
            return Some(*fault);
        }
        if switches.habits.contains(&Habit::ClosesWatches) && matches!(verb, Verb::Watch | Verb::WatchList) {
            return Some(Fault::Cut { after: 0, how: Drop::Clean });
        }
        switches.slow_body.map(|delay| Fault::Slow { piece: 4096, delay })
    }

    pub(super) fn count_listed(&self, pods: usize) {
        self.listed_pods.fetch_add(pods, Ordering::SeqCst);
    }

    pub(super) fn shards(&self) -> Shards {
        match (self.has(Habit::RefusesShards), self.has(Habit::KnowsShards)) {
            (true, _) => Shards::Refused,
            (false, true) => Shards::Known,
            (false, false) => Shards::Unknown,
        }
    }

    pub(super) fn has(&self, habit: Habit) -> bool {
        self.lock().habits.contains(&habit)
    }

    pub(super) fn disturbances(&self) -> broadcast::Receiver<Disturbance> {
        self.disturbances.subscribe()
    }

    pub(super) fn watch_opened(&self) -> WatchOpen {
        self.open_watches.fetch_add(1, Ordering::SeqCst);
        WatchOpen(self.open_watches.clone())
    }

    fn set(&self, habit: Habit, on: bool) {
        let habits = &mut self.lock().habits;
        if on {
            habits.insert(habit)
        } else {
            habits.remove(&habit)
        };
    }

    fn lock(&self) -> MutexGuard<'_, Switches> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn remember<T>(arrivals: &mut VecDeque<T>, arrival: T) {
    if arrivals.len() == REMEMBERED {
        arrivals.pop_front();
    }
    arrivals.push_back(arrival);
}

fn spend(times: &mut u32) {
    if *times != u32::MAX {
        *times -= 1;
    }
}

/// Counts a watch as open while it is held.
pub(super) struct WatchOpen(Arc<AtomicUsize>);

impl std::ops::Drop for WatchOpen {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
