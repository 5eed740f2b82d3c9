//! Is the leader's board there? Asked by every node for itself, so that a board which is cut off while it leads leaves the mesh
//! before another one is elected.
//!
//! A leader that is silent is knocked at: a busy or killed daemon has a kernel that answers, and nothing changes. If nobody
//! answers, the session ends, and this board sends nobody there any more ([`Loom`](crate::weave::Loom)) until it is back or the
//! managers say themselves who is where.

use crate::board::Inner;
use crate::session::Orders;
use model::NodeId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// Between two knocks at somebody who answered or is known to be gone.
const AGAIN: Duration = Duration::from_secs(1);

/// A board that was led by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Leader {
    pub node: NodeId,
    pub address: SocketAddr,
}

/// Ends with the leader once its board is silent and does not answer. `pulses`: when it was last heard; nothing is expected
/// of one that never sent a pulse.
pub(crate) async fn gone(
    mut pulses: watch::Receiver<Option<Instant>>,
    orders: &watch::Sender<Orders>,
) -> Leader {
    loop {
        let heard = *pulses.borrow_and_update();
        let silence = async {
            match heard {
                Some(at) => tokio::time::sleep_until(at + wire::SILENCE).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = pulses.changed() => match changed {
                Ok(()) => continue,
                // The session has ended by itself.
                Err(_) => std::future::pending().await,
            },
            () = silence => {}
        }
        if let Some(leader) = leader(&orders.borrow())
            && !wire::knock(leader.address).await
            && !pulses.has_changed().unwrap_or(true)
        {
            return leader;
        }
        tokio::select! {
            _ = pulses.changed() => {}
            () = tokio::time::sleep(AGAIN) => {}
        }
    }
}

/// The leader is the first of the managers.
fn leader(orders: &Orders) -> Option<Leader> {
    let first = orders.managers.first()?;
    Some(Leader {
        node: first.node.as_str().into(),
        address: first.address.parse().ok()?,
    })
}

/// Sends nobody to a board that is gone, until it answers or the managers have told that nobody takes calls there.
pub(crate) async fn lose(inner: Arc<Inner>, leader: Leader) {
    if !inner.loom.lose(&leader.node) {
        return;
    }
    tracing::warn!(node = %leader.node, "the leader's board does not answer: nobody is sent there");
    loop {
        tokio::select! {
            () = inner.loom.told_without(&leader.node) => break,
            () = tokio::time::sleep(AGAIN) => {}
        }
        if wire::knock(leader.address).await {
            break;
        }
    }
    inner.loom.regain(&leader.node);
    tracing::info!(node = %leader.node, "the managers' word on a board that was gone counts again");
}
