//! Runs the exporter with its default limits against hostile tenants, hostile clients and a failing API server, next to
//! one Prometheus whose scrapes must all succeed.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image_pull_sim::api::{ApiServer, BOOKMARK_INTERVAL, Disconnect, ErrorResponse, SharedStore};
use image_pull_sim::store::Store;
use serde_json::{Value, json};

use crate::measure::Setup;
use crate::process::{MemoryLimit, Process};
use crate::scrape::{Scraper, percentile};

/// The memory limit of the shipped manifests.
const MEMORY_LIMIT: u64 = 128 << 20;
/// The interval and the timeout of Prometheus.
const SCRAPE_EVERY: Duration = Duration::from_secs(5);
const SCRAPE_TIMEOUT: Duration = Duration::from_secs(10);
/// `prometheus:correct horse`, and the bcrypt hash of that password at cost 10.
const AUTHORIZATION: &str = "Authorization: Basic cHJvbWV0aGV1czpjb3JyZWN0IGhvcnNl\r\n";
const HASH: &str = "$2b$10$11zKaKn0Udf4gM8ZsUu4Z.auUZkG7I1rn6jOY.X3l0KxaFMvn800u";

/// Results of the clients.
#[derive(Default)]
struct ClientResults {
    stop: AtomicBool,
    guesses: AtomicU64,
    guessed: AtomicU64,
    pages: AtomicU64,
}

impl ClientResults {
    fn is_running(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }
}

/// Runs for `minutes` and prints the results.
pub fn hostile(setup: &Setup, minutes: u32) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let store = SharedStore::new(Store::with_history_capacity(2000));
    let server = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        ApiServer::start(listener, store.clone(), BOOKMARK_INTERVAL)
    })?;
    for pod in 0..2000 {
        store.put(pod_of("steady", &format!("web-{pod}"), "registry.example.com/shop/web:1.0", pod % 100 == 0));
    }
    let kubeconfig = setup.folder.join("hostile.kubeconfig");
    std::fs::write(&kubeconfig, kubeconfig_of(&server))?;
    let web = setup.folder.join("hostile.web.yml");
    std::fs::write(&web, format!("basic_auth_users: {{prometheus: \"{HASH}\"}}\n"))?;
    let web_flag = format!("--web.config.file={}", web.display());
    let (process, port) = Process::exporter(&setup.exporter, &kubeconfig, &[&web_flag])?;
    let limit = MemoryLimit::of(&process, MEMORY_LIMIT);
    match &limit {
        Ok(_) => println!("under a cgroup with {} MiB", MEMORY_LIMIT >> 20),
        Err(error) => println!("no cgroup ({error:#}): VmHWM counts"),
    }

    let seen = Arc::new(ClientResults::default());
    let (began, length) = (Instant::now(), Duration::from_secs(u64::from(minutes) * 60));
    let mut clients = Vec::new();
    for client in 0..9 {
        let seen = Arc::clone(&seen);
        clients.push(std::thread::spawn(move || guess(port, client, &seen)));
    }
    for _ in 0..16 {
        let seen = Arc::clone(&seen);
        clients.push(std::thread::spawn(move || read_slowly(port, &seen)));
    }
    for path in ["/?limit=1000", "/api/v1/failures?limit=1000", "/?q=registry", "/api/v1/history"] {
        let seen = Arc::clone(&seen);
        clients.push(std::thread::spawn(move || reload(port, path, &seen)));
    }
    let idle: Vec<TcpStream> = (0..100).filter_map(|_| TcpStream::connect(("127.0.0.1", port)).ok()).collect();
    let tenants = {
        let (seen, store) = (Arc::clone(&seen), store.clone());
        std::thread::spawn(move || create_pods(&store, &seen))
    };

    let mut times = Vec::new();
    let mut failed = Vec::new();
    let mut largest = 0;
    for step in 1_u32.. {
        let next = SCRAPE_EVERY * step;
        if next > length {
            break;
        }
        std::thread::sleep(next.saturating_sub(began.elapsed()));
        match scrape(port) {
            Ok((time, bytes)) if time <= SCRAPE_TIMEOUT => {
                times.push(time);
                largest = largest.max(bytes);
            }
            Ok((time, _)) => failed.push(format!("{time:.1?}")),
            Err(error) => failed.push(format!("{error:#}")),
        }
        if step % 12 == 0 {
            misbehave(&server, step / 12);
            println!("{:4.0?} RSS {} KiB", began.elapsed(), process.memory()?.now);
        }
    }
    seen.stop.store(true, Ordering::Relaxed);
    let memory = process.memory()?;
    for client in clients {
        drop(client.join());
    }
    let created = tenants.join().map_err(|_| anyhow::anyhow!("the tenants failed"))?;
    drop(idle);
    let killed = limit.as_ref().ok().and_then(MemoryLimit::reached);
    let ended_well = process.stop()?;

    let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
    let scrapes = times.len() + failed.len();
    let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let mut summary = String::new();
    writeln!(summary, "{minutes} min, {created} hostile pods in as many namespaces, {} guesses", count(&seen.guesses))?;
    writeln!(
        summary,
        "{scrapes} scrapes, {} failed; p50 {p50:.2?}, p99 {p99:.2?}, at most {largest} bytes",
        failed.len()
    )?;
    writeln!(summary, "{} pages and JSON documents, {} guesses let in", count(&seen.pages), count(&seen.guessed))?;
    writeln!(summary, "RSS {} KiB at the end, peak {} KiB; limit reached {killed:?} times", memory.now, memory.peak)?;
    print!("{summary}");
    let report = json!({
        "minutes": minutes, "pods": created, "scrapes": scrapes, "failed": failed, "p50_ms": p50.as_secs_f64() * 1000.0,
        "p99_ms": p99.as_secs_f64() * 1000.0, "largest_scrape_bytes": largest, "rss_kib": memory.now, "peak_kib": memory.peak,
        "limit_reached": killed, "guesses": count(&seen.guesses), "guessed": count(&seen.guessed), "ended_well": ended_well,
    });
    std::fs::write(setup.folder.join("hostile.json"), serde_json::to_string_pretty(&report)?)?;
    if !failed.is_empty() || count(&seen.guessed) > 0 || memory.peak * 1024 > MEMORY_LIMIT || !ended_well {
        bail!("it does not hold: {failed:?}");
    }
    Ok(())
}

fn kubeconfig_of(server: &ApiServer) -> String {
    let address = server.address();
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: bench\nclusters: [{{name: bench, cluster: {{server: 'http://{address}'}}}}]\n\
         users: [{{name: bench, user: {{token: bench}}}}]\ncontexts: [{{name: bench, context: {{cluster: bench, user: bench}}}}]\n"
    )
}

/// One scrape with the headers of Prometheus, on a new connection.
fn scrape(port: u16) -> Result<(Duration, usize)> {
    let began = Instant::now();
    let (_, bytes) = Scraper::new(port)?.scrape(AUTHORIZATION)?;
    Ok((began.elapsed(), bytes))
}

/// Injects another API server fault every minute.
fn misbehave(server: &ApiServer, minute: u32) {
    match minute % 4 {
        0 => server.faults().disconnect_watches(Disconnect::Abrupt),
        1 => server.faults().send_watch_error(ErrorResponse::Gone),
        2 => server.faults().disconnect_watches(Disconnect::Silent),
        _ => server.faults().inject_bytes(b"\x00\x00\x00\x09garbage!!"),
    }
}

fn pod_of(namespace: &str, name: &str, image: &str, fails: bool) -> Value {
    let state = if fails {
        json!({ "waiting": { "reason": "ErrImagePull", "message": format!("failed to pull and unpack image \"{image}\": not found") } })
    } else {
        json!({ "running": { "startedAt": "2026-11-23T21:22:56Z" } })
    };
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "namespace": namespace, "name": name, "uid": format!("{namespace}-{name}"), "creationTimestamp": "2026-11-23T21:22:50Z" },
        "spec": { "nodeName": "node-1", "containers": [{ "name": "app", "image": image }] },
        "status": { "phase": "Pending", "containerStatuses": [{ "name": "app", "restartCount": 0, "state": state }] },
    })
}

/// Creates twenty pods per second, each with a new namespace and registry, most of them malformed or oversized. Deletes
/// each after a minute. Returns the number of pods.
fn create_pods(store: &SharedStore, seen: &ClientResults) -> usize {
    let mut created = 0;
    while seen.is_running() {
        for _ in 0..20 {
            store.put(hostile_pod(created));
            if let Some(old) = created.checked_sub(1200) {
                store.delete(&format!("tenant-{old}"), "web");
            }
            created += 1;
        }
        std::thread::sleep(Duration::from_secs(1));
    }
    created
}

fn hostile_pod(number: usize) -> Value {
    let (namespace, image) = (format!("tenant-{number}"), format!("registry-{number}.example.com/team/app:{number}"));
    let mut pod = pod_of(&namespace, "web", &image, true);
    // Few pods are large, since the API server stores and sends a megabyte for each.
    match number % 200 {
        0 => {
            let volume = json!({ "name": "model", "image": { "reference": "r".repeat(900_000) } });
            pod["spec"]["volumes"] = json!([volume]);
            let mount = |mount| json!({ "name": "model", "mountPath": format!("/{mount}") });
            pod["spec"]["containers"][0]["volumeMounts"] = (0..2000).map(mount).collect();
        }
        50 => {
            pod["spec"]["volumes"] = (0..40_000).map(|volume| json!({ "name": volume.to_string() })).collect();
            let mounts = (0..33_000).map(|mount| json!({ "name": mount.to_string(), "mountPath": "/" }));
            pod["spec"]["containers"][0]["volumeMounts"] = mounts.collect();
        }
        100 => pod["spec"]["containers"][0]["image"] = "i".repeat(700_000).into(),
        150 => {
            let container = |name| json!({ "name": format!("c{name}"), "image": image });
            pod["spec"]["containers"] = (0..8000).map(container).collect();
            let state = &pod["status"]["containerStatuses"][0]["state"];
            let status = |name| json!({ "name": format!("c{name}"), "restartCount": 0, "state": state });
            let statuses: Value = (0..8000).map(status).collect();
            pod["status"]["containerStatuses"] = statuses;
        }
        other => match other % 5 {
            0 => pod["spec"]["nodeName"] = "n".repeat(10_000).into(),
            1 => {
                pod["metadata"]["ownerReferences"] =
                    json!([{ "kind": "K".repeat(9000), "name": "o".repeat(9000), "controller": true }])
            }
            2 => pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"] = "m".repeat(50_000).into(),
            3 => pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] = format!("Reason{number}").into(),
            _ => {}
        },
    }
    pod
}

/// Guesses three passwords per second, each on a new connection.
fn guess(port: u16, client: usize, seen: &ClientResults) {
    while seen.is_running() {
        // Each combination of user and password is new.
        let number = seen.guesses.fetch_add(1, Ordering::Relaxed);
        let header =
            format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(format!("prometheus:{client}-{number}")));
        if Scraper::new(port).and_then(|mut scraper| scraper.get("/metrics", &header)).is_ok_and(|status| status == 200)
        {
            seen.guessed.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(333));
    }
}

/// Scrapes and reads 512 bytes per second.
fn read_slowly(port: u16, seen: &ClientResults) {
    while seen.is_running() {
        let read = || -> Result<()> {
            let mut stream = TcpStream::connect(("127.0.0.1", port))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n{AUTHORIZATION}\r\n")?;
            let mut some = [0; 512];
            while seen.is_running() && stream.read(&mut some)? > 0 {
                std::thread::sleep(Duration::from_secs(1));
            }
            Ok(())
        };
        // The server aborts the response as expected. Connect again.
        drop(read());
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Requests a page or a JSON document in a loop.
fn reload(port: u16, path: &str, seen: &ClientResults) {
    while seen.is_running() {
        let looked = Scraper::new(port).and_then(|mut scraper| scraper.get(path, AUTHORIZATION));
        if looked.is_ok_and(|status| status == 200) {
            seen.pages.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}
