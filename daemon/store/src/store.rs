//! The store's handle.

use crate::disk::{Disk, Seal};
use crate::error::{CommitError, HandleError, OpenError, Unavailable};
use crate::log::Log;
use crate::machine::Machine;
use crate::network::{self, Network, Transport, Verb};
use crate::snapshots;
use crate::standing::{self, Standing};
use crate::types::{Member, Place, Raft, Request};
use bytes::Bytes;
use model::{NodeId, Version};
use openraft::error::{CheckIsLeaderError, ClientWriteError, RaftError};
use openraft::{Config, SnapshotPolicy};
use state::{Transaction, View};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Largest transaction, in bytes of its JSON (swarmkit's limit).
const MAX_TRANSACTION: usize = 3 << 19;

/// Raft's clock and patience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Between two heartbeats.
    pub heartbeat: Duration,
    /// A follower stands for election a random time in this range after the leader's lease ran out. The lease is as long as
    /// the range's end, and begins anew whenever the leader is heard (openraft's rule).
    pub election: (Duration, Duration),
    /// How long a commit or a read waits for a majority.
    pub patience: Duration,
    /// Entries between two snapshots, unless the cluster's settings say otherwise.
    pub snapshot_every: u64,
    /// Entries that stay in the log after a snapshot, for followers that lag.
    pub keep_entries: u64,
}

impl Default for Timing {
    /// A follower stands 1.3 to 1.6 s after it last heard the leader: a new leader answers within two seconds, and boards may
    /// be busy for one.
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(250),
            election: (Duration::from_millis(500), Duration::from_millis(800)),
            patience: Duration::from_secs(4),
            snapshot_every: 10_000,
            keep_entries: 500,
        }
    }
}

/// What a store is opened with.
#[derive(Clone)]
pub struct Options {
    /// Where its file is.
    pub dir: PathBuf,
    /// Seals what is written.
    pub seal: Arc<dyn Seal>,
    /// This manager.
    pub me: Member,
    /// The way to other managers.
    pub transport: Arc<dyn Transport>,
    /// Raft's clock and patience.
    pub timing: Timing,
}

impl Options {
    /// With the default timing.
    pub fn new(dir: PathBuf, seal: Arc<dyn Seal>, me: Member, transport: Arc<dyn Transport>) -> Self {
        Self {
            dir,
            seal,
            me,
            transport,
            timing: Timing::default(),
        }
    }
}

/// A transaction that took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The version that every object it wrote has now.
    pub version: Version,
}

/// The store. Cheap to clone; all clones are one store.
#[derive(Clone)]
pub struct Store {
    pub(crate) raft: Raft,
    pub(crate) me: Member,
    pub(crate) timing: Timing,
    views: watch::Receiver<View>,
    standing: watch::Receiver<Standing>,
}

impl Store {
    /// Opens the store on disk, or an empty one that waits to be founded or to be let in by a leader.
    ///
    /// # Errors
    /// [`OpenError`]
    pub async fn open(options: Options) -> Result<Self, OpenError> {
        let Options {
            dir,
            seal,
            me,
            transport,
            timing,
        } = options;
        let (shown, views) = watch::channel(View::default());
        let opening = tokio::task::spawn_blocking(move || {
            let disk = Disk::open(&dir, seal)?;
            // Whatever can't be opened is found now, not in the middle of an election.
            let check = || {
                disk.vote()
                    .and(disk.purged())
                    .and(disk.committed())
                    .and(disk.check_entries())
            };
            check().map_err(OpenError::Corrupt)?;
            let machine = Machine::load(disk.clone(), shown).map_err(OpenError::Corrupt)?;
            Ok((Log::new(disk), machine))
        });
        let (log, machine) = opening.await.map_err(|error| match error.is_panic() {
            // redb may panic over a file that makes no sense.
            true => OpenError::Corrupt(error.to_string()),
            false => OpenError::Io(error.to_string()),
        })??;
        let heard = network::Heard::default();
        let network = Network {
            me: me.id,
            transport,
            heard: heard.clone(),
        };
        let config = settings(&timing)
            .validate()
            .map_err(|error| OpenError::Settings(error.to_string()))?;
        let raft = Raft::new(me.id, Arc::new(config), network, log, machine)
            .await
            .map_err(|error| OpenError::Io(error.to_string()))?;
        let (told, standing) = watch::channel(Standing::default());
        tokio::spawn(standing::follow(raft.clone(), heard, told));
        tokio::spawn(snapshots::take(
            raft.clone(),
            views.clone(),
            timing.snapshot_every,
        ));
        Ok(Self {
            raft,
            me,
            timing,
            views,
            standing,
        })
    }

    /// Founds a cluster of this manager alone, and commits its first transaction.
    ///
    /// # Errors
    /// [`CommitError`]
    pub async fn found(&self, first: Transaction) -> Result<Committed, CommitError> {
        let place = Place {
            node: self.me.node.clone(),
            address: self.me.address.clone(),
        };
        let founded = self.raft.initialize(BTreeMap::from([(self.me.id, place)])).await;
        if let Err(RaftError::Fatal(_)) = founded {
            return Err(CommitError::Stopped);
        }
        let mut standing = self.standing.clone();
        let leading = standing.wait_for(|standing| standing.i_lead);
        match tokio::time::timeout(self.timing.patience, leading).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => return Err(CommitError::Stopped),
            Err(_) => return Err(CommitError::NoQuorum),
        }
        self.commit(first).await
    }

    /// This manager.
    pub fn me(&self) -> &Member {
        &self.me
    }

    /// The newest view that was applied here; others may be ahead.
    pub fn view(&self) -> View {
        self.views.borrow().clone()
    }

    /// Tells of every newer view.
    pub fn watch(&self) -> watch::Receiver<View> {
        self.views.clone()
    }

    /// Tells who leads and who is in the quorum.
    pub fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.clone()
    }

    /// The last entry of the log that was applied here; 0 if there is none.
    pub fn applied(&self) -> u64 {
        let applied = self.raft.metrics().borrow().last_applied;
        applied.map_or(0, |id| id.index)
    }

    /// A view that holds all that was acknowledged before the call. Only the leader has one.
    ///
    /// # Errors
    /// [`Unavailable`]
    pub async fn read(&self) -> Result<View, Unavailable> {
        let reading = tokio::time::timeout(self.timing.patience, self.raft.ensure_linearizable()).await;
        match reading.map_err(|_| Unavailable::NoQuorum)? {
            Ok(_) => Ok(self.view()),
            Err(RaftError::APIError(CheckIsLeaderError::ForwardToLeader(forward))) => {
                Err(Unavailable::NotLeader {
                    leader: forward.leader_node.map(|place| place.node),
                })
            }
            Err(RaftError::APIError(CheckIsLeaderError::QuorumNotEnough(_))) => Err(Unavailable::NoQuorum),
            Err(RaftError::Fatal(_)) => Err(Unavailable::Stopped),
        }
    }

    /// Commits a transaction: it takes effect whole or not at all, and once this returns `Ok` it is never lost.
    ///
    /// # Errors
    /// [`CommitError`]; after [`CommitError::NoQuorum`] it may or may not take effect later.
    pub async fn commit(&self, transaction: Transaction) -> Result<Committed, CommitError> {
        let size = serde_json::to_vec(&transaction)
            .map(|bytes| bytes.len())
            .unwrap_or(usize::MAX);
        if size > MAX_TRANSACTION {
            return Err(CommitError::TooLarge(size));
        }
        let writing =
            tokio::time::timeout(self.timing.patience, self.raft.client_write(Request(transaction))).await;
        match writing.map_err(|_| CommitError::NoQuorum)? {
            Ok(answer) => match answer.data.outcome {
                Ok(()) => Ok(Committed {
                    version: Version {
                        index: answer.data.index,
                    },
                }),
                Err(conflict) => Err(CommitError::Conflict(conflict)),
            },
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
                Err(CommitError::NotLeader {
                    leader: forward.leader_node.map(|place: Place| place.node),
                })
            }
            Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(_))) => Err(CommitError::Stopped),
            Err(RaftError::Fatal(_)) => Err(CommitError::Stopped),
        }
    }

    /// Handles a message from another manager.
    ///
    /// # Errors
    /// [`HandleError`]
    pub async fn handle(&self, verb: Verb, body: Bytes) -> Result<Bytes, HandleError> {
        network::handle(&self.raft, verb, &body).await
    }

    /// Who leads, if it is known.
    pub fn leader(&self) -> Option<NodeId> {
        self.standing.borrow().leader.clone()
    }

    /// Returns once Raft's core has answered, or has ended: what never comes back hangs.
    pub async fn answers(&self) {
        let _ = self.raft.with_raft_state(|_| ()).await;
    }

    /// Ends Raft here; what is on disk stays.
    pub async fn close(&self) {
        if let Err(error) = self.raft.shutdown().await {
            tracing::warn!(%error, "the store did not close in order");
        }
    }
}

fn settings(timing: &Timing) -> Config {
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Config {
        cluster_name: "bramble".to_owned(),
        heartbeat_interval: millis(timing.heartbeat),
        election_timeout_min: millis(timing.election.0),
        election_timeout_max: millis(timing.election.1),
        install_snapshot_timeout: 5_000,
        max_payload_entries: 128,
        // `snapshots` takes them: how often is a setting of the cluster, which can change.
        snapshot_policy: SnapshotPolicy::Never,
        max_in_snapshot_log_to_keep: timing.keep_entries,
        snapshot_max_chunk_size: 512 << 10,
        ..Config::default()
    }
}
