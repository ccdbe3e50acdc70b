//! Interprets how answers end: as they should, with a fault, or with an error from the API server.

use super::flight::{Kind, SHORTEST_LIFE};
use super::{End, Informer, LARGEST_PAGE, Moment, PATIENCE, Position, WatchList};
use crate::cluster::WatchRestartCause;
use crate::cluster::codec::ApiStatus;

impl Informer {
    /// Takes the end of an answer, whatever it was. Does nothing where [`heard`](Self::heard) has said that already.
    pub(in crate::cluster) fn ended(&mut self, end: End, now: Moment) {
        let Some(flight) = &self.flight else { return };
        let doing = match flight.kind {
            Kind::Page { .. } | Kind::Check => "cannot list pods",
            Kind::Initial | Kind::Watch if flight.head.is_none() => "cannot watch pods",
            Kind::Initial | Kind::Watch => "the watch broke",
        };
        match end {
            End::Complete => self.closed(now),
            End::Broken(error) => self.fail(WatchRestartCause::Connection, format!("{doing}: {error}"), None, now),
            End::NoCredentials(error) => {
                self.fail(WatchRestartCause::Credentials, format!("{doing}: {error}"), None, now)
            }
            End::Refused(status) => self.refused(&status, doing, now),
            End::Garbled(error) => {
                self.fail(WatchRestartCause::Decode, format!("{doing}: {error}"), None, now);
                // What was garbled may have been a change, and protobuf is not what some proxy expects.
                self.position = Position::Blank;
                self.words.protobuf &= self.pace.count(WatchRestartCause::Decode) < PATIENCE;
            }
            End::TooLarge => {
                self.page_size = (self.page_size / 2).max(1);
                self.position = Position::Blank;
                self.fail(WatchRestartCause::Decode, format!("{doing}: a page is too large"), None, now);
            }
            End::Late if flight.is_quiet() && !self.bookmarks => self.end_watch(),
            End::Late => {
                let waited = now.saturating_sub(flight.heard).as_secs();
                let error = format!("{doing}: nothing of use came for {waited} s");
                // A watch that is silent cannot be told from one that lost something.
                if flight.head.is_some() {
                    self.position = Position::Blank;
                }
                self.fail(WatchRestartCause::Timeout, error, None, now);
            }
        }
    }

    /// Takes the end of an answer as HTTP has it.
    fn closed(&mut self, now: Moment) {
        let Some(flight) = &self.flight else { return };
        match flight.kind {
            Kind::Page { .. } | Kind::Check => {
                self.fail(WatchRestartCause::Connection, "the list ended early".to_owned(), None, now);
            }
            Kind::Initial => {
                self.fail(
                    WatchRestartCause::Closed,
                    "the watch ended before it had told what there is".to_owned(),
                    None,
                    now,
                );
            }
            Kind::Watch if flight.spoke || flight.head.is_some_and(|head| now >= head + SHORTEST_LIFE) => {
                self.end_watch();
            }
            Kind::Watch => {
                self.fail(
                    WatchRestartCause::Closed,
                    "the watch ended before it had told anything".to_owned(),
                    None,
                    now,
                );
                // Where nobody may watch, lists have to do.
                if self.pace.count(WatchRestartCause::Closed) > PATIENCE {
                    self.position = Position::Blank;
                }
            }
        }
    }

    /// Takes an answer that is an error.
    pub(super) fn refused(&mut self, status: &ApiStatus, doing: &str, now: Moment) {
        let ApiStatus { code, message, retry_after } = status;
        let kind = self.flight.as_ref().map(|flight| flight.kind);
        let is_initial = kind == Some(Kind::Initial);
        // Whoever may watch need not be allowed to list, and what cannot be checked is no fault.
        if kind == Some(Kind::Check) && matches!(code, 400 | 403 | 404 | 405 | 422) {
            self.land();
            self.checked = true;
            return;
        }
        let (cause, advice) = match code {
            401 => (WatchRestartCause::Unauthorized, " (the credentials are not accepted)"),
            403 => (WatchRestartCause::Forbidden, " (grant the verbs list and watch on pods)"),
            406 | 415 if self.words.protobuf => {
                self.words.protobuf = false;
                (WatchRestartCause::Unsupported, " (going on with JSON)")
            }
            // Pods of other shards are sorted out here too. At first, 422 is what WatchList is refused with.
            400 | 422 if self.words.shards && !(is_initial && *code == 422) => {
                self.words.shards = false;
                (WatchRestartCause::Unsupported, " (going on without the server's shards)")
            }
            // What a server without the feature answers (apimachinery, meta/internalversion/validation).
            400 | 404 | 405 | 422 if is_initial => {
                self.watch_list = WatchList::Refused;
                (WatchRestartCause::Unsupported, " (going on with lists in pages)")
            }
            410 => (WatchRestartCause::Gone, ""),
            429 => (WatchRestartCause::TooManyRequests, ""),
            500..=599 => (WatchRestartCause::ServerError, ""),
            _ => (WatchRestartCause::Other, ""),
        };
        let is_page = matches!(self.position, Position::Listing(_));
        self.fail(cause, format!("{doing}: {message} ({code}){advice}"), *retry_after, now);
        if cause == WatchRestartCause::Gone {
            self.position = Position::Blank;
            // The list took longer than the server remembers.
            if is_page {
                self.page_size = self.page_size.saturating_mul(2).min(LARGEST_PAGE);
            }
        }
        // A position may be what the server stumbles over.
        if matches!(cause, WatchRestartCause::ServerError | WatchRestartCause::Other)
            && self.pace.count(cause) > PATIENCE
        {
            self.position = Position::Blank;
        }
    }
}
