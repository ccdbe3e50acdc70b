//! Accepts connections, serves each in a task of its own, and ends them all.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use super::patience::Patient;
use super::seats::{Seat, Seats};
use super::{Config, Limits};

/// The most bytes of a request's header, which no known client comes near.
const HEADER_BYTES: usize = 16 * 1024;

/// The first and the longest pause after a connection could not be accepted.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How long a connection that makes room for another has to hand over what is left of a response.
const LEAVING: Duration = Duration::from_secs(1);

/// Serves a router until `shutdown` is ready, then lets requests in flight finish. Every task it starts has ended when it
/// returns.
pub async fn serve_router(listener: TcpListener, router: Router, config: Config, shutdown: impl Future<Output = ()>) {
    let limits = config.limits;
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut seats = Seats::default();
    let mut pause = Duration::ZERO;
    let mut shutdown = pin!(shutdown);
    let mut newcomer = None;
    loop {
        // Those that were told to go take a moment.
        let has_room = |seats: &mut Seats, taken| {
            taken < limits.connections || (taken < 2 * limits.connections && seats.make_room())
        };
        if let Some((stream, peer)) = newcomer.take_if(|_| has_room(&mut seats, connections.len())) {
            let peer = Peer { address: Some(canonical(peer)), seat: seats.take() };
            connections.spawn(connection(stream, router.clone(), config.clone(), peer, stopping.clone()));
        }
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => log_panic(ended),
            () = seats.freed(), if newcomer.is_some() => {}
            accepted = accept(&listener, &mut pause), if newcomer.is_none() => newcomer = Some(accepted),
        }
    }
    drop(listener);
    stop.send_replace(());
    let drained = timeout(limits.drain, async {
        while let Some(ended) = connections.join_next().await {
            log_panic(ended);
        }
    });
    if drained.await.is_err() {
        tracing::warn!(connections = connections.len(), "cutting connections that did not finish in time");
        connections.shutdown().await;
    }
}

/// Returns the next connection.
///
/// When the process has no file descriptor left, `accept` fails at once and again: so pause, ever longer. The caller may
/// drop this future because a connection has ended; trying again right then is what is wanted.
async fn accept(listener: &TcpListener, pause: &mut Duration) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                *pause = Duration::ZERO;
                return accepted;
            }
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                if pause.is_zero() {
                    tracing::warn!(%error, "cannot accept connections");
                }
                *pause = (*pause * 2).clamp(PAUSES.0, PAUSES.1);
                sleep(*pause).await;
            }
        }
    }
}

/// Returns whether a connection was gone before it was accepted, which says nothing about the next.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The other end of a connection.
struct Peer {
    /// Its address, which requests carry as the extension [`ConnectInfo`]. `None` on a Unix socket.
    address: Option<SocketAddr>,
    seat: Arc<Seat>,
}

/// Returns an IPv4 address for one that is written as IPv6, as a socket for both shows it: `::ffff:10.0.0.1`.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

async fn connection(stream: TcpStream, router: Router, config: Config, peer: Peer, mut stopping: watch::Receiver<()>) {
    // Otherwise the end of a response may wait for the peer to acknowledge its beginning.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    let stream = Patient::new(stream, config.limits.response);
    // What holds now holds for this connection to its end.
    let web = config.web.borrow().clone();
    let Some(tls) = &web.tls else {
        return http(stream, router, config.limits, &peer, stopping).await;
    };
    let handshake = tokio::select! {
        handshake = timeout(config.limits.header, tls.accept(stream)) => handshake,
        () = peer.seat.leave() => return,
        _ = stopping.changed() => return,
    };
    match handshake {
        Ok(Ok(stream)) => http(stream, router, config.limits, &peer, stopping).await,
        failed => {
            config.refusals.count_handshake();
            let why = failed.map_or_else(
                |_| "it takes too long".to_owned(),
                |failed| failed.err().map_or_else(String::new, |error| error.to_string()),
            );
            tracing::debug!(why, "TLS handshake failed");
        }
    }
}

/// Serves requests on a connection until one side has enough.
async fn http<S>(stream: S, router: Router, limits: Limits, peer: &Peer, mut stopping: watch::Receiver<()>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(|request| answer(&router, request, limits.request, peer));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header)
        .max_header_size(HEADER_BYTES)
        .max_buf_size(2 * HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        _ = stopping.changed() => {
            // Ends an idle connection at once, any other after its response.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
        () = peer.seat.leave() => {
            connection.as_mut().graceful_shutdown();
            // A client that has sent half a header is idle too.
            timeout(LEAVING, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection failed");
    }
}

async fn answer(
    router: &Router,
    mut request: Request<Incoming>,
    limit: Duration,
    peer: &Peer,
) -> Result<Response, Infallible> {
    let busy = peer.seat.begin();
    if let Some(address) = peer.address {
        request.extensions_mut().insert(ConnectInfo(address));
    }
    let answered = match timeout(limit, TowerToHyperService::new(router.clone()).call(request)).await {
        Ok(response) => response,
        Err(_) => Ok((StatusCode::SERVICE_UNAVAILABLE, "this takes too long\n").into_response()),
    };
    answered.map(|response| busy.until_sent(response))
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "connection task failed");
    }
}
