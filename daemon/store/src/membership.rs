//! Who is in the quorum, changed by the leader. Every call is idempotent.

use crate::error::MembershipError;
use crate::store::Store;
use crate::types::{Peer, Place};
use openraft::ChangeMembers;
use openraft::error::{ClientWriteError, RaftError};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// For a change of members: a joint quorum takes two rounds, and a learner may have to catch up.
const PATIENCE: Duration = Duration::from_secs(10);

impl Store {
    /// Lets a manager follow, without a vote. Its store must be open.
    ///
    /// # Errors
    /// [`MembershipError`]
    pub async fn add_learner(&self, peer: Peer) -> Result<(), MembershipError> {
        if self
            .standing()
            .borrow()
            .members
            .iter()
            .any(|member| member.id == peer.id)
        {
            return Ok(());
        }
        let place = Place {
            node: peer.node,
            address: peer.address,
        };
        self.change(ChangeMembers::AddNodes(BTreeMap::from([(peer.id, place)])), true)
            .await
    }

    /// Gives a follower its vote.
    ///
    /// # Errors
    /// [`MembershipError`]
    pub async fn promote(&self, id: u64) -> Result<(), MembershipError> {
        if self
            .standing()
            .borrow()
            .members
            .iter()
            .any(|member| member.id == id && member.voter)
        {
            return Ok(());
        }
        self.change(ChangeMembers::AddVoterIds(BTreeSet::from([id])), true)
            .await
    }

    /// Takes a manager out of the quorum.
    ///
    /// # Errors
    /// [`MembershipError::WouldLoseQuorum`] if too few of the others answer.
    pub async fn remove(&self, id: u64) -> Result<(), MembershipError> {
        let members = self.standing().borrow().members.clone();
        let Some(member) = members.iter().find(|member| member.id == id) else {
            return Ok(());
        };
        if !member.voter {
            return self
                .change(ChangeMembers::RemoveNodes(BTreeSet::from([id])), false)
                .await;
        }
        let others: Vec<_> = members
            .iter()
            .filter(|member| member.voter && member.id != id)
            .collect();
        let answering = others.iter().filter(|member| member.reachable).count();
        if answering * 2 <= others.len() {
            return Err(MembershipError::WouldLoseQuorum(format!(
                "of the {} managers that would be left, {answering} answer",
                others.len()
            )));
        }
        self.change(ChangeMembers::RemoveVoters(BTreeSet::from([id])), false)
            .await
    }

    /// Tells where a manager is now.
    ///
    /// # Errors
    /// [`MembershipError`]
    pub async fn set_address(&self, id: u64, address: String) -> Result<(), MembershipError> {
        let known = self
            .standing()
            .borrow()
            .members
            .iter()
            .find(|member| member.id == id)
            .cloned();
        match known {
            Some(known) if known.address != address => {
                let place = Place {
                    node: known.node,
                    address,
                };
                self.change(ChangeMembers::SetNodes(BTreeMap::from([(id, place)])), true)
                    .await
            }
            _ => Ok(()),
        }
    }

    /// Gives leadership to whoever is elected next: this manager falls silent until another leads.
    ///
    /// # Errors
    /// [`MembershipError::Failed`] if nobody else was elected in time.
    pub async fn hand_over(&self) -> Result<(), MembershipError> {
        let mut standing = self.standing();
        if !standing.borrow().i_lead {
            return Ok(());
        }
        self.raft.runtime_config().heartbeat(false);
        let other = standing.wait_for(|standing| !standing.i_lead);
        let done = tokio::time::timeout(PATIENCE, other).await;
        self.raft.runtime_config().heartbeat(true);
        match done {
            Ok(_) => Ok(()),
            Err(_) => Err(MembershipError::Failed("no other manager was elected".to_owned())),
        }
    }

    async fn change(&self, change: ChangeMembers<u64, Place>, retain: bool) -> Result<(), MembershipError> {
        let changing = tokio::time::timeout(PATIENCE, self.raft.change_membership(change, retain)).await;
        match changing.map_err(|_| MembershipError::Failed("no majority answered in time".to_owned()))? {
            Ok(_) => Ok(()),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => Err(MembershipError::NotLeader),
            Err(error) => Err(MembershipError::Failed(error.to_string())),
        }
    }
}
