//! Listener with injected connection faults.

use std::{
    fmt,
    future::{self, Future},
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time,
};

use super::faults::{ConnectionFault, Faults};

/// An accepted TCP connection, before TLS.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    peer: ResetHandle,
}

/// Resets a connection from within a request that arrived over it.
#[derive(Clone, Debug, Default)]
pub(super) struct ResetHandle {
    resets: Arc<AtomicBool>,
}

impl ResetHandle {
    /// Makes the connection end with RST instead of FIN when it is dropped.
    pub(super) fn reset(&self) {
        self.resets.store(true, Ordering::SeqCst);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.peer.resets.load(Ordering::SeqCst) {
            // Fails if the connection is already closed.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A FIN would end the connection properly.
        if self.peer.resets.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Accepts connections and performs the handshake of each, for TLS.
pub(super) struct FaultyListener<F, Io> {
    listener: TcpListener,
    faults: Faults,
    secure: F,
    /// Handshakes and faulty connections in progress. A stalled handshake does not block others.
    handshakes: JoinSet<Option<(Io, ResetHandle)>>,
}

impl<F, Io: Send + 'static> FaultyListener<F, Io> {
    pub(super) fn new(listener: TcpListener, faults: Faults, secure: F) -> Self {
        Self { listener, faults, secure, handshakes: JoinSet::new() }
    }
}

impl<F, S, Io> FaultyListener<F, Io>
where
    F: Fn(Socket) -> S,
    S: Future<Output = io::Result<Io>> + Send + 'static,
    Io: Send + 'static,
{
    fn open(&mut self, stream: TcpStream) {
        let peer = ResetHandle::default();
        match self.faults.on_connection() {
            None => {
                let handshake = (self.secure)(Socket { stream, peer: peer.clone() });
                self.handshakes.spawn(async move { handshake.await.ok().map(|io| (io, peer)) });
            }
            Some(ConnectionFault::Reset) => {
                peer.reset();
                drop(Socket { stream, peer });
            }
            Some(ConnectionFault::Close) => drop(stream),
            Some(ConnectionFault::Silent) => {
                self.handshakes.spawn(async move {
                    time::sleep(Duration::MAX).await;
                    drop(stream);
                    None
                });
            }
            Some(ConnectionFault::SendBytes(bytes)) => {
                self.handshakes.spawn(async move {
                    say(stream, bytes).await.ok();
                    None
                });
            }
        }
    }
}

/// Sends bytes after the first read. Closing with unread data would reset the connection.
async fn say(mut stream: TcpStream, bytes: &[u8]) -> io::Result<()> {
    let mut heard = [0; 4096];
    let mut heard = ReadBuf::new(&mut heard);
    future::poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut heard)).await?;
    future::poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, bytes)).await?;
    Ok(())
}

impl<F, S, Io> Listener for FaultyListener<F, Io>
where
    F: Fn(Socket) -> S + Send + 'static,
    S: Future<Output = io::Result<Io>> + Send + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Io = Io;
    type Addr = ResetHandle;

    async fn accept(&mut self) -> (Io, ResetHandle) {
        loop {
            tokio::select! {
                accepted = TcpListener::accept(&self.listener) => match accepted {
                    Ok((stream, _)) => self.open(stream),
                    // For example, out of file descriptors; retried.
                    Err(_) => time::sleep(Duration::from_millis(100)).await,
                },
                Some(opened) = self.handshakes.join_next() => {
                    if let Ok(Some(opened)) = opened {
                        return opened;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<ResetHandle> {
        Ok(ResetHandle::default())
    }
}

impl<F, S, Io> Connected<IncomingStream<'_, FaultyListener<F, Io>>> for ResetHandle
where
    F: Fn(Socket) -> S + Send + 'static,
    S: Future<Output = io::Result<Io>> + Send + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn connect_info(stream: IncomingStream<'_, FaultyListener<F, Io>>) -> Self {
        stream.remote_addr().clone()
    }
}

impl<F, Io> fmt::Debug for FaultyListener<F, Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("listener", &self.listener).finish_non_exhaustive()
    }
}
