//! Messages to other managers, and from them.

use crate::codec;
use crate::error::{HandleError, TransportError};
use crate::types::{Peer, Place, Raft, Types};
use async_trait::async_trait;
use bytes::Bytes;
use openraft::error::{
    InstallSnapshotError, NetworkError, PayloadTooLarge, RPCError, RaftError, RemoteError, Timeout,
};
use openraft::network::{RPCOption, RPCTypes, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Largest message, in bytes: below what the wire carries.
const MAX_MESSAGE: usize = 3 << 20;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Entries, or a heartbeat.
    Append,
    /// A candidate asks for a vote.
    Vote,
    /// A piece of a snapshot.
    Snapshot,
}

impl Verb {
    /// Its number on the wire.
    pub fn number(self) -> u32 {
        match self {
            Self::Append => 1,
            Self::Vote => 2,
            Self::Snapshot => 3,
        }
    }

    /// The verb of a number.
    pub fn from_number(number: u32) -> Option<Self> {
        [Self::Append, Self::Vote, Self::Snapshot]
            .into_iter()
            .find(|verb| verb.number() == number)
    }
}

/// Carries messages to other managers. It may know better where a peer is than the peer's address says.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends a message and gives the answer.
    async fn call(
        &self,
        peer: &Peer,
        verb: Verb,
        body: Bytes,
        timeout: Duration,
    ) -> Result<Bytes, TransportError>;
}

/// When each peer last answered.
pub(crate) type Heard = Arc<Mutex<HashMap<u64, Instant>>>;

pub(crate) struct Network {
    pub me: u64,
    pub transport: Arc<dyn Transport>,
    pub heard: Heard,
}

pub(crate) struct Link {
    me: u64,
    peer: Peer,
    transport: Arc<dyn Transport>,
    heard: Heard,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Link;

    async fn new_client(&mut self, target: u64, node: &Place) -> Link {
        let peer = Peer {
            id: target,
            node: node.node.clone(),
            address: node.address.clone(),
        };
        Link {
            me: self.me,
            peer,
            transport: self.transport.clone(),
            heard: self.heard.clone(),
        }
    }
}

type Failed<E> = RPCError<u64, Place, RaftError<u64, E>>;

impl Link {
    async fn ask<Q, A, E>(
        &self,
        verb: Verb,
        kind: RPCTypes,
        rpc: &Q,
        option: &RPCOption,
    ) -> Result<A, Failed<E>>
    where
        Q: Serialize,
        A: DeserializeOwned,
        E: std::error::Error + DeserializeOwned + 'static,
    {
        let network = |error: String| RPCError::Network(NetworkError::new(&std::io::Error::other(error)));
        let body = codec::encode(rpc).map_err(network)?;
        if body.len() > MAX_MESSAGE && verb == Verb::Append {
            return Err(RPCError::PayloadTooLarge(PayloadTooLarge::new_entries_hint(1)));
        }
        let timeout = option.hard_ttl();
        let answer = self.transport.call(&self.peer, verb, body.into(), timeout).await;
        let answer = answer.map_err(|error| match error {
            TransportError::Timeout => RPCError::Timeout(Timeout {
                action: kind,
                id: self.me,
                target: self.peer.id,
                timeout,
            }),
            TransportError::Unreachable(error) => network(error),
        })?;
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(self.peer.id, Instant::now());
        let answer: Result<A, RaftError<u64, E>> = codec::decode(&answer).map_err(network)?;
        answer.map_err(|error| RPCError::RemoteError(RemoteError::new(self.peer.id, error)))
    }
}

impl RaftNetwork<Types> for Link {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<Types>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, RPCError<u64, Place, RaftError<u64>>> {
        self.ask(Verb::Append, RPCTypes::AppendEntries, &rpc, &option)
            .await
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<Types>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<u64>, RPCError<u64, Place, RaftError<u64, InstallSnapshotError>>>
    {
        self.ask(Verb::Snapshot, RPCTypes::InstallSnapshot, &rpc, &option)
            .await
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<u64>,
        option: RPCOption,
    ) -> Result<VoteResponse<u64>, RPCError<u64, Place, RaftError<u64>>> {
        self.ask(Verb::Vote, RPCTypes::Vote, &rpc, &option).await
    }
}

/// Handles a message from another manager and gives the answer's bytes.
pub(crate) async fn handle(raft: &Raft, verb: Verb, body: &[u8]) -> Result<Bytes, HandleError> {
    fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, HandleError> {
        codec::decode(body).map_err(HandleError::Malformed)
    }
    let answer = match verb {
        Verb::Append => codec::encode(&raft.append_entries(read(body)?).await),
        Verb::Vote => codec::encode(&raft.vote(read(body)?).await),
        Verb::Snapshot => codec::encode(&raft.install_snapshot(read(body)?).await),
    };
    answer.map(Bytes::from).map_err(|_| HandleError::Stopped)
}
