//! Simulated API server: serves a store of pods and Events on loopback, with fault injection.
//!
//! Implements what an informer needs: paginated LIST, WATCH with bookmarks, `WatchList`, both forms of 410 Gone, field,
//! label and shard selectors, JSON and protobuf. Pods and Events have a common resourceVersion, and faults of their own
//! ([`Faults::events`]). Requests for other resources return 404.
//! Authorization is off until a test grants rights ([`Rbac`]).

mod access;
mod authorization;
mod body;
mod context;
mod drive;
mod encoding;
mod faults;
mod list;
pub mod protobuf;
mod query;
mod selector;
mod shared_store;
mod socket;
#[cfg(test)]
mod tests;
mod watch;

use std::{
    future::{self, Future},
    io,
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use axum::{
    Extension, Router,
    extract::{ConnectInfo, Path, Request, State, connect_info::MockConnectInfo},
    middleware::{self, Next},
    response::Response,
    routing,
};
use serde_json::json;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync,
    task::JoinSet,
};

use body::StatusError;
use context::Context;
use query::ListOptions;
use socket::{FaultyListener, ResetHandle};

pub use access::Rbac;
pub use drive::{advance_cluster, run_cluster};
pub use faults::{ConnectionFault, Disconnect, ErrorResponse, Faults, RequestCounts, ResponseFault, Verb};
pub use shared_store::SharedStore;
pub use socket::Socket;

/// Interval of bookmarks, as in the API server (cacher.go, bookmarkFrequency).
pub const BOOKMARK_INTERVAL: Duration = Duration::from_mins(1);

/// A running API server. Dropping it stops it in the background; [`Self::shutdown`] waits until it has stopped.
#[derive(Debug)]
pub struct ApiServer {
    address: SocketAddr,
    faults: Faults,
    access: Rbac,
    stop: sync::watch::Sender<bool>,
    /// The server task; axum waits for its connections.
    tasks: JoinSet<io::Result<()>>,
}

impl ApiServer {
    /// Serves `store` on a bound listener.
    pub fn start(listener: TcpListener, store: SharedStore, bookmark_every: Duration) -> io::Result<Self> {
        Self::start_secure(listener, store, bookmark_every, |socket| future::ready(Ok(socket)))
    }

    /// Serves `store` over the stream that `secure` returns for each connection, for example a TLS stream.
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
        let (faults, access) = (Faults::default(), Rbac::default());
        let stop = sync::watch::Sender::new(false);
        let context = Context {
            store,
            faults: faults.clone(),
            access: access.clone(),
            stopped: stop.subscribe(),
            bookmark_every,
        };
        let service = router(context).into_make_service_with_connect_info::<ResetHandle>();
        let mut stopped = stop.subscribe();
        let server = axum::serve(FaultyListener::new(listener, faults.clone(), secure), service)
            .with_graceful_shutdown(async move {
                // An error means that the sender is gone, which is a stop too.
                let _ = stopped.wait_for(|stop| *stop).await;
            });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { server.await });
        Ok(Self { address, faults, access, stop, tasks })
    }

    /// Returns the listening address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the fault injection and the request counts.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Returns the users and their rights.
    pub fn access(&self) -> &Rbac {
        &self.access
    }

    /// Stops the server: ends all watches and connections, and waits for them.
    pub async fn shutdown(mut self) -> io::Result<()> {
        self.stop.send_replace(true);
        self.tasks.join_next().await.map_or(Ok(()), |ended| ended.map_err(io::Error::other)?)
    }
}

/// Returns an API server without a socket, for tests with a paused clock.
pub fn in_process(store: SharedStore, bookmark_every: Duration) -> (Router, Faults) {
    let (faults, stop) = (Faults::default(), Arc::new(sync::watch::Sender::new(false)));
    let context =
        Context { store, faults: faults.clone(), access: Rbac::default(), stopped: stop.subscribe(), bookmark_every };
    // The router owns the sender, so the server never stops.
    (router(context).layer(MockConnectInfo(ResetHandle::default())).layer(Extension(stop)), faults)
}

fn router(context: Context) -> Router {
    Router::new()
        .route("/api/v1/pods", routing::get(cluster_objects))
        .route("/api/v1/namespaces/{namespace}/pods", routing::get(objects_of_namespace))
        .route("/api/v1/events", routing::get(cluster_objects))
        .route("/api/v1/namespaces/{namespace}/events", routing::get(objects_of_namespace))
        .route("/apis/authentication.k8s.io/v1/tokenreviews", routing::post(authorization::token_review))
        .route(
            "/apis/authorization.k8s.io/v1/subjectaccessreviews",
            routing::post(authorization::subject_access_review),
        )
        .route("/version", routing::get(version))
        .route("/api", routing::get(api_versions))
        .route("/apis", routing::get(api_groups))
        .route("/livez", routing::get(|| async { "ok" }))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(context.clone(), authorization::authorize))
        .layer(middleware::from_fn_with_state(context.clone(), apply_faults))
        .with_state(context)
}

/// Counts the request and applies the injected faults to it.
async fn apply_faults(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<ResetHandle>,
    request: Request,
    next: Next,
) -> Response {
    let context = context.for_request(&request);
    match context.faults.on_request(Verb::of(request.uri())) {
        None => next.run(request).await,
        Some(ResponseFault::Reject(refusal)) => refusal.response(context.faults.resource(), context.accepted(&request)),
        Some(ResponseFault::NeverRespond) => {
            context.stopped().await;
            StatusError::new(503, "ServiceUnavailable", "the simulated API server stops").response(None)
        }
        Some(fault) => {
            let response = next.run(request).await;
            if response.status().is_success() { fault.apply(response, peer, context.stopped()) } else { response }
        }
    }
}

async fn cluster_objects(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<ResetHandle>,
    request: Request,
) -> Response {
    list_or_watch(context, peer, None, &request)
}

async fn objects_of_namespace(
    State(context): State<Context>,
    ConnectInfo(peer): ConnectInfo<ResetHandle>,
    Path(namespace): Path<String>,
    request: Request,
) -> Response {
    list_or_watch(context, peer, Some(namespace), &request)
}

fn list_or_watch(context: Context, peer: ResetHandle, namespace: Option<String>, request: &Request) -> Response {
    let context = context.for_request(request);
    let accepted = context.accepted(request);
    let answer = || {
        let encoding = accepted.ok_or_else(not_acceptable)?;
        let shards = context.faults.shards();
        let text = request.uri().query().unwrap_or_default();
        let query = ListOptions::parse(text, context.faults.resource(), namespace, shards)
            .map_err(|problem| StatusError::new(400, "BadRequest", problem))?;
        if query.watch {
            return watch::watch(context, peer, &query, encoding);
        }
        let body = list::list(&context, &query, encoding)?;
        Ok(body::maybe_compressed(request.headers(), encoding.media_type(), body))
    };
    answer().unwrap_or_else(|problem: StatusError| problem.response(accepted))
}

fn not_acceptable() -> StatusError {
    let message = "only the following media types are accepted: application/json, application/vnd.kubernetes.protobuf";
    StatusError::new(406, "NotAcceptable", message)
}

async fn not_found(State(context): State<Context>, request: Request) -> Response {
    let problem = StatusError::new(404, "NotFound", "the server could not find the requested resource");
    problem.response(context.accepted(&request))
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
