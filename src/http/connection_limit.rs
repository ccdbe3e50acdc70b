//! Limits open connections. At the limit, each new connection closes an idle one.
//!
//! A semaphore would make new connections wait, so idle clients could keep scrapes out (`docs/security.md`).

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Notify;

use super::connection::Connection;

/// The open connections and their limit.
pub(super) struct ConnectionLimit {
    limit: usize,
    open: Vec<Arc<Connection>>,
    became_idle: Arc<Notify>,
}

impl ConnectionLimit {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, open: Vec::new(), became_idle: Arc::default() }
    }

    /// Returns whether another connection may be served in addition to `open` ones. At the limit, closes an idle one. Up to
    /// the same number of connections may be closing.
    pub(super) fn has_room(&mut self, open: usize) -> bool {
        open < self.limit || (open < 2 * self.limit && self.close_idle())
    }

    /// Adds a connection. It counts until its task drops it.
    pub(super) fn register(&mut self, peer: Option<SocketAddr>) -> Arc<Connection> {
        self.open.retain(is_open);
        let connection = Arc::new(Connection::new(peer, Arc::clone(&self.became_idle)));
        self.open.push(Arc::clone(&connection));
        connection
    }

    /// Closes the longest idle connection of the client with the most connections. Returns false if no connection is idle.
    pub(super) fn close_idle(&mut self) -> bool {
        self.open.retain(is_open);
        let mut per_client = HashMap::new();
        for connection in &self.open {
            *per_client.entry(connection.client()).or_insert(0_usize) += 1;
        }
        let idle = self.open.iter().enumerate().filter_map(|(index, connection)| {
            let connections = per_client.get(&connection.client()).copied().unwrap_or_default();
            connection.idle_since().map(|since| (std::cmp::Reverse(connections), since, index))
        });
        let longest = idle.min().map(|(_, _, index)| self.open.swap_remove(index));
        longest.inspect(|connection| connection.request_close()).is_some()
    }

    /// Completes when a connection becomes idle.
    pub(super) async fn became_idle(&self) {
        self.became_idle.notified().await;
    }
}

/// Returns whether the task of a connection is still running.
fn is_open(connection: &Arc<Connection>) -> bool {
    Arc::strong_count(connection) > 1
}
