//! The model of image pull failures.
//!
//! It receives [facts] about pods, keeps the failing containers in an [index], and returns [effects](effect) to count
//! and [snapshots](snapshot) to read. It does no I/O and reads no clock: every update has the current time as an argument.
//!
//! Read [`failure`] first: it is the state machine of one failure.
//!
//! # Example
//!
//! ```
//! use image_pull_model::effect::IndexEffect;
//! use image_pull_model::facts::{ContainerFacts, ContainerKind, ImageFacts, PodFacts, PodId, StateFacts, WatchScope};
//! use image_pull_model::failure_event::FailureEvent;
//! use image_pull_model::image::PullPolicy;
//! use image_pull_model::index::{Index, IndexConfig};
//! use image_pull_model::time::Timestamp;
//!
//! // The first list of the cluster is empty.
//! let cluster = WatchScope::Cluster;
//! let mut index = Index::new(IndexConfig::default(), &[cluster.clone()]);
//! index.begin_relist(&cluster);
//! assert!(index.end_relist(&cluster, Timestamp::from_unix_millis(0)).is_empty());
//!
//! // A watch event shows a pod whose pull failed.
//! let pod = PodFacts {
//!     id: PodId { namespace: "shop".to_owned(), name: "web".to_owned(), uid: "1".to_owned() },
//!     containers: vec![ContainerFacts {
//!         name: "app".to_owned(),
//!         kind: ContainerKind::App,
//!         images: vec![ImageFacts::new("registry.example/web:1", PullPolicy::IfNotPresent)],
//!         restart_count: 0,
//!         state: StateFacts::Waiting {
//!             reason: "ErrImagePull".to_owned(),
//!             message: "registry.example/web:1: not found".to_owned(),
//!         },
//!         last_finished_at: None,
//!         has_started: false,
//!         has_run_image: false,
//!     }],
//!     ..PodFacts::default()
//! };
//! let effects = index.apply(&pod, Timestamp::from_unix_millis(60_000));
//! assert!(matches!(&effects[0], IndexEffect::Failure { event: FailureEvent::Started, .. }));
//!
//! // The snapshot holds the open failure.
//! let snapshot = index.snapshot().expect("the cluster was listed");
//! let (pod, container, failure) = snapshot.failures().next().expect("one container fails");
//! assert_eq!((&*pod.id.name, &*container.name), ("web", "app"));
//! assert_eq!(failure.cause().as_str(), "image_not_found");
//! assert_eq!(failure.attempts, 1);
//! ```

pub mod advice;
pub mod backoff;
pub mod cause;
pub mod cause_history;
pub mod clock_step;
pub mod effect;
pub mod facts;
pub mod failure;
pub mod failure_event;
pub mod failure_start;
pub mod history;
pub mod image;
pub mod image_wait;
pub mod index;
pub mod inference;
mod intern;
pub mod kubelet_event;
pub mod latest_snapshot;
pub mod limits;
pub mod provenance;
pub mod reason;
pub mod redact;
#[cfg(test)]
mod scenario;
pub mod snapshot;
pub mod time;
pub mod watch_state;
pub mod workload;
