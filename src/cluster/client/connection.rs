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

use super::config::{Origin, fingerprint};
use super::{NoClient, Place, TRIAL_LIMIT, build, describe};
use crate::clock::Clock;

/// Time between two looks at the files while requests succeed. After a failure they are looked at before the next one.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// A client certificate from a credential plugin is replaced so many milliseconds before it expires.
const RENEW_BEFORE: i64 = 60_000;

/// A way to the API server that outlives the certificates and tokens it began with. Clones share one client.
#[derive(Clone)]
pub struct Connection(Arc<Shared>);

struct Shared {
    /// Where the configuration is read from; `None` where it never changes.
    origin: Option<Origin>,
    state: Mutex<State>,
    /// Whether a request failed since the files were looked at.
    is_doubted: AtomicBool,
    /// Whether the API server has said 401 since then.
    is_rejected: AtomicBool,
}

struct State {
    current: Current,
    fingerprint: u64,
    checked_at: Instant,
    /// The last problem that was logged.
    logged: String,
}

/// The client in use.
#[derive(Clone)]
pub struct Current {
    /// The client.
    pub client: Client,
    /// The URL of the API server, without a slash at its end; empty where nobody knows.
    pub url: String,
}

impl From<Client> for Connection {
    fn from(client: Client) -> Self {
        Self::new(None, Current { client, url: String::new() }, 0)
    }
}

impl Connection {
    /// Makes the first client for the cluster at `place`.
    pub(super) async fn open(place: &Place) -> Result<Self, NoClient> {
        let origin = Origin::find(place);
        let config = origin.read().await?;
        let fingerprint = fingerprint(&config);
        Ok(Self::new(Some(origin), Current::new(config).await?, fingerprint))
    }

    fn new(origin: Option<Origin>, current: Current, fingerprint: u64) -> Self {
        let state = State { current, fingerprint, checked_at: Instant::now(), logged: String::new() };
        let (is_doubted, is_rejected) = (AtomicBool::new(false), AtomicBool::new(false));
        Self(Arc::new(Shared { origin, state: Mutex::new(state), is_doubted, is_rejected }))
    }

    /// Returns the client to send a request with: the present one until another works.
    ///
    /// # Errors
    /// When the credentials of the present one are known to be of no use, and no others can be had.
    pub async fn current(&self) -> Result<Current, NoClient> {
        let Shared { origin, state, is_doubted, is_rejected } = &*self.0;
        let mut state = state.lock().await;
        let Some(origin) = origin else { return Ok(state.current.clone()) };
        let is_useless = is_rejected.swap(false, Ordering::Relaxed) || state.current.is_expiring();
        let is_due = state.checked_at.elapsed() >= CHECK_EVERY;
        if is_doubted.swap(false, Ordering::Relaxed) || is_useless || is_due {
            match state.renew(origin, is_useless).await {
                Ok(()) => state.logged.clear(),
                Err(problem) => {
                    let text = problem.to_string();
                    if state.logged != text {
                        warn!(error = text, "API server configuration not reloaded");
                        state.logged = text;
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
    pub fn doubt(&self) {
        self.0.is_doubted.store(true, Ordering::Relaxed);
    }

    /// Takes the news that the API server does not accept the credentials.
    pub(in crate::cluster) fn reject(&self) {
        self.0.is_rejected.store(true, Ordering::Relaxed);
    }
}

impl State {
    /// Reads the configuration again and replaces the client if it is another one and works. Where the credentials are of
    /// no use, a plugin is asked for others.
    async fn renew(&mut self, origin: &Origin, is_useless: bool) -> Result<(), NoClient> {
        let config = origin.read().await?;
        let fingerprint = fingerprint(&config);
        if fingerprint == self.fingerprint && !(is_useless && config.auth_info.exec.is_some()) {
            return Ok(());
        }
        let new = Current::new(config).await?;
        new.try_out().await?;
        (self.current, self.fingerprint) = (new, fingerprint);
        info!(url = self.current.url, "API server configuration reloaded");
        Ok(())
    }
}

impl Current {
    async fn new(config: Config) -> Result<Self, NoClient> {
        let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        Ok(Self { client: build(config).await?, url })
    }

    fn is_expiring(&self) -> bool {
        let now = Clock::System.now().unix_millis();
        self.client.valid_until().is_some_and(|until| until.as_millisecond() < now.saturating_add(RENEW_BEFORE))
    }

    /// Sends a request that everybody may send, and any response but 401 to which is a good one.
    async fn try_out(&self) -> Result<(), NoClient> {
        let request =
            Request::get("/version").body(Body::empty()).map_err(|error| NoClient::Refused(error.to_string()))?;
        match timeout(TRIAL_LIMIT, self.client.send(request)).await {
            Ok(Ok(response)) if response.status() == StatusCode::UNAUTHORIZED => {
                Err(NoClient::Refused("the credentials are not accepted (401)".to_owned()))
            }
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(NoClient::Refused(describe(&error))),
            Err(_) => Err(NoClient::Refused(format!("no response in {} s", TRIAL_LIMIT.as_secs()))),
        }
    }
}
