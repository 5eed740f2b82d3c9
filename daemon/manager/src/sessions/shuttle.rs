//! Carries the cluster's networks to one node, for as long as its session lasts.

use super::weave;
use crate::Inner;
use model::NodeId;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;
use wire::proto::{self, FromLeader, from_leader};

/// Changes are gathered for so long: thirty tasks that come up together are one fabric.
const GATHER: Duration = Duration::from_millis(10);

/// Ends when the store does, or nobody listens.
pub(super) async fn run(
    inner: &Inner,
    node: &NodeId,
    out: &mpsc::Sender<Result<FromLeader, Status>>,
    session: u64,
) -> Status {
    let mut views = inner.store.watch();
    let mut reports = inner.soft.changes();
    let mut looms = inner.looms.changes();
    loop {
        let view = views.borrow_and_update().clone();
        reports.mark_unchanged();
        looms.mark_unchanged();
        let fabric = weave::fabric(&view, &inner.soft.reports(), node);
        let next = inner.looms.tell(node, session, fabric, Instant::now());
        if let Some(fabric) = next.send {
            let message = from_leader::Message::Weave(proto::Weave {
                number: fabric.number,
                fabric: serde_json::to_vec(&*fabric).unwrap_or_default().into(),
            });
            let message = FromLeader {
                message: Some(message),
            };
            if out.send(Ok(message)).await.is_err() {
                return Status::cancelled("gone");
            }
        }
        tokio::select! {
            changed = views.changed() => if changed.is_err() { return Status::unavailable("the store is closed") },
            changed = reports.changed() => if changed.is_err() { return Status::unavailable("closing") },
            changed = looms.changed() => if changed.is_err() { return Status::unavailable("closing") },
            () = until(next.look_again) => {}
        }
        tokio::time::sleep(GATHER).await;
    }
}

/// Never, if there is no such time.
pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
