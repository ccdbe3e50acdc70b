use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Response;
use tokio::sync::Notify;
use tokio::time::{Instant, advance};

use super::{Connection, End, Reading};
use crate::http::Limits;

fn connection() -> Arc<Connection> {
    Arc::new(Connection::new(None, Arc::new(Notify::new())))
}

/// Waits for the end, and returns how it is to be and how long that took.
async fn ends(connection: &Connection) -> (End, Duration) {
    let begin = Instant::now();
    (connection.ends(&Limits::default()).await, begin.elapsed())
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_header_has_seconds_and_the_pause_before_it_has_minutes() {
    let Limits { header, idle, .. } = Limits::default();
    // Every scraper comes again within a minute or two.
    assert!(header < 10 * SECOND && idle > 120 * SECOND);
    let connection = connection();
    assert_eq!(ends(&connection).await, (End::Close, header));
    drop(connection.begin());
    assert_eq!(ends(&connection).await, (End::Close, idle));

    drop(connection.begin());
    advance(idle / 2).await;
    // The first byte of another request.
    connection.on_read();
    assert_eq!(ends(&connection).await, (End::Close, header));
}

#[tokio::test(start_paused = true)]
async fn a_byte_now_and_then_does_not_keep_a_connection_open() {
    let connection = connection();
    drop(connection.begin());
    let trickle = async {
        for _ in 0..100 {
            connection.on_read();
            tokio::time::sleep(SECOND).await;
        }
    };
    let (end, ()) = tokio::join!(ends(&connection), trickle);
    assert_eq!(end, (End::Close, Limits::default().header));
}

#[tokio::test(start_paused = true)]
async fn a_request_has_no_limit_here_until_its_response_is_sent() {
    let connection = connection();
    let response = connection.begin().until_sent(Response::new(Body::from("x")));
    let answer = async {
        tokio::time::sleep(1000 * SECOND).await;
        drop(response);
    };
    let (end, ()) = tokio::join!(ends(&connection), answer);
    assert_eq!(end, (End::Close, 1000 * SECOND + Limits::default().idle));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_no_chunk_in_time_is_cut_off() {
    let connection = connection();
    let _in_flight = connection.begin();
    let reading = Reading::begin(Some(Arc::clone(&connection)));
    let stall = Limits::default().stall;
    let read = async {
        // The server may take its time.
        tokio::time::sleep(100 * SECOND).await;
        reading.on_ready();
        reading.on_ready();
        tokio::time::sleep(stall * 9 / 10).await;
        reading.on_taken();
        tokio::time::sleep(stall * 9 / 10).await;
        reading.on_taken();
        tokio::time::sleep(100 * SECOND).await;
        reading.on_ready();
    };
    let (end, ()) = tokio::join!(ends(&connection), read);
    assert_eq!(end, (End::CutOff, 200 * SECOND + (stall * 9 / 10) * 2 + stall));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_always_takes_the_next_chunk_just_in_time_is_cut_off_too() {
    let connection = connection();
    let _in_flight = connection.begin();
    let reading = Reading::begin(Some(Arc::clone(&connection)));
    let read = async {
        reading.on_ready();
        for _ in 0..100 {
            reading.on_ready();
            tokio::time::sleep(Limits::default().stall * 9 / 10).await;
            reading.on_taken();
        }
    };
    let (end, ()) = tokio::join!(ends(&connection), read);
    assert_eq!(end, (End::CutOff, Limits::default().response));
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_comes_at_once() {
    let connection = connection();
    let _in_flight = connection.begin();
    connection.close();
    assert_eq!(ends(&connection).await, (End::Close, Duration::ZERO));
    Reading::begin(Some(Arc::clone(&connection))).cut_off();
    assert_eq!(ends(&connection).await, (End::CutOff, Duration::ZERO));
}
