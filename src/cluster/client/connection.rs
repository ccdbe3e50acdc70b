//! Keeps a client, and replaces it when the files that it was made of have changed and another one works.

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

/// Time between two looks at the files while requests succeed. After a failure they are looked at before the next one.
const CHECK_INTERVAL: Duration = Duration::from_secs(10);
/// A client certificate from a credential plugin is replaced so many milliseconds before it expires.
const RENEW_BEFORE_EXPIRY_MILLIS: i64 = 60_000;

/// A way to the API server that outlives the certificates and tokens it began with. Clones share one client.
#[derive(Clone)]
pub struct Connection(Arc<SharedConnection>);

struct SharedConnection {
    /// Where the configuration is read from; `None` where it never changes.
    source: Option<ConfigSource>,
    state: Mutex<ConnectionState>,
    /// Whether a request failed since the files were looked at.
    check_requested: AtomicBool,
    /// Whether the API server has said 401 since then.
    is_unauthorized: AtomicBool,
}

struct ConnectionState {
    current: CurrentClient,
    fingerprint: u64,
    checked_at: Instant,
    /// The last problem that was logged.
    last_logged_error: String,
}

/// The client in use.
#[derive(Clone)]
pub struct CurrentClient {
    /// The client.
    pub client: Client,
    /// The URL of the API server, without a slash at its end; empty where nobody knows.
    pub url: String,
}

impl From<Client> for Connection {
    fn from(client: Client) -> Self {
        Self::new(None, CurrentClient { client, url: String::new() }, 0)
    }
}

impl Connection {
    /// Makes the first client for the cluster at `place`.
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

    /// Returns the client to send a request with: the present one until another works.
    ///
    /// # Errors
    /// When the credentials of the present one are known to be of no use, and no others can be had.
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

    /// Takes the news that a request failed, perhaps because the files have changed.
    pub fn on_request_failed(&self) {
        self.0.check_requested.store(true, Ordering::Relaxed);
    }

    /// Takes the news that the API server does not accept the credentials.
    pub(in crate::cluster) fn on_unauthorized(&self) {
        self.0.is_unauthorized.store(true, Ordering::Relaxed);
    }
}

impl ConnectionState {
    /// Reads the configuration again and replaces the client if it is another one and works. Where the credentials are of
    /// no use, a plugin is asked for others.
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

    /// Sends a request that everybody may send, and any response but 401 to which is a good one.
    async fn verify(&self) -> Result<(), ClientError> {
        let request = Request::get("/version")
            .body(Body::empty())
            .map_err(|error| ClientError::Unreachable(error.to_string()))?;
        match timeout(CLIENT_TIMEOUT, self.client.send(request)).await {
            Ok(Ok(response)) if response.status() == StatusCode::UNAUTHORIZED => {
                Err(ClientError::Unreachable("the credentials are not accepted (401)".to_owned()))
            }
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(ClientError::Unreachable(describe_error(&error))),
            Err(_) => Err(ClientError::Unreachable(format!("no response in {} s", CLIENT_TIMEOUT.as_secs()))),
        }
    }
}
