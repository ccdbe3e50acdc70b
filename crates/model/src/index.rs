//! Keeps what is failing in the cluster, and nothing else.
//!
//! Three verbs enter: apply, delete, and reset (a relist, in three parts so that nobody need hold a whole cluster:
//! begin, list each pod, end, which also says what vanished). Readers get a [`Snapshot`], which never changes.
//! Invariant: at most one open failure per container (pod uid, kind and name).

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::clock_step::ClockStep;
use super::effect::{Effect, FailureEvent, Outcome, Subject};
use super::facts::{ContainerFacts, ContainerKind, Phase, PodFacts, PodId, Scope, State};
use super::failure::{End, Failure, Transition};
use super::pool::Pools;
use super::provenance::Provenance;
use super::reason::{Stage, stage_of};
use super::snapshot::{Changes, Inferred, Snapshot, TrackedContainer, TrackedPod};
use super::time::Timestamp;
use super::watch_state::WatchState;
use super::workload::is_batch;

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
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What to mirror.
    pub mirror: Mirror,
    /// Whether finished pods are left out of the watch, so that a pod which vanishes without having been deleted
    /// has finished.
    pub finished_pods_hidden: bool,
    /// Kinds of controllers or workloads that are batch, besides those that always are.
    pub batch_kinds: Vec<String>,
    /// Whether pods are watched by their labels, so that one whose labels change vanishes as well.
    pub pods_selected_by_label: bool,
}

impl Settings {
    /// How the failures of a pod end that leaves the watch without having been deleted or finished, as far as was seen. A
    /// deletion sets `metadata.deletionTimestamp` first, by force too, so such a pod fits the selectors no longer.
    const fn end_of_pod_that_left(&self) -> Outcome {
        match (self.finished_pods_hidden, self.pods_selected_by_label) {
            (_, true) => Outcome::Unknown,
            (true, false) => Outcome::PodFinished,
            (false, false) => Outcome::PodDeleted,
        }
    }

    /// How they end where nobody saw the pod leave. A deletion has no other trace then: a pod that may have left the watch
    /// otherwise has done one or the other.
    const fn end_of_unseen_pod(&self) -> Outcome {
        match self.end_of_pod_that_left() {
            Outcome::PodDeleted => Outcome::PodDeleted,
            _ => Outcome::Unknown,
        }
    }
}

/// The informer's cache: the pods with something to show.
#[derive(Debug)]
pub struct Index {
    settings: Settings,
    pods: BTreeMap<Arc<PodId>, Entry>,
    /// What their entries share.
    pools: Pools,
    watches: Vec<WatchState>,
    /// Whether there is a view; it never goes away.
    is_visible: bool,
    /// What changed since somebody asked.
    pub(super) changes: Changes,
}

#[derive(Debug)]
struct Entry {
    pod: Arc<TrackedPod>,
    /// Whether the relist under way has yet to list it.
    unlisted: bool,
}

impl Index {
    /// An index of what `scopes` cover, which has yet to be listed.
    #[must_use]
    pub fn new(settings: Settings, scopes: &[Scope]) -> Self {
        Self {
            settings,
            pods: BTreeMap::new(),
            pools: Pools::default(),
            watches: scopes.iter().map(WatchState::new).collect(),
            is_visible: false,
            changes: Changes::none(),
        }
    }

    /// Whether there is a view: a scope was listed and every other one was too, or has failed. What is seen is not held
    /// back by what is not.
    pub fn is_visible(&mut self) -> bool {
        let is_listed = |watch: &WatchState| watch.complete_at().is_some();
        self.is_visible |= self.watches.iter().any(is_listed)
            && self.watches.iter().all(|watch| is_listed(watch) || watch.is_failing());
        self.is_visible
    }

    /// The newest view; `None` until there is one. While a relist goes on, each pod is shown as it was last seen, and none
    /// has vanished. It is built anew each time; whoever needs it often takes the [`changes`](Self::changes).
    pub fn snapshot(&mut self) -> Option<Arc<Snapshot>> {
        if !self.is_visible() {
            return None;
        }
        let (snapshot, inferred) = Snapshot::of(self.pods.values().map(|entry| Arc::clone(&entry.pod)).collect());
        self.adopt(&inferred);
        Some(Arc::new(snapshot))
    }

    /// What changed in the view since this was last called, in constant time; `None` until there is a view.
    pub fn changes(&mut self) -> Option<Changes> {
        if !self.is_visible() {
            return None;
        }
        Some(self.changes.take(|| self.pods.values().map(|entry| Arc::clone(&entry.pod)).collect()))
    }

    /// Takes pods whose inferred causes were found while a snapshot was put together, unless they changed meanwhile.
    pub fn adopt(&mut self, inferred: &[Inferred]) {
        for Inferred { before, after } in inferred {
            if let Some(entry) = self.pods.get_mut(&before.id).filter(|entry| Arc::ptr_eq(&entry.pod, before)) {
                entry.pod = Arc::clone(after);
            }
        }
    }

    /// Whether anything is remembered of a pod, so that whatever it does next is of interest.
    #[must_use]
    pub fn has(&self, pod: &PodId) -> bool {
        self.pods.contains_key(pod)
    }

    /// The state of every watch.
    #[must_use]
    pub fn watches(&self) -> &[WatchState] {
        &self.watches
    }

    /// The state of the watch of `scope`, to record what happens to it.
    pub fn watch_mut(&mut self, scope: &Scope) -> Option<&mut WatchState> {
        self.watches.iter_mut().find(|watch| watch.scope() == scope)
    }

    /// Applies a pod as a list or a watch event shows it.
    pub fn apply(&mut self, pod: &PodFacts, now: Timestamp) -> Vec<Effect> {
        let provenance = self.provenance(&pod.id.namespace);
        self.put(pod, provenance, now)
    }

    /// Applies a pod that was there before anybody watched.
    pub fn apply_initial(&mut self, pod: &PodFacts, now: Timestamp) -> Vec<Effect> {
        self.put(pod, Provenance::Initial, now)
    }

    /// Removes a pod that left the watch.
    pub fn delete(&mut self, pod: &PodFacts, now: Timestamp) -> Vec<Effect> {
        let Some(entry) = self.pods.remove(&pod.id) else { return Vec::new() };
        self.changes.note(&entry.pod.id, None, self.pods.len());
        let outcome = end_of_pod(pod).unwrap_or_else(|| self.settings.end_of_pod_that_left());
        end_all(&entry.pod, End::shown(outcome, self.provenance(&pod.id.namespace), now))
    }

    /// Takes a pod of `scope` that exists and whose status is not known: its failures go on. `id` is empty where it is not
    /// known; a relist with a pod of which neither name nor uid is known ends no failure, since it may be that pod's.
    pub fn keep(&mut self, scope: &Scope, id: &PodId) {
        if let Some(watch) = self.watch_mut(scope).filter(|_| id.name.is_empty() && id.uid.is_empty()) {
            watch.list_unidentified();
        }
        for id in self.known_as(id) {
            if let Some(entry) = self.pods.get_mut(&id) {
                entry.unlisted = false;
            }
        }
    }

    /// Takes a pod that left the watch and of which nothing but a part of its identity is known. Does nothing where several
    /// pods fit.
    pub fn delete_unread(&mut self, id: &PodId, now: Timestamp) -> Vec<Effect> {
        let [id] = &*self.known_as(id) else { return Vec::new() };
        let Some(entry) = self.pods.remove(id) else { return Vec::new() };
        self.changes.note(id, None, self.pods.len());
        end_all(
            &entry.pod,
            End::shown(self.settings.end_of_unseen_pod(), self.provenance(&entry.pod.id.namespace), now),
        )
    }

    /// The remembered pods that this may be, as far as it is known.
    fn known_as(&self, id: &PodId) -> Vec<Arc<PodId>> {
        let PodId { namespace, name, uid } = id;
        if let Some((known, _)) = self.pods.get_key_value(id) {
            return vec![Arc::clone(known)];
        }
        if name.is_empty() && uid.is_empty() {
            return Vec::new();
        }
        let fits = |part: &str, known: &str| part.is_empty() || part == known;
        let all = self.pods.keys();
        all.filter(|known| fits(namespace, &known.namespace) && fits(name, &known.name) && fits(uid, &known.uid))
            .cloned()
            .collect()
    }

    /// Puts right what was recorded before the clock was set, so that nothing began in the future.
    pub fn clock_stepped(&mut self, step: ClockStep) {
        let tracked = self.pods.len();
        for (id, entry) in &mut self.pods {
            let pod = Arc::make_mut(&mut entry.pod);
            pod.last_change = step.corrected(pod.last_change);
            for failure in pod.containers.iter_mut().filter_map(|container| container.failure.as_mut()) {
                failure.clock_stepped(step);
            }
            self.changes.note(id, Some(&entry.pod), tracked);
        }
        for watch in &mut self.watches {
            watch.clock_stepped(step);
        }
    }

    /// Begins a relist of `scope`: what is not listed before it ends has vanished.
    pub fn reset_begin(&mut self, scope: &Scope) {
        if let Some(watch) = self.watch_mut(scope) {
            watch.begin_list();
        }
        for (_, entry) in self.pods.iter_mut().filter(|(id, _)| scope.covers(&id.namespace)) {
            entry.unlisted = true;
        }
    }

    /// Ends a relist of `scope`.
    pub fn reset_end(&mut self, scope: &Scope, now: Timestamp) -> Vec<Effect> {
        let end = End { outcome: self.settings.end_of_unseen_pod(), at: now, is_exact: false };
        let mut effects = Vec::new();
        let is_certain = self.watch_mut(scope).is_none_or(|watch| watch.is_identified());
        let tracked = self.pods.len();
        self.pods.retain(|id, entry| {
            let vanished = is_certain && entry.unlisted && scope.covers(&id.namespace);
            if vanished {
                effects.extend(end_all(&entry.pod, end));
                self.changes.note(id, None, tracked);
            }
            !vanished
        });
        if let Some(watch) = self.watch_mut(scope) {
            watch.end_list(now);
        }
        effects
    }

    fn provenance(&self, namespace: &str) -> Provenance {
        let watch = self.watches.iter().find(|watch| watch.scope().covers(namespace));
        watch.map_or(Provenance::Initial, WatchState::provenance)
    }

    fn put(&mut self, facts: &PodFacts, provenance: Provenance, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        let old = self.pods.remove(&facts.id).map(|entry| entry.pod);
        if old.is_none() && !facts.containers.iter().any(|container| self.is_interesting(container)) {
            return effects;
        }
        let id = old.as_ref().map_or_else(|| Arc::new(facts.id.clone()), |old| Arc::clone(&old.id));
        let remembered = old.iter().flat_map(|old| &old.containers);
        let mut remembered: BTreeMap<_, _> = remembered.map(|old| ((old.kind, &*old.name), old)).collect();
        let mut names = HashSet::with_capacity(facts.containers.len());
        let mut next: Vec<TrackedContainer> = Vec::new();
        for container in &facts.containers {
            let name = (container.kind, container.name.as_str());
            if !names.insert(name) {
                effects.push(Effect::DuplicateContainer(Arc::clone(&id)));
                continue;
            }
            let before = remembered.remove(&name).cloned();
            let step = Step { id: &id, old: old.as_ref(), pod: facts, container, provenance, now };
            let mirrored = self.mirrored(container).map(|reason| self.pools.texts.share(reason));
            next.push(step.take(before, mirrored, &mut self.pools, &mut effects));
        }
        for gone in remembered.into_values() {
            let outcome = end_of_pod(facts).unwrap_or(Outcome::Unknown);
            if let (Some(failure), Some(old)) = (&gone.failure, &old) {
                let end = End::shown(outcome, provenance, now);
                effects.push(failure_ended(old, &gone.name, failure, end));
            }
        }
        next.retain(TrackedContainer::is_worth_keeping);
        next.shrink_to_fit();

        let last_change = old.as_ref().filter(|old| old.containers == next).map_or(now, |old| old.last_change);
        let pod = TrackedPod {
            id,
            node: self.pools.texts.share(facts.node.as_str()),
            service_account: self.pools.texts.share(facts.service_account.as_str()),
            pull_secrets: self.pools.lists.share(facts.pull_secrets.as_slice()),
            owner: self.pools.owners.share(Arc::new(facts.owner.clone())),
            last_change,
            batch: is_batch(&facts.id, &facts.owner, &self.settings.batch_kinds),
            containers: next,
        };
        let unchanged = old.as_deref() == Some(&pod);
        let id = Arc::clone(&pod.id);
        let pod = (!pod.containers.is_empty()).then(|| old.filter(|_| unchanged).unwrap_or_else(|| Arc::new(pod)));
        if !unchanged {
            self.changes.note(&id, pod.as_ref(), self.pods.len() + 1);
        }
        if let Some(pod) = pod {
            self.pods.insert(id, Entry { pod, unlisted: false });
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
    provenance: Provenance,
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
            let (transition, events) = match end_of_pod(self.pod) {
                Some(outcome) => (Transition::Ends(End::shown(outcome, self.provenance, self.now)), Vec::new()),
                None => open.observe(self.container, self.provenance, self.now, pools),
            };
            effects.extend(events.into_iter().map(|event| self.effect(&open, event)));
            match transition {
                Transition::Lasts => failure = Some(open),
                Transition::Ends(end) => {
                    effects.push(failure_ended(old, &self.container.name, &open, end));
                    if end.outcome == Outcome::ImageChanged {
                        stale = Some(open.into_stale());
                    }
                }
            }
        }
        if failure.is_none() && end_of_pod(self.pod).is_none() {
            let opened = Failure::open(self.pod, self.container, stale.as_ref(), self.provenance, self.now, pools);
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

fn end_all(pod: &Arc<TrackedPod>, end: End) -> Vec<Effect> {
    let ended =
        |container: &TrackedContainer| Some(failure_ended(pod, &container.name, container.failure.as_ref()?, end));
    pod.containers.iter().filter_map(ended).collect()
}

fn failure_ended(pod: &Arc<TrackedPod>, container: &str, failure: &Failure, end: End) -> Effect {
    Effect::Failure(subject(&pod.id, container, failure), failure.ended(end, pod))
}

fn subject(pod: &Arc<PodId>, container: &str, failure: &Failure) -> Subject {
    Subject { pod: Arc::clone(pod), container: container.to_owned(), registry: failure.registry.to_string() }
}

#[cfg(test)]
mod tests;
