//! Holds what is known of a request under way, and how long its answer may take.

use std::time::Duration;

use super::Elapsed;

/// A server that has not begun to answer by then will not.
pub(super) const RESPONSE_START_TIMEOUT: Duration = Duration::from_secs(30);
/// For so long a list may stand still.
pub(super) const LIST_STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// For so long one page may take.
pub(super) const PAGE_TIMEOUT: Duration = Duration::from_secs(100);
/// For so long the initial events of a watch may take.
pub(super) const INITIAL_EVENTS_TIMEOUT: Duration = Duration::from_secs(600);
/// Maximum silence of a watch that sends bookmarks: they come every minute (cacher.go, bookmarkFrequency).
pub(super) const BOOKMARK_TIMEOUT: Duration = Duration::from_secs(90);
/// Maximum silence of a watch that has sent no bookmark yet, after which it is renewed from its position. An API server
/// without watch cache sends none, so silence alone is no fault; an unanswered renewal is.
pub(super) const QUIET_WATCH_LIMIT: Duration = Duration::from_secs(75);
/// Minimum life of a watch that ends without an event and is no fault: some proxies cut what is idle for a minute.
pub(super) const MIN_WATCH_LIFETIME: Duration = Duration::from_secs(30);
/// Maximum time without evidence that the view is current until a failure is reported, whatever is under way.
pub(super) const STALE_LIMIT: Duration = Duration::from_secs(110);
/// For so long one event may take to come: what follows it is as late, and nobody would know.
pub(super) const EVENT_TIMEOUT: Duration = Duration::from_secs(15);

/// A request under way.
#[derive(Debug)]
pub(super) struct RequestInFlight {
    pub(super) kind: RequestKind,
    pub(super) sent_at: Elapsed,
    /// When the answer began.
    pub(super) response_started_at: Option<Elapsed>,
    /// When something last came of it: an event, or a part of a page.
    pub(super) last_received_at: Elapsed,
    /// Since when there is a part of an event, and not the rest.
    pub(super) partial_event_since: Option<Elapsed>,
    /// Whether an event came.
    pub(super) has_event: bool,
    /// Whether the last one did not say where it is, so that nobody could go on from there.
    pub(super) lacks_version: bool,
    /// Until when events are such as were missed.
    pub(super) catching_up_until: Option<Elapsed>,
    /// The uid of the first pod of the page.
    pub(super) first_uid: Option<String>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    ListPage { first: bool },
    VersionCheck,
    WatchList,
    Watch,
}

impl RequestInFlight {
    /// A request that is sent now.
    pub(super) fn new(kind: RequestKind, now: Elapsed) -> Self {
        Self {
            kind,
            sent_at: now,
            response_started_at: None,
            last_received_at: now,
            partial_event_since: None,
            has_event: false,
            lacks_version: false,
            catching_up_until: None,
            first_uid: None,
        }
    }

    /// Whether it is a watch to which nothing happens.
    pub(super) fn is_idle_watch(&self) -> bool {
        self.kind == RequestKind::Watch && self.response_started_at.is_some() && self.partial_event_since.is_none()
    }

    /// Until when the answer must have gone on. `bookmarks` says whether the server is known to send them.
    pub(super) fn deadline(&self, bookmarks: bool) -> Elapsed {
        let whole = match (self.kind, self.response_started_at) {
            (_, None) => self.sent_at + RESPONSE_START_TIMEOUT,
            (RequestKind::ListPage { .. } | RequestKind::VersionCheck, Some(head)) => {
                (self.last_received_at + LIST_STALL_TIMEOUT).min(head + PAGE_TIMEOUT)
            }
            (RequestKind::WatchList, Some(head)) => {
                (self.last_received_at + LIST_STALL_TIMEOUT).min(head + INITIAL_EVENTS_TIMEOUT)
            }
            (RequestKind::Watch, Some(_)) => {
                self.last_received_at + if bookmarks { BOOKMARK_TIMEOUT } else { QUIET_WATCH_LIMIT }
            }
        };
        self.partial_event_since.map_or(whole, |since| whole.min(since + EVENT_TIMEOUT))
    }
}
