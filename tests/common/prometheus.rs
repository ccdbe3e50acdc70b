//! A real Prometheus as a child process.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{eventually, get};

/// A running Prometheus (Debian's package `prometheus`, which `tests/run` installs).
pub struct Prometheus {
    child: Child,
    /// The port of its HTTP server.
    pub port: u16,
    /// Its configuration and data, removed on drop.
    pub directory: PathBuf,
}

impl Prometheus {
    /// Starts a Prometheus that scrapes `target` every second.
    pub fn scraping(target: u16, name: &str, features: &str) -> Self {
        let config = format!(
            "global: {{scrape_interval: 1s, scrape_timeout: 1s}}\nscrape_configs:\n- job_name: image-pull\n  \
             honor_labels: true\n  static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n"
        );
        Self::start(name, &config, &[&format!("--enable-feature={features}")])
    }

    /// Starts a Prometheus with this configuration in a folder called `name`.
    pub fn start(name: &str, config: &str, flags: &[&str]) -> Self {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("prometheus-{name}"));
        // It exists only if an earlier run was aborted.
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).expect("the folder can be made");
        std::fs::write(directory.join("prometheus.yml"), config).expect("the configuration can be written");
        let port = free_port();
        let child = run(&directory, port, flags);
        Self { child, port, directory }
    }

    /// Kills it and starts it again with its data.
    pub fn kill_and_restart(&mut self, flags: &[&str]) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
        self.child = run(&self.directory, self.port, flags);
    }

    /// Sends a GET request to its API.
    pub fn get(&self, path: &str) -> Result<Value, String> {
        let response = get(self.port, path, "").map_err(|error| error.to_string())?;
        serde_json::from_str(&response.text()).map_err(|error| error.to_string())
    }

    /// The first value of an instant query.
    pub fn query(&self, query: &str) -> Result<f64, String> {
        let encoded = query.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
        let answer = self.get(&format!("/api/v1/query?query={encoded}"))?;
        let value = answer.pointer("/data/result/0/value/1").and_then(Value::as_str);
        value.and_then(|value| value.parse().ok()).ok_or_else(|| format!("{query} gives {answer}"))
    }

    /// Waits for this number of scrapes. Panics if one fails.
    pub fn wait_for_scrapes(&self, scrapes: f64) {
        eventually(|| match self.query("count_over_time(up[5m])")? {
            count if count >= scrapes => Ok(()),
            count => Err(format!("{count} scrapes")),
        });
        let up = self.query("min_over_time(up[5m])");
        assert_eq!(up, Ok(1.0), "{:?}", self.get("/api/v1/targets"));
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Both fail only if it has exited already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn run(directory: &Path, port: u16, flags: &[&str]) -> Child {
    Command::new("prometheus")
        .arg(format!("--config.file={}", directory.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", directory.join("data").display()))
        .arg(format!("--web.listen-address=127.0.0.1:{port}"))
        .args(flags)
        .stderr(Stdio::null())
        .spawn()
        .expect("prometheus runs (Debian's package prometheus)")
}

/// A free port of loopback.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it has an address").port()
}
