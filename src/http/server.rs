//! Accepts connections, serves each in a task of its own, and ends them all.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};

use super::HttpConfig;
use super::connection::{CloseMode, Connection};
use super::connection_limit::ConnectionLimit;
use super::listener::{AcceptedConnection, ByteStream, Listeners};
use super::write_timeout::WriteTimeoutStream;

/// The most bytes of a request's header, which no known client comes near.
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// The most requests at a time on one connection of HTTP/2. A browser sends four for the page.
const MAX_STREAMS: u32 = 32;

/// The most streams that a client of HTTP/2 may reset before they are served.
const MAX_RESET_STREAMS: usize = 32;

/// The first and the longest pause after a connection could not be accepted.
const ACCEPT_BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How long a connection that makes room for another has to hand over what is left of a response.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves a router until `shutdown` is ready, then lets requests in flight finish. Every task it starts has ended when it
/// returns.
pub async fn serve_router(
    mut listeners: Listeners,
    router: Router,
    config: HttpConfig,
    shutdown: impl Future<Output = ()>,
) {
    let limits = config.limits;
    let (stop, stopping) = watch::channel(());
    let mut connections = JoinSet::new();
    let mut limit = ConnectionLimit::new(limits.max_connections);
    let mut pause = Duration::ZERO;
    let mut shutdown = pin!(shutdown);
    let mut newcomer = None;
    loop {
        if let Some(AcceptedConnection { stream, peer }) = newcomer.take_if(|_| limit.has_room(connections.len())) {
            let server =
                ConnectionServer { router: router.clone(), config: config.clone(), connection: limit.register(peer) };
            connections.spawn(server.serve(stream, stopping.clone()));
        }
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => log_panic(ended),
            () = limit.became_idle(), if newcomer.is_some() => {}
            accepted = accept(&mut listeners, pause), if newcomer.is_none() => match accepted {
                Ok(accepted) => {
                    pause = Duration::ZERO;
                    newcomer = Some(accepted);
                }
                Err(error) if is_peer_error(&error) => {}
                Err(error) => {
                    if pause.is_zero() {
                        tracing::warn!(%error, "cannot accept connections");
                    }
                    pause = (pause * 2).clamp(ACCEPT_BACKOFF.0, ACCEPT_BACKOFF.1);
                    // One that ends leaves a file descriptor.
                    limit.close_idle();
                }
            },
        }
    }
    drop(listeners);
    stop.send_replace(());
    let drained = timeout(limits.drain_timeout, async {
        while let Some(ended) = connections.join_next().await {
            log_panic(ended);
        }
    });
    if drained.await.is_err() {
        tracing::warn!(connections = connections.len(), "cutting connections that did not finish in time");
        connections.shutdown().await;
    }
}

/// Returns the next connection, after a pause.
///
/// When the process has no file descriptor left, `accept` fails at once and again. The caller may drop this future because
/// a connection has ended; trying again right then is what is wanted.
async fn accept(listeners: &mut Listeners, pause: Duration) -> io::Result<AcceptedConnection> {
    if !pause.is_zero() {
        sleep(pause).await;
    }
    listeners.accept().await
}

/// Returns whether a connection was gone before it was accepted, which says nothing about the next.
fn is_peer_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// What it takes to serve one connection.
pub(super) struct ConnectionServer {
    pub(super) router: Router,
    pub(super) config: HttpConfig,
    pub(super) connection: Arc<Connection>,
}

impl ConnectionServer {
    /// Serves a connection until one side has enough.
    async fn serve(self, stream: Box<dyn ByteStream>, mut stopping: watch::Receiver<()>) {
        // What holds now holds for this connection to its end.
        let web = self.config.web_config.borrow().clone();
        let Some(tls) = &web.tls else { return self.http1(stream, stopping).await };
        let handshake = tokio::select! {
            handshake = timeout(self.config.limits.header_timeout, tls.accept(stream)) => handshake,
            () = self.connection.close_requested() => return,
            _ = stopping.changed() => return,
        };
        match handshake {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                Arc::new(self).http2(Box::new(stream), stopping).await;
            }
            Ok(Ok(stream)) => self.http1(Box::new(stream), stopping).await,
            failed => {
                self.config.rejections.count_tls_handshake();
                let why = failed.map_or_else(
                    |_| "it takes too long".to_owned(),
                    |failed| failed.err().map_or_else(String::new, |error| error.to_string()),
                );
                tracing::debug!(why, "TLS handshake failed");
            }
        }
    }

    /// Serves requests of HTTP/1.1.
    async fn http1(&self, stream: Box<dyn ByteStream>, stopping: watch::Receiver<()>) {
        let begins_request = Some(Arc::clone(&self.connection));
        let stream = WriteTimeoutStream::new(stream, self.config.limits.total_stall_timeout, begins_request);
        let connection = http1::Builder::new()
            // It limits the time between two requests as well. `Connection::ends` tells the two apart.
            .header_read_timeout(None)
            .max_header_size(MAX_HEADER_BYTES as usize)
            .max_buf_size(2 * MAX_HEADER_BYTES as usize)
            .serve_connection(TokioIo::new(stream), service_fn(|request| self.handle_request(request)));
        self.drive(connection, http1::Connection::graceful_shutdown, stopping).await;
    }

    /// Serves requests of HTTP/2, with the limits of HTTP/1.1.
    pub(super) async fn http2(self: Arc<Self>, stream: Box<dyn ByteStream>, stopping: watch::Receiver<()>) {
        let stream = WriteTimeoutStream::new(stream, self.config.limits.total_stall_timeout, None);
        let server = Arc::clone(&self);
        let service = service_fn(move |request| {
            let server = Arc::clone(&server);
            async move { server.handle_request(request).await }
        });
        let connection = http2::Builder::new(StreamExecutor::default())
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADER_BYTES)
            .max_send_buf_size(2 * MAX_HEADER_BYTES as usize)
            // No request has a body of more than some bytes.
            .initial_stream_window_size(MAX_HEADER_BYTES)
            .initial_connection_window_size(4 * MAX_HEADER_BYTES)
            // Streams that the client resets before they are served, and those that broke its limits: more end the connection.
            .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
            .max_local_error_reset_streams(MAX_RESET_STREAMS)
            .serve_connection(TokioIo::new(stream), service);
        self.drive(connection, http2::Connection::graceful_shutdown, stopping).await;
    }

    /// Drives a connection to its end.
    async fn drive<C: Future<Output = hyper::Result<()>>>(
        &self,
        connection: C,
        shut_down: impl Fn(Pin<&mut C>),
        mut stopping: watch::Receiver<()>,
    ) {
        let Self { config, connection: state, .. } = self;
        state.on_open();
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = &mut connection => ended,
            _ = stopping.changed() => {
                // Ends an idle connection at once, any other after its responses.
                shut_down(connection.as_mut());
                connection.await
            }
            end = state.until_close(&config.limits) => match end {
                CloseMode::Graceful => {
                    shut_down(connection.as_mut());
                    // A client that has sent half a header is idle too.
                    timeout(CLOSE_TIMEOUT, connection).await.unwrap_or(Ok(()))
                }
                CloseMode::Abort => {
                    config.rejections.count_slow_reader();
                    tracing::debug!(peer = ?state.peer(), "response cut off: the client reads too slowly");
                    return;
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "connection failed");
        }
    }

    async fn handle_request(&self, mut request: Request<Incoming>) -> Result<Response, Infallible> {
        let in_flight = self.connection.begin_request();
        if let Some(address) = self.connection.peer() {
            request.extensions_mut().insert(ConnectInfo(address));
        }
        request.extensions_mut().insert(Arc::clone(&self.connection));
        let answer = TowerToHyperService::new(self.router.clone()).call(request);
        let answered = match timeout(self.config.limits.request_timeout, answer).await {
            Ok(response) => response,
            Err(_) => Ok((StatusCode::SERVICE_UNAVAILABLE, "request timed out\n").into_response()),
        };
        answered.map(|response| in_flight.until_sent(response))
    }
}

/// Runs the streams of an HTTP/2 connection, and ends those that are left when the connection ends.
#[derive(Clone, Default)]
struct StreamExecutor(Arc<Mutex<JoinSet<()>>>);

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, stream: F) {
        let mut streams = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = streams.try_join_next() {
            log_panic(ended);
        }
        streams.spawn(stream);
    }
}

fn log_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "connection task failed");
    }
}
