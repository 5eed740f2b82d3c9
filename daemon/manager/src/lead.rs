//! The one loop that a leader runs: watch, plan, propose, sleep until woken.
//!
//! It holds no policy: `plan` decides. If any of the leader's loops ends, all end, and leadership is given up with them.

use crate::Inner;
use std::sync::Arc;
use std::time::Duration;
use store::CommitError;
use tokio::time::Instant;

/// News are gathered for so long before they are looked at: a burst of statuses is one transaction.
const GATHER: Duration = Duration::from_millis(15);
/// The longest sleep: a safety net, nothing relies on it.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// After a commit that did not go through.
const AFTER_FAILURE: Duration = Duration::from_millis(500);

/// Leads whenever the store says so, until the manager is closed.
pub(crate) async fn whenever_elected(manager: Arc<Inner>) {
    let mut standing = manager.store.standing();
    loop {
        if standing.wait_for(|standing| standing.i_lead).await.is_err() {
            return;
        }
        let mut until = standing.clone();
        tracing::info!("leading");
        let view = manager.store.view();
        manager.soft.reset(Some(&manager.me), &view);
        manager
            .looms
            .expect(view.nodes().map(|node| node.id.clone()), Instant::now());
        manager.new_epoch();
        tokio::select! {
            _ = until.wait_for(|standing| !standing.i_lead) => {}
            () = decide(&manager) => {}
            () = expire(&manager) => {}
            () = crate::reach::watch(&manager) => {}
            () = crate::roles::reconcile(&manager) => {}
            () = crate::authority::reconcile(&manager) => {}
        }
        tracing::info!("leading no more");
        manager.new_epoch();
        manager.soft.reset(None, &manager.store.view());
    }
}

async fn decide(manager: &Inner) {
    let mut views = manager.store.watch();
    let mut reports = manager.soft.changes();
    loop {
        let claim = manager.claims.lock().await;
        let view = views.borrow_and_update().clone();
        reports.mark_unchanged();
        manager.soft.prune(&view);
        let plan = {
            let _span = tracing::debug_span!("plan", index = view.index()).entered();
            let reports = manager.soft.reports();
            let plan = plan::plan(&view, &reports, manager.clock.now(), &mut rand::rng());
            for reason in &plan.because {
                tracing::info!(%reason, "decided");
            }
            plan
        };
        let wake_at = plan.wake_at;
        let committed = match plan.changes.is_empty() {
            true => None,
            false => Some(manager.store.commit(plan.changes).await),
        };
        drop(claim);
        if let Some(committed) = committed {
            match committed {
                // What was committed may call for more.
                Ok(_) => continue,
                Err(CommitError::Conflict(conflict)) => {
                    tracing::debug!(%conflict, "planned on an older view");
                }
                Err(CommitError::Stopped | CommitError::NotLeader { .. }) => return,
                Err(error) => {
                    tracing::warn!(%error, "plan not committed");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
            continue;
        }
        let sleep = wake_at.map_or(LONGEST_SLEEP, |at| {
            let wait = at.duration_since(manager.clock.now());
            Duration::try_from(wait).unwrap_or_default().min(LONGEST_SLEEP)
        });
        tokio::select! {
            changed = views.changed() => if changed.is_err() { return },
            changed = reports.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(sleep) => {}
        }
        tokio::time::sleep(GATHER).await;
    }
}

async fn expire(manager: &Inner) {
    let mut reports = manager.soft.changes();
    loop {
        reports.mark_unchanged();
        let next = manager
            .soft
            .expire()
            .unwrap_or_else(|| Instant::now() + LONGEST_SLEEP);
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            changed = reports.changed() => if changed.is_err() { return },
        }
    }
}
