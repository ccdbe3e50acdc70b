//! A client that is replaced when its configuration files have changed and the new configuration works.
//!
//! Hand-written because kube reloads tokens and root certificates only, not client certificates or a changed
//! kubeconfig, and does not check new ones before it uses them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Request, StatusCode};
use kube::client::Body;
use kube::{Client, Config};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::config::{ConfigSource, fingerprint};
use super::{CLIENT_TIMEOUT, ClientError, ClusterConfig, build_client, describe_error};
use crate::clock::Clock;

/// Interval of the checks for changed files while requests succeed. A failed request triggers a check before the next
/// one.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// A client certificate from a credential plugin is renewed this long before it expires.
const RENEW_BEFORE_EXPIRY_MILLIS: i64 = 60_000;

/// A connection to the API server that survives rotated certificates and tokens. Clones share one client.
#[derive(Clone)]
pub struct Connection(Arc<SharedConnection>);

struct SharedConnection {
    /// Source of the configuration; `None` if it never changes.
    source: Option<ConfigSource>,
    state: Mutex<ConnectionState>,
    /// Whether a request has failed since the last check.
    check_requested: AtomicBool,
    /// Whether a request was rejected with 401 since the last check.
    is_unauthorized: AtomicBool,
}

struct ConnectionState {
    current: CurrentClient,
    fingerprint: u64,
    checked_at: Instant,
    /// The last logged error, to log each once.
    last_logged_error: String,
}

/// The client in use.
#[derive(Clone)]
pub struct CurrentClient {
    /// Client of the API server.
    pub client: Client,
    /// URL of the API server without trailing slash; empty if unknown.
    pub url: String,
}

impl From<Client> for Connection {
    fn from(client: Client) -> Self {
        Self::new(None, CurrentClient { client, url: String::new() }, 0)
    }
}

impl Connection {
    /// Creates the first client.
    pub(super) async fn open(place: &ClusterConfig) -> Result<Self, ClientError> {
        let origin = ConfigSource::detect(place);
        let config = origin.read().await?;
        let fingerprint = fingerprint(&config);
        Ok(Self::new(Some(origin), CurrentClient::new(config).await?, fingerprint))
    }

    fn new(origin: Option<ConfigSource>, current: CurrentClient, fingerprint: u64) -> Self {
        let state =
            ConnectionState { current, fingerprint, checked_at: Instant::now(), last_logged_error: String::new() };
        let (is_doubted, is_rejected) = (AtomicBool::new(false), AtomicBool::new(false));
        Self(Arc::new(SharedConnection {
            source: origin,
            state: Mutex::new(state),
            check_requested: is_doubted,
            is_unauthorized: is_rejected,
        }))
    }

    /// Returns the client for the next request. Reloads changed configuration files first, if a check is due.
    ///
    /// # Errors
    /// When the current credentials are rejected or expired and no others are available.
    pub async fn current(&self) -> Result<CurrentClient, ClientError> {
        let SharedConnection { source: origin, state, check_requested: is_doubted, is_unauthorized: is_rejected } =
            &*self.0;
        let mut state = state.lock().await;
        let Some(origin) = origin else { return Ok(state.current.clone()) };
        let is_useless = is_rejected.swap(false, Ordering::Relaxed) || state.current.is_expiring();
        let is_due = state.checked_at.elapsed() >= CHECK_INTERVAL;
        if is_doubted.swap(false, Ordering::Relaxed) || is_useless || is_due {
            match state.reload(origin, is_useless).await {
                Ok(()) => state.last_logged_error.clear(),
                Err(problem) => {
                    let text = problem.to_string();
                    if state.last_logged_error != text {
                        warn!(error = text, "API server configuration not reloaded");
                        state.last_logged_error = text;
                    }
                    if is_useless {
                        return Err(problem);
                    }
                }
            }
            state.checked_at = Instant::now();
        }
        Ok(state.current.clone())
    }

    /// Triggers a check for changed files before the next request.
    pub(crate) fn on_request_failed(&self) {
        self.0.check_requested.store(true, Ordering::Relaxed);
    }

    /// Records that the API server rejected the credentials with 401.
    pub(in crate::cluster) fn on_unauthorized(&self) {
        self.0.is_unauthorized.store(true, Ordering::Relaxed);
    }
}

impl ConnectionState {
    /// Reads the configuration and replaces the client if it has changed and works. With `is_useless` credentials, runs
    /// the credential plugin again.
    async fn reload(&mut self, origin: &ConfigSource, is_useless: bool) -> Result<(), ClientError> {
        let config = origin.read().await?;
        let fingerprint = fingerprint(&config);
        if fingerprint == self.fingerprint && !(is_useless && config.auth_info.exec.is_some()) {
            return Ok(());
        }
        let new = CurrentClient::new(config).await?;
        new.verify().await?;
        (self.current, self.fingerprint) = (new, fingerprint);
        info!(url = self.current.url, "API server configuration reloaded");
        Ok(())
    }
}

impl CurrentClient {
    async fn new(config: Config) -> Result<Self, ClientError> {
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        Ok(Self { client: build_client(config).await?, url })
    }

    fn is_expiring(&self) -> bool {
        let now = Clock::System.now().unix_millis();
        self.client
            .valid_until()
            .is_some_and(|until| until.as_millisecond() < now.saturating_add(RENEW_BEFORE_EXPIRY_MILLIS))
    }

    /// Sends a request that needs no permission. Any response except 401 shows that the client works.
    async fn verify(&self) -> Result<(), ClientError> {
        let request = Request::get("/version")
            .body(Body::empty())
            .map_err(|error| ClientError::Unreachable(error.to_string()))?;
        match timeout(CLIENT_TIMEOUT, self.client.send(request)).await {
            Ok(Ok(response)) if response.status() == StatusCode::UNAUTHORIZED => {
                Err(ClientError::Unreachable("credentials rejected (401)".to_owned()))
            }
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(ClientError::Unreachable(describe_error(&error))),
            Err(_) => Err(ClientError::Unreachable(format!("no response in {} s", CLIENT_TIMEOUT.as_secs()))),
        }
    }
}
