//! The parameters of LIST and WATCH.

use std::time::Duration;

use super::super::resource::Resource;
use super::selector::Selector;

/// The supported parameters.
#[derive(Debug, PartialEq)]
pub(super) struct ListOptions {
    pub(super) resource: Resource,
    pub(super) watch: bool,
    pub(super) selector: Selector,
    pub(super) limit: Option<usize>,
    pub(super) page: Option<Continue>,
    /// `None` (absent or 0) accepts any version; a watch then starts with the existing objects.
    pub(super) resource_version: Option<u64>,
    pub(super) version_match: Option<String>,
    pub(super) send_initial_events: bool,
    pub(super) bookmarks: bool,
    pub(super) timeout: Option<Duration>,
}

/// The server's support for shard selectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShardSupport {
    Unknown,
    Known,
    Refused,
}

/// A decoded continue token: the list's revision and the last object of the page before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Continue {
    pub(super) revision: u64,
    pub(super) after: (String, String),
}

impl ListOptions {
    fn new(resource: Resource) -> Self {
        Self {
            resource,
            watch: false,
            selector: Selector::default(),
            limit: None,
            page: None,
            resource_version: None,
            version_match: None,
            send_initial_events: false,
            bookmarks: false,
            timeout: None,
        }
    }

    /// Parses a query string. The error is the message of the response.
    pub(super) fn parse(
        text: &str,
        resource: Resource,
        namespace: Option<String>,
        shards: ShardSupport,
    ) -> Result<Self, String> {
        let mut query = Self::new(resource);
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(value);
            let number = || value.parse::<u64>().map_err(|_| format!("invalid {name}: \"{value}\""));
            match name {
                "watch" => query.watch = is_true(&value),
                "fieldSelector" => query.selector.fields(resource, &value)?,
                "labelSelector" => query.selector.labels(&value),
                "shardSelector" => match shards {
                    ShardSupport::Unknown => {}
                    ShardSupport::Known => query.selector.shard(&value)?,
                    ShardSupport::Refused => return Err("invalid shardSelector".to_owned()),
                },
                "limit" => query.limit = usize::try_from(number()?).ok().filter(|limit| *limit > 0),
                "continue" if !value.is_empty() => query.page = Some(Continue::parse(&value)?),
                "resourceVersion" if !value.is_empty() => {
                    query.resource_version = Some(number()?).filter(|version| *version > 0);
                }
                "resourceVersionMatch" => query.version_match = Some(value),
                "sendInitialEvents" => query.send_initial_events = is_true(&value),
                "allowWatchBookmarks" => query.bookmarks = is_true(&value),
                "timeoutSeconds" => query.timeout = Some(Duration::from_secs(number()?)),
                _ => {}
            }
        }
        query.selector = query.selector.within(namespace);
        Ok(query)
    }
}

fn is_true(value: &str) -> bool {
    matches!(value, "1" | "true")
}

impl Continue {
    fn parse(token: &str) -> Result<Self, String> {
        let mut parts = token.splitn(3, '/');
        let parsed = (|| {
            let revision = parts.next()?.parse().ok()?;
            Some(Self { revision, after: (parts.next()?.to_owned(), parts.next()?.to_owned()) })
        })();
        parsed.ok_or_else(|| "continue key is not valid".to_owned())
    }

    /// Encodes the token. It is opaque to clients, so the format differs from the API server's.
    pub(super) fn token(&self) -> String {
        format!("{}/{}/{}", self.revision, self.after.0, self.after.1)
    }
}

/// Decodes percent escapes and `+`. Drops invalid escapes.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let escape: String = rest.by_ref().take(2).map(char::from).collect();
                bytes.extend(u8::from_str_radix(&escape, 16));
            }
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
