//! Carries the store's messages between managers: the other end of `Raft` in the proto.

use async_trait::async_trait;
use bytes::Bytes;
use model::NodeId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::{Peer, Transport, TransportError, Verb};
use wire::Pool;
use wire::proto::RaftCall;
use wire::proto::raft_client::RaftClient;

/// Where a node was last seen, beyond what the store says: from mDNS or its session. A hint: who answers there
/// still has to prove itself.
pub type Hints = Arc<dyn Fn(&NodeId) -> Option<SocketAddr> + Send + Sync>;

/// Is told the generation of a manager that doesn't know this quorum any more: it may have gone on alone (`alone`).
pub type Superseded = Arc<dyn Fn(u64) + Send + Sync>;

/// The store's transport over the members' connections.
pub struct Links {
    pool: Pool,
    hints: Hints,
    superseded: Superseded,
}

impl Links {
    /// Over `pool`; `hints` tell where a node may have moved.
    pub fn new(pool: Pool, hints: Hints, superseded: Superseded) -> Self {
        Self {
            pool,
            hints,
            superseded,
        }
    }

    async fn ask(
        &self,
        peer: &Peer,
        address: SocketAddr,
        verb: Verb,
        body: Bytes,
    ) -> Result<Bytes, TransportError> {
        let unreachable = |error: &dyn std::fmt::Display| TransportError::Unreachable(error.to_string());
        let channel = self
            .pool
            .get(peer.node.as_str(), address)
            .await
            .map_err(|error| unreachable(&error))?;
        let mut client = RaftClient::new(channel)
            .max_decoding_message_size(wire::MAX_MESSAGE)
            .max_encoding_message_size(wire::MAX_MESSAGE);
        let call = RaftCall {
            verb: verb.number(),
            body,
            to: peer.id,
        };
        let answer = client.call(call).await.map_err(|status| {
            let generation = status.metadata().get(crate::GENERATION_HEADER);
            if let Some(generation) = generation.and_then(|text| text.to_str().ok()?.parse().ok()) {
                (self.superseded)(generation);
            }
            unreachable(&status.message())
        })?;
        Ok(answer.into_inner().body)
    }
}

#[async_trait]
impl Transport for Links {
    async fn call(
        &self,
        peer: &Peer,
        verb: Verb,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, TransportError> {
        let hint = (self.hints)(&peer.node);
        let known = peer.address.parse().ok();
        let Some(address) = hint.or(known) else {
            return Err(TransportError::Unreachable(format!(
                "node {} has no address",
                peer.node
            )));
        };
        tokio::time::timeout(timeout, self.ask(peer, address, verb, body))
            .await
            .map_err(|_| TransportError::Timeout)?
    }
}
