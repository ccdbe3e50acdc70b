//! Writes what an exporter would show over time, and what shall fire, as promtool's rule tests.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;

/// How often the rules are evaluated, in seconds.
pub const EVALUATION_INTERVAL: u32 = 15;

/// One failing container, in the words of the metrics' labels. Whatever a test does not care about is the same for all.
#[derive(Clone)]
#[expect(clippy::struct_field_names, reason = "they are the labels' names")]
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
    /// When the present cause began; with the failure unless said otherwise.
    pub cause_since: Option<Seconds>,
}

impl Container {
    /// A container of a Deployment, whose image is not there.
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

    /// Of a workload of this kind, which is batch or not as the exporter's table has it.
    pub fn kind(self, workload_kind: &'static str) -> Self {
        Self { workload_kind, batch: ["Job", "CronJob", "TaskRun"].contains(&workload_kind), ..self }
    }

    /// Whose present cause began then, and not with the failure.
    pub fn cause_since(self, since: Seconds) -> Self {
        Self { cause_since: Some(since), ..self }
    }

    pub fn container_type(self, container_type: &'static str) -> Self {
        Self { container_type, ..self }
    }

    /// In one of several clusters.
    pub fn cluster(self, cluster: &'static str) -> Self {
        Self { cluster: Some(cluster), ..self }
    }

    /// Whose start nobody saw.
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

    fn info(&self) -> String {
        let Self { container_type, image, registry, cause, cause_group, node, workload_kind, workload, batch, .. } =
            self;
        format!(
            "{},container_type=\"{container_type}\",image=\"{image}\",registry=\"{registry}\",cause=\"{cause}\",\
             cause_group=\"{cause_group}\",node=\"{node}\",workload_kind=\"{workload_kind}\",workload=\"{workload}\",\
             batch=\"{batch}\"",
            self.identity()
        )
    }
}

/// Seconds from the begin of the test.
pub type Seconds = u32;
/// The annotations of an alert, by name.
pub type Annotations = Vec<(&'static str, String)>;

/// An alert's labels and annotations, in promtool's YAML.
struct ExpectedAlert {
    labels: String,
    annotations: String,
}

/// What is scraped of one cluster, and what shall fire when.
pub struct Case {
    name: String,
    scrape_interval: Seconds,
    only_alert: Option<&'static str>,
    series: Vec<(String, Vec<Option<f64>>)>,
    expectations: Vec<(Seconds, Vec<String>)>,
    /// What queries give.
    query_values: Vec<(Seconds, String, u32)>,
    texts: Vec<(Seconds, &'static str, Vec<ExpectedAlert>)>,
}

impl Case {
    /// Two hours of a cluster whose exporter, `a`, is well.
    pub fn new(name: &str) -> Self {
        Self::with_scrape_interval(name, 15).exporter("a", 0..7200)
    }

    /// An hour or more in which the cause of a failure changes, scraped so often, about one alert.
    pub fn with_changing_cause(alert: &'static str, what: &str, every: Seconds) -> Self {
        Self::with_scrape_interval(&format!("{alert}: {what}, scraped every {every} s"), every)
            .exporter("a", 0..4500)
            .only_alert(alert)
    }

    /// A case without an exporter.
    pub fn with_scrape_interval(name: &str, scraped_every: Seconds) -> Self {
        Self {
            name: name.to_owned(),
            scrape_interval: scraped_every,
            only_alert: None,
            series: Vec::new(),
            expectations: Vec::new(),
            query_values: Vec::new(),
            texts: Vec::new(),
        }
    }

    /// Adds an exporter that is well for that long.
    pub fn exporter(self, instance: &str, during: std::ops::Range<Seconds>) -> Self {
        let target = format!("{{job=\"image-pull\",instance=\"{instance}\"}}");
        self.series(&format!("image_pull_exporter_build_info{target}"), during.clone(), |_| 1.0)
            .series(&format!("image_pull_exporter_watch_synced{target}"), during.clone(), |_| 1.0)
            .series(&format!("image_pull_exporter_truncated_containers{target}"), during.clone(), |_| 0.0)
            .series(&format!("image_pull_exporter_watch_last_event_timestamp_seconds{target}"), during, f64::from)
    }

    /// Adds what a series shows during that time. Its end is marked, as Prometheus marks what vanishes from a scrape.
    pub fn series(mut self, series: &str, during: std::ops::Range<Seconds>, value: impl Fn(Seconds) -> f64) -> Self {
        let known = self.series.iter().position(|(known, _)| known == series).unwrap_or_else(|| {
            self.series.push((series.to_owned(), Vec::new()));
            self.series.len() - 1
        });
        let values = &mut self.series[known].1;
        let scrapes = during.end.div_ceil(self.scrape_interval) as usize;
        values.resize(scrapes.max(values.len()), None);
        for (at, shown) in (0..).step_by(self.scrape_interval as usize).zip(values) {
            if during.contains(&at) {
                *shown = Some(value(at));
            }
        }
        self
    }

    /// Adds a container that fails since `since` and is scraped during that time from exporter `a`.
    pub fn fails(self, container: &Container, since: Seconds, during: std::ops::Range<Seconds>) -> Self {
        self.fails_reported_by("a", container, since, during)
    }

    /// The same, from any exporter.
    pub fn fails_reported_by(
        self,
        instance: &str,
        container: &Container,
        since: Seconds,
        during: std::ops::Range<Seconds>,
    ) -> Self {
        let target = format!("job=\"image-pull\",instance=\"{instance}\"");
        let Container { container_type, basis, .. } = container;
        self.series(
            &format!("image_pull_failing{{{},container_type=\"{container_type}\",{target}}}", container.identity()),
            during.clone(),
            |_| 1.0,
        )
        .series(
            &format!(
                "image_pull_failing_since_timestamp_seconds{{{},basis=\"{basis}\",{target}}}",
                container.identity()
            ),
            during.clone(),
            |_| f64::from(since),
        )
        .series(
            &format!("image_pull_failing_cause_since_timestamp_seconds{{{},{target}}}", container.identity()),
            during.clone(),
            |_| f64::from(container.cause_since.unwrap_or(since)),
        )
        .series(&format!("image_pull_failing_info{{{},{target}}}", container.info()), during, |_| 1.0)
    }

    /// Nothing that is about a container is scraped during that time.
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

    /// What is expected from here on is said of this alert alone.
    pub fn only_alert(self, alert: &'static str) -> Self {
        Self { only_alert: Some(alert), ..self }
    }

    /// At that instant exactly these alerts fire, each once: `ImagePullFailing shop/web`, `ImagePullFailing shop/web in b`.
    pub fn fires(mut self, at: Seconds, alerts: &[&str]) -> Self {
        self.expectations.push((at, alerts.iter().map(|alert| (*alert).to_owned()).collect()));
        self
    }

    /// At that instant the one alert that the case is about fires so often.
    pub fn fires_times(mut self, at: Seconds, alerts: u32) -> Self {
        let only = self.only_alert.expect("it is about one alert");
        self.query_values.push((at, format!("count(ALERTS{{alertname=\"{only}\", alertstate=\"firing\"}})"), alerts));
        self
    }

    /// At that instant the one alert that the case is about fires.
    pub fn fires_at_least_once(mut self, at: Seconds) -> Self {
        let only = self.only_alert.expect("it is about one alert");
        self.query_values.push((
            at,
            format!("count(ALERTS{{alertname=\"{only}\", alertstate=\"firing\"}}) >= bool 1"),
            1,
        ));
        self
    }

    /// At that instant this alert has these labels and annotations, each in promtool's YAML.
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

    /// At that instant this alert fires so often, each time with these labels and annotations.
    pub fn fires_with_texts(mut self, at: Seconds, alert: &'static str, told: Vec<(String, Annotations)>) -> Self {
        let told = told.into_iter().map(|(labels, annotations)| {
            let annotations = annotations.iter().fold(String::new(), |mut lines, (name, text)| {
                let _ = writeln!(lines, "        {name}: {text:?}");
                lines
            });
            ExpectedAlert { labels, annotations }
        });
        self.texts.push((at, alert, told.collect()));
        self
    }

    /// Whether it has anything to say of this alert, be it that it does not fire.
    pub fn covers(&self, alert: &str) -> bool {
        self.only_alert.is_none_or(|only| only == alert)
    }

    /// Whether it holds what this alert says.
    pub fn checks_text_of(&self, alert: &str) -> bool {
        self.texts.iter().any(|(_, said, _)| *said == alert)
    }

    /// Whether this alert fires in it.
    pub fn expects_firing_of(&self, alert: &str) -> bool {
        let is_this = |fires: &String| fires.split(' ').next() == Some(alert);
        self.expectations.iter().any(|(_, alerts)| alerts.iter().any(is_this))
    }

    /// Its test, of all alerts or of one.
    fn yaml(&self, focus: Option<&str>) -> String {
        let mut yaml = format!("- name: {:?}\n  interval: {}s\n  input_series:\n", self.name, self.scrape_interval);
        for (series, values) in &self.series {
            let before = std::iter::once(&None).chain(values);
            let written = before.zip(values.iter().chain([&None])).map(|(before, value)| match (before, value) {
                (_, Some(value)) => value.to_string(),
                (Some(_), None) => "stale".to_owned(),
                (None, None) => "_".to_owned(),
            });
            let _ = writeln!(yaml, "  - series: '{series}'\n    values: {:?}", written.collect::<Vec<_>>().join(" "));
        }
        if self.series.is_empty() {
            yaml.push_str("  - series: nothing\n    values: '0'\n");
        }
        yaml.push_str("  promql_expr_test:\n");
        let only = self.only_alert.or(focus);
        let firing = only.map_or_else(
            || FIRING_BY_SUBJECT.to_owned(),
            |only| FIRING_BY_SUBJECT.replace("alertstate=", &format!("alertname=\"{only}\", alertstate=")),
        );
        for (at, alerts) in &self.expectations {
            let wanted = |alert: &&String| only.is_none_or(|only| alert.split(' ').next() == Some(only));
            let alerts: Vec<&String> = alerts.iter().filter(wanted).collect();
            let _ = writeln!(
                yaml,
                "  - expr: {firing:?}\n    eval_time: {at}s\n    exp_samples: {}",
                if alerts.is_empty() { "[]" } else { "" }
            );
            for alert in alerts {
                let (alert, cluster) = alert.split_once(" in ").unwrap_or((alert, ""));
                let (name, about) = alert.split_once(' ').unwrap_or((alert, ""));
                let label = |name: &str, value: &str| {
                    if value.is_empty() { String::new() } else { format!(", {name}={value:?}") }
                };
                let (about, cluster) = (label("about", about), label("cluster", cluster));
                let _ = writeln!(yaml, "    - labels: '{{alertname={name:?}{about}{cluster}}}'\n      value: 1");
            }
        }
        for (at, query, number) in &self.query_values {
            let _ = writeln!(
                yaml,
                "  - expr: {query:?}\n    eval_time: {at}s\n    exp_samples: [{{labels: '{{}}', value: {number}}}]"
            );
        }
        let texts = self.texts.iter().filter(|(_, alert, _)| focus.is_none_or(|focus| focus == *alert));
        for (number, (at, alert, told)) in texts.enumerate() {
            if number == 0 {
                yaml.push_str("  alert_rule_test:\n");
            }
            let _ = writeln!(yaml, "  - alertname: {alert}\n    eval_time: {at}s\n    exp_alerts:");
            for ExpectedAlert { labels, annotations } in told {
                let _ = writeln!(yaml, "    - exp_labels: {{{labels}}}\n      exp_annotations:\n{annotations}");
            }
        }
        yaml
    }
}

/// Every alert that fires, counted, by what it is about.
const FIRING_BY_SUBJECT: &str = r#"count by (alertname, about, cluster) (
  label_join(ALERTS{alertstate="firing", workload!=""}, "about", "/", "namespace", "workload")
  or label_replace(ALERTS{alertstate="firing", workload="", registry!=""}, "about", "$1", "registry", "(.*)")
  or label_replace(ALERTS{alertstate="firing", workload="", registry="", node!=""}, "about", "$1", "node", "(.*)")
  or label_join(ALERTS{alertstate="firing", workload="", registry="", node="", pod!=""}, "about", "/", "namespace", "pod", "container")
  or label_replace(ALERTS{alertstate="firing", workload="", registry="", node="", pod="", instance!=""}, "about", "$1", "instance", "(.*)")
  or ALERTS{alertstate="firing", workload="", registry="", node="", pod="", instance=""}
)"#;

/// Runs the cases against a rules file, those about all alerts or about one; what promtool says when they do not hold.
pub fn run_promtool(name: &str, rules: &str, cases: &[&Case], focus: Option<&str>) -> Result<(), String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("alerts");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let (rules_file, file) = (folder.join(format!("{name}.rules.yaml")), folder.join(format!("{name}.test.yaml")));
    std::fs::write(&rules_file, rules).expect("the rules can be written");
    let mut yaml = format!(
        "rule_files: [{name}.rules.yaml]\nevaluation_interval: {EVALUATION_INTERVAL}s\n\
         group_eval_order: [image-pull, image-pull-exporter]\ntests:\n"
    );
    for case in cases {
        yaml.push_str(&case.yaml(focus));
    }
    std::fs::write(&file, yaml).expect("the test can be written");
    let promtool = Command::new("promtool").args(["test", "rules"]).arg(&file).output();
    let output = promtool.expect("promtool runs (Debian's package prometheus)");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(said) }
}
