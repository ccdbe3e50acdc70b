//! Interprets how answers end: as they should, with a fault, or with an error from the API server.

use super::in_flight::{MIN_WATCH_LIFETIME, RequestKind};
use super::{Elapsed, Informer, MAX_CONSECUTIVE_FAILURES, MAX_PAGE_SIZE, Progress, ResponseEnd, WatchListSupport};
use crate::cluster::WatchRestartCause;
use crate::cluster::codec::ApiStatus;

impl Informer {
    /// Takes the end of an answer, whatever it was. Does nothing where [`heard`](Self::heard) has said that already.
    pub(in crate::cluster) fn on_response_end(&mut self, end: ResponseEnd, now: Elapsed) {
        let Some(flight) = &self.in_flight else { return };
        let doing = match flight.kind {
            RequestKind::ListPage { .. } | RequestKind::VersionCheck => "cannot list pods",
            RequestKind::WatchList | RequestKind::Watch if flight.response_started_at.is_none() => "cannot watch pods",
            RequestKind::WatchList | RequestKind::Watch => "the watch broke",
        };
        match end {
            ResponseEnd::Complete => self.on_complete_end(now),
            ResponseEnd::ConnectionError(error) => {
                self.fail(WatchRestartCause::Connection, format!("{doing}: {error}"), None, now)
            }
            ResponseEnd::CredentialsError(error) => {
                self.fail(WatchRestartCause::Credentials, format!("{doing}: {error}"), None, now)
            }
            ResponseEnd::ErrorStatus(status) => self.on_error_status(&status, doing, now),
            ResponseEnd::Undecodable(error) => {
                self.fail(WatchRestartCause::Decode, format!("{doing}: {error}"), None, now);
                // What was garbled may have been a change, and protobuf is not what some proxy expects.
                self.progress = Progress::NotListed;
                self.capabilities.protobuf &=
                    self.backoff.consecutive_failures(WatchRestartCause::Decode) < MAX_CONSECUTIVE_FAILURES;
            }
            ResponseEnd::PageTooLarge => {
                self.page_size = (self.page_size / 2).max(1);
                self.progress = Progress::NotListed;
                self.fail(WatchRestartCause::Decode, format!("{doing}: a page is too large"), None, now);
            }
            ResponseEnd::TimedOut if flight.is_idle_watch() && !self.has_bookmarks => self.end_watch(),
            ResponseEnd::TimedOut => {
                let waited = now.saturating_sub(flight.last_received_at).as_secs();
                let error = format!("{doing}: nothing of use came for {waited} s");
                // A watch that is silent cannot be told from one that lost something.
                if flight.response_started_at.is_some() {
                    self.progress = Progress::NotListed;
                }
                self.fail(WatchRestartCause::Timeout, error, None, now);
            }
        }
    }

    /// Takes the end of an answer as HTTP has it.
    fn on_complete_end(&mut self, now: Elapsed) {
        let Some(flight) = &self.in_flight else { return };
        match flight.kind {
            RequestKind::ListPage { .. } | RequestKind::VersionCheck => {
                self.fail(WatchRestartCause::Connection, "the list ended early".to_owned(), None, now);
            }
            RequestKind::WatchList => {
                self.fail(
                    WatchRestartCause::Closed,
                    "the watch ended before it had told what there is".to_owned(),
                    None,
                    now,
                );
            }
            RequestKind::Watch
                if flight.has_event
                    || flight.response_started_at.is_some_and(|head| now >= head + MIN_WATCH_LIFETIME) =>
            {
                self.end_watch();
            }
            RequestKind::Watch => {
                self.fail(
                    WatchRestartCause::Closed,
                    "the watch ended before it had told anything".to_owned(),
                    None,
                    now,
                );
                // Where nobody may watch, lists have to do.
                if self.backoff.consecutive_failures(WatchRestartCause::Closed) > MAX_CONSECUTIVE_FAILURES {
                    self.progress = Progress::NotListed;
                }
            }
        }
    }

    /// Takes an answer that is an error.
    pub(super) fn on_error_status(&mut self, status: &ApiStatus, doing: &str, now: Elapsed) {
        let ApiStatus { code, message, retry_after } = status;
        let kind = self.in_flight.as_ref().map(|flight| flight.kind);
        let is_initial = kind == Some(RequestKind::WatchList);
        // Whoever may watch need not be allowed to list, and what cannot be checked is no fault.
        if kind == Some(RequestKind::VersionCheck) && matches!(code, 400 | 403 | 404 | 405 | 422) {
            self.finish_request();
            self.is_version_checked = true;
            return;
        }
        let (cause, advice) = match code {
            401 => (WatchRestartCause::Unauthorized, " (the credentials are not accepted)"),
            403 => (WatchRestartCause::Forbidden, " (grant the verbs list and watch on pods)"),
            406 | 415 if self.capabilities.protobuf => {
                self.capabilities.protobuf = false;
                (WatchRestartCause::Unsupported, " (going on with JSON)")
            }
            // Pods of other shards are sorted out here too. At first, 422 is what WatchList is refused with.
            400 | 422 if self.capabilities.server_sharding && !(is_initial && *code == 422) => {
                self.capabilities.server_sharding = false;
                (WatchRestartCause::Unsupported, " (going on without the server's shards)")
            }
            // What a server without the feature answers (apimachinery, meta/internalversion/validation).
            400 | 404 | 405 | 422 if is_initial => {
                self.watch_list = WatchListSupport::Unsupported;
                (WatchRestartCause::Unsupported, " (going on with lists in pages)")
            }
            410 => (WatchRestartCause::Gone, ""),
            429 => (WatchRestartCause::TooManyRequests, ""),
            500..=599 => (WatchRestartCause::ServerError, ""),
            _ => (WatchRestartCause::Other, ""),
        };
        let is_page = matches!(self.progress, Progress::Listing(_));
        self.fail(cause, format!("{doing}: {message} ({code}){advice}"), *retry_after, now);
        if cause == WatchRestartCause::Gone {
            self.progress = Progress::NotListed;
            // The list took longer than the server remembers.
            if is_page {
                self.page_size = self.page_size.saturating_mul(2).min(MAX_PAGE_SIZE);
            }
        }
        // A position may be what the server stumbles over.
        if matches!(cause, WatchRestartCause::ServerError | WatchRestartCause::Other)
            && self.backoff.consecutive_failures(cause) > MAX_CONSECUTIVE_FAILURES
        {
            self.progress = Progress::NotListed;
        }
    }
}
