//! Connects to the API server: from inside the cluster, or as kubectl would.

mod config;
mod connection;
mod credentials;

use std::path::PathBuf;
use std::time::Duration;

use kube::config::KubeconfigError;
use kube::{Client, Config};
use tokio::time::timeout;

use super::error_chain;
pub use connection::Connection;
pub(super) use credentials::credentials_error;
use image_pull_model::redact::redact;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time for a credential plugin to make a client, and for a new client to get its first response.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the cluster is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterConfig {
    /// A kubeconfig file; without one the service account of the pod this runs in, else kubectl's own kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig, if not its current one.
    pub context: Option<String>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kubeconfig is missing or broken, or names what it lacks.
    #[error("cannot use the kubeconfig: {}", redact(&error_chain(.0)))]
    Kubeconfig(KubeconfigError),
    /// A file that the configuration names cannot be read.
    #[error("cannot read {}: {}", .0.display(), .1)]
    File(PathBuf, std::io::Error),
    /// The file for the token has none: without one, requests would be anonymous.
    #[error("the token file {} is empty", .0.display())]
    EmptyToken(PathBuf),
    /// The connection cannot be prepared.
    #[error("cannot prepare the connection to the API server: {}", describe_error(.0))]
    Client(kube::Error),
    /// A credential plugin does not end.
    #[error("the credential plugin of the kubeconfig has not finished after {} s", CLIENT_TIMEOUT.as_secs())]
    PluginTimeout,
    /// The API server does not respond to a new client, or says 401.
    #[error("the API server cannot be reached with the new configuration: {0}")]
    Unreachable(String),
}

/// A connection to the cluster at `place`, which follows changes of its files.
///
/// # Errors
/// When the configuration is unusable. Whether the API server answers is not tried.
pub async fn connect(place: &ClusterConfig) -> Result<Connection, ClientError> {
    Connection::open(place).await
}

/// A client for a configuration, which makes one attempt at each request.
///
/// # Errors
/// When its certificates or its proxy are unusable.
pub fn new_client(mut config: Config) -> Result<Client, kube::Error> {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // Whoever asks decides when to ask again, and when to wait no longer.
    config.default_retry = false;
    Client::try_from(config)
}

/// The same on another thread, since a credential plugin may be run.
async fn build_client(config: Config) -> Result<Client, ClientError> {
    let building = tokio::task::spawn_blocking(move || new_client(config));
    match timeout(CLIENT_TIMEOUT, building).await {
        Ok(Ok(built)) => built.map_err(ClientError::Client),
        Ok(Err(error)) => Err(ClientError::Client(kube::Error::Service(error.into()))),
        Err(_) => Err(ClientError::PluginTimeout),
    }
}

fn describe_error(error: &kube::Error) -> String {
    credentials_error(error).unwrap_or_else(|| redact(&error_chain(error)).into_owned())
}
