use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use tokio::sync::Notify;
use tokio::time::{Instant, advance};

use super::{CloseMode, Connection, ResponseProgress};
use crate::http::ServerLimits;

fn connection() -> Arc<Connection> {
    Arc::new(Connection::new(None, Arc::new(Notify::new())))
}

/// Waits for the close of a connection. Returns its mode and the time until then.
async fn closes(connection: &Connection) -> (CloseMode, Duration) {
    let begin = Instant::now();
    (connection.until_close(&ServerLimits::default()).await, begin.elapsed())
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn header_timeout_and_idle_timeout_are_separate() {
    let ServerLimits { header_timeout, idle_timeout, .. } = ServerLimits::default();
    // Scrape intervals are at most two minutes.
    assert!(header_timeout < 10 * SECOND && idle_timeout > 120 * SECOND);
    let connection = connection();
    assert_eq!(closes(&connection).await, (CloseMode::Graceful, header_timeout));
    drop(connection.begin_request());
    assert_eq!(closes(&connection).await, (CloseMode::Graceful, idle_timeout));

    drop(connection.begin_request());
    advance(idle_timeout / 2).await;
    // The first byte of another request.
    connection.on_read();
    assert_eq!(closes(&connection).await, (CloseMode::Graceful, header_timeout));
}

#[tokio::test(start_paused = true)]
async fn a_trickling_header_does_not_extend_its_timeout() {
    let connection = connection();
    drop(connection.begin_request());
    let trickle = async {
        for _ in 0..100 {
            connection.on_read();
            tokio::time::sleep(SECOND).await;
        }
    };
    let (end, ()) = tokio::join!(closes(&connection), trickle);
    assert_eq!(end, (CloseMode::Graceful, ServerLimits::default().header_timeout));
}

#[tokio::test(start_paused = true)]
async fn a_request_in_flight_has_no_connection_timeout() {
    let connection = connection();
    let response = connection.begin_request().until_sent(Response::new(Body::from("x")));
    let answer = async {
        tokio::time::sleep(1000 * SECOND).await;
        drop(response);
    };
    let (end, ()) = tokio::join!(closes(&connection), answer);
    assert_eq!(end, (CloseMode::Graceful, 1000 * SECOND + ServerLimits::default().idle_timeout));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stalls_on_one_chunk_is_disconnected() {
    let connection = connection();
    let _in_flight = connection.begin_request();
    let reading = ResponseProgress::start(Some(Arc::clone(&connection)));
    let stall = ServerLimits::default().stall_timeout;
    let read = async {
        // Time in which the server writes does not count.
        tokio::time::sleep(100 * SECOND).await;
        reading.on_chunk_ready();
        reading.on_chunk_ready();
        tokio::time::sleep(stall * 9 / 10).await;
        reading.on_chunk_sent();
        tokio::time::sleep(stall * 9 / 10).await;
        reading.on_chunk_sent();
        tokio::time::sleep(100 * SECOND).await;
        reading.on_chunk_ready();
    };
    let (end, ()) = tokio::join!(closes(&connection), read);
    assert_eq!(end, (CloseMode::Abort, 200 * SECOND + (stall * 9 / 10) * 2 + stall));
}

#[tokio::test(start_paused = true)]
async fn total_stall_time_is_limited() {
    let connection = connection();
    let _in_flight = connection.begin_request();
    let reading = ResponseProgress::start(Some(Arc::clone(&connection)));
    let read = async {
        reading.on_chunk_ready();
        for _ in 0..100 {
            reading.on_chunk_ready();
            tokio::time::sleep(ServerLimits::default().stall_timeout * 9 / 10).await;
            reading.on_chunk_sent();
        }
    };
    let (end, ()) = tokio::join!(closes(&connection), read);
    assert_eq!(end, (CloseMode::Abort, ServerLimits::default().total_stall_timeout));
}

#[tokio::test(start_paused = true)]
async fn close_and_abort_requests_take_effect_at_once() {
    let connection = connection();
    let _in_flight = connection.begin_request();
    connection.request_close();
    assert_eq!(closes(&connection).await, (CloseMode::Graceful, Duration::ZERO));
    ResponseProgress::start(Some(Arc::clone(&connection))).abort();
    assert_eq!(closes(&connection).await, (CloseMode::Abort, Duration::ZERO));
}
