//! Defines the command line: what the user typed, and the checked options that come of it.

mod cluster;
pub mod environment;
pub mod mistakes;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use tracing_subscriber::filter::LevelFilter;

pub use cluster::ClusterArgs;

use crate::cluster::client::ClusterConfig;
use crate::explain;
use crate::http::{self, ExternalUrl, ListenAddress, PathPrefix, TelemetryPath};
use crate::list;
use crate::log;
use crate::metrics::exposition::ExpositionFormat;
use crate::monitor::MonitorLimits;
use image_pull_model::cause::Cause;
use image_pull_model::index::{IndexConfig, MirroredReasons};

/// Tells which containers of a Kubernetes cluster cannot get their image, since when, and why.
#[derive(Debug, Parser)]
#[command(name = "image-pull-exporter", version = crate::build::LONG_VERSION, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do; `serve` when nothing is said.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,
}

/// The sub-commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch a cluster and serve what fails to Prometheus (the default)
    Serve(ServeArgs),
    /// Look once, and print which containers cannot get their image. The exit code is 0 when none fails, 1 when some
    /// do, and 2 when nobody can tell
    List(ListArgs),
    /// Feed a recorded watch stream through the exporter and print the metrics as they stand at its end
    Replay(ReplayArgs),
    /// Say what an error text means, whose move it is, and what to do
    Explain(ExplainArgs),
    /// Simulate a cluster with failures of every kind on loopback, and serve it
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// Print a script that completes this command line in a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: CompletionShell,
    },
    /// Print the manual page, to be read by man -l
    Man {
        /// The command whose page to print instead of the program's
        command: Option<String>,
    },
}

/// The shells that can complete the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompletionShell {
    /// source <(image-pull-exporter completions bash)
    Bash,
    /// image-pull-exporter completions zsh > a folder of $fpath, as _image-pull-exporter
    Zsh,
    /// image-pull-exporter completions fish | source
    Fish,
}

/// What `serve` takes.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    /// The HTTP server.
    #[command(flatten)]
    pub web: WebArgs,
    /// Answer only those whose bearer token the API server knows and allows to get the path: the health checks stay open
    #[arg(long, env = "IMAGE_PULL_EXPORTER_AUTH_FILTER", help_heading = "Web")]
    pub auth_filter: bool,
    /// Check the configuration, say what is wrong with it, and end
    #[arg(id = "config.check", long = "config.check")]
    pub config_check: bool,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// What is served.
    #[command(flatten)]
    pub metrics: MetricsArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What `demo` takes.
#[cfg(feature = "demo")]
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// A script of what happens in the simulated cluster; without one, the built-in demo
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// How many times faster than real time the script runs, until it has caught up with the clock
    #[arg(long, value_name = "N", default_value = "1", value_parser = speed)]
    pub speed: f64,
    /// What the simulation's randomness starts from
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    /// The HTTP server.
    #[command(flatten)]
    pub web: WebArgs,
    /// What is served.
    #[command(flatten)]
    pub metrics: MetricsArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What `replay` takes.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// The recording, `-` for standard input: one watch event after another, as
    /// `kubectl get pods -A -w --output-watch-events -o json` prints them, or with a time: {"t":…,"type":…,"object":…}
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The format of what is printed
    #[arg(long, value_enum, default_value_t = TextFormat::Openmetrics)]
    pub format: TextFormat,
    /// Stop this many seconds after the first record
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub at: Option<Duration>,
    /// Count and skip records that are broken, instead of giving up at the first
    #[arg(long)]
    pub keep_going: bool,
    /// What is shown.
    #[command(flatten)]
    pub metrics: MetricsArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// What `list` takes.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Look at these namespaces only, separated by commas
    #[arg(short, long = "namespace", value_name = "NAMES", value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// Show failures of these causes only, separated by commas
    #[arg(long = "cause", value_name = "CAUSES", value_delimiter = ',', value_parser = cause())]
    pub causes: Vec<Cause>,
    /// Show images of these registries only, separated by commas
    #[arg(long = "registry", value_name = "HOSTS", value_delimiter = ',')]
    pub registries: Vec<String>,
    /// Look at a file instead of a cluster, `-` for standard input: what `kubectl get pods -A -o json` (or yaml) prints
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = ListFormat::Table)]
    pub output: ListFormat,
    /// The cluster.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// The log.
    #[command(flatten)]
    pub log: LogArgs,
}

/// The formats of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// A line for each workload, as wide as the terminal
    Table,
    /// A line for each container, with nothing cut off
    Wide,
    /// One JSON object, with the advice for each container
    Json,
}

impl From<ListFormat> for list::ListFormat {
    fn from(format: ListFormat) -> Self {
        match format {
            ListFormat::Table => Self::Table,
            ListFormat::Wide => Self::Wide,
            ListFormat::Json => Self::Json,
        }
    }
}

/// What `explain` takes.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// The error text, as in a pod's status or its events
    #[arg(value_name = "TEXT", required_unless_present = "file", conflicts_with = "file", value_parser = explain::parse_error_text)]
    pub text: Option<String>,
    /// Explain each line of a file, `-` for standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// How to print: for people, or one JSON object a line
    #[arg(short, long, value_enum, default_value_t = ExplainFormat::Text)]
    pub output: ExplainFormat,
}

/// The formats of an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExplainFormat {
    /// For people
    Text,
    /// {"cause":…,"cause_group":…,"summary":…,"advice":[…]}
    Json,
}

impl From<ExplainFormat> for explain::ExplainFormat {
    fn from(format: ExplainFormat) -> Self {
        match format {
            ExplainFormat::Text => Self::Text,
            ExplainFormat::Json => Self::Json,
        }
    }
}

/// Where to serve.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Web")]
pub struct WebArgs {
    /// Address to listen on: HOST:PORT, unix:///PATH, or :PORT for every interface, IPv4 and IPv6. Repeatable, or separated
    /// by commas
    #[arg(
        long = "web.listen-address",
        value_name = "ADDRESS",
        env = "IMAGE_PULL_EXPORTER_WEB_LISTEN_ADDRESS",
        value_delimiter = ',',
        default_value = ":10137"
    )]
    pub listen_addresses: Vec<ListenAddress>,
    /// Listen on the sockets that systemd passes (socket activation) instead of --web.listen-address
    #[arg(id = "web.systemd-socket", long = "web.systemd-socket", env = "IMAGE_PULL_EXPORTER_WEB_SYSTEMD_SOCKET")]
    pub systemd_socket: bool,
    /// Path of the metrics
    #[arg(
        long = "web.telemetry-path",
        value_name = "PATH",
        env = "IMAGE_PULL_EXPORTER_WEB_TELEMETRY_PATH",
        default_value = "/metrics"
    )]
    pub telemetry_path: TelemetryPath,
    /// The URL under which people reach the exporter, where a proxy stands in front: its path begins every link
    #[arg(long = "web.external-url", value_name = "URL", env = "IMAGE_PULL_EXPORTER_WEB_EXTERNAL_URL")]
    pub external_url: Option<ExternalUrl>,
    /// What every path here begins with; the path of --web.external-url where nothing is said
    #[arg(long = "web.route-prefix", value_name = "PATH", env = "IMAGE_PULL_EXPORTER_WEB_ROUTE_PREFIX")]
    pub route_prefix: Option<PathPrefix>,
    /// How many failures that ended to remember, for the page and its JSON
    #[arg(long, value_name = "N", env = "IMAGE_PULL_EXPORTER_HISTORY", default_value_t = 1000)]
    pub history: usize,
    /// A file with TLS, basic authentication and headers, in the format of Prometheus' exporters; re-read when it changes
    #[arg(
        id = "web.config.file",
        long = "web.config.file",
        value_name = "FILE",
        env = "IMAGE_PULL_EXPORTER_WEB_CONFIG_FILE"
    )]
    pub config_file: Option<PathBuf>,
    /// Let PUT /-/log-level change the level of the log
    #[arg(
        id = "web.enable-lifecycle",
        long = "web.enable-lifecycle",
        env = "IMAGE_PULL_EXPORTER_WEB_ENABLE_LIFECYCLE"
    )]
    pub enable_lifecycle: bool,
}

/// Which cluster.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ConnectionArgs {
    /// A kubeconfig; without one the pod's service account, else kubectl's own
    #[arg(long, value_name = "FILE", env = "IMAGE_PULL_EXPORTER_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// The context of the kubeconfig
    #[arg(long, value_name = "NAME", env = "IMAGE_PULL_EXPORTER_CONTEXT")]
    pub context: Option<String>,
}

/// What is shown, and how much of it.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Metrics")]
pub struct MetricsArgs {
    /// Which waiting reasons to show in kube-state-metrics' families
    #[arg(long, value_enum, value_name = "WHICH", env = "IMAGE_PULL_EXPORTER_KSM_FAMILIES", default_value_t = KsmFamilies::Image)]
    pub ksm_families: KsmFamilies,
    /// How many registries get a label value of their own in counters and histograms
    #[arg(long, value_name = "N", env = "IMAGE_PULL_EXPORTER_MAX_REGISTRIES", default_value_t = 100)]
    pub max_registries: usize,
    /// For how many failing containers to show series, shared evenly among namespaces, then workloads; the oldest
    /// failures of a workload first
    #[arg(long, value_name = "N", env = "IMAGE_PULL_EXPORTER_MAX_CONTAINER_SERIES", default_value_t = 10_000)]
    pub max_container_series: usize,
    /// How many pairs of namespace and registry get counters of their own; further ones are counted under the namespace
    /// "_other"
    #[arg(long, value_name = "N", env = "IMAGE_PULL_EXPORTER_MAX_COUNTER_PAIRS", default_value_t = 5_000)]
    pub max_counter_pairs: usize,
    /// More kinds of controllers or workloads to label batch="true", separated by commas; Pod stands for pods without a controller
    #[arg(long, value_name = "KINDS", env = "IMAGE_PULL_EXPORTER_BATCH_KINDS", value_delimiter = ',', value_parser = kind)]
    pub batch_kinds: Vec<String>,
}

/// How to log.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Log")]
pub struct LogArgs {
    /// What to log
    #[arg(
        id = "log.level",
        long = "log.level",
        value_name = "LEVEL",
        env = "IMAGE_PULL_EXPORTER_LOG_LEVEL",
        value_enum,
        ignore_case = true
    )]
    pub level: Option<LogLevel>,
    /// How to log
    #[arg(id = "log.format", long = "log.format", value_name = "FORMAT", env = "IMAGE_PULL_EXPORTER_LOG_FORMAT", value_enum, ignore_case = true, default_value_t = LogFormat::Logfmt)]
    pub format: LogFormat,
}

/// The text formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TextFormat {
    /// OpenMetrics 1.0
    Openmetrics,
    /// Prometheus text 0.0.4
    Text,
}

impl From<TextFormat> for ExpositionFormat {
    fn from(format: TextFormat) -> Self {
        match format {
            TextFormat::Openmetrics => Self::OpenMetrics,
            TextFormat::Text => Self::Text,
        }
    }
}

/// What of kube-state-metrics' families to show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KsmFamilies {
    /// The reasons that mean "no image"
    Image,
    /// All waiting reasons, as kube-state-metrics shows them
    All,
    /// None: kube-state-metrics runs too
    None,
}

/// How much to log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// What somebody must act on
    Error,
    /// What went wrong and was dealt with, too
    Warn,
    /// Failures that begin or end, too
    Info,
    /// Everything
    Debug,
}

/// The formats of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// key=value pairs, as Prometheus and its exporters write them
    Logfmt,
    /// One JSON object a line
    Json,
}

impl LogArgs {
    /// Begins to log, with the level that was asked for or this one.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(&self, default: LogLevel) -> io::Result<log::LevelHandle> {
        let format = match self.format {
            LogFormat::Logfmt => log::LogFormat::Logfmt,
            LogFormat::Json => log::LogFormat::Json,
        };
        log::start(format, self.level.unwrap_or(default).level_filter())
    }
}

impl LogLevel {
    /// What the log takes.
    #[must_use]
    pub const fn level_filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}

impl MetricsArgs {
    /// The settings of the index for a watch of all pods.
    #[must_use]
    pub fn index_settings(&self) -> IndexConfig {
        let mirror = match self.ksm_families {
            KsmFamilies::Image => MirroredReasons::Image,
            KsmFamilies::All => MirroredReasons::All,
            KsmFamilies::None => MirroredReasons::None,
        };
        let batch_kinds = self.batch_kinds.iter().filter(|kind| !kind.is_empty()).cloned().collect();
        IndexConfig { mirrored_reasons: mirror, excludes_finished_pods: false, selects_by_label: false, batch_kinds }
    }

    /// The caps.
    #[must_use]
    pub const fn limits(&self) -> MonitorLimits {
        MonitorLimits {
            max_registries: self.max_registries,
            max_containers: self.max_container_series,
            max_pairs: self.max_counter_pairs,
        }
    }
}

impl WebArgs {
    /// How the server is set up.
    #[must_use]
    pub fn http_config(&self) -> http::HttpConfig {
        let link_prefix = self.external_url.clone().map(|url| url.path);
        let route_prefix = self.route_prefix.clone().or_else(|| link_prefix.clone()).unwrap_or_default();
        http::HttpConfig {
            telemetry_path: self.telemetry_path.clone(),
            link_prefix: link_prefix.unwrap_or_else(|| route_prefix.clone()),
            route_prefix,
            ..http::HttpConfig::default()
        }
    }
}

impl ConnectionArgs {
    /// Where the cluster is.
    #[must_use]
    pub fn cluster_config(&self) -> ClusterConfig {
        ClusterConfig { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }
}

impl ListArgs {
    /// What of it to show.
    #[must_use]
    pub fn filter(&self) -> list::ListFilter {
        let named = |names: &[String]| names.iter().filter(|name| !name.is_empty()).cloned().collect();
        list::ListFilter {
            namespaces: named(&self.namespaces),
            causes: self.causes.clone(),
            registries: named(&self.registries),
        }
    }
}

fn cause() -> impl TypedValueParser<Value = Cause> {
    PossibleValuesParser::new(Cause::ALL.iter().map(|cause| cause.as_str()))
        .try_map(|name| Cause::ALL.iter().copied().find(|cause| cause.as_str() == name).ok_or("no such cause"))
}

#[cfg(feature = "demo")]
fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (1.0..=1000.0).contains(speed));
    speed.ok_or_else(|| "a speed is a number from 1 to 1000".to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "a number of seconds is wanted, 0 or more".to_owned())
}

fn kind(text: &str) -> Result<String, String> {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(text.to_owned());
    }
    Err("expected a kind as a manifest writes it, such as TaskRun".to_owned())
}
