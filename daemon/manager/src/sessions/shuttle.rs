//! Carries the cluster's networks to one node, for as long as its session lasts.

use super::weave;
use crate::Inner;
use exec::{Change, Fabric};
use model::NodeId;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;
use wire::proto::{self, FromLeader, from_leader};

/// Changes are gathered for so long: thirty tasks that come up together are one fabric.
const GATHER: Duration = Duration::from_millis(10);

/// Of a large cluster the gathering takes longer: of all time, at most one part in so many is spent on seeing what differs.
const SHARE: u32 = 6;

/// Ends when the store does, or nobody listens.
pub(super) async fn run(
    inner: &Inner,
    node: &NodeId,
    out: &mpsc::Sender<Result<FromLeader, Status>>,
    session: u64,
    takes_changes: bool,
) -> Status {
    let mut views = inner.store.watch();
    let mut reports = inner.soft.changes();
    let mut looms = inner.looms.changes();
    loop {
        let view = views.borrow_and_update().clone();
        reports.mark_unchanged();
        looms.mark_unchanged();
        let begun = Instant::now();
        let fabric = weave::fabric(&view, &inner.soft.reports(), node);
        let next = inner.looms.tell(node, session, fabric, Instant::now());
        let message = next
            .send
            .map(|fabric| told(&fabric, next.before.as_deref().filter(|_| takes_changes)));
        let gather = GATHER.max(begun.elapsed() * SHARE);
        if let Some(message) = message {
            let message = FromLeader {
                message: Some(from_leader::Message::Weave(message)),
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
        tokio::time::sleep(gather).await;
    }
}

/// The first time whole, then what differs from the one before.
fn told(fabric: &Fabric, before: Option<&Fabric>) -> proto::Weave {
    let mut weave = proto::Weave {
        number: fabric.number,
        ..proto::Weave::default()
    };
    // Strings, numbers, lists and maps with string keys always serialize.
    match before {
        Some(before) => {
            let change = Change::between(before, fabric);
            weave.change = serde_json::to_vec(&change).unwrap_or_default().into();
            weave.before = before.number;
        }
        None => weave.fabric = serde_json::to_vec(fabric).unwrap_or_default().into(),
    }
    weave
}

/// Never, if there is no such time.
pub(super) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
