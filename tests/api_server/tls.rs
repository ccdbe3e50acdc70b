//! The program and an API server over TLS.

use std::process::Command;

use crate::common::{NOT_FOUND, Program, eventually, pod, sum, tls::Identity};
use image_pull_sim::api::{ConnectionFault, Disconnect, SharedStore};

const ERR: Option<(&str, &str)> = Some(("ErrImagePull", NOT_FOUND));

fn store() -> SharedStore {
    let store = SharedStore::default();
    store.put(pod("shop", "web", ERR));
    store.put(pod("shop", "api", None));
    store
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_watched_over_tls_though_a_connection_hangs_in_its_handshake() {
    let (identity, store) = (Identity::default(), store());
    let server = identity.serve(store.clone()).await;
    let silent = tokio::net::TcpStream::connect(server.address()).await.expect("it listens");
    let kubeconfig = identity.kubeconfig(&server, "watched-over-tls");
    let program = Program::start(&["--kubeconfig", kubeconfig.to_str().expect("it is text")]);
    program.wait_ready();
    assert_eq!(sum(&program.metrics(), "image_pull_failing{"), 1.0);
    store.put(pod("shop", "api", ERR));
    eventually(|| match sum(&program.metrics(), "image_pull_failing{") {
        2.0 => Ok(()),
        failing => Err(format!("{failing} fail")),
    });
    drop(silent);
    assert_eq!(program.terminate(), Some(0));
    server.shutdown().await.expect("it ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_ca_is_trusted_without_a_restart() {
    let (old, new, store) = (Identity::default(), Identity::default(), store());
    let server = old.serve(store.clone()).await;
    let (address, kubeconfig) = (server.address(), old.kubeconfig(&server, "new-authority"));
    let program = Program::start(&["--kubeconfig", kubeconfig.to_str().expect("it is text")]);
    program.wait_ready();
    let fail = |failing: f64| {
        eventually(|| match sum(&program.metrics(), "image_pull_failing{") {
            found if found == failing => Ok(()),
            found => Err(format!("{found} fail")),
        });
    };
    fail(1.0);
    // The file has precedence, and it contains no authority.
    new.replace_authority("new-authority");
    server.faults().disconnect_watches(Disconnect::Abrupt);
    store.put(pod("shop", "api", ERR));
    fail(2.0);
    server.shutdown().await.expect("it ends well");
    let server = new.serve_at(address, store.clone()).await;
    store.put(pod("shop", "db", ERR));
    fail(3.0);
    assert_eq!(sum(&program.metrics(), "image_pull_exporter_watch_synced"), 1.0);
    server.shutdown().await.expect("it ends well");
}

#[tokio::test(flavor = "multi_thread")]
async fn untrusted_and_plaintext_servers_are_reported() {
    let server = Identity::default().serve(store()).await;
    let kubeconfig = Identity::default().kubeconfig(&server, "not-trusted");
    let list = || {
        let output = Command::new(env!("CARGO_BIN_EXE_image-pull-exporter"))
            .args(["list", "--kubeconfig", kubeconfig.to_str().expect("it is text")])
            .output()
            .expect("the program runs");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, error) = list();
    assert!(code == Some(2) && error.contains("invalid peer certificate"), "{code:?} {error}");
    server.faults().fail_connections(ConnectionFault::SendBytes(b"HTTP/1.1 400 Bad Request\r\n\r\n"), u32::MAX);
    let (code, error) = list();
    assert!(code == Some(2) && error.contains("corrupt message"), "{code:?} {error}");
    server.shutdown().await.expect("it ends well");
}
