//! The baselines: a reflector that stores complete pods, and a client that discards the bytes.

use std::path::Path;

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Pod;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::runtime::{WatchStreamExt, reflector as runtime_reflector, watcher};
use kube::{Api, Client, Config};

/// Printed by a baseline when it has received all pods.
pub const SYNCED: &str = "synced";

async fn client(kubeconfig: &Path) -> Result<Client> {
    let config =
        Config::from_custom_kubeconfig(Kubeconfig::read_from(kubeconfig)?, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// Stores every pod, as a default reflector does.
pub async fn reflector(kubeconfig: &Path) -> Result<()> {
    let pods: Api<Pod> = Api::all(client(kubeconfig).await?);
    let (store, writer) = runtime_reflector::store();
    let mut events = std::pin::pin!(
        runtime_reflector::reflector(writer, watcher(pods, watcher::Config::default())).default_backoff()
    );
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::InitDone) => println!("{SYNCED} {}", store.len()),
            Ok(_) => {}
            Err(error) => eprintln!("{error}"),
        }
    }
    Ok(())
}

/// Reads the same bytes as the exporter with the same client, and discards them.
pub async fn floor(kubeconfig: &Path) -> Result<()> {
    const END: &[u8] = b"initial-events-end";
    const LAST: usize = 512;
    let client = client(kubeconfig).await?;
    let request = http::Request::get(
        "/api/v1/pods?watch=true&allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=3600",
    )
    .header("Accept", "application/vnd.kubernetes.protobuf;stream=watch, application/json")
    .header("Accept-Encoding", "identity")
    .body(kube::client::Body::empty())?;
    let response = client.send(request).await?;
    if !response.status().is_success() {
        bail!("{}", response.status());
    }
    let mut body = response.into_body();
    // The last bytes received, to find the bookmark that ends the initial events.
    let (mut last, mut synced, mut bytes) = (Vec::new(), false, 0);
    while let Some(frame) = body.frame().await {
        let frame = frame?.into_data().ok().context("a watch has no trailers")?;
        bytes += frame.len();
        if !synced {
            last.extend_from_slice(&frame[frame.len().saturating_sub(LAST)..]);
            last.drain(..last.len().saturating_sub(LAST));
            synced = last.windows(END.len()).any(|here| here == END);
            if synced {
                println!("{SYNCED} {bytes}");
            }
        }
    }
    Ok(())
}
