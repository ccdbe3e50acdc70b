//! Connects to the API server: from inside the cluster, or as kubectl would.

use std::path::PathBuf;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use super::chain;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the cluster is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// A kubeconfig file; without one the service account of the pod this runs in, else kubectl's own kubeconfig.
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig, if not its current one.
    pub context: Option<String>,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum NoClient {
    /// The kubeconfig is missing or broken, or names what it lacks.
    #[error("cannot use the kubeconfig: {}", chain(.0))]
    Kubeconfig(KubeconfigError),
    /// The connection cannot be prepared.
    #[error("cannot prepare the connection to the API server: {}", chain(.0))]
    Client(kube::Error),
}

/// A client for the cluster at `place`.
///
/// # Errors
/// When the configuration is unusable. Whether the API server answers is not tried.
pub async fn connect(place: &Place) -> Result<Client, NoClient> {
    client(config(place).await.map_err(NoClient::Kubeconfig)?).map_err(NoClient::Client)
}

/// A client for a configuration, which makes one attempt at each request.
///
/// # Errors
/// When its certificates or its proxy are unusable.
pub fn client(mut config: Config) -> Result<Client, kube::Error> {
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // Whoever asks decides when to ask again, and when to wait no longer.
    config.default_retry = false;
    Client::try_from(config)
}

async fn config(place: &Place) -> Result<Config, KubeconfigError> {
    let options = KubeConfigOptions { context: place.context.clone(), ..KubeConfigOptions::default() };
    if let Some(path) = &place.kubeconfig {
        return Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await;
    }
    if place.context.is_none()
        && let Ok(config) = Config::incluster()
    {
        return Ok(config);
    }
    Config::from_kubeconfig(&options).await
}
