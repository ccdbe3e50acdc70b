//! The state of the request in flight, and its timeouts.

use std::time::Duration;

use super::elapsed::Elapsed;

/// Maximum time from the request to the response headers.
pub(super) const RESPONSE_START_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum time without data in a list.
pub(super) const LIST_STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum time from response headers to the end of a page.
pub(super) const PAGE_TIMEOUT: Duration = Duration::from_secs(100);
/// Maximum time from response headers to the end of the initial events of a WatchList.
pub(super) const INITIAL_EVENTS_TIMEOUT: Duration = Duration::from_secs(600);
/// Maximum time without data in a watch that sends bookmarks, which come each minute (cacher.go, bookmarkFrequency).
pub(super) const BOOKMARK_TIMEOUT: Duration = Duration::from_secs(90);
/// Maximum time without data in a watch that has sent no bookmark yet. It is then renewed from its resourceVersion: an
/// API server without watch cache sends no bookmarks, so silence is not a failure.
pub(super) const QUIET_WATCH_LIMIT: Duration = Duration::from_secs(75);
/// Minimum duration of a watch that may end without an event and without failure: some proxies close connections that
/// are idle for a minute.
pub(super) const MIN_WATCH_LIFETIME: Duration = Duration::from_secs(30);
/// Maximum time that the view may be stale without a reported failure.
pub(super) const STALE_LIMIT: Duration = Duration::from_secs(110);
/// Maximum time from the first to the last byte of one watch event. A slow event delays all events behind it.
pub(super) const EVENT_TIMEOUT: Duration = Duration::from_secs(15);

/// A request in flight.
#[derive(Debug)]
pub(super) struct RequestInFlight {
    pub(super) kind: RequestKind,
    pub(super) sent_at: Elapsed,
    /// When the response headers arrived.
    pub(super) response_started_at: Option<Elapsed>,
    /// When data was last received: an event, or a part of a page.
    pub(super) last_received_at: Elapsed,
    /// When the first bytes of a still incomplete event arrived.
    pub(super) partial_event_since: Option<Elapsed>,
    /// Whether an event was received.
    pub(super) has_event: bool,
    /// Whether the last event had no resourceVersion, so that a watch cannot resume after it.
    pub(super) lacks_version: bool,
    /// Until when events count as changes missed during an interruption.
    pub(super) catching_up_until: Option<Elapsed>,
    /// The uid of the first object of the page.
    pub(super) first_uid: Option<String>,
}

/// The kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestKind {
    ListPage { first: bool },
    VersionCheck,
    WatchList,
    Watch,
}

impl RequestInFlight {
    /// Creates the state of a request that is sent at `now`.
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

    /// Returns whether this is an open watch without an incomplete event.
    pub(super) fn is_idle_watch(&self) -> bool {
        self.kind == RequestKind::Watch && self.response_started_at.is_some() && self.partial_event_since.is_none()
    }

    /// Returns when the request times out unless more data arrives. `bookmarks` is whether the server is known to send
    /// them.
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
