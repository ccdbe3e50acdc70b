//! The causes of watch restarts, which the watch reports and the metrics count.

use strum::{IntoStaticStr, VariantArray, VariantNames};

/// The reason of a watch restart: the label `cause` of `image_pull_exporter_watch_restarts_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray, VariantNames)]
#[strum(serialize_all = "snake_case")]
pub enum WatchRestartCause {
    /// The API server ended the watch, as it does regularly.
    Ended,
    /// The API server ended the watch before the first event.
    Closed,
    /// The API server is unreachable, or the connection broke.
    Connection,
    /// A timeout: no data, or too little, was received.
    Timeout,
    /// The response could not be decoded.
    Decode,
    /// No credentials are available: a credential plugin failed, or a token file is empty.
    Credentials,
    /// 401: the API server rejected the credentials.
    Unauthorized,
    /// 403: a permission is missing.
    Forbidden,
    /// 410: the resourceVersion has expired.
    Gone,
    /// The server's resourceVersion went back, for example after etcd was restored from a backup.
    Rewound,
    /// 429: the server is overloaded.
    TooManyRequests,
    /// 5xx: the server failed.
    ServerError,
    /// The server does not support the request. A simpler one follows.
    Unsupported,
    /// Any other error.
    Other,
}

impl WatchRestartCause {
    /// All causes.
    pub const ALL: &'static [Self] = <Self as VariantArray>::VARIANTS;
    /// The label values of all causes.
    pub const NAMES: &'static [&'static str] = <Self as VariantNames>::VARIANTS;

    /// Returns the label value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
