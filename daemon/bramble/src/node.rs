//! What all parts of the daemon share: who this board is, where it stands, and what it is told to do.

use crate::board::Board;
use crate::config::Config;
use crate::standing::{Kept, Standing};
use agent::Orders;
use manager::Manager;
use model::{Availability, ClusterSpec, TlsInfo};
use pki::lock::{Lock, UnlockKey};
use pki::{Clock, Identity, JoinKey, Trust};
use rustls::ServerConfig;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, RwLock};
use store::Store;
use tokio::sync::{mpsc, oneshot, watch};
use wire::Pool;

/// What all parts of the daemon share. Every field has one writer: the life loop, unless it says otherwise.
pub struct Node {
    /// The settings.
    pub config: Config,
    /// This board.
    pub board: Board,
    /// Tells the time.
    pub clock: Clock,
    /// The key on the card, stretched once.
    pub join_key: Option<JoinKey>,
    /// Where this board stands.
    pub standing: watch::Sender<Standing>,
    /// Seals this board's keys on its disk; absent while managers are not locked, or this one still is.
    pub lock: watch::Sender<Option<Lock>>,
    /// What lasts.
    pub kept: watch::Sender<Kept>,
    /// Who this board is; provisional while it is in no cluster.
    pub identity: watch::Sender<Arc<Identity>>,
    /// Which root it trusts, and which one has signed its certificate; goes with `identity`.
    pub tls_info: watch::Sender<TlsInfo>,
    /// What the listener shows.
    pub tls: watch::Sender<Arc<ServerConfig>>,
    /// The manager here, if there is one.
    pub manager: watch::Sender<Option<Manager>>,
    /// What managers tell this node; written by the agent's session.
    pub orders: watch::Sender<Orders>,
    /// What this board has of the cluster's store.
    pub holding: watch::Sender<agent::Holding>,
    /// How often a manager was looked for.
    pub attempts: AtomicUsize,
    /// Why this board is not where it wants to be, for `docker info`.
    pub trouble: watch::Sender<Option<String>>,
    /// Mistakes on the card, and what could not be done with it; `deposit` adds to it.
    pub problems: watch::Sender<Vec<String>>,
    /// What users tell this board to do.
    pub commands: mpsc::Sender<Command>,
    /// Connections to members.
    pub pool: Pool,
    /// The highest generation of the quorum that another manager told of; written by the store's transport.
    pub generation: watch::Sender<u64>,
    /// Held by whoever opens or closes the store.
    pub quorum: tokio::sync::Mutex<()>,
    /// Nodes that were removed; read at every handshake.
    pub barred: Arc<RwLock<BTreeSet<String>>>,
    /// Whom this board has promised to let found a cluster.
    pub promised: Arc<crate::formation::Promised>,
    /// What boards announce on the LAN; written by `neighbours`.
    pub sightings: watch::Receiver<Arc<Vec<discovery::Sighting>>>,
    /// The board itself and how it is; written by `sensors`.
    pub hardware: watch::Receiver<Arc<crate::sensors::Hardware>>,
    /// Why it is to get no new tasks; written by `sensors`.
    pub unfit: watch::Receiver<Option<model::Unfit>>,
    /// Counts the turns of the agent's loop, by which it shows that it lives.
    pub turns: Arc<agent::Turns>,
    /// Where other boards reach this one.
    pub listen: SocketAddr,
    /// The tasks of this board while it is a member; written by its life as one.
    pub tasks: watch::Sender<Option<agent::Board>>,
    /// Installs images on this board.
    pub installer: slots::Installer,
}

/// What a user tells this board to do; each is answered.
pub enum Command {
    /// `docker swarm init`
    Init(Box<Init>, oneshot::Sender<Result<String, Trouble>>),
    /// `docker swarm init --force-new-cluster`
    GoOnAlone {
        /// Where others reach this board; its own choice if absent.
        advertise: Option<SocketAddr>,
        /// The answer: this node's id.
        done: oneshot::Sender<Result<String, Trouble>>,
    },
    /// `docker swarm unlock`
    Unlock(UnlockKey, oneshot::Sender<Result<(), Trouble>>),
    /// `docker swarm join`
    Join(Join, oneshot::Sender<Result<(), Trouble>>),
    /// `docker swarm leave`
    Leave {
        /// Even if the cluster loses its quorum by it.
        force: bool,
        /// The answer.
        done: oneshot::Sender<Result<(), Trouble>>,
    },
}

/// `docker swarm init`
#[derive(Clone, Debug, Default)]
pub struct Init {
    /// What the user asked of the cluster.
    pub spec: ClusterSpec,
    /// Where others reach this board; its own choice if absent.
    pub advertise: Option<SocketAddr>,
    /// Pools that networks get their subnets from.
    pub pools: Vec<String>,
    /// Prefix length of such a subnet.
    pub subnet_size: u32,
    /// UDP port of the overlay.
    pub data_path_port: u32,
    /// Whether tasks may run here.
    pub availability: Availability,
}

/// `docker swarm join`
#[derive(Clone, Debug, Default)]
pub struct Join {
    /// Managers to ask, `host[:port]`.
    pub remotes: Vec<String>,
    /// The token.
    pub token: String,
    /// Whether tasks may run here.
    pub availability: Availability,
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Not as things are (503).
    #[error("{0}")]
    Standing(String),
    /// The request can't be right (400).
    #[error("{0}")]
    Invalid(String),
    /// There is nothing to be done (409).
    #[error("{0}")]
    Conflict(String),
    /// It was tried and failed (500).
    #[error("{0}")]
    Failed(String),
}

impl Trouble {
    /// A member can't found or join a cluster.
    pub fn already_in() -> Self {
        Self::Standing(
            "This node is already part of a swarm. Use \"docker swarm leave\" to leave this swarm and join another one."
                .to_owned(),
        )
    }

    /// There is nothing to unlock.
    pub fn not_locked() -> Self {
        Self::Conflict("swarm is not locked".to_owned())
    }
}

impl Node {
    /// What certificates are judged by.
    pub fn trust(&self) -> Trust {
        trust(&self.barred, &self.clock)
    }

    /// Takes on an identity: for the listener, for connections, and, once a member, on disk.
    ///
    /// # Errors
    /// If the identity can't be used or saved.
    pub async fn become_known_as(&self, identity: Identity, member: bool) -> anyhow::Result<()> {
        if member {
            identity.save(&self.board.state, self.lock.borrow().as_ref())?;
        }
        let tls = pki::tls::server_config(&identity, &self.trust(), &[wire::ALPN])?;
        self.tls_info.send_replace(tls_info(&identity));
        self.identity.send_replace(Arc::new(identity));
        self.tls.send_replace(tls);
        self.pool.clear().await;
        Ok(())
    }

    /// Changes what lasts.
    ///
    /// # Errors
    /// If the disk can't be written; then nothing has changed.
    pub fn keep(&self, change: impl FnOnce(&mut Kept)) -> anyhow::Result<()> {
        let mut kept = self.kept.borrow().clone();
        change(&mut kept);
        if kept != *self.kept.borrow() {
            kept.save(&self.board.state)?;
            self.kept.send_replace(kept);
        }
        Ok(())
    }

    /// The store here, if this node is a manager.
    pub fn store(&self) -> Option<Store> {
        self.manager
            .borrow()
            .as_ref()
            .map(|manager| manager.store().clone())
    }

    /// The address that others reach this board at, as well as it knows.
    pub fn address(&self) -> SocketAddr {
        if !self.listen.ip().is_unspecified() {
            return self.listen;
        }
        let ip = crate::addresses::own(self.config.advertise.as_ref())
            .into_iter()
            .next();
        SocketAddr::new(ip.unwrap_or(self.listen.ip()), self.listen.port())
    }
}

/// Which root an identity trusts, and which one has signed its certificate.
pub fn tls_info(identity: &Identity) -> TlsInfo {
    let (subject, key) = identity.issuer().unwrap_or_default();
    TlsInfo {
        trust_root: identity.ca_pem().to_owned(),
        cert_issuer_subject: subject,
        cert_issuer_public_key: key,
    }
}

/// What certificates are judged by.
pub fn trust(barred: &Arc<RwLock<BTreeSet<String>>>, clock: &Clock) -> Trust {
    let barred = barred.clone();
    // A poisoned lock still holds the set.
    let is_barred = move |id: &str| {
        barred
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .contains(id)
    };
    Trust {
        barred: Arc::new(is_barred),
        clock: clock.clone(),
    }
}
