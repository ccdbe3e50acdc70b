//! Decides what to ask the API server for, and what its answers mean: the state machine of the informer.
//!
//! It does no IO and reads no clock: [`Moment`]s come in with everything that happens. Its driver asks [`next`] what to
//! send and when, tells it what comes back, and gives up on an answer at its [`deadline`]. What the cluster tells by
//! that comes out of [`event`].
//!
//! ```text
//!            WatchList (what is there, as events, then a bookmark)      broken twice or not known: LIST
//!  Blank ──▶ LIST page ──▶ … ──▶ LIST page ──▶ Current ──▶ WATCH ──▶ events and bookmarks move the position on
//!    ▲                                            │  ▲                 │
//!    │  410, missing bookmarks, garbage, a server │  └─ CHECK ◀── a closed, broken or quiet connection: from the same
//!    └──── that went back, or no way to watch ────┘               position, unless the server is behind it
//! ```
//!
//! Whatever breaks, three things hold: the view is never taken for current while nobody keeps it up ([`PodEvent::Failed`]
//! goes out, and the next event or list ends that); that is reported within [`flight::BLIND_LIMIT`]; and
//! requests are paced ([`pace`]).
//!
//! [`next`]: Informer::next
//! [`deadline`]: Informer::deadline
//! [`event`]: Informer::event

mod backoff;
mod in_flight;
mod paged_list;
mod resource_version;
mod response_end;

use std::collections::VecDeque;
use std::time::Duration;

use backoff::Backoff;
use in_flight::{RequestInFlight, RequestKind, STALE_LIMIT};
use paged_list::PagedList;
use resource_version::ResourceVersion;

use super::codec::{ApiStatus, PageMetadata, PodChange, WatchEvent};
use super::pod_object::PodObject;
use super::request::{PodRequest, ServerCapabilities};
use super::wire::UndecodableObject;
use super::{PodEvent, WatchFailure, WatchRestartCause};

/// The time since the informer was made.
pub(super) type Elapsed = Duration;

/// After the watch was interrupted for longer than this, nobody can say when its first events happened.
const MAX_SHORT_GAP: Duration = Duration::from_secs(5);
/// What was missed comes within so long.
const CATCH_UP_DURATION: Duration = Duration::from_secs(2);
/// The server ends a watch after so many seconds, and up to as many more, so that not all watches end at once; as
/// client-go does it (tools/cache/reflector.go, minWatchTimeout).
const MIN_WATCH_SECONDS: u32 = 300;
/// Pods in a page of a list: a page is held in memory.
const PAGE_SIZE: u32 = 100;
/// A list that takes longer than the server remembers is tried with larger pages, up to this.
const MAX_PAGE_SIZE: u32 = 20 * PAGE_SIZE;
/// So often one way of asking may fail before another is tried.
const MAX_CONSECUTIVE_FAILURES: u32 = 2;

/// How an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ResponseEnd {
    /// As it should.
    Complete,
    /// The connection could not be made, or broke.
    ConnectionError(String),
    /// The credentials could not be had.
    CredentialsError(String),
    /// With an HTTP status that says no.
    ErrorStatus(ApiStatus),
    /// With something that cannot be read.
    Undecodable(String),
    /// A page was larger than may be held.
    PageTooLarge,
    /// Not at all: the [deadline](Informer::deadline) has passed.
    TimedOut,
}

/// The state machine.
#[derive(Debug)]
pub(super) struct Informer {
    progress: Progress,
    /// The request under way.
    in_flight: Option<RequestInFlight>,
    /// Whether what is asked next continues what just went well.
    is_continuation: bool,
    backoff: Backoff,
    watch_list: WatchListSupport,
    page_size: u32,
    capabilities: ServerCapabilities,
    /// When the watch was last known to be kept up.
    synced_at: Option<Elapsed>,
    /// When the view was last known to be current, or last reported not to be.
    stale_since: Elapsed,
    /// Whether the server has sent a bookmark since the last complete list, so that it will send more.
    has_bookmarks: bool,
    /// Whether the server has been found not to be behind the position, since the last watch ended.
    is_version_checked: bool,
    events: VecDeque<PodEvent>,
}

/// What is known of the cluster.
#[derive(Debug)]
enum Progress {
    /// Nothing, or nothing that could be kept up.
    NotListed,
    /// Some pages of a list.
    Listing(PagedList),
    /// Everything up to this.
    Synced(ResourceVersion),
}

/// Whether a watch can begin with what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WatchListSupport {
    /// It failed so often since it last went well.
    Usable { failures: u32 },
    /// The server does not know it.
    Unsupported,
}

impl Informer {
    /// An informer that knows nothing yet; `seed` is what its pauses are drawn from.
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

    /// An informer that begins with a list in pages.
    pub(super) fn with_paged_list(seed: u64) -> Self {
        Self { watch_list: WatchListSupport::Unsupported, ..Self::new(seed) }
    }

    /// The same, asking for a shard only, until the server refuses.
    pub(super) fn with_server_sharding(mut self) -> Self {
        self.capabilities.server_sharding = true;
        self
    }

    /// Returns what the cluster has told; call it after everything else, until it returns `None`.
    #[must_use]
    pub(super) fn poll_event(&mut self) -> Option<PodEvent> {
        self.events.pop_front()
    }

    /// Returns what to ask and not before when; there must be no request under way.
    #[must_use]
    pub(super) fn next_request(&self) -> (Elapsed, PodRequest) {
        let at = if self.is_continuation { Elapsed::ZERO } else { self.backoff.next_request_at() };
        let ask = match &self.progress {
            Progress::NotListed => match self.watch_list {
                WatchListSupport::Usable { failures: failed } if failed < MAX_CONSECUTIVE_FAILURES => {
                    PodRequest::WatchList
                }
                WatchListSupport::Usable { .. } | WatchListSupport::Unsupported => {
                    PodRequest::List { limit: self.page_size, continue_token: String::new() }
                }
            },
            Progress::Listing(listing) => {
                PodRequest::List { limit: self.page_size, continue_token: listing.continue_token.clone() }
            }
            // A watch from a version that the server has yet to reach says nothing until then.
            Progress::Synced(_) if !self.is_version_checked => PodRequest::VersionCheck,
            Progress::Synced(version) => PodRequest::Watch { resource_version: version.to_string() },
        };
        (at, ask)
    }

    /// In which words to ask.
    pub(super) fn capabilities(&self) -> ServerCapabilities {
        self.capabilities
    }

    /// After how many seconds the server is to end the next watch.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 300 and 600")]
    pub(super) fn watch_timeout_seconds(&mut self) -> u32 {
        MIN_WATCH_SECONDS + (f64::from(MIN_WATCH_SECONDS) * self.backoff.random_fraction()) as u32
    }

    /// Notes that the request of [`next`](Self::next) was sent.
    pub(super) fn on_request_sent(&mut self, ask: &PodRequest, now: Elapsed) {
        let kind = match ask {
            PodRequest::WatchList => RequestKind::WatchList,
            PodRequest::List { continue_token: token, .. } => RequestKind::ListPage { first: token.is_empty() },
            PodRequest::VersionCheck => RequestKind::VersionCheck,
            PodRequest::Watch { .. } => RequestKind::Watch,
        };
        if now >= self.stale_since + STALE_LIMIT {
            self.report_stale(now);
        }
        self.backoff.record_request(now);
        self.is_continuation = false;
        self.in_flight = Some(RequestInFlight::new(kind, now));
    }

    /// Until when the answer must have gone on; `None` when nothing is under way.
    #[must_use]
    pub(super) fn deadline(&self) -> Option<Elapsed> {
        let flight = self.in_flight.as_ref()?;
        Some(flight.deadline(self.has_bookmarks).min(self.stale_since + STALE_LIMIT))
    }

    /// Takes the news that the deadline has passed. Returns whether the answer is to be waited for all the same: it goes
    /// on, and all that is wrong is that the view has been out of date for so long, which is reported.
    pub(super) fn on_deadline(&mut self, now: Elapsed) -> bool {
        let goes_on = self.in_flight.as_ref().is_some_and(|flight| flight.deadline(self.has_bookmarks) > now);
        if goes_on {
            self.report_stale(now);
        }
        goes_on
    }

    /// Takes the beginning of an answer that says yes.
    pub(super) fn on_response_started(&mut self, now: Elapsed) {
        let Some(flight) = &mut self.in_flight else { return };
        flight.response_started_at = Some(now);
        flight.last_received_at = now;
        match flight.kind {
            RequestKind::ListPage { first: false } | RequestKind::VersionCheck => {}
            RequestKind::ListPage { first: true } | RequestKind::WatchList => {
                self.events.push_back(PodEvent::ListStarted)
            }
            RequestKind::Watch => {
                let gap = self.synced_at.map_or(Duration::ZERO, |at| now.saturating_sub(at));
                self.synced_at = Some(now);
                self.stale_since = now;
                if gap > MAX_SHORT_GAP {
                    flight.catching_up_until = Some(now + CATCH_UP_DURATION);
                    self.events.push_back(PodEvent::ResumedAfterGap);
                } else {
                    self.events.push_back(PodEvent::Synced);
                }
            }
        }
    }

    /// Records that the process was not running for a while, as after SIGSTOP or where it gets no processor: what the
    /// open watch received meanwhile is still to be read.
    pub(super) fn on_process_stalled(&mut self, now: Elapsed) {
        if let Some(flight) = &mut self.in_flight
            && flight.kind == RequestKind::Watch
            && flight.response_started_at.is_some()
        {
            flight.catching_up_until = Some(now + CATCH_UP_DURATION);
            self.events.push_back(PodEvent::ResumedAfterGap);
        }
    }

    /// Takes the news that a part of a page came.
    pub(super) fn on_page_bytes(&mut self, now: Elapsed) {
        if let Some(flight) = &mut self.in_flight {
            flight.last_received_at = now;
        }
    }

    /// Takes the news that everything of a watch that came was taken: whether a part of an event is left over.
    pub(super) fn on_buffer_drained(&mut self, part: bool, now: Elapsed) {
        if let Some(flight) = &mut self.in_flight {
            flight.partial_event_since = flight.partial_event_since.filter(|_| part).or_else(|| part.then_some(now));
        }
    }

    /// Takes a pod of a page.
    pub(super) fn on_list_item(&mut self, pod: Result<PodObject, UndecodableObject>) {
        let Some(flight) = self.in_flight.as_mut().filter(|flight| flight.kind != RequestKind::VersionCheck) else {
            return;
        };
        if let (None, Ok(pod)) = (&flight.first_uid, &pod) {
            flight.first_uid = Some(pod.id().uid.clone());
        }
        self.events.push_back(pod.map_or_else(PodEvent::Undecodable, PodEvent::Listed));
    }

    /// Takes the end of a page, after its pods.
    pub(super) fn on_page_end(&mut self, page: PageMetadata, now: Elapsed) {
        let Some(flight) = self.in_flight.take() else { return };
        if flight.kind == RequestKind::VersionCheck {
            self.is_version_checked = self.verify_not_behind(&ResourceVersion::from(page.resource_version), now);
        } else if !page.continue_token.is_empty() {
            let before = match std::mem::replace(&mut self.progress, Progress::NotListed) {
                Progress::Listing(listing) => Some(listing),
                Progress::NotListed | Progress::Synced(_) => None,
            };
            let Some(listing) = PagedList::after_page(before, flight.first_uid, page.continue_token) else {
                self.fail(
                    WatchRestartCause::Decode,
                    "the API server repeats the pages of a list".to_owned(),
                    None,
                    now,
                );
                return;
            };
            // A server could go on for ever with empty pages.
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
            // The next time there is something to be listed, the better way gets a chance.
            if let WatchListSupport::Usable { failures: failed } = &mut self.watch_list {
                *failed = (*failed).min(MAX_CONSECUTIVE_FAILURES - 1);
            }
            self.finish_list(page.resource_version, now);
            self.is_continuation = true;
        }
    }

    /// Takes an event of a watch. Where it returns false, nothing that follows it is of use: drop the connection.
    pub(super) fn on_watch_event(&mut self, word: WatchEvent, now: Elapsed) -> bool {
        let Some(flight) = &mut self.in_flight else { return false };
        flight.last_received_at = now;
        flight.has_event = true;
        flight.partial_event_since = None;
        let is_initial = flight.kind == RequestKind::WatchList;
        if !is_initial {
            self.stale_since = now;
        }
        match word {
            WatchEvent::Pod { change: PodChange::Deleted, pod: Err(problem), .. } => {
                self.events.push_back(PodEvent::UndecodableDeletion(problem));
                true
            }
            WatchEvent::Pod { pod: Err(problem), .. } | WatchEvent::Malformed(problem) => {
                self.events.push_back(PodEvent::Undecodable(problem));
                true
            }
            WatchEvent::Pod { change: PodChange::Added | PodChange::Modified, pod: Ok(pod), .. } if is_initial => {
                self.events.push_back(PodEvent::Listed(pod));
                true
            }
            WatchEvent::Pod { change: PodChange::Deleted, pod: Ok(pod), .. } if is_initial => {
                self.events.push_back(PodEvent::Deleted(pod));
                true
            }
            WatchEvent::Pod { change, version, pod: Ok(pod) } => {
                if flight.catching_up_until.take_if(|until| now >= *until).is_some() {
                    self.events.push_back(PodEvent::Synced);
                }
                if !self.advance_to(version, now) {
                    return false;
                }
                self.events.push_back(match change {
                    PodChange::Deleted => PodEvent::Deleted(pod),
                    PodChange::Added | PodChange::Modified => PodEvent::Applied(pod),
                });
                true
            }
            WatchEvent::Bookmark { version, ends_list: true } if is_initial => {
                flight.kind = RequestKind::Watch;
                self.watch_list = WatchListSupport::Usable { failures: 0 };
                self.finish_list(version, now);
                true
            }
            WatchEvent::Bookmark { .. } if is_initial => true,
            WatchEvent::Bookmark { version, .. } => {
                flight.catching_up_until = None;
                self.has_bookmarks = true;
                let moved = self.advance_to(version, now);
                if moved {
                    self.events.push_back(PodEvent::Synced);
                }
                moved
            }
            WatchEvent::Error(status) => {
                self.on_error_status(&status, "the API server ended the watch", now);
                false
            }
        }
    }

    /// Moves the position on. Where the server is behind it, begins anew and returns false.
    fn advance_to(&mut self, version: String, now: Elapsed) -> bool {
        if let Some(flight) = &mut self.in_flight {
            flight.lacks_version = version.is_empty();
        }
        // An object without one is none that etcd holds.
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

    /// Whether a server that is at `version` has reached the position. Begins anew where it has not.
    fn verify_not_behind(&mut self, version: &ResourceVersion, now: Elapsed) -> bool {
        let known = match &self.progress {
            Progress::Synced(known) if version.is_before(known) => known,
            Progress::Synced(_) | Progress::Listing(_) | Progress::NotListed => return true,
        };
        let error = format!("the API server went back from resourceVersion {known} to {version}");
        self.fail(WatchRestartCause::Rewound, error, None, now);
        self.progress = Progress::NotListed;
        false
    }

    /// Takes the end of a list of everything.
    fn finish_list(&mut self, version: String, now: Elapsed) {
        self.progress = Progress::Synced(ResourceVersion::from(version));
        self.synced_at = Some(now);
        self.stale_since = now;
        self.has_bookmarks = false;
        self.is_version_checked = true;
        self.events.push_back(PodEvent::ListCompleted);
    }

    /// Ends what is under way, and returns it.
    fn finish_request(&mut self) -> Option<RequestInFlight> {
        let flight = self.in_flight.take()?;
        self.is_version_checked = false;
        if flight.lacks_version {
            self.progress = Progress::NotListed;
        }
        Some(flight)
    }

    /// Ends a watch that nothing is wrong with, to be resumed from its position.
    fn end_watch(&mut self) {
        self.finish_request();
        self.events.push_back(PodEvent::WatchEnded);
    }

    /// Reports that the view has been out of date for too long, though nothing has failed.
    fn report_stale(&mut self, now: Elapsed) {
        let error = format!("the view of the pods has not been complete and current for {} s", STALE_LIMIT.as_secs());
        self.report_failure(WatchRestartCause::Timeout, error, now);
    }

    /// Reports a failure.
    fn report_failure(&mut self, cause: WatchRestartCause, error: String, now: Elapsed) {
        self.stale_since = now;
        self.events.push_back(PodEvent::WatchFailed(WatchFailure { cause, error }));
    }

    /// Takes a fault: whatever was under way is over.
    fn fail(&mut self, cause: WatchRestartCause, error: String, wish: Option<Duration>, now: Elapsed) {
        // Where nobody can be asked at all, the way of asking is not to blame.
        let is_to_blame = |flight: &RequestInFlight| {
            flight.response_started_at.is_some()
                || matches!(
                    cause,
                    WatchRestartCause::Timeout | WatchRestartCause::ServerError | WatchRestartCause::Other
                )
        };
        if self.finish_request().is_some_and(|flight| flight.kind == RequestKind::WatchList && is_to_blame(&flight))
            && let WatchListSupport::Usable { failures: failed } = &mut self.watch_list
        {
            *failed = failed.saturating_add(1);
        }
        self.backoff.record_failure(cause, wish, now);
        self.report_failure(cause, error, now);
    }
}

#[cfg(test)]
mod tests;
