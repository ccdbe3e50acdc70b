//! Reads the complete configuration of a client, including the files it refers to.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{IsTerminal, stderr, stdin};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::Config;
use kube::config::{AuthInfo, ExecInteractiveMode, KubeConfigOptions, Kubeconfig};

use super::{ClientError, ClusterConfig};

/// The source of the configuration, for the first read and all reloads.
#[derive(Debug)]
pub(super) enum ConfigSource {
    ServiceAccount,
    Kubeconfig(ClusterConfig),
}

impl ConfigSource {
    /// Detects the source once. A service account that is unreadable for a moment must not switch to the kubeconfig of
    /// another cluster.
    pub(super) fn detect(place: &ClusterConfig) -> Self {
        let is_default = place.kubeconfig.is_none() && place.context.is_none();
        if is_default && Config::incluster().is_ok() { Self::ServiceAccount } else { Self::Kubeconfig(place.clone()) }
    }

    /// Reads the configuration.
    pub(super) async fn read(&self) -> Result<Config, ClientError> {
        let mut config = match self {
            Self::ServiceAccount => {
                Config::incluster().map_err(|error| ClientError::Client(kube::Error::Service(error.into())))?
            }
            Self::Kubeconfig(place) => read_kubeconfig(place).await?,
        };
        // Already read. kube would reload it without a check.
        config.root_cert_file = None;
        inline_files(&mut config.auth_info)?;
        Ok(config)
    }
}

async fn read_kubeconfig(ClusterConfig { kubeconfig, context }: &ClusterConfig) -> Result<Config, ClientError> {
    let options = KubeConfigOptions { context: context.clone(), ..KubeConfigOptions::default() };
    let config = match kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path).map_err(ClientError::Kubeconfig)?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await
        }
        None => Config::from_kubeconfig(&options).await,
    };
    config.map_err(ClientError::Kubeconfig)
}

/// Replaces file references by the content of the files, as kube would. Disables prompts of credential plugins without
/// a terminal, so that their output becomes part of the error.
fn inline_files(auth: &mut AuthInfo) -> Result<(), ClientError> {
    if auth.token.is_none()
        && let Some(path) = auth.token_file.take().map(PathBuf::from)
    {
        let token = String::from_utf8_lossy(&read_file(&path)?).trim().to_owned();
        if token.is_empty() {
            return Err(ClientError::EmptyToken(path));
        }
        auth.token = Some(token.into());
    }
    if auth.client_certificate_data.is_none()
        && let Some(path) = auth.client_certificate.take()
    {
        auth.client_certificate_data = Some(STANDARD.encode(read_file(Path::new(&path))?));
    }
    if auth.client_key_data.is_none()
        && let Some(path) = auth.client_key.take()
    {
        auth.client_key_data = Some(STANDARD.encode(read_file(Path::new(&path))?).into());
    }
    if let Some(plugin) = &mut auth.exec
        && !(stdin().is_terminal() && stderr().is_terminal())
    {
        plugin.interactive_mode = Some(ExecInteractiveMode::Never);
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<Vec<u8>, ClientError> {
    fs::read(path).map_err(|error| ClientError::File(path.to_owned(), error))
}

/// Returns a hash that changes with the configuration.
pub(super) fn fingerprint(config: &Config) -> u64 {
    // The maps of a JSON value are sorted.
    let auth = serde_json::to_value(&config.auth_info).unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    auth.to_string().hash(&mut hasher);
    config.root_cert.hash(&mut hasher);
    config.accept_invalid_certs.hash(&mut hasher);
    config.tls_server_name.hash(&mut hasher);
    config.cluster_url.hash(&mut hasher);
    config.proxy_url.hash(&mut hasher);
    hasher.finish()
}
