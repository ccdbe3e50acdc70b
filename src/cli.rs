//! The command line: subcommands, flags, and their conversion to the options of the other modules.
#![expect(missing_docs, reason = "doc comments of fields are help texts, and a flattened group has none")]

mod cluster;

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStr, PossibleValuesParser, Resettable, TypedValueParser};
use clap::{Arg, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use tracing_subscriber::filter::LevelFilter;

pub use cluster::ClusterArgs;

use crate::cluster::client::ClusterConfig;
use crate::explain::{self, ExplainFormat};
use crate::http::{self, ExternalUrl, ListenAddress, PathPrefix, TelemetryPath};
use crate::list::{self, ListFormat};
use crate::log::{self, LogFormat};
use crate::metrics::exposition::ExpositionFormat;
use crate::monitor::MonitorLimits;
use image_pull_model::cause::Cause;
use image_pull_model::index::{IndexConfig, MirroredReasons};

/// Exports which containers of a Kubernetes cluster cannot pull their image, since when, and why.
#[derive(Debug, Parser)]
#[command(name = "image-pull-exporter", version = crate::build::LONG_VERSION, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// `serve` if absent.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags without a subcommand: those of `serve`.
    #[command(flatten)]
    pub serve: ServeArgs,
}

impl Cli {
    /// Parses the command line. Prints a message and exits if it is invalid, or if it contains `--help` or `--version`.
    pub fn parse_or_exit() -> Self {
        Self::try_parse_with_environment(env::args_os()).unwrap_or_else(|error| error.exit())
    }

    /// Parses a command line with the environment variables that are not empty. clap would parse an empty value, but charts
    /// and environment files set variables to empty values to mean that they are unset.
    fn try_parse_with_environment(args: impl IntoIterator<Item = OsString>) -> clap::error::Result<Self> {
        let mut command = without_empty_variables(Self::command());
        let matches = command.try_get_matches_from_mut(args)?;
        Self::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    }
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let without_empty_variable = |arg: Arg| {
        let is_empty = arg.get_env().and_then(env::var_os).is_some_and(|value| value.is_empty());
        if is_empty { arg.env(Resettable::<OsStr>::Reset) } else { arg }
    };
    command.mut_args(without_empty_variable).mut_subcommands(without_empty_variables)
}

/// The subcommands and their flags.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Watch a cluster and serve metrics to Prometheus (the default)
    Serve(Box<ServeArgs>),
    /// Print failing and waiting containers once. Exits with code 0 without any, 1 with some and 2 on error
    List(ListArgs),
    /// Replay a recorded watch stream and print the metrics at its end
    Replay(ReplayArgs),
    /// Explain an error text: its cause, who can fix it, and how
    Explain(ExplainArgs),
    /// Serve the metrics of a simulated cluster with all kinds of failures
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// Print a completion script for a shell
    Completions {
        /// Shell to complete the command line in
        #[arg(value_enum)]
        shell: CompletionShell,
    },
    /// Print the manual page. Read it with man -l -
    Man {
        /// Subcommand to print the page of
        command: Option<String>,
    },
}

/// The shells with a completion script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CompletionShell {
    /// source <(image-pull-exporter completions bash)
    Bash,
    /// image-pull-exporter completions zsh > a folder of $fpath, as _image-pull-exporter
    Zsh,
    /// image-pull-exporter completions fish | source
    Fish,
}

/// The flags of `serve`.
#[derive(Clone, Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub web: WebArgs,
    /// Authenticate and authorize requests with the API server (TokenReview, SubjectAccessReview). Health endpoints stay
    /// open
    #[arg(long, env = "IMAGE_PULL_EXPORTER_AUTH_FILTER", help_heading = "Web")]
    pub auth_filter: bool,
    /// Validate the configuration and exit
    #[arg(id = "config.check", long = "config.check")]
    pub config_check: bool,
    #[command(flatten)]
    pub cluster: ClusterArgs,
    #[command(flatten)]
    pub metrics: MetricsArgs,
    #[command(flatten)]
    pub log: LogArgs,
}

/// The flags of `demo`.
#[cfg(feature = "demo")]
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// Script of the events in the simulated cluster [default: a built-in script]
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Speed-up of the script over real time until it has caught up with the clock
    #[arg(long, value_name = "N", default_value = "1", value_parser = parse_speed)]
    pub speed: f64,
    /// Seed of the random numbers of the simulation
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    pub web: WebArgs,
    #[command(flatten)]
    pub metrics: MetricsArgs,
    #[command(flatten)]
    pub log: LogArgs,
}

/// The flags of `replay`.
#[derive(Clone, Debug, Args)]
pub struct ReplayArgs {
    /// Recording of watch events, `-` for standard input: the output of
    /// `kubectl get pods -A -w --output-watch-events -o json`, or records with a time: {"t":…,"type":…,"object":…}
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Recording of the Events of the same cluster and time, `-` for standard input: records with a time, as for pods. Adds
    /// the metrics about pulls
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t = ExpositionFormat::OpenMetrics)]
    pub format: ExpositionFormat,
    /// Stop this number of seconds after the first record
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub at: Option<Duration>,
    /// Count and skip invalid records instead of stopping at the first one
    #[arg(long)]
    pub keep_going: bool,
    #[command(flatten)]
    pub metrics: MetricsArgs,
    #[command(flatten)]
    pub log: LogArgs,
}

/// The flags of `list`.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Comma-separated list of namespaces to include [default: all]
    #[arg(short, long = "namespace", value_name = "NAMES", value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// Comma-separated list of causes to include [default: all]
    #[arg(long = "cause", value_name = "CAUSES", value_delimiter = ',', value_parser = cause_parser())]
    pub causes: Vec<Cause>,
    /// Comma-separated list of registries to include [default: all]
    #[arg(long = "registry", value_name = "HOSTS", value_delimiter = ',')]
    pub registries: Vec<String>,
    #[command(flatten)]
    pub pending: PendingArgs,
    /// Read pods from a file instead of a cluster, `-` for standard input: the output of `kubectl get pods -A -o json` or
    /// `-o yaml`, or of `kubectl get pods,events`, for evidence that only Events have
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = ListFormat::Table)]
    pub output: ListFormat,
    #[command(flatten)]
    pub connection: ConnectionArgs,
    #[command(flatten)]
    pub log: LogArgs,
}

/// The flags of `explain`.
#[derive(Clone, Debug, Args)]
pub struct ExplainArgs {
    /// Error text from the status or the events of a pod
    #[arg(value_name = "TEXT", required_unless_present = "file", conflicts_with = "file", value_parser = explain::parse_error_text)]
    pub text: Option<String>,
    /// Explain each line of a file, `-` for standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Output format
    #[arg(short, long, value_enum, default_value_t = ExplainFormat::Text)]
    pub output: ExplainFormat,
}

/// The flags of the HTTP server.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Web")]
pub struct WebArgs {
    /// Addresses on which to expose metrics and the web interface: HOST:PORT, unix:///PATH, or :PORT for all interfaces.
    /// Repeatable or comma-separated
    #[arg(
        long = "web.listen-address",
        value_name = "ADDRESS",
        env = "IMAGE_PULL_EXPORTER_WEB_LISTEN_ADDRESS",
        value_delimiter = ',',
        default_value = ":10137"
    )]
    pub listen_addresses: Vec<ListenAddress>,
    /// Use systemd socket activation listeners instead of --web.listen-address
    #[arg(id = "web.systemd-socket", long = "web.systemd-socket", env = "IMAGE_PULL_EXPORTER_WEB_SYSTEMD_SOCKET")]
    pub systemd_socket: bool,
    /// Path under which to expose metrics
    #[arg(
        long = "web.telemetry-path",
        value_name = "PATH",
        env = "IMAGE_PULL_EXPORTER_WEB_TELEMETRY_PATH",
        default_value = "/metrics"
    )]
    pub telemetry_path: TelemetryPath,
    /// External URL behind a reverse proxy. Its path prefixes generated links
    #[arg(long = "web.external-url", value_name = "URL", env = "IMAGE_PULL_EXPORTER_WEB_EXTERNAL_URL")]
    pub external_url: Option<ExternalUrl>,
    /// Path prefix for all routes [default: path of --web.external-url]
    #[arg(long = "web.route-prefix", value_name = "PATH", env = "IMAGE_PULL_EXPORTER_WEB_ROUTE_PREFIX")]
    pub route_prefix: Option<PathPrefix>,
    /// Maximum number of ended failures to keep for the web page and the JSON API
    #[arg(long, value_name = "N", env = "IMAGE_PULL_EXPORTER_HISTORY", default_value_t = 1000)]
    pub history: usize,
    /// Path to a configuration file that can enable TLS, authentication and headers. Reloaded when it changes
    #[arg(
        id = "web.config.file",
        long = "web.config.file",
        value_name = "FILE",
        env = "IMAGE_PULL_EXPORTER_WEB_CONFIG_FILE"
    )]
    pub config_file: Option<PathBuf>,
    /// Enable changing the log level with PUT /-/log-level
    #[arg(
        id = "web.enable-lifecycle",
        long = "web.enable-lifecycle",
        env = "IMAGE_PULL_EXPORTER_WEB_ENABLE_LIFECYCLE"
    )]
    pub enable_lifecycle: bool,
}

/// The flags for the connection to the cluster.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cluster")]
pub struct ConnectionArgs {
    /// Path to a kubeconfig [default: the service account of the pod, else the kubeconfig of kubectl]
    #[arg(long, value_name = "FILE", env = "IMAGE_PULL_EXPORTER_KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig to use
    #[arg(long, value_name = "NAME", env = "IMAGE_PULL_EXPORTER_CONTEXT")]
    pub context: Option<String>,
}

/// The flags for the content of the metrics.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Metrics")]
pub struct MetricsArgs {
    /// Waiting reasons to expose in the families of kube-state-metrics
    #[arg(long, value_enum, value_name = "REASONS", env = "IMAGE_PULL_EXPORTER_KSM_FAMILIES", default_value_t = KsmFamilies::Image)]
    pub ksm_families: KsmFamilies,
    /// Maximum number of registries with label values of their own in counters and histograms. Further ones are counted as
    /// "other"
    #[arg(long, value_name = "N", env = "IMAGE_PULL_EXPORTER_MAX_REGISTRIES", default_value_t = 100)]
    pub max_registries: usize,
    /// Maximum number of failing containers with series of their own. Shared evenly among namespaces, then workloads, oldest
    /// failures first
    #[arg(long, value_name = "N", env = "IMAGE_PULL_EXPORTER_MAX_CONTAINER_SERIES", default_value_t = 10_000)]
    pub max_container_series: usize,
    /// Maximum number of pairs of namespace and registry with counters of their own. Further ones are counted with the
    /// namespace "_other"
    #[arg(long, value_name = "N", env = "IMAGE_PULL_EXPORTER_MAX_COUNTER_PAIRS", default_value_t = 5_000)]
    pub max_counter_pairs: usize,
    /// Comma-separated list of further kinds of controllers or workloads to label batch="true". Pod matches pods without a
    /// controller
    #[arg(long, value_name = "KINDS", env = "IMAGE_PULL_EXPORTER_BATCH_KINDS", value_delimiter = ',', value_parser = parse_kind)]
    pub batch_kinds: Vec<String>,
    #[command(flatten)]
    pub pending: PendingArgs,
}

/// The flag about containers that wait without an error.
#[derive(Clone, Debug, Args)]
pub struct PendingArgs {
    /// Minimum age of reported containers that wait for their image without an error, for example 90s or 2m. 0 turns that
    /// off
    #[arg(long, value_name = "DURATION", env = "IMAGE_PULL_EXPORTER_PENDING_AFTER", default_value = "2m", value_parser = parse_duration)]
    pub pending_after: Duration,
}

/// The flags of the log.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Log")]
pub struct LogArgs {
    /// Only log messages with the given severity or above
    #[arg(
        id = "log.level",
        long = "log.level",
        value_name = "LEVEL",
        env = "IMAGE_PULL_EXPORTER_LOG_LEVEL",
        value_enum,
        ignore_case = true
    )]
    pub level: Option<LogLevel>,
    /// Output format of log messages
    #[arg(id = "log.format", long = "log.format", value_name = "FORMAT", env = "IMAGE_PULL_EXPORTER_LOG_FORMAT", value_enum, ignore_case = true, default_value_t = LogFormat::Logfmt)]
    pub format: LogFormat,
}

/// The waiting reasons in the families of kube-state-metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KsmFamilies {
    /// Reasons of image pull failures
    Image,
    /// All waiting reasons, as in kube-state-metrics
    All,
    /// No reasons, for use together with kube-state-metrics
    None,
}

/// The severities of log messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Errors that require action
    Error,
    /// Errors and recovered problems
    Warn,
    /// Also the start and the end of failures
    Info,
    /// All messages
    Debug,
}

impl LogArgs {
    /// Starts logging at the level of the flag, or at `default`. Fails if the thread of the log cannot be started.
    pub fn start(&self, default: LogLevel) -> io::Result<log::LevelHandle> {
        log::start(self.format, self.level.unwrap_or(default).level_filter())
    }
}

impl LogLevel {
    #[must_use]
    pub(crate) const fn level_filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
        }
    }
}

impl MetricsArgs {
    /// Returns the configuration of the index for a watch of all pods.
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

    /// Returns the limits on series.
    #[must_use]
    pub const fn limits(&self) -> MonitorLimits {
        MonitorLimits {
            max_registries: self.max_registries,
            max_containers: self.max_container_series,
            max_pairs: self.max_counter_pairs,
            pending_after: self.pending.pending_after,
        }
    }
}

impl WebArgs {
    /// Returns the configuration of the HTTP server without authentication.
    #[must_use]
    pub(crate) fn http_config(&self) -> http::HttpConfig {
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
    /// Returns the kubeconfig and the context to connect with.
    #[must_use]
    pub fn cluster_config(&self) -> ClusterConfig {
        ClusterConfig { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }
}

impl ListArgs {
    /// Returns the filter of the list. Empty names are ignored.
    #[must_use]
    pub fn filter(&self) -> list::ListFilter {
        let named = |names: &[String]| names.iter().filter(|name| !name.is_empty()).cloned().collect();
        list::ListFilter {
            namespaces: named(&self.namespaces),
            causes: self.causes.clone(),
            registries: named(&self.registries),
            pending_after: self.pending.pending_after,
        }
    }
}

fn cause_parser() -> impl TypedValueParser<Value = Cause> {
    PossibleValuesParser::new(Cause::ALL.iter().map(|cause| cause.as_str()))
        .try_map(|name| Cause::ALL.iter().copied().find(|cause| cause.as_str() == name).ok_or("unknown cause"))
}

#[cfg(feature = "demo")]
fn parse_speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (1.0..=1000.0).contains(speed));
    speed.ok_or_else(|| "expected a number from 1 to 1000".to_owned())
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "expected a non-negative number of seconds".to_owned())
}

/// Parses a number of seconds, minutes or hours. Without a unit it is one of seconds.
fn parse_duration(text: &str) -> Result<Duration, String> {
    let units = [("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let (number, seconds) =
        units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds))).unwrap_or((text, 1.0));
    let duration = number.parse::<f64>().ok().and_then(|number| Duration::try_from_secs_f64(number * seconds).ok());
    duration.ok_or_else(|| "expected a duration, for example 90s, 2m or 1h".to_owned())
}

fn parse_kind(text: &str) -> Result<String, String> {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Ok(text.to_owned());
    }
    Err("expected a kind as in a manifest, for example TaskRun".to_owned())
}
