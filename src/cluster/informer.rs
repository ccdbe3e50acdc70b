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
//!    │  410, silence, garbage, a server that went │  └─ a closed or broken connection: from the same position
//!    └────────── back, or no way to watch ────────┘
//! ```
//!
//! Whatever breaks, three things hold: the view is never taken for current while nobody keeps it up ([`PodEvent::Failed`]
//! goes out, and the next event or list ends that); a silent server is noticed within [`flight::IDLE_LIMIT`]; and
//! requests are paced ([`pace`]).
//!
//! [`next`]: Informer::next
//! [`deadline`]: Informer::deadline
//! [`event`]: Informer::event

mod flight;
mod pace;
mod version;

use std::collections::VecDeque;
use std::time::Duration;

use flight::{Flight, Kind};
use pace::Pace;
use version::Version;

use super::codec::{Change, Page, Status, Word};
use super::request::{Ask, Words};
use super::sighting::Sighting;
use super::wire::Undecodable;
use super::{PodEvent, WatchCause, WatchFailure};

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
    Refused(Status),
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
    events: VecDeque<PodEvent>,
}

/// What is known of the cluster.
#[derive(Debug)]
enum Position {
    /// Nothing, or nothing that could be kept up.
    Blank,
    /// Some pages of a list.
    Listing { token: String },
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
            Position::Listing { token } => Ask::List { limit: self.page_size, token: token.clone() },
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
            Ask::Watch { .. } => Kind::Watch,
        };
        self.pace.asked(now);
        self.follows = false;
        self.flight = Some(Flight::new(kind, now));
    }

    /// Until when the answer must have gone on; `None` when nothing is under way.
    #[must_use]
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.flight.as_ref().map(Flight::deadline)
    }

    /// Takes the beginning of an answer that says yes.
    pub(super) fn answered(&mut self, now: Moment) {
        let Some(flight) = &mut self.flight else { return };
        flight.head = Some(now);
        flight.heard = now;
        match flight.kind {
            Kind::Page { first: false } => {}
            Kind::Page { first: true } | Kind::Initial => self.events.push_back(PodEvent::ListBegins),
            Kind::Watch => {
                let gap = self.current_at.map_or(Duration::ZERO, |at| now.saturating_sub(at));
                self.current_at = Some(now);
                if gap > SHORT_GAP {
                    flight.catching_up = Some(now + CATCH_UP);
                    self.events.push_back(PodEvent::Resumed);
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
            self.events.push_back(PodEvent::Resumed);
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
    pub(super) fn listed(&mut self, pod: Result<Sighting, Undecodable>) {
        self.events.push_back(pod.map_or_else(PodEvent::Undecodable, PodEvent::Listed));
    }

    /// Takes the end of a page, after its pods.
    pub(super) fn paged(&mut self, page: Page, now: Moment) {
        if self.flight.take().is_none() {
            return;
        }
        if !page.token.is_empty() {
            // A server could go on for ever with empty pages.
            self.follows = page.objects > 0;
            self.position = Position::Listing { token: page.token };
        } else if page.version.is_empty() {
            self.fail(WatchCause::Decode, "the API server sent a list without resourceVersion".to_owned(), None, now);
            self.position = Position::Blank;
        } else {
            // The next time there is something to be listed, the better way gets a chance.
            if let WatchList::Usable { failed } = &mut self.watch_list {
                *failed = (*failed).min(PATIENCE - 1);
            }
            self.complete(page.version, now);
            self.follows = true;
        }
    }

    /// Takes an event of a watch. Where it returns false, nothing that follows it is of use: drop the connection.
    pub(super) fn heard(&mut self, word: Word, now: Moment) -> bool {
        let Some(flight) = &mut self.flight else { return false };
        flight.heard = now;
        flight.spoke = true;
        flight.partial = None;
        let is_initial = flight.kind == Kind::Initial;
        match word {
            Word::Pod { pod: Err(problem), .. } | Word::Senseless(problem) => {
                self.events.push_back(PodEvent::Undecodable(problem));
                true
            }
            Word::Pod { change: Change::Added | Change::Modified, pod: Ok(pod), .. } if is_initial => {
                self.events.push_back(PodEvent::Listed(pod));
                true
            }
            Word::Pod { change: Change::Deleted, pod: Ok(pod), .. } if is_initial => {
                self.events.push_back(PodEvent::Deleted(pod));
                true
            }
            Word::Pod { change, version, pod: Ok(pod) } => {
                if flight.catching_up.take_if(|until| now >= *until).is_some() {
                    self.events.push_back(PodEvent::Synced);
                }
                if !self.moves_to(version, now) {
                    return false;
                }
                self.events.push_back(match change {
                    Change::Deleted => PodEvent::Deleted(pod),
                    Change::Added | Change::Modified => PodEvent::Applied(pod),
                });
                true
            }
            Word::Bookmark { version, ends_list: true } if is_initial => {
                flight.kind = Kind::Watch;
                self.watch_list = WatchList::Usable { failed: 0 };
                self.complete(version, now);
                true
            }
            Word::Bookmark { .. } if is_initial => true,
            Word::Bookmark { version, .. } => {
                flight.catching_up = None;
                let moved = self.moves_to(version, now);
                if moved {
                    self.events.push_back(PodEvent::Synced);
                }
                moved
            }
            Word::Error(status) => {
                self.refused(&status, "the API server ended the watch", now);
                false
            }
        }
    }

    /// Takes the news that an object was too large to be read.
    pub(super) fn skipped(&mut self, bytes: usize, now: Moment) {
        if let Some(flight) = &mut self.flight {
            flight.heard = now;
            flight.spoke = true;
        }
        self.events.push_back(PodEvent::Undecodable(Undecodable::TooLarge { bytes }));
    }

    /// Takes the end of an answer, whatever it was. Does nothing where [`heard`](Self::heard) has said that already.
    pub(super) fn ended(&mut self, end: End, now: Moment) {
        let Some(flight) = &self.flight else { return };
        let doing = match flight.kind {
            Kind::Page { .. } => "cannot list pods",
            Kind::Initial | Kind::Watch if flight.head.is_none() => "cannot watch pods",
            Kind::Initial | Kind::Watch => "the watch broke",
        };
        match end {
            End::Complete => self.closed(now),
            End::Broken(error) => self.fail(WatchCause::Connection, format!("{doing}: {error}"), None, now),
            End::NoCredentials(error) => self.fail(WatchCause::Unauthorized, format!("{doing}: {error}"), None, now),
            End::Refused(status) => self.refused(&status, doing, now),
            End::Garbled(error) => {
                self.fail(WatchCause::Decode, format!("{doing}: {error}"), None, now);
                // What was garbled may have been a change, and protobuf is not what some proxy expects.
                self.position = Position::Blank;
                self.words.protobuf &= self.pace.count(WatchCause::Decode) < PATIENCE;
            }
            End::TooLarge => {
                self.page_size = (self.page_size / 2).max(1);
                self.position = Position::Blank;
                self.fail(WatchCause::Decode, format!("{doing}: a page is too large"), None, now);
            }
            End::Late => {
                let waited = now.saturating_sub(flight.heard).as_secs();
                let error = format!("{doing}: nothing of use came for {waited} s");
                // A watch that is silent cannot be told from one that lost something.
                if flight.head.is_some() {
                    self.position = Position::Blank;
                }
                self.fail(WatchCause::Timeout, error, None, now);
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
        if let Position::Current(known) = &self.position
            && version.is_before(known)
        {
            let error = format!("the API server went back from resourceVersion {known} to {version}");
            self.fail(WatchCause::Rewound, error, None, now);
            self.position = Position::Blank;
            return false;
        }
        self.position = Position::Current(version);
        self.current_at = Some(now);
        self.pace.progressed();
        true
    }

    /// Takes the end of a list of everything.
    fn complete(&mut self, version: String, now: Moment) {
        self.position = Position::Current(Version::from(version));
        self.current_at = Some(now);
        self.events.push_back(PodEvent::ListEnds);
    }

    /// Takes the end of an answer as HTTP has it.
    fn closed(&mut self, now: Moment) {
        let Some(flight) = &self.flight else { return };
        match flight.kind {
            Kind::Page { .. } => {
                self.fail(WatchCause::Connection, "the list ended early".to_owned(), None, now);
            }
            Kind::Initial => {
                self.fail(WatchCause::Closed, "the watch ended before it had told what there is".to_owned(), None, now);
            }
            Kind::Watch if flight.spoke => {
                self.land();
                self.events.push_back(PodEvent::Ended);
            }
            Kind::Watch => {
                self.fail(WatchCause::Closed, "the watch ended before it had told anything".to_owned(), None, now);
                // Where nobody may watch, lists have to do.
                if self.pace.count(WatchCause::Closed) > PATIENCE {
                    self.position = Position::Blank;
                }
            }
        }
    }

    /// Takes an answer that is an error.
    fn refused(&mut self, status: &Status, doing: &str, now: Moment) {
        let Status { code, message, retry_after } = status;
        let is_initial = self.flight.as_ref().is_some_and(|flight| flight.kind == Kind::Initial);
        let (cause, advice) = match code {
            401 => (WatchCause::Unauthorized, " (the credentials are not accepted)"),
            403 => (WatchCause::Forbidden, " (grant the verbs list and watch on pods)"),
            406 | 415 if self.words.protobuf => {
                self.words.protobuf = false;
                (WatchCause::Unsupported, " (going on with JSON)")
            }
            // Pods of other shards are sorted out here too. At first, 422 is what WatchList is refused with.
            400 | 422 if self.words.shards && !(is_initial && *code == 422) => {
                self.words.shards = false;
                (WatchCause::Unsupported, " (going on without the server's shards)")
            }
            // What a server without the feature answers (apimachinery, meta/internalversion/validation).
            400 | 404 | 405 | 422 if is_initial => {
                self.watch_list = WatchList::Refused;
                (WatchCause::Unsupported, " (going on with lists in pages)")
            }
            410 => (WatchCause::Gone, ""),
            429 => (WatchCause::TooManyRequests, ""),
            500..=599 => (WatchCause::ServerError, ""),
            _ => (WatchCause::Other, ""),
        };
        let is_page = matches!(self.position, Position::Listing { .. });
        self.fail(cause, format!("{doing}: {message} ({code}){advice}"), *retry_after, now);
        if cause == WatchCause::Gone {
            self.position = Position::Blank;
            // The list took longer than the server remembers.
            if is_page {
                self.page_size = self.page_size.saturating_mul(2).min(LARGEST_PAGE);
            }
        }
        // A position may be what the server stumbles over.
        if matches!(cause, WatchCause::ServerError | WatchCause::Other) && self.pace.count(cause) > PATIENCE {
            self.position = Position::Blank;
        }
    }

    /// Ends what is under way, and returns it.
    fn land(&mut self) -> Option<Flight> {
        let flight = self.flight.take()?;
        if flight.unplaced {
            self.position = Position::Blank;
        }
        Some(flight)
    }

    /// Takes a fault: whatever was under way is over.
    fn fail(&mut self, cause: WatchCause, error: String, wish: Option<Duration>, now: Moment) {
        // Where nobody can be asked at all, the way of asking is not to blame.
        let is_to_blame = |flight: &Flight| {
            flight.head.is_some() || matches!(cause, WatchCause::Timeout | WatchCause::ServerError | WatchCause::Other)
        };
        if self.land().is_some_and(|flight| flight.kind == Kind::Initial && is_to_blame(&flight))
            && let WatchList::Usable { failed } = &mut self.watch_list
        {
            *failed = failed.saturating_add(1);
        }
        self.pace.failed(cause, wish, now);
        self.events.push_back(PodEvent::Failed(WatchFailure { cause, error }));
    }
}

#[cfg(test)]
mod tests;
