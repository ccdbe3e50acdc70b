//! Connects to the API server, with the service account of the pod or a kubeconfig.

mod config;
mod connection;
mod credentials;

use std::path::PathBuf;
use std::time::Duration;

use kube::config::KubeconfigError;
use kube::{Client, Config};
use tokio::time::timeout;

use super::error_chain::error_chain;
pub use connection::Connection;
pub(super) use credentials::credentials_error;
use image_pull_model::redact::redact;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time for a credential plugin to run, and for the first response to a new client.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(10);

/// The cluster to connect to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Path of a kubeconfig. Defaults to the service account of the pod, then to kubectl's kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig. Defaults to its current context.
    pub context: Option<String>,
}

/// An error that prevents the creation of a client.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The kubeconfig is missing or invalid.
    #[error("cannot use the kubeconfig: {}", redact(&error_chain(.0)))]
    Kubeconfig(KubeconfigError),
    /// A file that the configuration refers to cannot be read.
    #[error("cannot read {}: {}", .0.display(), .1)]
    File(PathBuf, std::io::Error),
    /// The token file is empty. Requests would be anonymous.
    #[error("the token file {} is empty", .0.display())]
    EmptyToken(PathBuf),
    /// The client cannot be created.
    #[error("cannot create the API client: {}", describe_error(.0))]
    Client(kube::Error),
    /// The credential plugin has not finished in time.
    #[error("the credential plugin of the kubeconfig has not finished after {} s", CLIENT_TIMEOUT.as_secs())]
    PluginTimeout,
    /// The API server does not respond to a new client, or rejects its credentials.
    #[error("the API server cannot be reached with the new configuration: {0}")]
    Unreachable(String),
}

/// Opens a connection that reloads changed configuration files.
///
/// # Errors
/// When the configuration is unusable. Does not send a request.
pub async fn connect(place: &ClusterConfig) -> Result<Connection, ClientError> {
    Connection::open(place).await
}

/// Creates a client that sends each request once.
///
/// # Errors
/// When the certificates or the proxy of the configuration are unusable.
pub fn new_client(mut config: Config) -> Result<Client, kube::Error> {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // The informer retries and applies timeouts.
    config.default_retry = false;
    Client::try_from(config)
}

/// Creates a client on another thread, since this may run a credential plugin.
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
