//! Limits the number of open connections. When the limit is reached, closes one that is idle for each that comes.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::Notify;

use super::connection::Connection;

/// The open connections.
pub(super) struct ConnectionLimit {
    limit: usize,
    open: Vec<Arc<Connection>>,
    became_idle: Arc<Notify>,
}

impl ConnectionLimit {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, open: Vec::new(), became_idle: Arc::default() }
    }

    /// Returns whether there is room for another connection beside `open` ones. At the limit, one that is idle is closed to
    /// make room; as many again as the limit may be open while those that were told to close do so.
    pub(super) fn has_room(&mut self, open: usize) -> bool {
        open < self.limit || (open < 2 * self.limit && self.close_idle())
    }

    /// Counts a connection until it ends.
    pub(super) fn register(&mut self, peer: Option<SocketAddr>) -> Arc<Connection> {
        self.open.retain(is_open);
        let connection = Arc::new(Connection::new(peer, Arc::clone(&self.became_idle)));
        self.open.push(Arc::clone(&connection));
        connection
    }

    /// Asks a connection to close: of the client that has the most, the one that has been idle longest. Returns whether
    /// any is idle.
    pub(super) fn close_idle(&mut self) -> bool {
        self.open.retain(is_open);
        let mut of_client = HashMap::new();
        for connection in &self.open {
            *of_client.entry(connection.client()).or_insert(0_usize) += 1;
        }
        let idle = self.open.iter().enumerate().filter_map(|(index, connection)| {
            let connections = of_client.get(&connection.client()).copied().unwrap_or_default();
            connection.idle_since().map(|since| (std::cmp::Reverse(connections), since, index))
        });
        let longest = idle.min().map(|(_, _, index)| self.open.swap_remove(index));
        longest.inspect(|connection| connection.request_close()).is_some()
    }

    /// Ready when a connection has become idle.
    pub(super) async fn became_idle(&self) {
        self.became_idle.notified().await;
    }
}

/// Returns whether the task of a connection is still there.
fn is_open(connection: &Arc<Connection>) -> bool {
    Arc::strong_count(connection) > 1
}
