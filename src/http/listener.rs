//! Binds the listening sockets and accepts connections from all of them.

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net as unix;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::task::Poll;
use std::{fs, net};

use listenfd::ListenFd;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};

/// Maximum number of connections in the accept queue of the kernel.
const BACKLOG: i32 = 1024;
/// Size of the send buffer of a connection in the kernel, which doubles it. By default, the buffer of a slow client may grow
/// to 4 MiB, which counts toward the memory limit of the container.
const SEND_BUFFER_BYTES: usize = 64 * 1024;
/// File mode of a Unix socket: owner and group may connect.
const UNIX_MODE: u32 = 0o660;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A port of one address. `[::]` accepts IPv6 and IPv4.
    Tcp(SocketAddr),
    /// `:PORT`, a port of all addresses: IPv6 and IPv4, or only IPv4 if the system has no IPv6.
    AnyTcp(u16),
    /// A Unix socket, `unix:///PATH`.
    Unix(PathBuf),
}

/// An invalid listen address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidListenAddress {
    /// The address has no port.
    #[error("expected HOST:PORT, :PORT or unix:///PATH")]
    Format,
    /// The port is not a number from 0 to 65535.
    #[error("invalid port \"{0}\"")]
    Port(String),
    /// The host is not an IP address.
    #[error("invalid IP address \"{0}\" (write IPv6 in brackets)")]
    Host(String),
    /// The path is not absolute.
    #[error("the path of a Unix socket must be absolute: unix:///PATH")]
    Path,
}

impl FromStr for ListenAddress {
    type Err = InvalidListenAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some(path) = text.strip_prefix("unix:") {
            let path = Path::new(path.strip_prefix("//").unwrap_or(path));
            let is_file = path.is_absolute() && path.file_name().is_some();
            return is_file.then(|| Self::Unix(path.to_owned())).ok_or(InvalidListenAddress::Path);
        }
        let (host, port) = text.rsplit_once(':').ok_or(InvalidListenAddress::Format)?;
        let port: u16 = port.parse().map_err(|_| InvalidListenAddress::Port(port.to_owned()))?;
        match host {
            "" => Ok(Self::AnyTcp(port)),
            "localhost" => Ok(Self::Tcp((Ipv4Addr::LOCALHOST, port).into())),
            _ => text.parse().map(Self::Tcp).map_err(|_| InvalidListenAddress::Host(host.to_owned())),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::AnyTcp(port) => write!(f, ":{port}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// A stream of bytes to a client.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// An accepted connection.
pub(super) struct AcceptedConnection {
    pub(super) stream: Box<dyn ByteStream>,
    /// Address of the client. `None` for a Unix socket.
    pub(super) peer: Option<SocketAddr>,
}

/// The listening sockets.
pub struct Listeners {
    listeners: Vec<Listener>,
    /// Index of the listener to poll first. It rotates, so that a busy listener does not starve the others.
    next_index: usize,
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// The file of a Unix socket. Removed when the socket is closed, unless systemd owns it.
struct SocketFile {
    path: PathBuf,
    is_owned: bool,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.is_owned
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::debug!(%error, path = %self.path.display(), "cannot remove the socket file");
        }
    }
}

impl Listeners {
    /// Binds all addresses.
    ///
    /// # Errors
    /// If an address cannot be bound. The error contains the address.
    pub fn bind(addresses: &[ListenAddress]) -> Result<Self, String> {
        let bind = |address: &ListenAddress| {
            let bound = match address {
                ListenAddress::Tcp(address) => bind_tcp(*address),
                ListenAddress::AnyTcp(port) => bind_any(*port, bind_tcp),
                ListenAddress::Unix(path) => bind_unix(path),
            };
            bound.map_err(|error| format!("cannot listen on {address}: {error}"))
        };
        let listeners = addresses.iter().map(bind).collect::<Result<_, _>>()?;
        Ok(Self { listeners, next_index: 0 })
    }

    /// Returns the sockets that systemd passed in `LISTEN_FDS`. Must be called before the process starts a second thread,
    /// because it removes the variables from the environment.
    ///
    /// # Errors
    /// If systemd passed no socket, or one that is not a stream socket.
    pub(crate) fn from_systemd() -> Result<Self, String> {
        let mut passed = ListenFd::from_env();
        let sockets = (0..passed.len()).map(|index| take_systemd_socket(&mut passed, index));
        match sockets.collect::<Result<Vec<Listener>, String>>() {
            Ok(listeners) if listeners.is_empty() => {
                Err("systemd passed no socket (LISTEN_FDS, LISTEN_PID)".to_owned())
            }
            Ok(listeners) => Ok(Self { listeners, next_index: 0 }),
            Err(error) => Err(format!("cannot use a socket of systemd: {error}")),
        }
    }

    /// Returns the address of each socket, for the log.
    pub fn addresses(&self) -> Vec<String> {
        let address = |listener: &Listener| match listener {
            Listener::Tcp(listener) => {
                listener.local_addr().map_or_else(|_| String::new(), |address| address.to_string())
            }
            Listener::Unix(_, file) => ListenAddress::Unix(file.path.clone()).to_string(),
        };
        self.listeners.iter().map(address).collect()
    }

    /// Waits for a connection on any of the sockets.
    pub(super) async fn accept(&mut self) -> io::Result<AcceptedConnection> {
        poll_fn(|context| {
            for offset in 0..self.listeners.len() {
                let index = (self.next_index + offset) % self.listeners.len();
                let accepted = match self.listeners.get(index) {
                    Some(Listener::Tcp(listener)) => listener.poll_accept(context).map_ok(|(stream, peer)| {
                        set_socket_options(&stream);
                        AcceptedConnection { stream: Box::new(stream), peer: Some(canonical(peer)) }
                    }),
                    Some(Listener::Unix(listener, _)) => listener
                        .poll_accept(context)
                        .map_ok(|(stream, _)| AcceptedConnection { stream: Box::new(stream), peer: None }),
                    None => Poll::Pending,
                };
                if accepted.is_ready() {
                    self.next_index = index + 1;
                    return accepted;
                }
            }
            Poll::Pending
        })
        .await
    }
}

impl From<TcpListener> for Listeners {
    fn from(listener: TcpListener) -> Self {
        Self { listeners: vec![Listener::Tcp(listener)], next_index: 0 }
    }
}

/// Binds a port of all addresses. Falls back to IPv4 if the system has no IPv6.
fn bind_any(port: u16, bind: impl Fn(SocketAddr) -> io::Result<Listener>) -> io::Result<Listener> {
    match bind((Ipv6Addr::UNSPECIFIED, port).into()) {
        // std has no error kind for EAFNOSUPPORT.
        Err(error)
            if error.kind() == ErrorKind::AddrNotAvailable
                || error.kind() == ErrorKind::Unsupported
                || is_address_family_unsupported(&error) =>
        {
            tracing::info!(%error, "IPv6 is unavailable, listening on IPv4 only");
            bind((Ipv4Addr::UNSPECIFIED, port).into())
        }
        bound => bound,
    }
}

/// Returns whether the error is EAFNOSUPPORT, which is 97 on Linux.
fn is_address_family_unsupported(error: &io::Error) -> bool {
    error.raw_os_error() == Some(97)
}

fn bind_tcp(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.ip() == IpAddr::from(Ipv6Addr::UNSPECIFIED) {
        // The default depends on /proc/sys/net/ipv6/bindv6only.
        socket.set_only_v6(false)?;
    }
    // After a restart, connections of the previous process must not block the port.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    tcp(socket.into())
}

fn tcp(listener: net::TcpListener) -> io::Result<Listener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener).map(Listener::Tcp)
}

/// Binds a Unix socket. Replaces a socket file without a listener.
fn bind_unix(path: &Path) -> io::Result<Listener> {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    if is_socket {
        match unix::UnixStream::connect(path) {
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path)?,
            Ok(_) | Err(_) => return Err(ErrorKind::AddrInUse.into()),
        }
    }
    let listener = unix::UnixListener::bind(path)?;
    // Until then, the umask restricts access to the owner.
    fs::set_permissions(path, fs::Permissions::from_mode(UNIX_MODE))?;
    unix_listener(listener, SocketFile { path: path.to_owned(), is_owned: true })
}

fn unix_listener(listener: unix::UnixListener, file: SocketFile) -> io::Result<Listener> {
    listener.set_nonblocking(true)?;
    Ok(Listener::Unix(UnixListener::from_std(listener)?, file))
}

/// Returns one of the sockets that systemd passed.
fn take_systemd_socket(passed: &mut ListenFd, index: usize) -> Result<Listener, String> {
    let taken = match passed.take_tcp_listener(index) {
        Ok(listener) => listener.map(tcp),
        Err(no_tcp) => passed
            .take_unix_listener(index)
            // The first error names the file descriptor.
            .map_err(|_| no_tcp.to_string().replace("tcp socket", "TCP or Unix stream socket"))?
            .map(|listener| {
                let address = listener.local_addr()?;
                let path = address.as_pathname().unwrap_or_else(|| Path::new("")).to_owned();
                unix_listener(listener, SocketFile { path, is_owned: false })
            }),
    };
    taken.ok_or_else(|| "socket is already in use".to_owned())?.map_err(|error| error.to_string())
}

/// Sets the options of an accepted socket.
fn set_socket_options(stream: &tokio::net::TcpStream) {
    // Nagle's algorithm would delay the end of a response until the client acknowledges the start.
    let no_delay = stream.set_nodelay(true);
    if let Err(error) = no_delay.and_then(|()| SockRef::from(stream).set_send_buffer_size(SEND_BUFFER_BYTES)) {
        tracing::debug!(%error, "cannot set socket options");
    }
}

/// Converts IPv4-mapped IPv6 addresses (`::ffff:10.0.0.1`), which dual-stack sockets return, to IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
