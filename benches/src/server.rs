//! A simulated API server with low overhead: one thread that reads and writes sockets directly.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufWriter};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::time::{self, Instant};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::http::{self, Request};
use crate::world::{self, Encoding, Resource, World};

/// The state of the server.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub tls: bool,
    pub protobuf: bool,
    pub watch_list: bool,
}

/// The faults of a soak test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// All watches end regularly.
    Close,
    /// All connections are closed.
    Break,
    /// All watches receive 410 Gone.
    Gone,
    /// The next requests, up to this number, receive 503.
    Busy(u32),
    /// All open watches stop sending, permanently.
    Silence,
}

/// A handle to a running server.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
    port: u16,
    certificate: Option<String>,
}

struct Inner {
    world: Mutex<World>,
    options: Options,
    version: watch::Sender<u64>,
    rate: watch::Sender<u32>,
    starts_per_minute: watch::Sender<u32>,
    faults: broadcast::Sender<Fault>,
    busy: Mutex<u32>,
    /// The last version sent to a watch.
    sent: watch::Sender<u64>,
}

impl Server {
    /// Starts the server thread, which runs until the process exits.
    pub fn start(world: World, options: Options) -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let (acceptor, certificate) = if options.tls {
            let (acceptor, pem) = identity()?;
            (Some(acceptor), Some(pem))
        } else {
            (None, None)
        };
        let inner = Arc::new(Inner {
            version: watch::Sender::new(world.version()),
            sent: watch::Sender::new(0),
            world: Mutex::new(world),
            options,
            rate: watch::Sender::new(0),
            starts_per_minute: watch::Sender::new(0),
            faults: broadcast::Sender::new(64),
            busy: Mutex::new(0),
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let serving = inner.clone();
        std::thread::Builder::new().name("server".to_owned()).spawn(move || {
            runtime.block_on(async move {
                tokio::spawn(churn(serving.clone()));
                if let Err(error) = accept(listener, acceptor, serving).await {
                    eprintln!("the server ends: {error}");
                }
            });
        })?;
        Ok(Self { inner, port, certificate })
    }

    /// Writes a kubeconfig for this server.
    pub fn write_kubeconfig(&self, path: &Path) -> Result<()> {
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        let authority = match &self.certificate {
            None => String::new(),
            Some(pem) => {
                let file = path.with_extension("pem");
                std::fs::write(&file, pem)?;
                format!(", certificate-authority: '{}'", file.canonicalize()?.display())
            }
        };
        let port = self.port;
        let config = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: bench\n\
             clusters: [{{name: bench, cluster: {{server: '{scheme}://127.0.0.1:{port}'{authority}}}}}]\n\
             users: [{{name: bench, user: {{token: bench}}}}]\n\
             contexts: [{{name: bench, context: {{cluster: bench, user: bench}}}}]\n"
        );
        std::fs::write(path, config).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Sets the number of updates per second.
    pub fn set_rate(&self, updates_per_second: u32) {
        self.inner.rate.send_replace(updates_per_second);
    }

    /// Sets the number of pods that start per minute.
    pub fn set_starts(&self, per_minute: u32) {
        self.inner.starts_per_minute.send_replace(per_minute);
    }

    /// Returns the last version sent to a watch.
    pub fn sent(&self) -> u64 {
        *self.inner.sent.borrow()
    }

    pub fn misbehave(&self, fault: Fault) {
        if let Fault::Busy(requests) = fault {
            *self.inner.busy.lock().unwrap_or_else(PoisonError::into_inner) = requests;
        }
        // There may be no watch.
        let _ = self.inner.faults.send(fault);
    }

    pub fn world(&self) -> MutexGuard<'_, World> {
        self.inner.world()
    }
}

impl Inner {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_busy(&self) -> bool {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let is_busy = *busy > 0;
        *busy = busy.saturating_sub(1);
        is_busy
    }
}

fn identity() -> Result<(TlsAcceptor, String)> {
    let own = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).map_err(anyhow::Error::msg)?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)?;
    Ok((TlsAcceptor::from(Arc::new(config)), own.cert.pem()))
}

/// Updates pods at the configured rate.
async fn churn(inner: Arc<Inner>) {
    let mut tick = time::interval(Duration::from_millis(10));
    let (mut due, mut starts_due) = (0.0, 0.0);
    loop {
        tick.tick().await;
        let starts = *inner.starts_per_minute.borrow();
        if starts > 0 {
            let mut world = inner.world();
            starts_due += f64::from(starts) / 6000.0;
            while starts_due >= 1.0 {
                starts_due -= 1.0;
                world.start_pod();
            }
            world.advance_starts();
            inner.version.send_replace(world.version());
        }
        due += f64::from(*inner.rate.borrow()) / 100.0;
        while due >= 1.0 {
            due -= 1.0;
            let mut world = inner.world();
            world.change();
            inner.version.send_replace(world.version());
        }
    }
}

async fn accept(listener: std::net::TcpListener, acceptor: Option<TlsAcceptor>, inner: Arc<Inner>) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (acceptor, inner) = (acceptor.clone(), inner.clone());
        tokio::spawn(async move {
            // A closed connection is not an error.
            let _ = match acceptor {
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => connection(stream, &inner).await,
                    Err(error) => Err(error),
                },
                None => connection(stream, &inner).await,
            };
        });
    }
}

async fn connection(stream: impl AsyncRead + AsyncWrite + Unpin, inner: &Inner) -> io::Result<()> {
    let (mut reading, writing) = tokio::io::split(stream);
    let mut out = BufWriter::with_capacity(64 * 1024, writing);
    let mut rest = Vec::new();
    while let Some(request) = http::read_request(&mut reading, &mut rest).await? {
        respond(&request, &mut out, inner).await?;
        out.flush().await?;
    }
    Ok(())
}

async fn respond<W: AsyncWrite + Unpin>(request: &Request, out: &mut BufWriter<W>, inner: &Inner) -> io::Result<()> {
    let encoding =
        if inner.options.protobuf && request.accept.contains("protobuf") { Encoding::Protobuf } else { Encoding::Json };
    if inner.is_busy() {
        return http::respond(
            out,
            503,
            "application/json",
            world::status(503, "ServiceUnavailable").to_string().as_bytes(),
        )
        .await;
    }
    let resource = match request.path.as_str() {
        "/api/v1/pods" => Resource::Pods,
        "/api/v1/events" => Resource::Events,
        _ => {
            return http::respond(out, 404, "application/json", world::status(404, "NotFound").to_string().as_bytes())
                .await;
        }
    };
    if request.parameter("watch").is_some_and(|watch| watch == "true" || watch == "1") {
        return watch(request, resource, encoding, out, inner).await;
    }
    let from = request.number("continue").unwrap_or(0);
    // No Event is older than the watch.
    let limit = match resource {
        Resource::Pods => request.number("limit").filter(|limit| *limit > 0).unwrap_or(usize::MAX),
        Resource::Events => 0,
    };
    let page = inner.world().page(from, limit, encoding);
    let media_type = match encoding {
        Encoding::Json => "application/json",
        Encoding::Protobuf => "application/vnd.kubernetes.protobuf",
    };
    http::respond(out, 200, media_type, &page).await
}

async fn watch<W: AsyncWrite + Unpin>(
    request: &Request,
    resource: Resource,
    encoding: Encoding,
    out: &mut BufWriter<W>,
    inner: &Inner,
) -> io::Result<()> {
    let wants_initial = request.parameter("sendInitialEvents") == Some("true");
    if wants_initial && !inner.options.watch_list {
        return http::respond(out, 422, "application/json", world::status(422, "Invalid").to_string().as_bytes()).await;
    }
    let media_type = match encoding {
        Encoding::Json => "application/json",
        Encoding::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
    };
    let (mut version, mut faults) = (inner.version.subscribe(), inner.faults.subscribe());
    http::begin_chunked(out, media_type).await?;
    let asked = request.number("resourceVersion").unwrap_or(0) as u64;
    let mut said = if wants_initial || asked == 0 {
        let (pods, began) = {
            let world = inner.world();
            (if resource == Resource::Pods { world.len() } else { 0 }, world.version())
        };
        let mut event = Vec::new();
        for pod in 0..pods {
            event.clear();
            inner.world().write_added(&mut event, pod, encoding);
            http::chunk(out, &event).await?;
        }
        if wants_initial {
            http::chunk(out, &world::bookmark(began, true, encoding)).await?;
        }
        began
    } else {
        asked
    };
    out.flush().await?;
    let seconds = request.number("timeoutSeconds").unwrap_or(300);
    let deadline = Instant::now() + Duration::from_secs(seconds as u64);
    let mut bookmark = time::interval_at(Instant::now() + Duration::from_mins(1), Duration::from_mins(1));
    let mut event = Vec::new();
    loop {
        while said < *version.borrow_and_update() {
            event.clear();
            if !inner.world().write_change(&mut event, said + 1, resource, encoding) {
                http::chunk(out, &world::event("ERROR", &world::status(410, "Expired"), encoding)).await?;
                return http::end_chunked(out).await;
            }
            said += 1;
            if event.is_empty() {
                continue;
            }
            http::chunk(out, &event).await?;
            // One event per write, as in a real watch.
            out.flush().await?;
            inner.sent.send_replace(said);
        }
        tokio::select! {
            changed = version.changed() => if changed.is_err() { return Ok(()) },
            _ = bookmark.tick() => {
                http::chunk(out, &world::bookmark(said, false, encoding)).await?;
                out.flush().await?;
            }
            () = time::sleep_until(deadline) => return http::end_chunked(out).await,
            fault = faults.recv() => match fault {
                Ok(Fault::Close) => return http::end_chunked(out).await,
                Ok(Fault::Gone) => {
                    http::chunk(out, &world::event("ERROR", &world::status(410, "Expired"), encoding)).await?;
                    return http::end_chunked(out).await;
                }
                Ok(Fault::Silence) => std::future::pending().await,
                Ok(Fault::Break | Fault::Busy(_)) => return Err(io::ErrorKind::ConnectionReset.into()),
                Err(_) => {}
            }
        }
    }
}
