//! Handles the end of a response: complete, failed, or an error status.

use super::in_flight::{MIN_WATCH_LIFETIME, RequestKind};
use super::{Elapsed, Informer, MAX_CONSECUTIVE_FAILURES, MAX_PAGE_SIZE, Progress, ResponseEnd, WatchListSupport};
use crate::cluster::codec::ApiStatus;
use crate::cluster::watched_object::WatchedObject;
use crate::watch_restart_cause::WatchRestartCause;

impl<O: WatchedObject> Informer<O> {
    /// Handles the end of a response. Does nothing if [`on_watch_event`](Self::on_watch_event) or an earlier call has
    /// ended it.
    pub(in crate::cluster) fn on_response_end(&mut self, end: ResponseEnd, now: Elapsed) {
        let Some(in_flight) = &self.in_flight else { return };
        let doing = match in_flight.kind {
            RequestKind::ListPage { .. } | RequestKind::VersionCheck => format!("cannot list {}", O::RESOURCE),
            RequestKind::WatchList | RequestKind::Watch if in_flight.response_started_at.is_none() => {
                format!("cannot watch {}", O::RESOURCE)
            }
            RequestKind::WatchList | RequestKind::Watch => "the watch broke".to_owned(),
        };
        match end {
            ResponseEnd::Complete => self.on_complete_end(now),
            ResponseEnd::ConnectionError(error) => {
                self.fail(WatchRestartCause::Connection, format!("{doing}: {error}"), None, now);
            }
            ResponseEnd::CredentialsError(error) => {
                self.fail(WatchRestartCause::Credentials, format!("{doing}: {error}"), None, now);
            }
            ResponseEnd::ErrorStatus(status) => self.on_error_status(&status, &doing, now),
            ResponseEnd::Undecodable(error) => {
                self.fail(WatchRestartCause::Decode, format!("{doing}: {error}"), None, now);
                // The undecodable part may have been a change. Repeated failures disable protobuf, which some proxies
                // mangle.
                self.progress = Progress::NotListed;
                self.capabilities.protobuf &=
                    self.backoff.consecutive_failures(WatchRestartCause::Decode) < MAX_CONSECUTIVE_FAILURES;
            }
            ResponseEnd::PageTooLarge => {
                self.page_size = (self.page_size / 2).max(1);
                self.progress = Progress::NotListed;
                self.fail(WatchRestartCause::Decode, format!("{doing}: a page is too large"), None, now);
            }
            ResponseEnd::TimedOut if in_flight.is_idle_watch() && !self.has_bookmarks => self.end_watch(),
            ResponseEnd::TimedOut => {
                let waited = now.saturating_sub(in_flight.last_received_at).as_secs();
                let error = format!("{doing}: no usable data for {waited} s");
                // A silent watch may have lost events.
                if in_flight.response_started_at.is_some() {
                    self.progress = Progress::NotListed;
                }
                self.fail(WatchRestartCause::Timeout, error, None, now);
            }
        }
    }

    /// Handles the regular end of a response body.
    fn on_complete_end(&mut self, now: Elapsed) {
        let Some(in_flight) = &self.in_flight else { return };
        match in_flight.kind {
            RequestKind::ListPage { .. } | RequestKind::VersionCheck => {
                self.fail(WatchRestartCause::Connection, "the list ended early".to_owned(), None, now);
            }
            RequestKind::WatchList => {
                self.fail(
                    WatchRestartCause::Closed,
                    "the watch ended before the end of the initial events".to_owned(),
                    None,
                    now,
                );
            }
            RequestKind::Watch
                if in_flight.has_event
                    || in_flight.response_started_at.is_some_and(|head| now >= head + MIN_WATCH_LIFETIME) =>
            {
                self.end_watch();
            }
            RequestKind::Watch => {
                self.fail(WatchRestartCause::Closed, "the watch ended before the first event".to_owned(), None, now);
                // Watches that always end at once are replaced by repeated lists.
                if self.backoff.consecutive_failures(WatchRestartCause::Closed) > MAX_CONSECUTIVE_FAILURES {
                    self.progress = Progress::NotListed;
                }
            }
        }
    }

    /// Handles an error status, from the response or from an ERROR event of a watch. `doing` begins the error message.
    pub(super) fn on_error_status(&mut self, status: &ApiStatus, doing: &str, now: Elapsed) {
        let ApiStatus { code, message, retry_after } = status;
        let kind = self.in_flight.as_ref().map(|in_flight| in_flight.kind);
        let is_initial = kind == Some(RequestKind::WatchList);
        // Permission to watch does not imply permission to list, so a rejected version check is not a failure.
        if kind == Some(RequestKind::VersionCheck) && matches!(code, 400 | 403 | 404 | 405 | 422) {
            self.finish_request();
            self.is_version_checked = true;
            return;
        }
        let grant = format!(" (grant the verbs list and watch on {})", O::RESOURCE);
        let (cause, advice) = match code {
            401 => (WatchRestartCause::Unauthorized, " (credentials rejected)"),
            403 => (WatchRestartCause::Forbidden, &*grant),
            406 | 415 if self.capabilities.protobuf => {
                self.capabilities.protobuf = false;
                (WatchRestartCause::Unsupported, " (falling back to JSON)")
            }
            // Objects of other shards are filtered locally too. For a WatchList, 422 means that WatchList itself is
            // unsupported.
            400 | 422 if self.capabilities.server_sharding && !(is_initial && *code == 422) => {
                self.capabilities.server_sharding = false;
                (WatchRestartCause::Unsupported, " (falling back to client-side sharding)")
            }
            // Responses of servers without the WatchList feature (apimachinery, meta/internalversion/validation).
            400 | 404 | 405 | 422 if is_initial => {
                self.watch_list = WatchListSupport::Unsupported;
                (WatchRestartCause::Unsupported, " (falling back to paged lists)")
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
            // The continue token expired before the list was complete.
            if is_page {
                self.page_size = self.page_size.saturating_mul(2).min(MAX_PAGE_SIZE);
            }
        }
        // The resourceVersion may be what the server fails on.
        if matches!(cause, WatchRestartCause::ServerError | WatchRestartCause::Other)
            && self.backoff.consecutive_failures(cause) > MAX_CONSECUTIVE_FAILURES
        {
            self.progress = Progress::NotListed;
        }
    }
}
