//! Accepts connections, of which some go wrong on demand.

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

use super::faults::{Connect, Faults};

/// A connection as it was accepted, before any TLS.
#[derive(Debug)]
pub struct Socket {
    stream: TcpStream,
    peer: Peer,
}

/// The other end of a connection, to a request that came over it.
#[derive(Clone, Debug, Default)]
pub(super) struct Peer {
    resets: Arc<AtomicBool>,
}

impl Peer {
    /// Ends the connection with RST instead of FIN, as soon as it is dropped.
    pub(super) fn reset(&self) {
        self.resets.store(true, Ordering::SeqCst);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if self.peer.resets.load(Ordering::SeqCst) {
            // It fails on a connection that is gone already.
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
        // FIN first would end it cleanly.
        if self.peer.resets.load(Ordering::SeqCst) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Accepts connections and makes of each what requests are read from, which for TLS is a handshake.
pub(super) struct Door<F, Io> {
    listener: TcpListener,
    faults: Faults,
    secure: F,
    /// Handshakes under way, so that one that hangs keeps nobody waiting, and connections that go wrong.
    opening: JoinSet<Option<(Io, Peer)>>,
}

impl<F, Io: Send + 'static> Door<F, Io> {
    pub(super) fn new(listener: TcpListener, faults: Faults, secure: F) -> Self {
        Self { listener, faults, secure, opening: JoinSet::new() }
    }
}

impl<F, S, Io> Door<F, Io>
where
    F: Fn(Socket) -> S,
    S: Future<Output = io::Result<Io>> + Send + 'static,
    Io: Send + 'static,
{
    fn open(&mut self, stream: TcpStream) {
        let peer = Peer::default();
        match self.faults.connected() {
            None => {
                let handshake = (self.secure)(Socket { stream, peer: peer.clone() });
                self.opening.spawn(async move { handshake.await.ok().map(|io| (io, peer)) });
            }
            Some(Connect::Reset) => {
                peer.reset();
                drop(Socket { stream, peer });
            }
            Some(Connect::Close) => drop(stream),
            Some(Connect::Silent) => {
                self.opening.spawn(async move {
                    time::sleep(Duration::MAX).await;
                    drop(stream);
                    None
                });
            }
            Some(Connect::Say(bytes)) => {
                self.opening.spawn(async move {
                    say(stream, bytes).await.ok();
                    None
                });
            }
        }
    }
}

/// Says something once the other side has said something: what is not read before the end makes a reset of it.
async fn say(mut stream: TcpStream, bytes: &[u8]) -> io::Result<()> {
    let mut heard = [0; 4096];
    let mut heard = ReadBuf::new(&mut heard);
    future::poll_fn(|cx| Pin::new(&mut stream).poll_read(cx, &mut heard)).await?;
    future::poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, bytes)).await?;
    Ok(())
}

impl<F, S, Io> Listener for Door<F, Io>
where
    F: Fn(Socket) -> S + Send + 'static,
    S: Future<Output = io::Result<Io>> + Send + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    type Io = Io;
    type Addr = Peer;

    async fn accept(&mut self) -> (Io, Peer) {
        loop {
            tokio::select! {
                accepted = TcpListener::accept(&self.listener) => match accepted {
                    Ok((stream, _)) => self.open(stream),
                    // Such as no file left to open: it passes.
                    Err(_) => time::sleep(Duration::from_millis(100)).await,
                },
                Some(opened) = self.opening.join_next() => {
                    if let Ok(Some(opened)) = opened {
                        return opened;
                    }
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Peer> {
        Ok(Peer::default())
    }
}

impl<F, S, Io> Connected<IncomingStream<'_, Door<F, Io>>> for Peer
where
    F: Fn(Socket) -> S + Send + 'static,
    S: Future<Output = io::Result<Io>> + Send + 'static,
    Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    fn connect_info(stream: IncomingStream<'_, Door<F, Io>>) -> Self {
        stream.remote_addr().clone()
    }
}

impl<F, Io> fmt::Debug for Door<F, Io> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("listener", &self.listener).finish_non_exhaustive()
    }
}
