//! The configuration of the index.

use crate::failure_event::FailureOutcome;

/// The waiting reasons that are mirrored in the metric families of kube-state-metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MirroredReasons {
    /// Reasons that mean "no image". Free text is mirrored as `Other`, because error text must not become a label.
    #[default]
    Image,
    /// All reasons verbatim, as in kube-state-metrics.
    All,
    /// No reasons.
    None,
}

/// The configuration of an [`Index`](super::Index).
#[derive(Clone, Debug, Default)]
pub struct IndexConfig {
    /// The waiting reasons to mirror.
    pub mirrored_reasons: MirroredReasons,
    /// Whether the watch excludes finished pods. A pod that leaves the watch without a deletion then has finished.
    pub excludes_finished_pods: bool,
    /// Additional kinds of controllers or workloads that are batch.
    pub batch_kinds: Vec<String>,
    /// Whether the watch has a label selector. A pod whose labels change may then leave the watch.
    pub selects_by_label: bool,
}

impl IndexConfig {
    /// The outcome for the failures of a pod with a watch event `DELETED`, if its last status shows neither a deletion nor
    /// that it finished. Every deletion sets `metadata.deletionTimestamp` first, even a forced one, so the pod may have left the
    /// watch because it no longer matches the selectors.
    pub(super) const fn outcome_of_deleted_event(&self) -> FailureOutcome {
        match (self.excludes_finished_pods, self.selects_by_label) {
            (_, true) => FailureOutcome::Unknown,
            (true, false) => FailureOutcome::PodFinished,
            (false, false) => FailureOutcome::PodDeleted,
        }
    }

    /// The outcome for the failures of a pod that is missing from a relist. It was deleted, unless it can also leave the watch
    /// in another way.
    pub(super) const fn outcome_of_missing_pod(&self) -> FailureOutcome {
        match self.outcome_of_deleted_event() {
            FailureOutcome::PodDeleted => FailureOutcome::PodDeleted,
            _ => FailureOutcome::Unknown,
        }
    }
}
