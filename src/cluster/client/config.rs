//! Reads everything that a client is made of, at one instant: what it names in files becomes part of it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{IsTerminal, stderr, stdin};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::Config;
use kube::config::{AuthInfo, ExecInteractiveMode, KubeConfigOptions, Kubeconfig};

use super::{ClientError, ClusterConfig};

/// Where the configuration is read from, again and again.
#[derive(Debug)]
pub(super) enum ConfigSource {
    ServiceAccount,
    Kubeconfig(ClusterConfig),
}

impl ConfigSource {
    /// Finds where there is a configuration. It stays there: a service account that is away for a moment must not make a
    /// kubeconfig of another cluster count.
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
        // It has been read just now, and kube would take a new one without trying it.
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

/// Replaces the names of files by what is in them, as far as kube would read them. Keeps credential plugins from talking
/// to anybody where nobody sits at a terminal: what they say is a part of the error then.
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

/// Tells one configuration from another.
pub(super) fn fingerprint(config: &Config) -> u64 {
    // By way of a value, whose maps are sorted.
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
