//! When to take a snapshot: as often as the cluster's settings say, which may change while the store is open.

use crate::types::{Place, Raft};
use openraft::RaftMetrics;
use state::View;
use tokio::sync::watch;

/// Takes snapshots until Raft ends. `usual` counts where the cluster says nothing.
pub(crate) async fn take(raft: Raft, mut views: watch::Receiver<View>, usual: u64) {
    let mut metrics = raft.metrics();
    loop {
        let every = every(&views.borrow_and_update(), usual);
        let (due, ended) = {
            let metrics = metrics.borrow_and_update();
            (due(&metrics, every), metrics.running_state.is_err())
        };
        // One that is being built already is not begun twice.
        if ended || (due && raft.trigger().snapshot().await.is_err()) {
            return;
        }
        let changed = tokio::select! {
            changed = metrics.changed() => changed,
            changed = views.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
    }
}

/// Log entries between two snapshots.
fn every(view: &View, usual: u64) -> u64 {
    view.cluster()
        .and_then(|cluster| cluster.spec.raft.snapshot_interval)
        .filter(|entries| *entries > 0)
        .unwrap_or(usual)
}

fn due(metrics: &RaftMetrics<u64, Place>, every: u64) -> bool {
    let next = |id: Option<crate::types::LogId>| id.map_or(0, |id| id.index + 1);
    next(metrics.last_applied).saturating_sub(next(metrics.snapshot)) >= every
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Cluster;
    use state::Transaction;

    #[test]
    fn the_clusters_settings_come_before_our_own() {
        let with = |interval| {
            let mut cluster = Cluster::default();
            cluster.spec.raft.snapshot_interval = interval;
            let mut first = Transaction::new();
            first.create(cluster);
            every(&View::default().apply(1, &first).unwrap(), 10)
        };
        assert_eq!([with(None), with(Some(0)), with(Some(3))], [10, 10, 3]);
        assert_eq!(every(&View::default(), 10), 10);
    }
}
