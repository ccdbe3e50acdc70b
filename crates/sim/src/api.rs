//! Serves a store of pods on loopback as a Kubernetes API server would, with faults on demand.
//!
//! It speaks what a pod informer needs: LIST in pages, WATCH with bookmarks, `WatchList`, 410 Gone in both its forms,
//! field selectors, in JSON and protobuf. Everything else is 404, and Events are forbidden, as in a cluster that has not
//! granted them. Who may what is left open until a test says so (`access`).

mod access;
mod body;
mod drive;
mod encoding;
mod faults;
mod list;
pub mod protobuf;
mod query;
mod selector;
mod socket;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    future::{self, Future},
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Extension, Router,
    extract::{ConnectInfo, Path, Request, State, connect_info::MockConnectInfo},
    middleware::{self, Next},
    response::Response,
    routing,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync,
    task::JoinSet,
};

use super::store::Store;
use body::Problem;
use encoding::Encoding;
use faults::Habit;
use query::Query;
use socket::{Door, Peer};

pub use access::Access;
pub use drive::{advance, drive};
pub use faults::{Connect, Drop, Fault, Faults, Refusal, Requests, Verb};
pub use socket::Socket;

/// A store that several tasks share: the server reads it, a test or [`drive`] writes it.
#[derive(Clone, Debug)]
pub struct SharedStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// A std mutex: held for map look-ups only, never across an await.
    store: Mutex<Store>,
    /// Says that the store has changed.
    changed: sync::watch::Sender<u64>,
}

impl Default for SharedStore {
    fn default() -> Self {
        Self::new(Store::default())
    }
}

impl SharedStore {
    /// Shares a store.
    pub fn new(store: Store) -> Self {
        let changed = sync::watch::Sender::new(store.revision());
        Self(Arc::new(Inner { store: Mutex::new(store), changed }))
    }

    /// Creates or replaces a pod and returns its resourceVersion.
    pub fn put(&self, pod: Value) -> u64 {
        let revision = self.lock().put(pod);
        self.0.changed.send_replace(revision);
        revision
    }

    /// Deletes a pod; false if there is none.
    pub fn delete(&self, namespace: &str, name: &str) -> bool {
        let (found, revision) = {
            let mut store = self.lock();
            (store.delete(namespace, name), store.revision())
        };
        self.0.changed.send_replace(revision);
        found
    }

    /// Forgets the history, so that watches from before now and pages of lists begun before now are told 410 Gone.
    pub fn compact(&self) {
        self.lock().compact();
    }

    /// Returns the store as it is, to be restored later.
    pub fn snapshot(&self) -> Store {
        self.lock().clone()
    }

    /// Goes back to an earlier state and its resourceVersion, as when etcd is restored from a backup. Open watches do
    /// not notice; a real API server is restarted then, so drop them.
    pub fn restore(&self, store: Store) {
        let revision = store.revision();
        *self.lock() = store;
        self.0.changed.send_replace(revision);
    }

    /// Locks the store; a panic elsewhere leaves it whole, as every change is made in one step.
    pub(super) fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changes(&self) -> sync::watch::Receiver<u64> {
        self.0.changed.subscribe()
    }
}

/// How often a watch that asked for bookmarks gets one: once a minute, as from a real API server (cacher.go,
/// bookmarkFrequency).
pub const BOOKMARK_EVERY: Duration = Duration::from_mins(1);

/// A running API server. Dropping it stops it soon; [`Self::shutdown`] waits for that.
#[derive(Debug)]
pub struct ApiServer {
    address: SocketAddr,
    faults: Faults,
    access: Access,
    stop: sync::watch::Sender<bool>,
    /// The one task that serves; axum waits for its connections in it.
    tasks: JoinSet<io::Result<()>>,
}

/// What every request handler needs.
#[derive(Clone)]
struct Context {
    store: SharedStore,
    faults: Faults,
    access: Access,
    stopped: sync::watch::Receiver<bool>,
    bookmark_every: Duration,
}

impl ApiServer {
    /// Serves `store` on a listener the caller has bound.
    pub fn start(listener: TcpListener, store: SharedStore, bookmark_every: Duration) -> io::Result<Self> {
        Self::start_secure(listener, store, bookmark_every, |socket| future::ready(Ok(socket)))
    }

    /// Serves `store` over what `secure` makes of each connection, which is for TLS.
    pub fn start_secure<F, S, Io>(
        listener: TcpListener,
        store: SharedStore,
        bookmark_every: Duration,
        secure: F,
    ) -> io::Result<Self>
    where
        F: Fn(Socket) -> S + Send + 'static,
        S: Future<Output = io::Result<Io>> + Send + 'static,
        Io: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let address = listener.local_addr()?;
        let (faults, access) = (Faults::default(), Access::default());
        let stop = sync::watch::Sender::new(false);
        let context = Context {
            store,
            faults: faults.clone(),
            access: access.clone(),
            stopped: stop.subscribe(),
            bookmark_every,
        };
        let service = router(context).into_make_service_with_connect_info::<Peer>();
        let mut stopped = stop.subscribe();
        let server =
            axum::serve(Door::new(listener, faults.clone(), secure), service).with_graceful_shutdown(async move {
                // An error means that the sender is gone, which is a stop too.
                let _ = stopped.wait_for(|stop| *stop).await;
            });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { server.await });
        Ok(Self { address, faults, access, stop, tasks })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the switches for misbehaviour and the counts of requests.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Returns who may what.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Ends all watches and connections and waits until they have ended.
    pub async fn shutdown(mut self) -> io::Result<()> {
        self.stop.send_replace(true);
        self.tasks.join_next().await.map_or(Ok(()), |ended| ended.map_err(io::Error::other)?)
    }
}

/// An API server without a socket, for a test with a clock of its own: whoever holds the router is served.
pub fn in_process(store: SharedStore, bookmark_every: Duration) -> (Router, Faults) {
    let (faults, stop) = (Faults::default(), Arc::new(sync::watch::Sender::new(false)));
    let context =
        Context { store, faults: faults.clone(), access: Access::default(), stopped: stop.subscribe(), bookmark_every };
    // The router keeps what would stop it, so nothing does.
    (router(context).layer(MockConnectInfo(Peer::default())).layer(Extension(stop)), faults)
}

impl Context {
    /// Completes when the server is to stop.
    fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stopped = self.stopped.clone();
        async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        }
    }

    /// Returns the encoding of the answer.
    fn accepted(&self, request: &Request) -> Option<Encoding> {
        Encoding::accepted(request.headers(), !self.faults.has(Habit::RefusesProtobuf))
    }
}

fn router(context: Context) -> Router {
    Router::new()
        .route("/api/v1/pods", routing::get(all_pods))
        .route("/api/v1/namespaces/{namespace}/pods", routing::get(pods_of_namespace))
        .route("/api/v1/events", routing::get(no_events))
        .route("/api/v1/namespaces/{namespace}/events", routing::get(no_events))
        .route("/apis/authentication.k8s.io/v1/tokenreviews", routing::post(access::token_review))
        .route("/apis/authorization.k8s.io/v1/subjectaccessreviews", routing::post(access::subject_access_review))
        .route("/version", routing::get(version))
        .route("/api", routing::get(api_versions))
        .route("/apis", routing::get(api_groups))
        .route("/livez", routing::get(|| async { "ok" }))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(context.clone(), access::authorize))
        .layer(middleware::from_fn_with_state(context.clone(), misbehave))
        .with_state(context)
}

/// Counts the request, and answers it or not, as a test wants it.
async fn misbehave(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    request: Request,
    next: Next,
) -> Response {
    match context.faults.admit(Verb::of(request.uri())) {
        None => next.run(request).await,
        Some(Fault::Refuse(refusal)) => refusal.response(context.accepted(&request)),
        Some(Fault::Swallow) => {
            context.stopped().await;
            Problem::new(503, "ServiceUnavailable", "the simulated API server stops").response(None)
        }
        Some(fault) => {
            let response = next.run(request).await;
            if response.status().is_success() { fault.spoil(response, peer, context.stopped()) } else { response }
        }
    }
}

async fn all_pods(State(context): State<Context>, ConnectInfo(peer): ConnectInfo<Peer>, request: Request) -> Response {
    pods(context, peer, None, &request)
}

async fn pods_of_namespace(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Path(namespace): Path<String>,
    request: Request,
) -> Response {
    pods(context, peer, Some(namespace), &request)
}

fn pods(context: Context, peer: Peer, namespace: Option<String>, request: &Request) -> Response {
    let accepted = context.accepted(request);
    let answer = || {
        let encoding = accepted.ok_or_else(not_acceptable)?;
        let shards = context.faults.shards();
        let query = Query::parse(request.uri().query().unwrap_or_default(), namespace, shards)
            .map_err(|problem| Problem::new(400, "BadRequest", problem))?;
        if query.watch {
            return watch::watch(context, peer, &query, encoding);
        }
        let body = list::list(&context, &query, encoding)?;
        Ok(body::compressed(request.headers(), encoding.media_type(), body))
    };
    answer().unwrap_or_else(|problem: Problem| problem.response(accepted))
}

fn not_acceptable() -> Problem {
    let message = "only the following media types are accepted: application/json, application/vnd.kubernetes.protobuf";
    Problem::new(406, "NotAcceptable", message)
}

async fn not_found(State(context): State<Context>, request: Request) -> Response {
    let problem = Problem::new(404, "NotFound", "the server could not find the requested resource");
    problem.response(context.accepted(&request))
}

async fn no_events(State(context): State<Context>, request: Request) -> Response {
    let message = "events is forbidden: User \"system:serviceaccount:sim:exporter\" cannot list resource \"events\" in API group \"\" at the cluster scope";
    Problem::new(403, "Forbidden", message).response(context.accepted(&request))
}

async fn version() -> Response {
    body::json(&json!({
        "major": "1", "minor": "36", "gitVersion": "v1.36.2", "gitCommit": "simulated", "gitTreeState": "clean", "buildDate": "2026-11-23T00:00:00Z",
        "goVersion": "go1.26", "compiler": "gc", "platform": "linux/amd64",
    }))
}

async fn api_versions() -> Response {
    body::json(&json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [] }))
}

async fn api_groups() -> Response {
    body::json(&json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": [] }))
}
