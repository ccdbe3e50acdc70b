//! The simulated cluster: performs the script's actions and runs the kubelets' jobs in order of time.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use serde_json::Value;

pub use super::event::{EventType, WatchEvent};
use super::{
    kubelet::{
        identity::PodIdentity,
        job_queue::{Job, JobQueue, PodId},
        node::{Node, PullRules},
        pod::{Container, Pod},
        reconcile::PodReconciler,
        watch_log::WatchLog,
    },
    random::Random,
    script::{Action, Grace, KubeletSetting, PodSelector, PodTemplate, PullScope, Script, TimedAction},
    store::ObjectKey,
    time::SimTime,
};

/// A cluster that follows a script. The same script and seed give the same events, independent of the step size.
#[derive(Debug)]
pub struct Cluster {
    script: VecDeque<TimedAction>,
    pods: BTreeMap<PodId, Pod>,
    nodes: BTreeMap<String, Node>,
    pull_rules: PullRules,
    secrets: BTreeSet<ObjectKey>,
    jobs: JobQueue,
    watch_log: WatchLog,
    random: Random,
    pods_created: u64,
}

impl Cluster {
    /// Creates a cluster before the first action. `epoch` is the wall-clock time of [`SimTime::ZERO`], for timestamps
    /// in pods.
    pub fn new(script: Script, seed: u64, epoch: Timestamp) -> Self {
        Self {
            script: script.actions.into(),
            pods: BTreeMap::new(),
            nodes: BTreeMap::new(),
            pull_rules: PullRules::default(),
            secrets: BTreeSet::new(),
            jobs: JobQueue::default(),
            watch_log: WatchLog::new(epoch),
            random: Random::new(seed),
            pods_created: 0,
        }
    }

    /// Returns the time of the next action or job; `None` if none is left.
    pub fn next_wakeup(&self) -> Option<SimTime> {
        let scripted = self.script.front().map(|timed| timed.at);
        scripted.into_iter().chain(self.jobs.next_time()).min()
    }

    /// Advances to `now`, inclusive. Returns the watch events in order.
    pub fn step(&mut self, now: SimTime) -> Vec<WatchEvent> {
        while let Some(at) = self.next_wakeup().filter(|at| *at <= now) {
            match self.script.pop_front_if(|timed| timed.at <= at) {
                Some(timed) => self.perform(timed),
                None => {
                    if let Some(job) = self.jobs.pop() {
                        self.run_job(at, job);
                    }
                }
            }
        }
        self.watch_log.drain_events()
    }

    /// Returns the current pods.
    pub fn pods(&self) -> impl Iterator<Item = Value> + '_ {
        self.pods.values().map(|pod| self.watch_log.object(pod))
    }

    fn perform(&mut self, timed: TimedAction) {
        let at = timed.at;
        match timed.action {
            Action::CreatePods(template) => self.create_pods(at, &template),
            Action::AddEphemeral { pods, container } => self.change_spec(at, &pods, |pod| {
                let container = Container::new(container.clone());
                pod.containers.push(container);
                true
            }),
            Action::PatchImage { pods, container, image } => self.change_spec(at, &pods, |pod| {
                let found = pod.containers.iter_mut().find(|known| known.spec.name == container);
                found.is_some_and(|found| {
                    found.spec.image.clone_from(&image);
                    true
                })
            }),
            Action::Crash { pods, container, exit_code } => {
                self.for_each_pod(at, &pods, |reconciler, pod| reconciler.exit_container(pod, &container, exit_code));
            }
            Action::Delete { pods, grace: Grace::Period(grace) } => {
                self.for_each_pod(at, &pods, |reconciler, pod| reconciler.delete(pod, grace));
            }
            Action::Delete { pods, grace: Grace::Force } => self.force_delete(at, &pods),
            Action::SetPull { of: PullScope::Image(image), pull } => self.pull_rules.set_image(image, pull),
            Action::SetPull { of: PullScope::Registry(host), pull } => self.pull_rules.set_registry(host, pull),
            Action::SetPull { of: PullScope::Node(node), pull } => self.node(&node).pull_behavior = Some(pull),
            Action::SetPull { of: PullScope::Sandbox(node), pull } => self.node(&node).sandbox_pull = Some(pull),
            Action::CreateSecret { namespace, name } => drop(self.secrets.insert((namespace, name))),
            Action::RestartKubelet { node } => self.restart_kubelet(at, &node),
            Action::HangKubelet { node } => self.stop_kubelet(&node),
            Action::SetKubelet { node, setting: KubeletSetting::ParallelPulls(on) } => {
                self.node(&node).pulls_in_parallel = on;
            }
            Action::SetKubelet { node, setting: KubeletSetting::SandboxReport(report) } => {
                self.node(&node).sandbox_report = report;
            }
        }
    }

    fn run_job(&mut self, at: SimTime, job: Job) {
        match job {
            Job::KubeletStarted(node) => self.kubelet_up(at, &node),
            Job::ExpireEvent(key) => {
                if let Some(later) = self.watch_log.expire_event(at, &key) {
                    self.jobs.push(later, Job::ExpireEvent(key));
                }
            }
            Job::OnPod(id, work) => {
                let gone = self.reconcile(at, id, |reconciler, pod| reconciler.run_job(pod, work)).unwrap_or(false);
                if gone {
                    self.remove_pod(id);
                }
            }
        }
    }

    fn create_pods(&mut self, at: SimTime, template: &PodTemplate) {
        for ordinal in 0..template.replicas {
            let node = template.nodes.iter().cycle().nth(ordinal as usize).cloned().unwrap_or_default();
            let node = self.node(&node).name.clone();
            let identity = PodIdentity::new(template, ordinal, &mut self.random);
            let id = PodId(self.pods_created);
            self.pods_created += 1;
            let pod = Pod::new(id, identity, node, template, at);
            self.pods.insert(id, pod);
            self.reconcile(at, id, |reconciler, pod| {
                reconciler.on_pod_created(pod);
            });
        }
    }

    fn change_spec(&mut self, at: SimTime, pods: &PodSelector, change: impl Fn(&mut Pod) -> bool) {
        self.for_each_pod(at, pods, |reconciler, pod| {
            if pod.deletion.is_none() && change(pod) {
                reconciler.on_spec_changed(pod);
            }
        });
    }

    /// Removes pods immediately: the API server sends MODIFIED with a deletionTimestamp, then DELETED, without the
    /// kubelet (recording delete-backoff).
    fn force_delete(&mut self, at: SimTime, pods: &PodSelector) {
        for id in self.matching_ids(pods) {
            self.reconcile(at, id, |reconciler, pod| {
                reconciler.force_delete(pod);
            });
            self.remove_pod(id);
        }
    }

    fn remove_pod(&mut self, id: PodId) {
        let node = self.pods.remove(&id).and_then(|pod| self.nodes.get_mut(&pod.node));
        if let Some(node) = node {
            node.remove_pod(id);
        }
    }

    fn restart_kubelet(&mut self, at: SimTime, name: &str) {
        let back = at + self.random.millis(1_000, 3_000);
        self.stop_kubelet(name);
        self.jobs.push(back, Job::KubeletStarted(name.to_owned()));
    }

    fn stop_kubelet(&mut self, name: &str) {
        self.node(name).stop_kubelet();
        for pod in self.pods.values_mut().filter(|pod| pod.node == name) {
            pod.lose_kubelet_state();
        }
    }

    fn kubelet_up(&mut self, at: SimTime, name: &str) {
        self.node(name).is_up = true;
        let ids: Vec<PodId> = self.pods.values().filter(|pod| pod.node == name).map(|pod| pod.id).collect();
        for id in ids {
            let within = self.random.millis(0, 1_000);
            self.reconcile(at, id, |reconciler, pod| reconciler.on_kubelet_started(pod, within));
        }
    }

    fn for_each_pod(&mut self, at: SimTime, pods: &PodSelector, mut f: impl FnMut(&mut PodReconciler<'_>, &mut Pod)) {
        for id in self.matching_ids(pods) {
            self.reconcile(at, id, &mut f);
        }
    }

    fn matching_ids(&self, pods: &PodSelector) -> BTreeSet<PodId> {
        self.pods
            .values()
            .filter(|pod| pods.matches(&pod.identity.namespace, &pod.identity.name))
            .map(|pod| pod.id)
            .collect()
    }

    fn reconcile<R>(
        &mut self,
        now: SimTime,
        id: PodId,
        f: impl FnOnce(&mut PodReconciler<'_>, &mut Pod) -> R,
    ) -> Option<R> {
        let pod = self.pods.get_mut(&id)?;
        let node = self.nodes.get_mut(&pod.node)?;
        let mut reconciler = PodReconciler {
            now,
            node,
            pull_rules: &self.pull_rules,
            secrets: &self.secrets,
            jobs: &mut self.jobs,
            watch_log: &mut self.watch_log,
            random: &mut self.random,
        };
        Some(f(&mut reconciler, pod))
    }

    fn node(&mut self, name: &str) -> &mut Node {
        let index = self.nodes.len();
        let random = &mut self.random;
        self.nodes.entry(name.to_owned()).or_insert_with(|| Node::new(name, index, random))
    }
}
