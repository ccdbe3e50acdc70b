//! Test cases for promtool: series that an exporter exposes over time, and the alerts expected to fire.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

/// Evaluation interval of the rules.
pub const EVALUATION_INTERVAL: Seconds = 15;

/// Seconds from the start of a test case.
pub type Seconds = u32;
/// The annotations of an alert, by name.
pub type Annotations = Vec<(&'static str, String)>;

/// The labels of one failing container. Tests set the ones they depend on.
#[derive(Clone)]
#[expect(clippy::struct_field_names, reason = "they are the names of the labels")]
pub struct Container {
    pub cluster: Option<&'static str>,
    pub namespace: &'static str,
    pub pod: String,
    pub container: &'static str,
    pub container_type: &'static str,
    pub basis: &'static str,
    pub image: String,
    pub registry: &'static str,
    pub cause: &'static str,
    pub cause_group: &'static str,
    pub node: String,
    pub workload_kind: &'static str,
    pub workload: String,
    pub batch: bool,
    /// Start of the present cause. `None`: the start of the failure.
    pub cause_since: Option<Seconds>,
}

impl Container {
    /// A container of the Deployment `workload` whose image does not exist.
    pub fn of_workload(workload: &str) -> Self {
        Self {
            cluster: None,
            namespace: "shop",
            pod: format!("{workload}-1"),
            container: "app",
            container_type: "app",
            basis: "observed",
            image: format!("reg.example/shop/{workload}:1.8.O"),
            registry: "reg.example",
            cause: "image_not_found",
            cause_group: "image",
            node: "node-1".to_owned(),
            workload_kind: "Deployment",
            workload: workload.to_owned(),
            batch: false,
            cause_since: None,
        }
    }

    pub fn cause(self, cause: &'static str, cause_group: &'static str) -> Self {
        Self { cause, cause_group, ..self }
    }

    pub fn registry(self, registry: &'static str) -> Self {
        Self { registry, ..self }
    }

    pub fn node(self, node: &str) -> Self {
        Self { node: node.to_owned(), ..self }
    }

    pub fn namespace(self, namespace: &'static str) -> Self {
        Self { namespace, ..self }
    }

    /// Sets the kind of the workload, and `batch` as the exporter derives it from the kind.
    pub fn kind(self, workload_kind: &'static str) -> Self {
        Self { workload_kind, batch: ["Job", "CronJob", "TaskRun"].contains(&workload_kind), ..self }
    }

    /// Sets a start of the cause that differs from the start of the failure.
    pub fn cause_since(self, since: Seconds) -> Self {
        Self { cause_since: Some(since), ..self }
    }

    pub fn container_type(self, container_type: &'static str) -> Self {
        Self { container_type, ..self }
    }

    pub fn cluster(self, cluster: &'static str) -> Self {
        Self { cluster: Some(cluster), ..self }
    }

    /// Marks the start of the failure as estimated from the status of the pod.
    pub fn with_estimated_start(self) -> Self {
        Self { basis: "pod_condition", ..self }
    }

    fn identity(&self) -> String {
        let Self { namespace, pod, container, .. } = self;
        let cluster = self.cluster.map(|cluster| format!("cluster=\"{cluster}\",")).unwrap_or_default();
        format!(
            "{cluster}namespace=\"{namespace}\",pod=\"{pod}\",uid=\"uid-{namespace}-{pod}\",container=\"{container}\""
        )
    }

    /// The labels of the metadata that a container has with and without an error.
    fn metadata(&self) -> String {
        let Self { container_type, image, registry, node, workload_kind, workload, batch, .. } = self;
        format!(
            "{},container_type=\"{container_type}\",image=\"{image}\",registry=\"{registry}\",node=\"{node}\",\
             workload_kind=\"{workload_kind}\",workload=\"{workload}\",batch=\"{batch}\"",
            self.identity()
        )
    }

    fn info(&self) -> String {
        let Self { cause, cause_group, .. } = self;
        format!("{},cause=\"{cause}\",cause_group=\"{cause_group}\"", self.metadata())
    }
}

/// An expected alert, in promtool's YAML.
struct ExpectedAlert {
    labels: String,
    annotations: String,
}

/// Input series of one or more clusters, and expectations about the alerts.
pub struct Case {
    pub name: String,
    scrape_interval: Seconds,
    only_alert: Option<&'static str>,
    series: Vec<(String, Vec<Option<f64>>)>,
    /// Exactly these alerts fire at that time, each once.
    firing: Vec<(Seconds, Vec<String>)>,
    /// The query has this value at that time.
    query_values: Vec<(Seconds, String, u32)>,
    /// The alert fires at that time with these labels and annotations.
    texts: Vec<(Seconds, &'static str, Vec<ExpectedAlert>)>,
}

impl Case {
    /// Two hours of a cluster with a healthy exporter, `a`.
    pub fn new(name: &str) -> Self {
        Self::with_scrape_interval(name, 15).exporter("a", 0..7200)
    }

    /// A case for one alert about a failure whose cause changes.
    pub fn with_changing_cause(alert: &'static str, what: &str, scrape_interval: Seconds) -> Self {
        Self::with_scrape_interval(&format!("{alert}: {what}, scraped every {scrape_interval} s"), scrape_interval)
            .exporter("a", 0..4500)
            .only_alert(alert)
    }

    /// A case without an exporter.
    pub fn with_scrape_interval(name: &str, scrape_interval: Seconds) -> Self {
        Self {
            name: name.to_owned(),
            scrape_interval,
            only_alert: None,
            series: Vec::new(),
            firing: Vec::new(),
            query_values: Vec::new(),
            texts: Vec::new(),
        }
    }

    /// Adds the series of a healthy exporter.
    pub fn exporter(self, instance: &str, during: std::ops::Range<Seconds>) -> Self {
        let target = format!("{{job=\"image-pull\",instance=\"{instance}\"}}");
        self.series(&format!("image_pull_exporter_build_info{target}"), during.clone(), |_| 1.0)
            .series(&format!("image_pull_exporter_watch_synced{target}"), during.clone(), |_| 1.0)
            .series(&format!("image_pull_exporter_truncated_containers{target}"), during.clone(), |_| 0.0)
            .series(&format!("image_pull_exporter_watch_last_event_timestamp_seconds{target}"), during, f64::from)
    }

    /// Adds the values of a series during that time. A stale marker follows, as when Prometheus no longer finds the series in a scrape.
    pub fn series(mut self, series: &str, during: std::ops::Range<Seconds>, value: impl Fn(Seconds) -> f64) -> Self {
        let index = self.series.iter().position(|(name, _)| name == series).unwrap_or_else(|| {
            self.series.push((series.to_owned(), Vec::new()));
            self.series.len() - 1
        });
        let values = &mut self.series[index].1;
        let scrapes = during.end.div_ceil(self.scrape_interval) as usize;
        values.resize(scrapes.max(values.len()), None);
        for (at, sample) in (0..).step_by(self.scrape_interval as usize).zip(values) {
            if during.contains(&at) {
                *sample = Some(value(at));
            }
        }
        self
    }

    /// Adds the series of a container that has been failing since `since`, exposed by exporter `a`.
    pub fn fails(self, container: &Container, since: Seconds, during: std::ops::Range<Seconds>) -> Self {
        self.fails_reported_by("a", container, since, during)
    }

    /// Like [`Self::fails`], exposed by another exporter.
    pub fn fails_reported_by(
        self,
        instance: &str,
        container: &Container,
        since: Seconds,
        during: std::ops::Range<Seconds>,
    ) -> Self {
        let target = format!("job=\"image-pull\",instance=\"{instance}\"");
        let Container { container_type, basis, .. } = container;
        let identity = container.identity();
        let cause_since = container.cause_since.unwrap_or(since);
        self.series(
            &format!("image_pull_failing{{{identity},container_type=\"{container_type}\",{target}}}"),
            during.clone(),
            |_| 1.0,
        )
        .series(
            &format!("image_pull_failing_since_timestamp_seconds{{{identity},basis=\"{basis}\",{target}}}"),
            during.clone(),
            |_| f64::from(since),
        )
        .series(
            &format!("image_pull_failing_cause_since_timestamp_seconds{{{identity},{target}}}"),
            during.clone(),
            |_| f64::from(cause_since),
        )
        .series(&format!("image_pull_failing_info{{{},{target}}}", container.info()), during, |_| 1.0)
    }

    /// Adds the series of a container that has been pending since `since`, exposed by exporter `a`.
    pub fn waits(self, container: &Container, since: Seconds, during: std::ops::Range<Seconds>) -> Self {
        self.waits_reported_by("a", container, since, during)
    }

    /// Like [`Self::waits`], exposed by another exporter.
    pub fn waits_reported_by(
        self,
        instance: &str,
        container: &Container,
        since: Seconds,
        during: std::ops::Range<Seconds>,
    ) -> Self {
        let target = format!("job=\"image-pull\",instance=\"{instance}\"");
        let identity = container.identity();
        self.series(
            &format!("image_pull_pending_since_timestamp_seconds{{{identity},basis=\"sandbox_ready\",{target}}}"),
            during.clone(),
            |_| f64::from(since),
        )
        .series(&format!("image_pull_pending_info{{{},{target}}}", container.metadata()), during, |_| 1.0)
    }

    /// Adds the time of the last change of a stale status, exposed by exporter `a`.
    pub fn stale(self, container: &Container, since: Seconds, during: std::ops::Range<Seconds>) -> Self {
        let series = format!(
            "image_pull_failing_stale_since_timestamp_seconds{{{},job=\"image-pull\",instance=\"a\"}}",
            container.identity()
        );
        self.series(&series, during, |_| f64::from(since))
    }

    /// Removes all samples of series about failing containers during that time.
    pub fn scrape_gap(mut self, during: std::ops::Range<Seconds>) -> Self {
        for (_, values) in self.series.iter_mut().filter(|(series, _)| series.starts_with("image_pull_failing")) {
            for (at, value) in (0..).step_by(self.scrape_interval as usize).zip(values) {
                if during.contains(&at) {
                    *value = None;
                }
            }
        }
        self
    }

    /// Limits the expectations to one alert.
    pub fn only_alert(self, alert: &'static str) -> Self {
        Self { only_alert: Some(alert), ..self }
    }

    /// Expects exactly these alerts at that time, each once, in the form `ImagePullFailing shop/web` or `ImagePullFailing shop/web in b`,
    /// where `b` is a cluster.
    pub fn fires(mut self, at: Seconds, alerts: &[&str]) -> Self {
        self.firing.push((at, alerts.iter().map(|alert| (*alert).to_owned()).collect()));
        self
    }

    /// Expects that number of alerts called `alert` at that time.
    pub fn fires_times(mut self, at: Seconds, alert: &str, count: u32) -> Self {
        self.query_values.push((at, count_of(alert), count));
        self
    }

    /// Expects no alert called `alert` at that time.
    pub fn fires_never(mut self, at: Seconds, alert: &str) -> Self {
        self.query_values.push((at, format!("{} or vector(0)", count_of(alert)), 0));
        self
    }

    /// Expects an alert called `alert` at that time.
    pub fn fires_at_least_once(mut self, at: Seconds, alert: &str) -> Self {
        self.query_values.push((at, format!("{} >= bool 1", count_of(alert)), 1));
        self
    }

    /// Expects one alert with these labels, in promtool's YAML, and annotations.
    pub fn fires_with_text(
        self,
        at: Seconds,
        alert: &'static str,
        labels: &str,
        annotations: &[(&'static str, &str)],
    ) -> Self {
        let annotations = annotations.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
        self.fires_with_texts(at, alert, vec![(labels.to_owned(), annotations)])
    }

    /// Expects exactly the alerts with these labels, in promtool's YAML, and annotations.
    pub fn fires_with_texts(mut self, at: Seconds, alert: &'static str, expected: Vec<(String, Annotations)>) -> Self {
        let expected = expected.into_iter().map(|(labels, annotations)| {
            let annotations = annotations.iter().fold(String::new(), |mut lines, (name, text)| {
                let _ = writeln!(lines, "        {name}: {text:?}");
                lines
            });
            ExpectedAlert { labels, annotations }
        });
        self.texts.push((at, alert, expected.collect()));
        self
    }

    /// The alert to which the case is limited.
    pub const fn alert(&self) -> Option<&'static str> {
        self.only_alert
    }

    /// Whether it has expectations about this alert, including that it does not fire.
    pub fn covers(&self, alert: &str) -> bool {
        self.only_alert.is_none_or(|only| only == alert)
    }

    /// Whether this alert fires in it, or it is limited to this alert.
    pub fn is_about(&self, alert: &str) -> bool {
        let mut firing = self.firing.iter().flat_map(|(_, alerts)| alerts);
        self.only_alert == Some(alert) || firing.any(|firing| is_of(firing, Some(alert)))
    }

    /// Whether it expects labels and annotations of this alert.
    pub fn checks_text_of(&self, alert: &str) -> bool {
        self.texts.iter().any(|(_, of, _)| *of == alert)
    }

    /// The time after which nothing is expected.
    fn end(&self) -> Seconds {
        let firing = self.firing.iter().map(|(at, _)| *at);
        let values = self.query_values.iter().map(|(at, ..)| *at);
        firing.chain(values).chain(self.texts.iter().map(|(at, ..)| *at)).max().unwrap_or_default()
    }

    /// An estimate of the time that promtool takes for it, to try fast cases first.
    pub fn cost(&self) -> usize {
        self.end() as usize * (20 + self.series.len())
    }

    pub const fn series_count(&self) -> usize {
        self.series.len()
    }

    /// The promtool test, of all alerts or of one.
    fn yaml(&self, alert: Option<&str>) -> String {
        let mut yaml = format!("- name: {:?}\n  interval: {}s\n  input_series:\n", self.name, self.scrape_interval);
        // Samples after the last expectation cost time and change nothing.
        let samples = self.end() as usize / self.scrape_interval as usize + 1;
        for (series, values) in &self.series {
            let before = std::iter::once(&None).chain(values);
            let written = before.zip(values.iter().chain([&None])).map(|(before, value)| match (before, value) {
                (_, Some(value)) => value.to_string(),
                (Some(_), None) => "stale".to_owned(),
                (None, None) => "_".to_owned(),
            });
            let written = written.take(samples).collect::<Vec<_>>().join(" ");
            let _ = writeln!(yaml, "  - series: '{series}'\n    values: {written:?}");
        }
        if self.series.is_empty() {
            yaml.push_str("  - series: nothing\n    values: '0'\n");
        }
        yaml.push_str("  promql_expr_test:\n");
        let alert = self.only_alert.or(alert);
        let query = alert.map_or_else(
            || FIRING_BY_SUBJECT.to_owned(),
            |alert| FIRING_BY_SUBJECT.replace("alertstate=", &format!("alertname=\"{alert}\", alertstate=")),
        );
        for (at, firing) in &self.firing {
            write_firing(&mut yaml, *at, &query, firing.iter().filter(|firing| is_of(firing, alert)));
        }
        for (at, query, value) in &self.query_values {
            let _ = writeln!(
                yaml,
                "  - expr: {query:?}\n    eval_time: {at}s\n    exp_samples: [{{labels: '{{}}', value: {value}}}]"
            );
        }
        let texts = self.texts.iter().filter(|(_, of, _)| alert.is_none_or(|alert| alert == *of));
        for (number, (at, alert, expected)) in texts.enumerate() {
            if number == 0 {
                yaml.push_str("  alert_rule_test:\n");
            }
            let _ = writeln!(yaml, "  - alertname: {alert}\n    eval_time: {at}s\n    exp_alerts:");
            for ExpectedAlert { labels, annotations } in expected {
                let _ = writeln!(yaml, "    - exp_labels: {{{labels}}}\n      exp_annotations:\n{annotations}");
            }
        }
        yaml
    }
}

fn count_of(alert: &str) -> String {
    format!("count(ALERTS{{alertname=\"{alert}\", alertstate=\"firing\"}})")
}

/// Whether an expected alert (`ImagePullFailing shop/web`) has this name. `None` is any name.
fn is_of(firing: &str, alert: Option<&str>) -> bool {
    alert.is_none_or(|alert| firing.split(' ').next() == Some(alert))
}

/// Writes the expectation that exactly these alerts fire.
fn write_firing<'a>(yaml: &mut String, at: Seconds, query: &str, firing: impl Iterator<Item = &'a String>) {
    let mut firing = firing.peekable();
    let samples = if firing.peek().is_none() { "[]" } else { "" };
    let _ = writeln!(yaml, "  - expr: {query:?}\n    eval_time: {at}s\n    exp_samples: {samples}");
    for alert in firing {
        let (alert, cluster) = alert.split_once(" in ").unwrap_or((alert, ""));
        let (name, about) = alert.split_once(' ').unwrap_or((alert, ""));
        let label = |name: &str, value: &str| {
            if value.is_empty() { String::new() } else { format!(", {name}={value:?}") }
        };
        let (about, cluster) = (label("about", about), label("cluster", cluster));
        let _ = writeln!(yaml, "    - labels: '{{alertname={name:?}{about}{cluster}}}'\n      value: 1");
    }
}

/// Counts the firing alerts by name and subject.
const FIRING_BY_SUBJECT: &str = r#"count by (alertname, about, cluster) (
  label_join(ALERTS{alertstate="firing", workload!=""}, "about", "/", "namespace", "workload")
  or label_replace(ALERTS{alertstate="firing", workload="", registry!=""}, "about", "$1", "registry", "(.*)")
  or label_replace(ALERTS{alertstate="firing", workload="", registry="", node!=""}, "about", "$1", "node", "(.*)")
  or label_join(ALERTS{alertstate="firing", workload="", registry="", node="", pod!=""}, "about", "/", "namespace", "pod", "container")
  or label_replace(ALERTS{alertstate="firing", workload="", registry="", node="", pod="", instance!=""}, "about", "$1", "instance", "(.*)")
  or ALERTS{alertstate="firing", workload="", registry="", node="", pod="", instance=""}
)"#;

/// Runs the cases against rules, with the expectations about all alerts or about one. Returns the output of promtool if a case fails.
pub fn run_promtool(name: &str, rules: &str, cases: &[&Case], alert: Option<&str>) -> Result<(), String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("alerts");
    std::fs::create_dir_all(&folder).expect("the folder can be created");
    let (rules_file, file) = (folder.join(format!("{name}.rules.yaml")), folder.join(format!("{name}.test.yaml")));
    std::fs::write(&rules_file, rules).expect("the rules can be written");
    let mut yaml = format!(
        "rule_files: [{name}.rules.yaml]\nevaluation_interval: {EVALUATION_INTERVAL}s\n\
         group_eval_order: [image-pull, image-pull-exporter]\ntests:\n"
    );
    for case in cases {
        yaml.push_str(&case.yaml(alert));
    }
    std::fs::write(&file, yaml).expect("the test can be written");
    let output = Command::new("promtool").args(["test", "rules"]).arg(&file).output();
    let output = output.expect("promtool is installed (Debian package prometheus)");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(text) }
}
