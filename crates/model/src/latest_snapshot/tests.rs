use proptest::prelude::*;

use super::*;
use crate::facts::WatchScope;
use crate::index::{Index, IndexConfig};
use crate::scenario::{at, pod};

fn listed() -> Index {
    let mut index = Index::new(IndexConfig::default(), &[WatchScope::Cluster]);
    index.begin_relist(&WatchScope::Cluster);
    let _ = index.end_relist(&WatchScope::Cluster, at(0));
    index
}

#[test]
fn only_changed_pods_are_taken() {
    let (mut index, mut latest) = (listed(), LatestSnapshot::default());
    let failing = |number: i64| pod(&format!("web-{number}")).image("nginx:nope").err_image_pull();
    for number in 0..3000 {
        let _ = index.apply(&failing(number), at(number));
    }
    assert_eq!(latest.update(index.changes().unwrap()).0.pods.len(), 3000);
    let _ = index.delete(&failing(7), at(4000));
    let _ = index.apply(&failing(8), at(4000));
    let _ = index.apply(&pod("web-9").image("nginx:nope").image_pull_back_off(), at(4000));
    let changes = index.changes().unwrap();
    assert!(matches!(&changes.0, ChangeSet::Pods(pods) if pods.len() == 2), "{changes:?}");
    assert_eq!(latest.update(changes).0.pods.len(), 2999);
    // Without a reader, the recorded changes are bounded by the number of tracked pods.
    for number in 3000..9000 {
        let _ = index.apply(&failing(number), at(number));
        let _ = index.delete(&failing(number), at(number));
    }
    assert!(matches!(index.changes.0, ChangeSet::All(_)));
    assert_eq!(latest.update(index.changes().unwrap()).0.pods.len(), 2999);
    assert!(matches!(&index.changes().unwrap().0, ChangeSet::Pods(pods) if pods.is_empty()));
}

#[test]
fn without_changes_the_snapshot_is_shared() {
    let (mut index, mut latest) = (listed(), LatestSnapshot::default());
    let _ = index.apply(&pod("web").image("nginx:nope").err_image_pull(), at(1));
    let (first, _) = latest.update(index.changes().unwrap());
    let (second, _) = latest.update(index.changes().unwrap());
    assert!(Arc::ptr_eq(&first, &second));
}

proptest! {
    #[test]
    fn the_latest_snapshot_is_what_the_index_has(steps in prop::collection::vec((0..9_u8, 0..5_u8), 0..60)) {
        let (mut index, mut latest) = (listed(), LatestSnapshot::default());
        for (time, (name, step)) in (0..).zip(steps) {
            let web = pod(&format!("web-{name}")).image("nginx:nope");
            let _ = match step {
                0 | 1 => index.apply(&web.err_image_pull(), at(time)),
                2 => index.apply(&web.running(), at(time)),
                3 => index.delete(&web, at(time)),
                _ => {
                    index.begin_relist(&WatchScope::Cluster);
                    let mut effects = index.apply(&web.err_image_pull(), at(time));
                    effects.extend(index.end_relist(&WatchScope::Cluster, at(time)));
                    effects
                }
            };
            if time % 3 == 0 {
                let (latest, inferred) = latest.update(index.changes().unwrap());
                index.apply_inferences(&inferred);
                prop_assert_eq!(&latest.pods, &index.snapshot().unwrap().pods);
            }
        }
    }
}
