//! Misbehaves on demand, and counts requests.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, Uri, header},
    response::Response,
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;
use tokio::{sync::broadcast, time};

use super::{body::Problem, encoding::Encoding};

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

/// An answer that is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 410, as a Status object.
    Gone,
    /// 429 with Retry-After.
    TooManyRequests {
        /// What Retry-After says.
        retry_after_seconds: u32,
    },
    /// 500.
    InternalError,
}

/// How a watch is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    /// The connection breaks in the middle of the body.
    Abrupt,
    /// The body ends as it should, as at the end of timeoutSeconds.
    Clean,
}

/// Switches for misbehaviour, shared by all who hold a clone.
#[derive(Clone, Debug)]
pub struct Faults {
    switches: Arc<Mutex<Switches>>,
    disturbances: broadcast::Sender<Disturbance>,
    open_watches: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Switches {
    requests: Requests,
    refusals: Vec<(Verb, Refusal, u32)>,
    gone_watches: u32,
    habits: HashSet<Habit>,
    slow_body: Option<Duration>,
}

/// What the server does until it is switched off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Habit {
    RefusesWatchList,
    RefusesProtobuf,
    Swallows,
    ClosesWatches,
}

/// Something that happens to all open watches.
#[derive(Clone, Debug)]
pub(super) enum Disturbance {
    Drop(Drop),
    Gone,
    Event(String, Value),
    Bytes(Vec<u8>),
}

pub(super) enum Admission {
    Serve,
    Refuse(Refusal),
    Swallow,
}

impl Default for Faults {
    fn default() -> Self {
        Self { switches: Arc::default(), disturbances: broadcast::Sender::new(64), open_watches: Arc::default() }
    }
}

impl Faults {
    /// Returns how many requests there have been.
    pub fn requests(&self) -> Requests {
        self.lock().requests
    }

    /// Returns how many watches are open.
    pub fn open_watches(&self) -> usize {
        self.open_watches.load(Ordering::SeqCst)
    }

    /// Refuses the next `times` requests of a kind.
    pub fn refuse(&self, verb: Verb, refusal: Refusal, times: u32) {
        self.lock().refusals.push((verb, refusal, times));
    }

    /// Answers the next watch 410 Gone, however new its resourceVersion.
    pub fn gone_on_next_watch(&self) {
        self.lock().gone_watches += 1;
    }

    /// Answers `WatchList` 422 Invalid, as a server without the feature does.
    pub fn refuse_watch_list(&self, on: bool) {
        self.set(Habit::RefusesWatchList, on);
    }

    /// Knows no protobuf: answers JSON, or 406 Not Acceptable to a client that does not accept it.
    pub fn refuse_protobuf(&self, on: bool) {
        self.set(Habit::RefusesProtobuf, on);
    }

    /// Accepts requests and never answers them.
    pub fn black_hole(&self, on: bool) {
        self.set(Habit::Swallows, on);
    }

    /// Ends each new watch before its first event.
    pub fn close_watches_at_once(&self, on: bool) {
        self.set(Habit::ClosesWatches, on);
    }

    /// Waits this long before each piece of a body.
    pub fn slow_bodies(&self, delay: Option<Duration>) {
        self.lock().slow_body = delay;
    }

    /// Drops all open watches.
    pub fn drop_watches(&self, how: Drop) {
        self.disturb(Disturbance::Drop(how));
    }

    /// Sends 410 Gone as an ERROR event into all open watches, and ends them.
    pub fn gone_in_watches(&self) {
        self.disturb(Disturbance::Gone);
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

    pub(super) fn admit(&self, verb: Verb) -> Admission {
        let mut switches = self.lock();
        let requests = &mut switches.requests;
        *match verb {
            Verb::List => &mut requests.list,
            Verb::Continue => &mut requests.continues,
            Verb::Watch => &mut requests.watch,
            Verb::WatchList => &mut requests.watch_list,
            Verb::Other => &mut requests.other,
        } += 1;
        if switches.habits.contains(&Habit::Swallows) {
            return Admission::Swallow;
        }
        let refusal = switches.refusals.iter_mut().find(|(of, _, times)| *of == verb && *times > 0);
        refusal.map_or(Admission::Serve, |(_, refusal, times)| {
            *times -= 1;
            Admission::Refuse(*refusal)
        })
    }

    pub(super) fn take_gone(&self) -> bool {
        let mut switches = self.lock();
        let gone = switches.gone_watches > 0;
        switches.gone_watches = switches.gone_watches.saturating_sub(1);
        gone
    }

    pub(super) fn refuses_watch_list(&self) -> bool {
        self.has(Habit::RefusesWatchList)
    }

    pub(super) fn refuses_protobuf(&self) -> bool {
        self.has(Habit::RefusesProtobuf)
    }

    pub(super) fn closes_watches(&self) -> bool {
        self.has(Habit::ClosesWatches)
    }

    pub(super) fn slow_body(&self) -> Option<Duration> {
        self.lock().slow_body
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

    fn has(&self, habit: Habit) -> bool {
        self.lock().habits.contains(&habit)
    }

    fn lock(&self) -> MutexGuard<'_, Switches> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a watch as open while it is held.
pub(super) struct WatchOpen(Arc<AtomicUsize>);

impl std::ops::Drop for WatchOpen {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Refusal {
    pub(super) fn response(self, accepted: Option<Encoding>) -> Response {
        let problem = match self {
            Self::Unauthorized => Problem::new(401, "Unauthorized", "Unauthorized"),
            Self::Forbidden => {
                let message = "pods is forbidden: User \"system:serviceaccount:sim:exporter\" cannot list resource \"pods\" in API group \"\" at the cluster scope";
                Problem::new(403, "Forbidden", message)
            }
            Self::Gone => Problem::new(410, "Expired", "The resourceVersion for the provided list is too old."),
            Self::TooManyRequests { .. } => {
                Problem::new(429, "TooManyRequests", "too many requests, please try again later")
            }
            Self::InternalError => {
                Problem::new(500, "InternalError", "Internal error occurred: etcdserver: leader changed")
            }
        };
        let mut response = problem.response(accepted);
        if let Self::TooManyRequests { retry_after_seconds } = self {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds));
        }
        response
    }
}

/// Sends a body in pieces of 4 KiB, with a wait before each.
pub(super) fn slowly(response: Response, delay: Duration) -> Response {
    const PIECE: usize = 4096;
    let pieces = |bytes: Bytes| {
        stream::iter(bytes.chunks(PIECE).map(Bytes::copy_from_slice).map(Ok::<_, axum::Error>).collect::<Vec<_>>())
    };
    response.map(|body| {
        let body = body.into_data_stream().map_ok(pieces).try_flatten();
        Body::from_stream(body.then(move |piece| async move {
            time::sleep(delay).await;
            piece
        }))
    })
}
