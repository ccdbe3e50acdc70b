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

mod ending;
mod flight;
mod listing;
mod pace;
mod version;

use std::collections::VecDeque;
use std::time::Duration;

use flight::{BLIND_LIMIT, Flight, Kind};
use listing::Listing;
use pace::Pace;
use version::Version;

use super::codec::{ApiStatus, PageMetadata, PodChange, WatchEvent};
use super::request::{Ask, Words};
use super::sighting::PodObject;
use super::wire::Undecodable;
use super::{PodEvent, WatchFailure, WatchRestartCause};

/// The time since the informer was made.
pub(super) type Moment = Duration;

/// After the watch was interrupted for longer than this, nobody can say when its first events happened.
const SHORT_GAP: Duration = Duration::from_secs(5);
/// What was missed comes within so long.
const CATCH_UP: Duration = Duration::from_secs(2);
/// The server ends a watch after so many seconds, and up to as many more, so that not all watches end at once; as
/// client-go does it (tools/cache/reflector.go, minWatchTimeout).
const WATCH_SECONDS: u32 = 300;
/// Pods in a page of a list: a page is held in memory.
const PAGE_SIZE: u32 = 100;
/// A list that takes longer than the server remembers is tried with larger pages, up to this.
const LARGEST_PAGE: u32 = 20 * PAGE_SIZE;
/// So often one way of asking may fail before another is tried.
const PATIENCE: u32 = 2;

/// How an answer ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// As it should.
    Complete,
    /// The connection could not be made, or broke.
    Broken(String),
    /// The credentials could not be had.
    NoCredentials(String),
    /// With an HTTP status that says no.
    Refused(ApiStatus),
    /// With something that cannot be read.
    Garbled(String),
    /// A page was larger than may be held.
    TooLarge,
    /// Not at all: the [deadline](Informer::deadline) has passed.
    Late,
}

/// The state machine.
#[derive(Debug)]
pub(super) struct Informer {
    position: Position,
    /// The request under way.
    flight: Option<Flight>,
    /// Whether what is asked next continues what just went well.
    follows: bool,
    pace: Pace,
    watch_list: WatchList,
    page_size: u32,
    words: Words,
    /// When the watch was last known to be kept up.
    current_at: Option<Moment>,
    /// When the view was last known to be current, or last reported not to be.
    accounted_at: Moment,
    /// Whether the server has sent a bookmark since the last complete list, so that it will send more.
    bookmarks: bool,
    /// Whether the server has been found not to be behind the position, since the last watch ended.
    checked: bool,
    events: VecDeque<PodEvent>,
}

/// What is known of the cluster.
#[derive(Debug)]
enum Position {
    /// Nothing, or nothing that could be kept up.
    Blank,
    /// Some pages of a list.
    Listing(Listing),
    /// Everything up to this.
    Current(Version),
}

/// Whether a watch can begin with what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WatchList {
    /// It failed so often since it last went well.
    Usable { failed: u32 },
    /// The server does not know it.
    Refused,
}

impl Informer {
    /// An informer that knows nothing yet; `seed` is what its pauses are drawn from.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            position: Position::Blank,
            flight: None,
            follows: false,
            pace: Pace::new(seed),
            watch_list: WatchList::Usable { failed: 0 },
            page_size: PAGE_SIZE,
            words: Words { protobuf: true, shards: false },
            current_at: None,
            accounted_at: Moment::ZERO,
            bookmarks: false,
            checked: false,
            events: VecDeque::new(),
        }
    }

    /// An informer that begins with a list in pages.
    pub(super) fn listing(seed: u64) -> Self {
        Self { watch_list: WatchList::Refused, ..Self::new(seed) }
    }

    /// The same, asking for a shard only, until the server refuses.
    pub(super) fn of_shard(mut self) -> Self {
        self.words.shards = true;
        self
    }

    /// Returns what the cluster has told; call it after everything else, until it returns `None`.
    #[must_use]
    pub(super) fn event(&mut self) -> Option<PodEvent> {
        self.events.pop_front()
    }

    /// Returns what to ask and not before when; there must be no request under way.
    #[must_use]
    pub(super) fn next(&self) -> (Moment, Ask) {
        let at = if self.follows { Moment::ZERO } else { self.pace.next() };
        let ask = match &self.position {
            Position::Blank => match self.watch_list {
                WatchList::Usable { failed } if failed < PATIENCE => Ask::WatchList,
                WatchList::Usable { .. } | WatchList::Refused => {
                    Ask::List { limit: self.page_size, token: String::new() }
                }
            },
            Position::Listing(listing) => Ask::List { limit: self.page_size, token: listing.token.clone() },
            // A watch from a version that the server has yet to reach says nothing until then.
            Position::Current(_) if !self.checked => Ask::Check,
            Position::Current(version) => Ask::Watch { version: version.to_string() },
        };
        (at, ask)
    }

    /// In which words to ask.
    pub(super) fn words(&self) -> Words {
        self.words
    }

    /// After how many seconds the server is to end the next watch.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 300 and 600")]
    pub(super) fn watch_seconds(&mut self) -> u32 {
        WATCH_SECONDS + (f64::from(WATCH_SECONDS) * self.pace.fraction()) as u32
    }

    /// Notes that the request of [`next`](Self::next) was sent.
    pub(super) fn asked(&mut self, ask: &Ask, now: Moment) {
        let kind = match ask {
            Ask::WatchList => Kind::Initial,
            Ask::List { token, .. } => Kind::Page { first: token.is_empty() },
            Ask::Check => Kind::Check,
            Ask::Watch { .. } => Kind::Watch,
        };
        if now >= self.accounted_at + BLIND_LIMIT {
            self.report_blind(now);
        }
        self.pace.asked(now);
        self.follows = false;
        self.flight = Some(Flight::new(kind, now));
    }

    /// Until when the answer must have gone on; `None` when nothing is under way.
    #[must_use]
    pub(super) fn deadline(&self) -> Option<Moment> {
        let flight = self.flight.as_ref()?;
        Some(flight.deadline(self.bookmarks).min(self.accounted_at + BLIND_LIMIT))
    }

    /// Takes the news that the deadline has passed. Returns whether the answer is to be waited for all the same: it goes
    /// on, and all that is wrong is that the view has been out of date for so long, which is reported.
    pub(super) fn is_patient(&mut self, now: Moment) -> bool {
        let goes_on = self.flight.as_ref().is_some_and(|flight| flight.deadline(self.bookmarks) > now);
        if goes_on {
            self.report_blind(now);
        }
        goes_on
    }

    /// Takes the beginning of an answer that says yes.
    pub(super) fn answered(&mut self, now: Moment) {
        let Some(flight) = &mut self.flight else { return };
        flight.head = Some(now);
        flight.heard = now;
        match flight.kind {
            Kind::Page { first: false } | Kind::Check => {}
            Kind::Page { first: true } | Kind::Initial => self.events.push_back(PodEvent::ListStarted),
            Kind::Watch => {
                let gap = self.current_at.map_or(Duration::ZERO, |at| now.saturating_sub(at));
                self.current_at = Some(now);
                self.accounted_at = now;
                if gap > SHORT_GAP {
                    flight.catching_up = Some(now + CATCH_UP);
                    self.events.push_back(PodEvent::ResumedAfterGap);
                } else {
                    self.events.push_back(PodEvent::Synced);
                }
            }
        }
    }

    /// Records that the process was not running for a while, as after SIGSTOP or where it gets no processor: what the
    /// open watch received meanwhile is still to be read.
    pub(super) fn stalled(&mut self, now: Moment) {
        if let Some(flight) = &mut self.flight
            && flight.kind == Kind::Watch
            && flight.head.is_some()
        {
            flight.catching_up = Some(now + CATCH_UP);
            self.events.push_back(PodEvent::ResumedAfterGap);
        }
    }

    /// Takes the news that a part of a page came.
    pub(super) fn received(&mut self, now: Moment) {
        if let Some(flight) = &mut self.flight {
            flight.heard = now;
        }
    }

    /// Takes the news that everything of a watch that came was taken: whether a part of an event is left over.
    pub(super) fn is_left_with(&mut self, part: bool, now: Moment) {
        if let Some(flight) = &mut self.flight {
            flight.partial = flight.partial.filter(|_| part).or_else(|| part.then_some(now));
        }
    }

    /// Takes a pod of a page.
    pub(super) fn listed(&mut self, pod: Result<PodObject, Undecodable>) {
        let Some(flight) = self.flight.as_mut().filter(|flight| flight.kind != Kind::Check) else { return };
        if let (None, Ok(pod)) = (&flight.first, &pod) {
            flight.first = Some(pod.id().uid.clone());
        }
        self.events.push_back(pod.map_or_else(PodEvent::Undecodable, PodEvent::Listed));
    }

    /// Takes the end of a page, after its pods.
    pub(super) fn paged(&mut self, page: PageMetadata, now: Moment) {
        let Some(flight) = self.flight.take() else { return };
        if flight.kind == Kind::Check {
            self.checked = self.is_reached_by(&Version::from(page.resource_version), now);
        } else if !page.continue_token.is_empty() {
            let before = match std::mem::replace(&mut self.position, Position::Blank) {
                Position::Listing(listing) => Some(listing),
                Position::Blank | Position::Current(_) => None,
            };
            let Some(listing) = Listing::next(before, flight.first, page.continue_token) else {
                self.fail(
                    WatchRestartCause::Decode,
                    "the API server repeats the pages of a list".to_owned(),
                    None,
                    now,
                );
                return;
            };
            // A server could go on for ever with empty pages.
            self.follows = page.item_count > 0 && listing.is_unpaced();
            self.position = Position::Listing(listing);
        } else if page.resource_version.is_empty() {
            self.fail(
                WatchRestartCause::Decode,
                "the API server sent a list without resourceVersion".to_owned(),
                None,
                now,
            );
            self.position = Position::Blank;
        } else {
            // The next time there is something to be listed, the better way gets a chance.
            if let WatchList::Usable { failed } = &mut self.watch_list {
                *failed = (*failed).min(PATIENCE - 1);
            }
            self.complete(page.resource_version, now);
            self.follows = true;
        }
    }

    /// Takes an event of a watch. Where it returns false, nothing that follows it is of use: drop the connection.
    pub(super) fn heard(&mut self, word: WatchEvent, now: Moment) -> bool {
        let Some(flight) = &mut self.flight else { return false };
        flight.heard = now;
        flight.spoke = true;
        flight.partial = None;
        let is_initial = flight.kind == Kind::Initial;
        if !is_initial {
            self.accounted_at = now;
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
                if flight.catching_up.take_if(|until| now >= *until).is_some() {
                    self.events.push_back(PodEvent::Synced);
                }
                if !self.moves_to(version, now) {
                    return false;
                }
                self.events.push_back(match change {
                    PodChange::Deleted => PodEvent::Deleted(pod),
                    PodChange::Added | PodChange::Modified => PodEvent::Applied(pod),
                });
                true
            }
            WatchEvent::Bookmark { version, ends_list: true } if is_initial => {
                flight.kind = Kind::Watch;
                self.watch_list = WatchList::Usable { failed: 0 };
                self.complete(version, now);
                true
            }
            WatchEvent::Bookmark { .. } if is_initial => true,
            WatchEvent::Bookmark { version, .. } => {
                flight.catching_up = None;
                self.bookmarks = true;
                let moved = self.moves_to(version, now);
                if moved {
                    self.events.push_back(PodEvent::Synced);
                }
                moved
            }
            WatchEvent::Error(status) => {
                self.refused(&status, "the API server ended the watch", now);
                false
            }
        }
    }

    /// Moves the position on. Where the server is behind it, begins anew and returns false.
    fn moves_to(&mut self, version: String, now: Moment) -> bool {
        if let Some(flight) = &mut self.flight {
            flight.unplaced = version.is_empty();
        }
        // An object without one is none that etcd holds.
        if version.is_empty() {
            return true;
        }
        let version = Version::from(version);
        if !self.is_reached_by(&version, now) {
            return false;
        }
        self.position = Position::Current(version);
        self.current_at = Some(now);
        self.pace.progressed();
        true
    }

    /// Whether a server that is at `version` has reached the position. Begins anew where it has not.
    fn is_reached_by(&mut self, version: &Version, now: Moment) -> bool {
        let known = match &self.position {
            Position::Current(known) if version.is_before(known) => known,
            Position::Current(_) | Position::Listing(_) | Position::Blank => return true,
        };
        let error = format!("the API server went back from resourceVersion {known} to {version}");
        self.fail(WatchRestartCause::Rewound, error, None, now);
        self.position = Position::Blank;
        false
    }

    /// Takes the end of a list of everything.
    fn complete(&mut self, version: String, now: Moment) {
        self.position = Position::Current(Version::from(version));
        self.current_at = Some(now);
        self.accounted_at = now;
        self.bookmarks = false;
        self.checked = true;
        self.events.push_back(PodEvent::ListCompleted);
    }

    /// Ends what is under way, and returns it.
    fn land(&mut self) -> Option<Flight> {
        let flight = self.flight.take()?;
        self.checked = false;
        if flight.unplaced {
            self.position = Position::Blank;
        }
        Some(flight)
    }

    /// Ends a watch that nothing is wrong with, to be resumed from its position.
    fn end_watch(&mut self) {
        self.land();
        self.events.push_back(PodEvent::WatchEnded);
    }

    /// Reports that the view has been out of date for too long, though nothing has failed.
    fn report_blind(&mut self, now: Moment) {
        let error = format!("the view of the pods has not been complete and current for {} s", BLIND_LIMIT.as_secs());
        self.report(WatchRestartCause::Timeout, error, now);
    }

    /// Reports a failure.
    fn report(&mut self, cause: WatchRestartCause, error: String, now: Moment) {
        self.accounted_at = now;
        self.events.push_back(PodEvent::WatchFailed(WatchFailure { cause, error }));
    }

    /// Takes a fault: whatever was under way is over.
    fn fail(&mut self, cause: WatchRestartCause, error: String, wish: Option<Duration>, now: Moment) {
        // Where nobody can be asked at all, the way of asking is not to blame.
        let is_to_blame = |flight: &Flight| {
            flight.head.is_some()
                || matches!(
                    cause,
                    WatchRestartCause::Timeout | WatchRestartCause::ServerError | WatchRestartCause::Other
                )
        };
        if self.land().is_some_and(|flight| flight.kind == Kind::Initial && is_to_blame(&flight))
            && let WatchList::Usable { failed } = &mut self.watch_list
        {
            *failed = failed.saturating_add(1);
        }
        self.pace.failed(cause, wish, now);
        self.report(cause, error, now);
    }
}

#[cfg(test)]
mod tests;
