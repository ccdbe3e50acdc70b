//! Accepts connections and serves each in its own task. Closes all of them at shutdown.
//!
//! `axum::serve` has no timeouts and no connection limit, so this module uses hyper directly.

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

use super::backend::Backend;
use super::config::HttpConfig;
use super::connection::{CloseMode, Connection};
use super::connection_limit::ConnectionLimit;
use super::listener::{AcceptedConnection, ByteStream, Listeners};
use super::router::router;
use super::write_timeout::WriteTimeoutStream;

/// Maximum size of a request header.
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// Maximum number of concurrent requests on an HTTP/2 connection. A browser sends four for a page.
const MAX_STREAMS: u32 = 32;

/// Maximum number of HTTP/2 streams that a client may reset before they are served.
const MAX_RESET_STREAMS: usize = 32;

/// First and maximum pause after a connection could not be accepted.
const ACCEPT_BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Maximum time to send pending data when a connection is closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Serves a backend until `shutdown` completes. See [`serve_router`].
pub async fn serve(
    listeners: Listeners,
    backend: Arc<dyn Backend>,
    config: HttpConfig,
    shutdown: impl Future<Output = ()>,
) {
    let router = router(backend, &config);
    serve_router(listeners, router, config, shutdown).await;
}

/// Serves a router until `shutdown` completes, then drains requests in flight. All tasks have ended when it returns.
pub(crate) async fn serve_router(
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
    let mut pending = None;
    loop {
        if let Some(AcceptedConnection { stream, peer }) = pending.take_if(|_| limit.has_room(connections.len())) {
            let server =
                ConnectionServer { router: router.clone(), config: config.clone(), connection: limit.register(peer) };
            connections.spawn(server.serve(stream, stopping.clone()));
        }
        tokio::select! {
            () = &mut shutdown => break,
            Some(ended) = connections.join_next() => log_panic(ended),
            () = limit.became_idle(), if pending.is_some() => {}
            accepted = accept(&mut listeners, pause), if pending.is_none() => match accepted {
                Ok(accepted) => {
                    pause = Duration::ZERO;
                    pending = Some(accepted);
                }
                Err(error) if is_peer_error(&error) => {}
                Err(error) => {
                    if pause.is_zero() {
                        tracing::warn!(%error, "cannot accept connections");
                    }
                    pause = (pause * 2).clamp(ACCEPT_BACKOFF.0, ACCEPT_BACKOFF.1);
                    // Releases a file descriptor.
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
        tracing::warn!(connections = connections.len(), "drain timeout reached, aborting connections");
        connections.shutdown().await;
    }
}

/// Accepts the next connection, after a pause.
///
/// Without free file descriptors, `accept` fails repeatedly at once. The caller drops this future when a connection ends,
/// and retries without the rest of the pause.
async fn accept(listeners: &mut Listeners, pause: Duration) -> io::Result<AcceptedConnection> {
    if !pause.is_zero() {
        sleep(pause).await;
    }
    listeners.accept().await
}

/// Returns whether the error concerns a single connection, which the client closed before it was accepted.
fn is_peer_error(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Serves one connection.
pub(super) struct ConnectionServer {
    pub(super) router: Router,
    pub(super) config: HttpConfig,
    pub(super) connection: Arc<Connection>,
}

impl ConnectionServer {
    /// Serves a connection until it is closed.
    async fn serve(self, stream: Box<dyn ByteStream>, mut stopping: watch::Receiver<()>) {
        // A reload does not affect open connections.
        let web_config = self.config.web_config.borrow().clone();
        let Some(tls) = &web_config.tls else { return self.http1(stream, stopping).await };
        let handshake = tokio::select! {
            handshake = timeout(self.config.limits.header_timeout, tls.accept(stream)) => handshake,
            () = self.connection.close_requested() => return,
            _ = stopping.changed() => return,
        };
        let error = match handshake {
            Ok(Ok(stream)) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                return Arc::new(self).http2(Box::new(stream), stopping).await;
            }
            Ok(Ok(stream)) => return self.http1(Box::new(stream), stopping).await,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "timed out".to_owned(),
        };
        self.config.rejections.count_tls_handshake();
        tracing::debug!(error, "TLS handshake failed");
    }

    /// Serves HTTP/1.1 requests.
    async fn http1(&self, stream: Box<dyn ByteStream>, stopping: watch::Receiver<()>) {
        let connection = Some(Arc::clone(&self.connection));
        let stream = WriteTimeoutStream::new(stream, self.config.limits.total_stall_timeout, connection);
        let connection = http1::Builder::new()
            // This timeout would apply to idle connections, too. `Connection::until_close` has separate ones.
            .header_read_timeout(None)
            .max_header_size(MAX_HEADER_BYTES as usize)
            .max_buf_size(2 * MAX_HEADER_BYTES as usize)
            .serve_connection(TokioIo::new(stream), service_fn(|request| self.handle_request(request)));
        self.drive(connection, http1::Connection::graceful_shutdown, stopping).await;
    }

    /// Serves HTTP/2 requests, with the limits of HTTP/1.1.
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
            // Request bodies are at most a few bytes long.
            .initial_stream_window_size(MAX_HEADER_BYTES)
            .initial_connection_window_size(4 * MAX_HEADER_BYTES)
            // Beyond these numbers of resets by the client or by the server, the connection is closed.
            .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
            .max_local_error_reset_streams(MAX_RESET_STREAMS)
            .serve_connection(TokioIo::new(stream), service);
        self.drive(connection, http2::Connection::graceful_shutdown, stopping).await;
    }

    /// Drives a connection until it is closed by the client, a timeout, the connection limit or the shutdown.
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
                // Closes an idle connection at once, and others after their responses.
                shut_down(connection.as_mut());
                connection.await
            }
            mode = state.until_close(&config.limits) => match mode {
                CloseMode::Graceful => {
                    shut_down(connection.as_mut());
                    // A connection with an incomplete header would not end by itself.
                    timeout(CLOSE_TIMEOUT, connection).await.unwrap_or(Ok(()))
                }
                CloseMode::Abort => {
                    config.rejections.count_slow_reader();
                    tracing::debug!(peer = ?state.peer(), "response aborted: client reads too slowly");
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
        let response = TowerToHyperService::new(self.router.clone()).call(request);
        let response = match timeout(self.config.limits.request_timeout, response).await {
            Ok(response) => response,
            Err(_) => Ok((StatusCode::SERVICE_UNAVAILABLE, "request timed out\n").into_response()),
        };
        response.map(|response| in_flight.until_sent(response))
    }
}

/// Runs the streams of an HTTP/2 connection. Aborts the remaining ones when the connection ends.
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
