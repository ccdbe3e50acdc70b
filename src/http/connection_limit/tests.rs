use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::time::advance;

use super::ConnectionLimit;
use crate::http::ServerLimits;
use crate::http::connection::{CloseMode, Connection};

fn client(number: u8) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, number), 1).into()
}

/// Returns whether a close of the connection was requested since the last call.
fn is_closed(connection: &Arc<Connection>) -> bool {
    connection.until_close(&ServerLimits::default()).now_or_never() == Some(CloseMode::Graceful)
}

#[tokio::test(start_paused = true)]
async fn below_the_limit_nothing_is_closed() {
    let mut limit = ConnectionLimit::new(3);
    let open: Vec<_> = (0..3).map(|_| limit.register(Some(client(1)))).collect();
    assert!(limit.has_room(2));
    assert!(!open.iter().any(is_closed));
}

#[tokio::test(start_paused = true)]
async fn the_longest_idle_connection_is_closed_and_a_busy_one_never_is() {
    let mut limit = ConnectionLimit::new(3);
    let busy = limit.register(Some(client(1)));
    let _request = busy.begin_request();
    let mut idle = Vec::new();
    for _ in 0..2 {
        advance(Duration::from_secs(1)).await;
        idle.push(limit.register(Some(client(1))));
    }
    // Used again.
    advance(Duration::from_secs(1)).await;
    drop(idle[0].begin_request());
    assert!(limit.has_room(3));
    assert_eq!([&busy, &idle[0], &idle[1]].map(is_closed), [false, false, true]);
    assert!(limit.has_room(3));
    assert!(is_closed(&idle[0]));
    assert!(!limit.has_room(3), "only a busy one is left");
    assert!(limit.has_room(2));
}

#[tokio::test(start_paused = true)]
async fn a_client_with_many_connections_loses_one_before_a_client_with_few() {
    let mut limit = ConnectionLimit::new(4);
    let scraper = limit.register(Some(client(1)));
    advance(Duration::from_secs(1)).await;
    let crowd: Vec<_> = (0..3).map(|_| limit.register(Some(client(2)))).collect();
    assert!(limit.has_room(4) && limit.has_room(5));
    assert_eq!((is_closed(&scraper), crowd.iter().filter(|connection| is_closed(connection)).count()), (false, 2));
}

#[tokio::test(start_paused = true)]
async fn closing_connections_are_bounded_by_the_limit() {
    let mut limit = ConnectionLimit::new(2);
    let idle: Vec<_> = (0..8).map(|_| limit.register(Some(client(1)))).collect();
    assert!(limit.has_room(2) && limit.has_room(3));
    assert!(!limit.has_room(4));
    assert_eq!(idle.iter().filter(|connection| is_closed(connection)).count(), 2);
}

#[test]
fn the_limit_reserves_file_descriptors() {
    let connections = |files, watches| ServerLimits::default().within_file_limit(files, watches).max_connections;
    assert_eq!(connections(usize::MAX, 1), ServerLimits::default().max_connections);
    assert_eq!(connections(1024, 1), ServerLimits::default().max_connections);
    // Twice the limit may be open at times: 30 of 64, with 34 reserved.
    assert_eq!(connections(64, 1), 15);
    assert_eq!(connections(256, 50), 62);
    assert_eq!(connections(10, 1), 2);
}
