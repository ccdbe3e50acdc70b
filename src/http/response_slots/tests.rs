use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::{CONTENDED_STALL_TIMEOUT, ResponseSlot, ResponseSlots};
use crate::http::ServerLimits;
use crate::http::connection::{CloseMode, Connection};

/// A connection of a client.
fn connection(client: u8) -> Arc<Connection> {
    let peer: SocketAddr = (Ipv4Addr::new(10, 0, 0, client), 1).into();
    Arc::new(Connection::new(Some(peer), Arc::new(Notify::new())))
}

/// Acquires a slot for a request on a new connection.
async fn acquire(slots: &Arc<ResponseSlots>, client: u8) -> (Arc<Connection>, ResponseSlot) {
    let connection = connection(client);
    (Arc::clone(&connection), slots.acquire(Some(connection)).await)
}

fn is_aborted(connection: &Connection) -> bool {
    connection.until_close(&ServerLimits::default()).now_or_never() == Some(CloseMode::Abort)
}

/// Reads a response chunk by chunk until it is aborted.
async fn read(connection: Arc<Connection>, slot: ResponseSlot, every: Duration) {
    let _request = connection.begin_request();
    let chunks = async {
        loop {
            slot.progress().on_chunk_ready();
            sleep(every).await;
            slot.progress().on_chunk_sent();
        }
    };
    // Without timeouts, so that only another request can abort it.
    let limits = ServerLimits {
        stall_timeout: Duration::MAX / 4,
        total_stall_timeout: Duration::MAX / 4,
        ..ServerLimits::default()
    };
    tokio::select! {
        () = chunks => {}
        end = connection.until_close(&limits) => assert_eq!(end, CloseMode::Abort),
    }
}

#[tokio::test(start_paused = true)]
async fn requests_queue_in_order_while_all_slots_are_held() {
    let slots = ResponseSlots::new(2);
    let first = acquire(&slots, 1).await;
    let _second = acquire(&slots, 1).await;
    let (mut third, mut fourth) = (Box::pin(acquire(&slots, 1)), Box::pin(acquire(&slots, 1)));
    assert!((&mut third).now_or_never().is_none() && (&mut fourth).now_or_never().is_none());
    drop(first);
    let (_, slot) = third.await;
    assert!((&mut fourth).now_or_never().is_none());
    drop(slot);
    fourth.await;
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_request_leaves_the_queue() {
    let slots = ResponseSlots::new(1);
    let held = acquire(&slots, 1).await;
    let (mut gone, mut next) = (Box::pin(acquire(&slots, 1)), Box::pin(acquire(&slots, 1)));
    assert!((&mut gone).now_or_never().is_none() && (&mut next).now_or_never().is_none());
    drop(gone);
    drop(held);
    let (_, slot) = next.await;
    drop(slot);
    // Abandoned after the slot was granted.
    let held = acquire(&slots, 1).await;
    let mut gone = Box::pin(acquire(&slots, 1));
    assert!((&mut gone).now_or_never().is_none());
    drop(held);
    drop(gone);
    acquire(&slots, 1).await;
}

#[tokio::test(start_paused = true)]
async fn the_slowest_response_is_aborted_for_a_waiting_request() {
    let slots = ResponseSlots::new(3);
    let begin = Instant::now();
    let mut readers = tokio::task::JoinSet::new();
    let mut connections = Vec::new();
    // Chunks of 32 KiB: one a minute is 512 B/s, and one in 100 ms is a slow network.
    for every in [Duration::from_millis(100), Duration::from_secs(60), Duration::from_millis(100)] {
        let (connection, slot) = acquire(&slots, 1).await;
        connections.push(Arc::clone(&connection));
        readers.spawn(read(connection, slot, every));
    }
    let _served = acquire(&slots, 1).await;
    assert!(begin.elapsed() < 2 * CONTENDED_STALL_TIMEOUT, "{:?}", begin.elapsed());
    assert_eq!(readers.len(), 3);
    assert!(readers.join_next().now_or_never().is_some_and(|ended| ended.is_some()), "the slow one has ended");
    // The other clients read fast, so a request waits.
    assert!(timeout(100 * CONTENDED_STALL_TIMEOUT, acquire(&slots, 1)).await.is_err());
    assert_eq!(readers.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn slow_clients_delay_a_scraper_by_seconds_at_most() {
    let slots = ResponseSlots::new(8);
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let slots = Arc::clone(&slots);
        readers.spawn(async move {
            loop {
                let (connection, slot) = acquire(&slots, 1).await;
                // 512 B/s.
                read(connection, slot, Duration::from_secs(64)).await;
            }
        });
    }
    sleep(CONTENDED_STALL_TIMEOUT / 2).await;
    for _ in 0..20 {
        let begin = Instant::now();
        let (connection, slot) = acquire(&slots, 2).await;
        // It precedes clients that hold slots.
        assert!(begin.elapsed() <= 2 * CONTENDED_STALL_TIMEOUT, "{:?}", begin.elapsed());
        assert!(!is_aborted(&connection));
        drop(slot);
        sleep(CONTENDED_STALL_TIMEOUT * 5).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_holding_all_slots_yields_some_to_another() {
    let slots = ResponseSlots::new(4);
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (connection, slot) = acquire(&slots, 1).await;
        readers.spawn(read(connection, slot, Duration::from_millis(500)));
    }
    sleep(2 * CONTENDED_STALL_TIMEOUT).await;
    let begin = Instant::now();
    let _first = acquire(&slots, 2).await;
    assert!(begin.elapsed() <= CONTENDED_STALL_TIMEOUT);
    let second = timeout(100 * CONTENDED_STALL_TIMEOUT, acquire(&slots, 2)).await;
    // Three to one, then two to two.
    assert!(second.is_ok());
    assert!(timeout(100 * CONTENDED_STALL_TIMEOUT, acquire(&slots, 2)).await.is_err());
}
