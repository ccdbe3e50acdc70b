//! The data source of the HTTP server: scrapes, the page, and health checks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::clock::Clock;
use crate::http::web_config::SharedReloadStatus;
use crate::http::{Backend, BodyWriter, NotReady, Overview, RejectionCounters};
use crate::log;
use crate::metrics::exposition::{Exposition, ExpositionFormat};
use crate::metrics::families;
use crate::metrics::process::{self, ProcessStats};
use crate::metrics::scrape::{SelectedSeries, WebStatus};
use crate::monitor::Monitor;
use image_pull_model::advice::FailingRegistryPods;
use image_pull_model::facts::PodId;
use image_pull_model::history::TimelinePoint;
use image_pull_model::time::Timestamp;

/// Serves the data of a [`Monitor`] to the HTTP server.
pub struct ExporterBackend {
    monitor: Arc<Monitor>,
    clock: Clock,
    stale_after: Duration,
    started: Timestamp,
    rejections: Arc<RejectionCounters>,
    reloads: Option<SharedReloadStatus>,
    /// Held while a scrape selects its series, which needs memory per failing container.
    series_selection_lock: Arc<Mutex<()>>,
}

impl ExporterBackend {
    /// Creates a backend without rejection counters and reload status. The view counts as
    /// stale when the watch has been broken for `stale_after`.
    #[must_use]
    pub fn new(monitor: Arc<Monitor>, clock: Clock, stale_after: Duration) -> Self {
        Self {
            monitor,
            clock,
            stale_after,
            started: process::start_time(Clock::System.now()),
            rejections: Arc::default(),
            reloads: None,
            series_selection_lock: Arc::default(),
        }
    }

    /// Adds the counters of the HTTP server to the scrapes.
    pub(crate) fn with_web_status(
        self,
        rejections: Arc<RejectionCounters>,
        reloads: Option<SharedReloadStatus>,
    ) -> Self {
        Self { rejections, reloads, ..self }
    }

    fn not_ready(&self) -> NotReady {
        let missing = self.monitor.unavailable_scopes(self.stale_after, self.clock.now());
        NotReady(format!("the first list of all pods is not complete\n{}", missing.join("\n")))
    }
}

impl Backend for ExporterBackend {
    fn scrape(&self, format: ExpositionFormat) -> Result<BodyWriter, NotReady> {
        let mut view = self.monitor.scrape_snapshot().ok_or_else(|| self.not_ready())?;
        view.now = self.clock.now();
        view.process = Some((self.started, ProcessStats::read()));
        view.log_lines_dropped = log::dropped_lines().to_vec();
        let reload = self.reloads.as_ref().map(SharedReloadStatus::latest);
        let reload = reload.map(|reload| (reload.is_successful, reload.loaded_at));
        view.web = Some(WebStatus { rejected: self.rejections.counts().to_vec(), last_reload: reload });
        let selection_lock = Arc::clone(&self.series_selection_lock);
        Ok(Box::new(move |sink| {
            let guard = selection_lock.lock();
            let series = SelectedSeries::select(&view);
            drop(guard);
            let mut exposition = Exposition::streaming(format, sink);
            families::write_all(&series, &mut exposition);
            exposition.finish();
            Ok(())
        }))
    }

    fn overview(&self) -> Result<Overview, NotReady> {
        let now = self.clock.now();
        let (snapshot, watch, past) = self.monitor.overview(now).ok_or_else(|| self.not_ready())?;
        let registry_pods = FailingRegistryPods::of(&snapshot);
        let pending_after = self.monitor.pending_after();
        let overdue_before = (!pending_after.is_zero()).then(|| now.saturating_sub(pending_after));
        Ok(Overview { now, snapshot, registry_pods, watch_status: watch, history: past, pending_after, overdue_before })
    }

    fn timelines(&self, pod: &PodId) -> Vec<(String, Vec<TimelinePoint>)> {
        self.monitor.timelines(pod)
    }

    fn ready(&self) -> Result<Vec<String>, String> {
        if !self.monitor.is_listed() {
            return Err(self.not_ready().to_string());
        }
        let now = self.clock.now();
        let (stale, missing) = (self.monitor.stale_for(now), self.monitor.unavailable_scopes(self.stale_after, now));
        if stale > self.stale_after {
            let seconds = stale.as_secs();
            return Err(format!("the watch has been broken for {seconds} s\n{}", missing.join("\n")));
        }
        Ok(missing.iter().map(|part| format!("missing: {part}\n")).collect())
    }

    fn live(&self) -> Result<(), String> {
        Ok(())
    }
}
