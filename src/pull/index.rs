//! Keeps what is failing in the cluster, and nothing else.
//!
//! Three verbs enter: apply, delete, and reset (a relist, in three parts so that nobody need hold a whole cluster:
//! begin, list each pod, end, which also says what vanished). Readers get a [`Snapshot`], which never changes.
//! Invariant: at most one open failure per container (pod uid, kind and name).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::effect::{Effect, FailureEvent, Outcome, Subject};
use super::facts::{ContainerFacts, ContainerKind, Phase, PodFacts, PodId, Scope, State};
use super::failure::{Failure, Fate, Seen};
use super::pool::Pools;
use super::reason::{Stage, stage_of};
use super::snapshot::{Snapshot, TrackedContainer, TrackedPod};
use super::time::Timestamp;

/// Which waiting reasons the mirror of kube-state-metrics shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mirror {
    /// Those that mean "no image"; free text shows as `Other`, since error text is no label.
    #[default]
    Image,
    /// All, verbatim, as kube-state-metrics has them.
    All,
    /// None.
    Nothing,
}

/// What the index is told once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// What to mirror.
    pub mirror: Mirror,
    /// Whether finished pods are left out of the watch, so that a pod which vanishes without having been deleted
    /// has finished.
    pub finished_pods_hidden: bool,
}

/// The informer's cache: the pods with something to show.
#[derive(Debug)]
pub struct Index {
    settings: Settings,
    pods: BTreeMap<Arc<PodId>, Entry>,
    /// What their entries share.
    pools: Pools,
    watches: Vec<Watch>,
    /// The view that readers have, until something changes.
    published: Option<Arc<Snapshot>>,
}

#[derive(Debug)]
struct Entry {
    pod: Arc<TrackedPod>,
    /// Whether the relist under way has yet to list it.
    unlisted: bool,
}

#[derive(Debug)]
struct Watch {
    scope: Scope,
    relisting: bool,
    /// When its part of the view was last known to be complete; `None` before its first complete list.
    complete_at: Option<Timestamp>,
}

impl Index {
    /// An index of what `scopes` cover, which has yet to be listed.
    #[must_use]
    pub fn new(settings: Settings, scopes: &[Scope]) -> Self {
        let watch = |scope: &Scope| Watch { scope: scope.clone(), relisting: false, complete_at: None };
        Self {
            settings,
            pods: BTreeMap::new(),
            pools: Pools::default(),
            watches: scopes.iter().map(watch).collect(),
            published: None,
        }
    }

    /// The newest view; `None` until every scope was listed once. While a relist goes on, each pod is shown as it was
    /// last seen, and none has vanished.
    pub fn snapshot(&mut self) -> Option<Arc<Snapshot>> {
        if !self.is_listed() {
            return None;
        }
        let pods = || self.pods.values().map(|entry| Arc::clone(&entry.pod)).collect();
        Some(Arc::clone(self.published.get_or_insert_with(|| Arc::new(Snapshot { pods: pods() }))))
    }

    /// Whether every scope was listed once.
    #[must_use]
    pub fn is_listed(&self) -> bool {
        self.watches.iter().all(|watch| watch.complete_at.is_some())
    }

    /// Whether every scope is completely listed and none is being listed anew.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.is_listed() && self.watches.iter().all(|watch| !watch.relisting)
    }

    /// Whether anything is remembered of a pod, so that whatever it does next is of interest.
    #[must_use]
    pub fn has(&self, pod: &PodId) -> bool {
        self.pods.contains_key(pod)
    }

    /// Takes a pod as a watch event shows it.
    pub fn apply(&mut self, pod: &PodFacts, seen: Seen, now: Timestamp) -> Vec<Effect> {
        self.complete_until(now, |scope| scope.covers(&pod.id.namespace));
        self.put(pod, seen, now)
    }

    /// Takes the news that nothing else has happened in `scope` until now.
    pub fn heard(&mut self, scope: &Scope, now: Timestamp) {
        self.complete_until(now, |own| own == scope);
    }

    /// Takes a pod that left the watch.
    pub fn delete(&mut self, pod: &PodFacts, now: Timestamp) -> Vec<Effect> {
        let Some(entry) = self.pods.remove(&pod.id) else { return Vec::new() };
        self.published = None;
        let finished = pod.phase == Phase::Finished || self.settings.finished_pods_hidden;
        let outcome = if finished && !pod.deleting { Outcome::PodFinished } else { Outcome::PodDeleted };
        end_all(&entry.pod, outcome, now)
    }

    /// Begins a relist of `scope`: what is not listed before it ends has vanished.
    pub fn reset_begin(&mut self, scope: &Scope) {
        for watch in self.watches.iter_mut().filter(|watch| watch.scope == *scope) {
            watch.relisting = true;
        }
        for (_, entry) in self.pods.iter_mut().filter(|(id, _)| scope.covers(&id.namespace)) {
            entry.unlisted = true;
        }
    }

    /// Takes a pod as a relist shows it, or a watch that was interrupted: nobody saw it come to this.
    pub fn reset_list(&mut self, pod: &PodFacts, now: Timestamp) -> Vec<Effect> {
        let watch = self.watches.iter().find(|watch| watch.scope.covers(&pod.id.namespace));
        let not_before = watch.and_then(|watch| watch.complete_at);
        self.put(pod, Seen::Found { not_before }, now)
    }

    /// Ends a relist of `scope`.
    pub fn reset_end(&mut self, scope: &Scope, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.pods.retain(|id, entry| {
            let vanished = entry.unlisted && scope.covers(&id.namespace);
            if vanished {
                effects.extend(end_all(&entry.pod, Outcome::PodDeleted, now));
            }
            !vanished
        });
        for watch in self.watches.iter_mut().filter(|watch| watch.scope == *scope) {
            watch.relisting = false;
            watch.complete_at = Some(now);
        }
        self.published = None;
        effects
    }

    fn complete_until(&mut self, now: Timestamp, is_meant: impl Fn(&Scope) -> bool) {
        let watch = self.watches.iter_mut().find(|watch| is_meant(&watch.scope));
        if let Some(watch) = watch.filter(|watch| !watch.relisting && watch.complete_at.is_some()) {
            watch.complete_at = Some(now);
        }
    }

    fn put(&mut self, facts: &PodFacts, seen: Seen, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        let old = self.pods.remove(&facts.id).map(|entry| entry.pod);
        if old.is_none() && !facts.containers.iter().any(|container| self.is_interesting(container)) {
            return effects;
        }
        let id = old.as_ref().map_or_else(|| Arc::new(facts.id.clone()), |old| Arc::clone(&old.id));
        let mut containers = old.as_ref().map(|old| old.containers.clone()).unwrap_or_default();
        let mut next: Vec<TrackedContainer> = Vec::new();
        for container in &facts.containers {
            if next.iter().any(|other| other.kind == container.kind && *other.name == *container.name) {
                effects.push(Effect::DuplicateContainer(Arc::clone(&id)));
                continue;
            }
            let position = containers.iter().position(|old| old.kind == container.kind && *old.name == *container.name);
            let before = position.map(|position| containers.swap_remove(position));
            let step = Step { id: &id, old: old.as_ref(), pod: facts, container, seen, now };
            let mirrored = self.mirrored(container).map(|reason| self.pools.texts.share(reason));
            next.push(step.take(before, mirrored, &mut self.pools, &mut effects));
        }
        for gone in containers {
            let outcome = end_of_pod(facts).unwrap_or(Outcome::Unknown);
            if let (Some(failure), Some(old)) = (&gone.failure, &old) {
                effects.push(failure_ended(old, &gone.name, failure, outcome, now));
            }
        }
        next.retain(TrackedContainer::is_worth_keeping);
        next.shrink_to_fit();

        let pod = TrackedPod {
            id,
            node: self.pools.texts.share(facts.node.as_str()),
            service_account: self.pools.texts.share(facts.service_account.as_str()),
            pull_secrets: self.pools.lists.share(facts.pull_secrets.as_slice()),
            owner: self.pools.owners.share(Arc::new(facts.owner.clone())),
            containers: next,
        };
        let unchanged = old.as_deref() == Some(&pod);
        if !pod.containers.is_empty() {
            let pod = old.filter(|_| unchanged).unwrap_or_else(|| Arc::new(pod));
            self.pods.insert(Arc::clone(&pod.id), Entry { pod, unlisted: false });
        }
        if !unchanged {
            self.published = None;
        }
        effects
    }

    /// Whether a container that nothing is remembered of has to be looked at.
    fn is_interesting(&self, container: &ContainerFacts) -> bool {
        match stage_of(&container.state) {
            Stage::NoImage(_) | Stage::Unknown => true,
            Stage::BeforePull | Stage::CrashLoop | Stage::HasImage | Stage::Unsaid => {
                self.settings.mirror == Mirror::All && matches!(container.state, State::Waiting { .. })
            }
        }
    }

    fn mirrored<'a>(&self, container: &'a ContainerFacts) -> Option<&'a str> {
        let State::Waiting { reason, .. } = &container.state else { return None };
        // kube-state-metrics has no family for ephemeral containers.
        if container.kind == ContainerKind::Ephemeral {
            return None;
        }
        match (self.settings.mirror, stage_of(&container.state)) {
            (Mirror::All, _) => Some(reason),
            (Mirror::Image, Stage::NoImage(reason)) => Some(reason.as_str()),
            (Mirror::Image | Mirror::Nothing, _) => None,
        }
    }
}

/// One container's status on its way into the index.
struct Step<'a> {
    id: &'a Arc<PodId>,
    /// The pod as it was, where anything of it was worth remembering.
    old: Option<&'a Arc<TrackedPod>>,
    pod: &'a PodFacts,
    container: &'a ContainerFacts,
    seen: Seen,
    now: Timestamp,
}

impl Step<'_> {
    fn take(
        &self,
        before: Option<TrackedContainer>,
        mirrored: Option<Arc<str>>,
        pools: &mut Pools,
        effects: &mut Vec<Effect>,
    ) -> TrackedContainer {
        let (mut failure, mut stale) = before.map_or((None, None), |before| (before.failure, before.stale));
        if let (Some(mut open), Some(old)) = (failure.take(), self.old) {
            let (fate, events) = match end_of_pod(self.pod) {
                Some(outcome) => (Fate::Ends(outcome), Vec::new()),
                None => open.observe(self.container, self.seen, self.now, pools),
            };
            effects.extend(events.into_iter().map(|event| self.effect(&open, event)));
            match fate {
                Fate::Lasts => failure = Some(open),
                Fate::Ends(outcome) => {
                    effects.push(failure_ended(old, &self.container.name, &open, outcome, self.now));
                    if outcome == Outcome::ImageChanged {
                        stale = Some(open.into_stale());
                    }
                }
            }
        }
        if failure.is_none() && end_of_pod(self.pod).is_none() {
            let opened = Failure::open(self.pod, self.container, stale.as_ref(), self.seen, self.now, pools);
            failure = opened.map(|(open, events)| {
                effects.extend(events.into_iter().map(|event| self.effect(&open, event)));
                open
            });
        }
        // A left-over is remembered for as long as it shows.
        let stale = stale.filter(|stale| failure.is_none() && stale.shows_in(&self.container.state));
        if let (Stage::Unknown, State::Waiting { reason, .. }) =
            (stage_of(&self.container.state), &self.container.state)
        {
            effects.push(Effect::UnknownReason(reason.clone()));
        }
        let name = pools.texts.share(self.container.name.as_str());
        TrackedContainer { name, kind: self.container.kind, mirrored, failure, stale }
    }

    fn effect(&self, failure: &Failure, event: FailureEvent) -> Effect {
        Effect::Failure(subject(self.id, &self.container.name, failure), event)
    }
}

/// How every failure of a pod ends now, if it does.
fn end_of_pod(pod: &PodFacts) -> Option<Outcome> {
    match (pod.deleting, pod.phase) {
        (true, _) => Some(Outcome::PodDeleted),
        (false, Phase::Finished) => Some(Outcome::PodFinished),
        (false, Phase::Alive) => None,
    }
}

fn end_all(pod: &Arc<TrackedPod>, outcome: Outcome, now: Timestamp) -> Vec<Effect> {
    let ended = |container: &TrackedContainer| {
        Some(failure_ended(pod, &container.name, container.failure.as_ref()?, outcome, now))
    };
    pod.containers.iter().filter_map(ended).collect()
}

fn failure_ended(
    pod: &Arc<TrackedPod>,
    container: &str,
    failure: &Failure,
    outcome: Outcome,
    now: Timestamp,
) -> Effect {
    Effect::Failure(subject(&pod.id, container, failure), failure.ended(outcome, now, pod))
}

fn subject(pod: &Arc<PodId>, container: &str, failure: &Failure) -> Subject {
    Subject { pod: Arc::clone(pod), container: container.to_owned(), registry: failure.registry.to_string() }
}

#[cfg(test)]
mod tests;
