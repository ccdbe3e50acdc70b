//! Holds what is known of a request under way, and how long its answer may take.

use std::time::Duration;

use super::Moment;

/// A server that has not begun to answer by then will not.
pub(super) const HEAD_LIMIT: Duration = Duration::from_secs(30);
/// For so long a list may stand still.
pub(super) const STALL_LIMIT: Duration = Duration::from_secs(30);
/// For so long one page may take.
pub(super) const PAGE_LIMIT: Duration = Duration::from_secs(100);
/// For so long the initial events of a watch may take.
pub(super) const INITIAL_LIMIT: Duration = Duration::from_secs(600);
/// Maximum silence of a watch that sends bookmarks: they come every minute (cacher.go, bookmarkFrequency).
pub(super) const IDLE_LIMIT: Duration = Duration::from_secs(90);
/// Maximum silence of a watch that has sent no bookmark yet, after which it is renewed from its position. An API server
/// without watch cache sends none, so silence alone is no fault; an unanswered renewal is.
pub(super) const QUIET_LIMIT: Duration = Duration::from_secs(75);
/// Minimum life of a watch that ends without an event and is no fault: some proxies cut what is idle for a minute.
pub(super) const SHORTEST_LIFE: Duration = Duration::from_secs(30);
/// Maximum time without evidence that the view is current until a failure is reported, whatever is under way.
pub(super) const BLIND_LIMIT: Duration = Duration::from_secs(110);
/// For so long one event may take to come: what follows it is as late, and nobody would know.
pub(super) const EVENT_LIMIT: Duration = Duration::from_secs(15);

/// A request under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) kind: Kind,
    pub(super) asked: Moment,
    /// When the answer began.
    pub(super) head: Option<Moment>,
    /// When something last came of it: an event, or a part of a page.
    pub(super) heard: Moment,
    /// Since when there is a part of an event, and not the rest.
    pub(super) partial: Option<Moment>,
    /// Whether an event came.
    pub(super) spoke: bool,
    /// Whether the last one did not say where it is, so that nobody could go on from there.
    pub(super) unplaced: bool,
    /// Until when events are such as were missed.
    pub(super) catching_up: Option<Moment>,
    /// The uid of the first pod of the page.
    pub(super) first: Option<String>,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Page { first: bool },
    Check,
    Initial,
    Watch,
}

impl Flight {
    /// A request that is sent now.
    pub(super) fn new(kind: Kind, now: Moment) -> Self {
        Self {
            kind,
            asked: now,
            head: None,
            heard: now,
            partial: None,
            spoke: false,
            unplaced: false,
            catching_up: None,
            first: None,
        }
    }

    /// Whether it is a watch to which nothing happens.
    pub(super) fn is_quiet(&self) -> bool {
        self.kind == Kind::Watch && self.head.is_some() && self.partial.is_none()
    }

    /// Until when the answer must have gone on. `bookmarks` says whether the server is known to send them.
    pub(super) fn deadline(&self, bookmarks: bool) -> Moment {
        let whole = match (self.kind, self.head) {
            (_, None) => self.asked + HEAD_LIMIT,
            (Kind::Page { .. } | Kind::Check, Some(head)) => (self.heard + STALL_LIMIT).min(head + PAGE_LIMIT),
            (Kind::Initial, Some(head)) => (self.heard + STALL_LIMIT).min(head + INITIAL_LIMIT),
            (Kind::Watch, Some(_)) => self.heard + if bookmarks { IDLE_LIMIT } else { QUIET_LIMIT },
        };
        self.partial.map_or(whole, |since| whole.min(since + EVENT_LIMIT))
    }
}
