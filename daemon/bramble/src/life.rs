//! A board's life: outside a cluster, or a member of one, and how it comes from the one to the other.
//!
//! ```text
//!            init, join, or the card's cluster found or founded
//!   outside ────────────────────────────────────────────────────→ member
//!      ↑ ←────────────────────────────────────────────────────────── │
//!            leave, removed by the managers, or a clone of another board
//! ```

use crate::joining::{self, Asker, Joined, Pass};
use crate::member::{self, End};
use crate::node::{Command, Init, Join, Node, Trouble};
use crate::standing::Standing;
use crate::{formation, names, quorum};
use anyhow::Context as _;
use exec::Executor;
use manager::Founding;
use pki::Token;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Lives until shutdown.
pub async fn live(
    node: Arc<Node>,
    executor: Arc<dyn Executor>,
    mut commands: mpsc::Receiver<Command>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let member = node.kept.borrow().member;
        if !member
            && outside(&node, &executor, &mut commands, &shutdown)
                .await
                .is_none()
        {
            return Ok(());
        }
        // A locked one stays so until it is unlocked.
        if *node.standing.borrow() != Standing::Locked {
            node.standing.send_replace(Standing::In);
        }
        node.trouble.send_replace(None);
        let end = Box::pin(member::live(&node, &executor, &mut commands, &shutdown)).await?;
        let stay_out = match end {
            End::Shutdown => return Ok(()),
            End::Left | End::Removed => true,
            End::Cloned => false,
        };
        forget(&node, stay_out).await.context("leaving the cluster")?;
    }
}

/// Puts aside what made this board a member.
async fn forget(node: &Node, stay_out: bool) -> anyhow::Result<()> {
    node.standing.send_replace(Standing::Out);
    node.orders.send_replace(agent::Orders::default());
    crate::board::forget_membership(&node.board.state)?;
    node.lock.send_replace(None);
    node.kept.send_replace(Default::default());
    node.keep(|kept| kept.left = stay_out)?;
    let provisional = pki::Identity::provisional(&node.board.key, node.clock.now())?;
    node.become_known_as(provisional, false).await
}

/// Until this board is a member; none at shutdown.
async fn outside(
    node: &Arc<Node>,
    executor: &Arc<dyn Executor>,
    commands: &mut mpsc::Receiver<Command>,
    shutdown: &CancellationToken,
) -> Option<()> {
    loop {
        let standing = Standing::to_begin_with(&node.kept.borrow(), node.config.forms());
        let forms = standing == Standing::Pending;
        node.standing.send_replace(standing);
        let command = tokio::select! {
            () = shutdown.cancelled() => return None,
            command = commands.recv() => command?,
            () = formation::form(node, executor), if forms => return Some(()),
        };
        match command {
            Command::Init(init, done) => match found_by_hand(node, executor, *init).await {
                Ok(()) => {
                    // Whoever asked may ask on at once.
                    node.standing.send_replace(Standing::In);
                    let _ = done.send(Ok(node.identity.borrow().node_id().to_owned()));
                    return Some(());
                }
                Err(trouble) => drop(done.send(Err(trouble))),
            },
            Command::Join(join, done) => {
                node.standing.send_replace(Standing::Pending);
                match join_by_hand(node, join).await {
                    Ok(()) => {
                        node.standing.send_replace(Standing::In);
                        let _ = done.send(Ok(()));
                        return Some(());
                    }
                    Err(trouble) => drop(done.send(Err(trouble))),
                }
            }
            Command::GoOnAlone { done, .. } => drop(done.send(Err(Trouble::Standing(
                "This node is not part of a swarm: there is nothing to go on with.".to_owned(),
            )))),
            Command::Unlock(_, done) => drop(done.send(Err(Trouble::not_locked()))),
            Command::Leave { done, .. } => {
                // Stops a board from forming by itself, until told to.
                let answer = if node.kept.borrow().left || !node.config.forms() {
                    Err(Trouble::Standing("This node is not part of a swarm".to_owned()))
                } else {
                    node.keep(|kept| kept.left = true)
                        .map_err(|error| Trouble::Failed(format!("{error:#}")))
                };
                let _ = done.send(answer);
            }
        }
    }
}

async fn found_by_hand(node: &Arc<Node>, executor: &Arc<dyn Executor>, init: Init) -> Result<(), Trouble> {
    let founding = Founding {
        name: "default".to_owned(),
        join_key: None,
        board: node.board.key.clone(),
        address: init.advertise.unwrap_or_else(|| node.address()),
        description: executor
            .describe()
            .await
            .map_err(|error| Trouble::Failed(error.to_string()))?,
        spec: init.spec,
        pools: init.pools,
        subnet_size: init.subnet_size,
        data_path_port: init.data_path_port,
        availability: init.availability,
    };
    found(node, founding)
        .await
        .map_err(|error| Trouble::Failed(format!("{error:#}")))
}

/// Founds a cluster of one. Until all is on disk this board is in no cluster: a power cut in the middle leaves nothing that
/// counts.
///
/// # Errors
/// If keys can't be made or the disk can't be written.
pub async fn found(node: &Arc<Node>, founding: Founding) -> anyhow::Result<()> {
    let (name, address) = (founding.name.clone(), founding.address);
    let founded = manager::found(founding, node.clock.now(), &mut rand::rng())?;
    crate::board::forget_membership(&node.board.state)?;
    node.become_known_as(founded.identity, true).await?;
    let store = quorum::open(node, manager::FIRST_RAFT_ID, address).await?;
    store.found(founded.first).await.context("founding the store")?;
    node.keep(|kept| {
        kept.member = true;
        kept.left = false;
        kept.cluster = name;
        kept.raft_id = Some(manager::FIRST_RAFT_ID);
        kept.lost = None;
        kept.managers = vec![(founded.node.to_string(), address)];
    })?;
    tracing::info!(node = %founded.node, %address, "cluster founded");
    quorum::start(node, store, manager::FIRST_RAFT_ID);
    Ok(())
}

async fn join_by_hand(node: &Arc<Node>, join: Join) -> Result<(), Trouble> {
    let token: Token = join
        .token
        .parse()
        .map_err(|_| Trouble::Failed("invalid join token".to_owned()))?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for remote in &join.remotes {
        addresses.extend(names::resolve(remote).await.map_err(Trouble::Invalid)?);
    }
    let joined = joining::join(&asker(node), &Pass::Token(token), join.availability, &addresses).await;
    let joined = joined.map_err(|error| Trouble::Failed(format!("{error:#}")))?;
    enter(node, joined, String::new())
        .await
        .map_err(|error| Trouble::Failed(format!("{error:#}")))
}

/// Takes on the identity that a manager gave.
///
/// # Errors
/// If the disk can't be written.
pub async fn enter(node: &Arc<Node>, joined: Joined, cluster: String) -> anyhow::Result<()> {
    crate::board::forget_membership(&node.board.state)?;
    node.become_known_as(joined.identity, true).await?;
    let parse = |manager: wire::proto::Manager| Some((manager.node, manager.address.parse().ok()?));
    node.keep(|kept| {
        kept.member = true;
        kept.left = false;
        kept.cluster = cluster;
        kept.raft_id = None;
        kept.lost = None;
        kept.managers = joined.managers.into_iter().filter_map(parse).collect();
    })?;
    tracing::info!(node = node.identity.borrow().node_id(), "joined a cluster");
    Ok(())
}

/// Who asks to be let in.
pub fn asker(node: &Node) -> Asker {
    Asker {
        board: node.board.clone(),
        hostname: node.config.hostname.clone(),
        listen: node.listen,
        clock: node.clock.clone(),
    }
}
