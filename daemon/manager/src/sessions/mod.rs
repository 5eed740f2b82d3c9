//! Sessions with nodes: one stream each, from the node to the leader.
//!
//! ```text
//! node                         leader
//!  Hello ───────────────────→  checked against the store (is it a member, is it the same board)
//!        ←───────────────────  Welcome, Role, Managers, Assign(whole)
//!  Beat, Statuses ──────────→  soft state
//!        ←───────────────────  Assign(differences), Weave, Role, Managers, LinesWanted …
//!  Woven ───────────────────→  looms: who may still send connections where
//! ```
//! A session ends with the stream, when the node is silent for three beats, when the node is removed, when another
//! session of the same node takes its place, or when this manager leads no more.

mod assign;
mod logs;
mod loom;
mod session;
mod shuttle;
mod weave;

pub use logs::{LogRequest, Logs, NodeLine};
pub use loom::Looms;

use crate::Manager;
use std::pin::Pin;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};
use wire::Caller;
use wire::proto::sessions_server::Sessions;
use wire::proto::{FromLeader, FromNode, Manager as Whereabouts};

/// Serves sessions for whoever is the manager here now.
pub(crate) struct Service(pub crate::Current);

#[tonic::async_trait]
impl Sessions for Service {
    type OpenStream = Pin<Box<dyn Stream<Item = Result<FromLeader, Status>> + Send>>;

    async fn open(
        &self,
        request: Request<Streaming<FromNode>>,
    ) -> Result<Response<Self::OpenStream>, Status> {
        let peer = Caller::member(&request)?;
        let from = Caller::of(&request)?.address;
        let manager = self.0.leading()?;
        let stream = session::open(manager, peer.node_id.as_str().into(), from, request.into_inner()).await?;
        Ok(Response::new(Box::pin(stream)))
    }
}

/// Where the managers are, leader first.
pub(crate) fn whereabouts(manager: &Manager) -> Vec<Whereabouts> {
    let standing = manager.inner.store.standing().borrow().clone();
    let mut managers: Vec<_> = standing
        .members
        .iter()
        .map(|member| Whereabouts {
            node: member.node.to_string(),
            address: member.address.clone(),
        })
        .collect();
    let leader = standing
        .leader
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    managers.sort_by_key(|manager| (manager.node != leader, manager.node.clone()));
    managers
}
