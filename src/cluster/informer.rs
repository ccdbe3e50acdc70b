//! The informer's state machine: chooses the next request to the API server and interprets responses.
//!
//! Keeps the view of the objects of one scope current, as client-go's reflector does. Performs no I/O and reads no clock:
//! the caller passes the time, as [`Elapsed`], with every call. The driver ([`watcher`](super::watcher)) repeats
//! these steps:
//!
//! 1. [`next_request`] returns the request to send and the earliest time to send it. Report the outcome with
//!    `on_request_sent` and `on_response_started`.
//! 2. Pass what arrives to `on_list_item` and `on_page_end`, or to `on_watch_event` and `on_buffer_drained`.
//! 3. Report the end of the response with `on_response_end`. When [`deadline`] passes, call `on_deadline` and, if that
//!    returns false, end the response with [`ResponseEnd::TimedOut`].
//! 4. After each call, drain [`poll_event`].
//!
//! ```text
//!                   WatchList: existing objects as events, then a bookmark
//! NotListed ──┬──────────────────────────────────────────────┬──▶ Synced ──▶ WATCH: events and bookmarks
//!     ▲       └──▶ LIST page ──▶ … ──▶ LIST page ────────────┘    │  ▲         │    advance the resourceVersion
//!     │            if WatchList is unsupported or failed twice    │  └─ CHECK ◀┘    ended, broken or idle watch
//!     └───────────────────────────────────────────────────────────┘
//!       410 Gone, undecodable data, a silent watch, or a server behind the known resourceVersion
//! ```
//!
//! CHECK lists one object to read the server's current resourceVersion. A watch from a version that the server has not
//! reached would stay silent, for example after etcd was restored from a backup.
//!
//! Three invariants hold for any sequence of responses:
//!
//! - The view counts as current only while a watch keeps it current. [`InformerEvent::WatchFailed`] marks it stale; the next
//!   watch event or completed list ends that.
//! - A stale view is reported within [`in_flight::STALE_LIMIT`].
//! - Requests are rate limited, and delayed further after failures ([`backoff`]).
//!
//! [`next_request`]: Informer::next_request
//! [`deadline`]: Informer::deadline
//! [`poll_event`]: Informer::poll_event

mod backoff;
mod elapsed;
mod in_flight;
mod paged_list;
mod resource_version;
mod response_end;

use std::collections::VecDeque;
use std::time::Duration;

use backoff::Backoff;
pub(super) use elapsed::Elapsed;
use in_flight::{RequestInFlight, RequestKind, STALE_LIMIT};
use paged_list::PagedList;
use resource_version::ResourceVersion;

use super::codec::{ApiStatus, ObjectChange, PageMetadata, WatchEvent};
use super::event::{InformerEvent, WatchFailure};
use super::request::{ResourceRequest, ServerCapabilities};
use super::watched_object::WatchedObject;
use super::wire::UndecodableObject;
use crate::watch_restart_cause::WatchRestartCause;

/// Longest interruption of a watch after which the first events still count as observed when they happened.
const MAX_SHORT_GAP: Duration = Duration::from_secs(5);
/// Time after a long interruption during which watch events count as missed changes.
const CATCH_UP_DURATION: Duration = Duration::from_secs(2);
/// Minimum `timeoutSeconds` of a watch; up to as many seconds are added at random so that watches do not end together,
/// as in client-go (tools/cache/reflector.go, minWatchTimeout).
const MIN_WATCH_SECONDS: u32 = 300;
/// Pods per page of a list. A page is held in memory.
const PAGE_SIZE: u32 = 100;
/// Maximum page size. The page size doubles when a continue token expires before the list is complete.
const MAX_PAGE_SIZE: u32 = 20 * PAGE_SIZE;
/// Consecutive failures after which the informer falls back to another kind of request or encoding.
const MAX_CONSECUTIVE_FAILURES: u32 = 2;

/// The end of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ResponseEnd {
    /// The body is complete.
    Complete,
    /// The connection could not be established, or broke.
    ConnectionError(String),
    /// No credentials could be obtained.
    CredentialsError(String),
    /// The server responded with an HTTP error status.
    ErrorStatus(ApiStatus),
    /// The body could not be decoded.
    Undecodable(String),
    /// A page exceeded the size limit.
    PageTooLarge,
    /// The [deadline](Informer::deadline) passed.
    TimedOut,
}

/// The state machine of one scope. See the [module documentation](self).
#[derive(Debug)]
pub(super) struct Informer<O> {
    progress: Progress,
    /// The request in flight.
    in_flight: Option<RequestInFlight>,
    /// Whether the next request continues a successful response, so that it is sent without delay.
    is_continuation: bool,
    backoff: Backoff,
    watch_list: WatchListSupport,
    page_size: u32,
    capabilities: ServerCapabilities,
    /// When the view was last current; `None` before the first list.
    synced_at: Option<Elapsed>,
    /// When the view was last current, or last reported as stale.
    stale_since: Elapsed,
    /// Whether the server has sent a bookmark since the last complete list. Then it sends one each minute.
    has_bookmarks: bool,
    /// Whether the server is known to have reached the synced resourceVersion since the last watch ended.
    is_version_checked: bool,
    events: VecDeque<InformerEvent<O>>,
}

/// The progress of the initial list.
#[derive(Debug)]
enum Progress {
    /// Nothing usable: the next request lists all objects.
    NotListed,
    /// Some pages of a list have been received.
    Listing(PagedList),
    /// Everything up to this resourceVersion is known.
    Synced(ResourceVersion),
}

/// The support of the server for an initial list as watch events (`sendInitialEvents`, KEP-3157).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WatchListSupport {
    /// Not known to be unsupported. Counts consecutive failures.
    Usable { failures: u32 },
    /// The server rejected such a request.
    Unsupported,
}

impl<O: WatchedObject> Informer<O> {
    /// Creates an informer. `seed` seeds the jitter of its delays.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            progress: Progress::NotListed,
            in_flight: None,
            is_continuation: false,
            backoff: Backoff::new(seed),
            watch_list: WatchListSupport::Usable { failures: 0 },
            page_size: PAGE_SIZE,
            capabilities: ServerCapabilities { protobuf: true, server_sharding: false },
            synced_at: None,
            stale_since: Elapsed::ZERO,
            has_bookmarks: false,
            is_version_checked: false,
            events: VecDeque::new(),
        }
    }

    /// Creates an informer that lists in pages and never requests a WatchList.
    pub(super) fn with_paged_list(seed: u64) -> Self {
        Self { watch_list: WatchListSupport::Unsupported, ..Self::new(seed) }
    }

    /// Sends the shard selector with every request until the server rejects it.
    pub(super) fn with_server_sharding(mut self) -> Self {
        self.capabilities.server_sharding = true;
        self
    }

    /// Returns the next event. Call it after every other method until it returns `None`.
    #[must_use]
    pub(super) fn poll_event(&mut self) -> Option<InformerEvent<O>> {
        self.events.pop_front()
    }

    /// Returns the next request and the earliest time to send it. Call it only when no request is in flight.
    #[must_use]
    pub(super) fn next_request(&self) -> (Elapsed, ResourceRequest) {
        let at = if self.is_continuation { Elapsed::ZERO } else { self.backoff.next_request_at() };
        let request = match &self.progress {
            Progress::NotListed => match self.watch_list {
                WatchListSupport::Usable { failures: failed } if failed < MAX_CONSECUTIVE_FAILURES => {
                    ResourceRequest::WatchList
                }
                WatchListSupport::Usable { .. } | WatchListSupport::Unsupported => {
                    ResourceRequest::List { limit: self.page_size, continue_token: String::new() }
                }
            },
            Progress::Listing(listing) => {
                ResourceRequest::List { limit: self.page_size, continue_token: listing.continue_token.clone() }
            }
            // A watch from a version that the server has not reached stays silent.
            Progress::Synced(_) if !self.is_version_checked => ResourceRequest::VersionCheck,
            Progress::Synced(version) => ResourceRequest::Watch { resource_version: version.to_string() },
        };
        (at, request)
    }

    /// Returns what the server is known to support.
    pub(super) fn capabilities(&self) -> ServerCapabilities {
        self.capabilities
    }

    /// Returns the `timeoutSeconds` of the next watch: random, between 300 and 600.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 300 and 600")]
    pub(super) fn watch_timeout_seconds(&mut self) -> u32 {
        MIN_WATCH_SECONDS + (f64::from(MIN_WATCH_SECONDS) * self.backoff.random_fraction()) as u32
    }

    /// Records that the request of [`next_request`](Self::next_request) was sent.
    pub(super) fn on_request_sent(&mut self, request: &ResourceRequest, now: Elapsed) {
        let kind = match request {
            ResourceRequest::WatchList => RequestKind::WatchList,
            ResourceRequest::List { continue_token: token, .. } => RequestKind::ListPage { first: token.is_empty() },
            ResourceRequest::VersionCheck => RequestKind::VersionCheck,
            ResourceRequest::Watch { .. } => RequestKind::Watch,
        };
        if now >= self.stale_since + STALE_LIMIT {
            self.report_stale(now);
        }
        self.backoff.record_request(now);
        self.is_continuation = false;
        self.in_flight = Some(RequestInFlight::new(kind, now));
    }

    /// Returns when to call [`on_deadline`](Self::on_deadline); `None` when no request is in flight.
    #[must_use]
    pub(super) fn deadline(&self) -> Option<Elapsed> {
        let in_flight = self.in_flight.as_ref()?;
        Some(in_flight.deadline(self.has_bookmarks).min(self.stale_since + STALE_LIMIT))
    }

    /// Handles a passed deadline. Returns true if only the view was stale for too long, which it reports: keep reading
    /// the response. Returns false if the request has timed out.
    pub(super) fn on_deadline(&mut self, now: Elapsed) -> bool {
        let goes_on = self.in_flight.as_ref().is_some_and(|in_flight| in_flight.deadline(self.has_bookmarks) > now);
        if goes_on {
            self.report_stale(now);
        }
        goes_on
    }

    /// Records that a response with a success status started.
    pub(super) fn on_response_started(&mut self, now: Elapsed) {
        let Some(in_flight) = &mut self.in_flight else { return };
        in_flight.response_started_at = Some(now);
        in_flight.last_received_at = now;
        match in_flight.kind {
            RequestKind::ListPage { first: false } | RequestKind::VersionCheck => {}
            RequestKind::ListPage { first: true } | RequestKind::WatchList => {
                self.events.push_back(InformerEvent::ListStarted);
            }
            RequestKind::Watch => {
                let gap = self.synced_at.map_or(Duration::ZERO, |at| now.saturating_sub(at));
                self.synced_at = Some(now);
                self.stale_since = now;
                if gap > MAX_SHORT_GAP {
                    in_flight.catching_up_until = Some(now + CATCH_UP_DURATION);
                    self.events.push_back(InformerEvent::ResumedAfterGap);
                } else {
                    self.events.push_back(InformerEvent::Synced);
                }
            }
        }
    }

    /// Records that the process was not running for a while, as after SIGSTOP or where it gets no processor: what the
    /// open watch received meanwhile is still to be read.
    pub(super) fn on_process_stalled(&mut self, now: Elapsed) {
        if let Some(in_flight) = &mut self.in_flight
            && in_flight.kind == RequestKind::Watch
            && in_flight.response_started_at.is_some()
        {
            in_flight.catching_up_until = Some(now + CATCH_UP_DURATION);
            self.events.push_back(InformerEvent::ResumedAfterGap);
        }
    }

    /// Records that bytes of a page were received.
    pub(super) fn on_page_bytes(&mut self, now: Elapsed) {
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.last_received_at = now;
        }
    }

    /// Records that the receive buffer was drained, and whether it ends in an incomplete event.
    pub(super) fn on_buffer_drained(&mut self, part: bool, now: Elapsed) {
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.partial_event_since =
                in_flight.partial_event_since.filter(|_| part).or_else(|| part.then_some(now));
        }
    }

    /// Takes an object of a page.
    pub(super) fn on_list_item(&mut self, object: Result<O, UndecodableObject>) {
        let Some(in_flight) = self.in_flight.as_mut().filter(|in_flight| in_flight.kind != RequestKind::VersionCheck)
        else {
            return;
        };
        if let (None, Ok(object)) = (&in_flight.first_uid, &object) {
            in_flight.first_uid = Some(object.uid().to_owned());
        }
        self.events.push_back(object.map_or_else(InformerEvent::Undecodable, InformerEvent::Listed));
    }

    /// Handles the end of a page, after its items.
    pub(super) fn on_page_end(&mut self, page: PageMetadata, now: Elapsed) {
        let Some(in_flight) = self.in_flight.take() else { return };
        if in_flight.kind == RequestKind::VersionCheck {
            self.is_version_checked = self.verify_not_behind(&ResourceVersion::from(page.resource_version), now);
        } else if !page.continue_token.is_empty() {
            let before = match std::mem::replace(&mut self.progress, Progress::NotListed) {
                Progress::Listing(listing) => Some(listing),
                Progress::NotListed | Progress::Synced(_) => None,
            };
            let Some(listing) = PagedList::after_page(before, in_flight.first_uid, page.continue_token) else {
                self.fail(
                    WatchRestartCause::Decode,
                    "the API server repeats the pages of a list".to_owned(),
                    None,
                    now,
                );
                return;
            };
            // A server could send empty pages forever.
            self.is_continuation = page.item_count > 0 && listing.continues_immediately();
            self.progress = Progress::Listing(listing);
        } else if page.resource_version.is_empty() {
            self.fail(
                WatchRestartCause::Decode,
                "the API server sent a list without resourceVersion".to_owned(),
                None,
                now,
            );
            self.progress = Progress::NotListed;
        } else {
            // The next full list tries a WatchList once more.
            if let WatchListSupport::Usable { failures: failed } = &mut self.watch_list {
                *failed = (*failed).min(MAX_CONSECUTIVE_FAILURES - 1);
            }
            self.finish_list(page.resource_version, now);
            self.is_continuation = true;
        }
    }

    /// Handles a watch event. Returns false if the response is of no further use: drop the connection.
    pub(super) fn on_watch_event(&mut self, event: WatchEvent<O>, now: Elapsed) -> bool {
        let Some(in_flight) = &mut self.in_flight else { return false };
        in_flight.last_received_at = now;
        in_flight.has_event = true;
        in_flight.partial_event_since = None;
        let is_initial = in_flight.kind == RequestKind::WatchList;
        if !is_initial {
            self.stale_since = now;
        }
        match event {
            WatchEvent::Object { change: ObjectChange::Deleted, object: Err(problem), .. } => {
                self.events.push_back(InformerEvent::UndecodableDeletion(problem));
                true
            }
            WatchEvent::Object { object: Err(problem), .. } | WatchEvent::Malformed(problem) => {
                self.events.push_back(InformerEvent::Undecodable(problem));
                true
            }
            WatchEvent::Object { change: ObjectChange::Added | ObjectChange::Modified, object: Ok(object), .. }
                if is_initial =>
            {
                self.events.push_back(InformerEvent::Listed(object));
                true
            }
            WatchEvent::Object { change: ObjectChange::Deleted, object: Ok(object), .. } if is_initial => {
                self.events.push_back(InformerEvent::Deleted(object));
                true
            }
            WatchEvent::Object { change, version, object: Ok(object) } => {
                if in_flight.catching_up_until.take_if(|until| now >= *until).is_some() {
                    self.events.push_back(InformerEvent::Synced);
                }
                if !self.advance_to(version, now) {
                    return false;
                }
                self.events.push_back(match change {
                    ObjectChange::Deleted => InformerEvent::Deleted(object),
                    ObjectChange::Added | ObjectChange::Modified => InformerEvent::Applied(object),
                });
                true
            }
            WatchEvent::Bookmark { version, ends_list: true } if is_initial => {
                in_flight.kind = RequestKind::Watch;
                self.watch_list = WatchListSupport::Usable { failures: 0 };
                self.finish_list(version, now);
                true
            }
            WatchEvent::Bookmark { .. } if is_initial => true,
            WatchEvent::Bookmark { version, .. } => {
                in_flight.catching_up_until = None;
                self.has_bookmarks = true;
                let moved = self.advance_to(version, now);
                if moved {
                    self.events.push_back(InformerEvent::Synced);
                }
                moved
            }
            WatchEvent::Error(status) => {
                self.on_error_status(&status, "the API server ended the watch", now);
                false
            }
        }
    }

    /// Advances the known resourceVersion. Returns false after a failure: the server is behind it.
    fn advance_to(&mut self, version: String, now: Elapsed) -> bool {
        if let Some(in_flight) = &mut self.in_flight {
            in_flight.lacks_version = version.is_empty();
        }
        // Objects without a resourceVersion are not stored in etcd.
        if version.is_empty() {
            return true;
        }
        let version = ResourceVersion::from(version);
        if !self.verify_not_behind(&version, now) {
            return false;
        }
        self.progress = Progress::Synced(version);
        self.synced_at = Some(now);
        self.backoff.reset();
        true
    }

    /// Checks that the server, which is at `version`, is not behind the known resourceVersion. Otherwise fails the
    /// request, requires a new list and returns false.
    fn verify_not_behind(&mut self, version: &ResourceVersion, now: Elapsed) -> bool {
        let known = match &self.progress {
            Progress::Synced(known) if version.is_before(known) => known,
            Progress::Synced(_) | Progress::Listing(_) | Progress::NotListed => return true,
        };
        let error = format!("the API server's resourceVersion went back from {known} to {version}");
        self.fail(WatchRestartCause::Rewound, error, None, now);
        self.progress = Progress::NotListed;
        false
    }

    /// Completes a list of all objects.
    fn finish_list(&mut self, version: String, now: Elapsed) {
        self.progress = Progress::Synced(ResourceVersion::from(version));
        self.synced_at = Some(now);
        self.stale_since = now;
        self.has_bookmarks = false;
        self.is_version_checked = true;
        self.events.push_back(InformerEvent::ListCompleted);
    }

    /// Clears the request in flight and returns it. Requires a new list if the last event had no resourceVersion.
    fn finish_request(&mut self) -> Option<RequestInFlight> {
        let in_flight = self.in_flight.take()?;
        self.is_version_checked = false;
        if in_flight.lacks_version {
            self.progress = Progress::NotListed;
        }
        Some(in_flight)
    }

    /// Ends a watch without failure. The next one resumes from the known resourceVersion.
    fn end_watch(&mut self) {
        self.finish_request();
        self.events.push_back(InformerEvent::WatchEnded);
    }

    /// Reports that the view has been stale for too long although no request failed.
    fn report_stale(&mut self, now: Elapsed) {
        let error =
            format!("the view of the {} has been incomplete or stale for {} s", O::RESOURCE, STALE_LIMIT.as_secs());
        self.report_failure(WatchRestartCause::Timeout, error, now);
    }

    /// Emits a failure.
    fn report_failure(&mut self, cause: WatchRestartCause, error: String, now: Elapsed) {
        self.stale_since = now;
        self.events.push_back(InformerEvent::WatchFailed(WatchFailure { cause, error }));
    }

    /// Ends the request in flight with a failure and schedules the next one. `retry_after` is the delay that the server
    /// requested.
    fn fail(&mut self, cause: WatchRestartCause, error: String, retry_after: Option<Duration>, now: Elapsed) {
        // An unreachable server does not count against WatchList requests.
        let is_to_blame = |in_flight: &RequestInFlight| {
            in_flight.response_started_at.is_some()
                || matches!(
                    cause,
                    WatchRestartCause::Timeout | WatchRestartCause::ServerError | WatchRestartCause::Other
                )
        };
        if self
            .finish_request()
            .is_some_and(|in_flight| in_flight.kind == RequestKind::WatchList && is_to_blame(&in_flight))
            && let WatchListSupport::Usable { failures: failed } = &mut self.watch_list
        {
            *failed = failed.saturating_add(1);
        }
        self.backoff.record_failure(cause, retry_after, now);
        self.report_failure(cause, error, now);
    }
}

#[cfg(test)]
mod tests;
