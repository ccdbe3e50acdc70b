//! A simulated cluster in the test's own process, and the program that watches it.

use std::path::PathBuf;

use image_pull_sim::api::{ApiServer, BOOKMARK_INTERVAL, SharedStore};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::Program;

/// A simulated cluster, and a kubeconfig for it with the token `exporter`.
pub struct Cluster {
    runtime: Runtime,
    server: Option<ApiServer>,
    pub store: SharedStore,
    pub kubeconfig: PathBuf,
}

impl Cluster {
    /// Starts an empty cluster with a kubeconfig of this name.
    pub fn new(name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let store = SharedStore::default();
        let server = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
            ApiServer::start(listener, store.clone(), BOOKMARK_INTERVAL).expect("the API server starts")
        });
        let kubeconfig = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.kubeconfig"));
        let cluster = Self { runtime, server: Some(server), store, kubeconfig };
        cluster.set_user("{token: exporter}");
        cluster
    }

    /// Writes the kubeconfig with this user (in YAML).
    pub fn set_user(&self, user: &str) {
        let config = format!(
            "{{apiVersion: v1, kind: Config, current-context: x, contexts: [{{name: x, context: {{cluster: x, user: x}}}}], \
             clusters: [{{name: x, cluster: {{server: 'http://{}'}}}}], users: [{{name: x, user: {user}}}]}}",
            self.server().address()
        );
        std::fs::write(&self.kubeconfig, config).expect("the kubeconfig can be written");
    }

    pub fn server(&self) -> &ApiServer {
        self.server.as_ref().expect("it runs")
    }

    /// Starts the program with this cluster.
    pub fn start(&self, flags: &[&str]) -> Program {
        Program::start(&[&self.flags(), flags].concat())
    }

    /// The flags of the program that select this cluster.
    pub fn flags(&self) -> [&str; 2] {
        ["--kubeconfig", self.kubeconfig.to_str().expect("a path is text")]
    }

    pub fn stop(&mut self) {
        let server = self.server.take().expect("it runs");
        self.runtime.block_on(server.shutdown()).expect("it ends well");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.kubeconfig);
    }
}
