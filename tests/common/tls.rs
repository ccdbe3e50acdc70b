//! The simulated API server over TLS, and a kubeconfig that trusts it.

use std::path::PathBuf;
use std::sync::Arc;

use image_pull_sim::api::{ApiServer, BOOKMARK_INTERVAL, SharedStore};
use tokio::net::{TcpListener, ToSocketAddrs};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// The certificate and key of a server, and the CA certificate of its clients.
pub struct Identity {
    acceptor: TlsAcceptor,
    pem: String,
}

impl Default for Identity {
    fn default() -> Self {
        let names = vec!["127.0.0.1".to_owned()];
        let own = rcgen::generate_simple_self_signed(names).expect("a certificate is made");
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("the key is a key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .expect("key and certificate belong together");
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), pem: own.cert.pem() }
    }
}

impl Identity {
    /// Serves a store on a free port of loopback.
    pub async fn serve(&self, store: SharedStore) -> ApiServer {
        self.serve_at("127.0.0.1:0", store).await
    }

    /// Serves a store on this address.
    pub async fn serve_at(&self, address: impl ToSocketAddrs, store: SharedStore) -> ApiServer {
        let listener = TcpListener::bind(address).await.expect("the port of loopback is free");
        let acceptor = self.acceptor.clone();
        ApiServer::start_secure(listener, store, BOOKMARK_INTERVAL, move |socket| acceptor.accept(socket))
            .expect("the API server starts")
    }

    /// Replaces the CA file of the kubeconfig of this name atomically, as a kubelet does.
    pub fn replace_authority(&self, name: &str) {
        let file = |suffix| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.{suffix}"));
        std::fs::write(file("draft"), &self.pem).expect("the file can be written");
        std::fs::rename(file("draft"), file("pem")).expect("it can be renamed");
    }

    /// Writes a kubeconfig for a server. `name` is unique to the test.
    pub fn kubeconfig(&self, server: &ApiServer, name: &str) -> PathBuf {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let (authority, path) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.kubeconfig")));
        std::fs::write(&authority, &self.pem).expect("the file can be written");
        let address = server.address();
        let authority = authority.display();
        let config = format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: sim\n\
             clusters: [{{name: sim, cluster: {{server: 'https://{address}', certificate-authority: '{authority}'}}}}]\n\
             users: [{{name: sim, user: {{token: secret}}}}]\n\
             contexts: [{{name: sim, context: {{cluster: sim, user: sim}}}}]\n"
        );
        std::fs::write(&path, config).expect("the file can be written");
        path
    }
}
