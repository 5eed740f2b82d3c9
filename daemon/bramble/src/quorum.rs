//! This board's part in the quorum: opens its store when it is to be a manager, closes it when it is not.

use crate::node::{Node, Trouble};
use crate::uplink::Links;
use crate::{lock, renewal};
use agent::Holding;
use anyhow::Context as _;
use manager::Manager;
use model::NodeId;
use pki::Role;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::{Member, Store};
use wire::proto;

/// After something went wrong.
const AGAIN: Duration = Duration::from_secs(5);
/// For a store to be closed, or to have a leader that needs nobody else.
const CLOSING: Duration = Duration::from_secs(10);
/// Between two looks whether a store is closed.
const MOMENT: Duration = Duration::from_millis(20);
/// What a person is told until the leader has given a new number.
const SET_ASIDE: &str = "this manager's store was damaged and set aside (raft.damaged in the state folder); it gets the \
                         store anew from the other managers once a majority of managers is there";

/// Opens the store in the state folder, sealed with this board's own key.
///
/// # Errors
/// If the disk can't be read or the store on it can't be opened.
pub async fn open(node: &Arc<Node>, raft_id: u64, address: SocketAddr) -> anyhow::Result<Store> {
    let seal = seal(node)?;
    let hints = hints(node);
    let me = Member {
        id: raft_id,
        node: NodeId::from(node.identity.borrow().node_id()),
        address: address.to_string(),
    };
    let transport = Arc::new(manager::Links::new(node.pool.clone(), hints, superseded(node)));
    let options = store::Options::new(dir(node), seal, me, transport);
    Store::open(options).await.context("opening the store")
}

/// By this board's own key, which may be locked away.
fn seal(node: &Node) -> anyhow::Result<Arc<dyn store::Seal>> {
    let lock = node.lock.borrow().clone();
    let sealer = pki::Sealer::load_or_create(&lock::seal_file(&node.board.state), lock.as_ref())
        .context("the seal's key")?;
    Ok(Arc::new(Seal(sealer)))
}

struct Seal(pki::Sealer);

impl store::Seal for Seal {
    fn seal(&self, aad: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
        self.0.seal(aad, plain).ok()
    }

    fn open(&self, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        self.0.open(aad, sealed).ok()
    }
}

/// Where a node was last seen on the LAN: it may have a new lease.
fn hints(node: &Arc<Node>) -> manager::Hints {
    let sightings = node.sightings.clone();
    Arc::new(move |wanted| {
        let sightings = sightings.borrow();
        crate::neighbours::address_of(&sightings, wanted.as_str())
    })
}

/// Keeps the highest generation that another manager tells of.
fn superseded(node: &Arc<Node>) -> manager::Superseded {
    let generation = node.generation.clone();
    Arc::new(move |told| {
        generation.send_if_modified(|highest| {
            let newer = told > *highest;
            *highest = told.max(*highest);
            newer
        });
    })
}

/// Does what the managers say of this board's role, over and over.
pub async fn follow_orders(node: &Arc<Node>) -> Infallible {
    let mut orders = node.orders.subscribe();
    let mut generation = node.generation.subscribe();
    loop {
        orders.mark_unchanged();
        generation.mark_unchanged();
        if let Err(error) = follow(node).await {
            let text = format!("{error:#}");
            tracing::warn!(error = %text, "not yet what the managers want");
            node.trouble.send_replace(Some(text));
            tokio::time::sleep(AGAIN).await;
            continue;
        }
        node.trouble.send_replace(None);
        tokio::select! {
            changed = orders.changed() => if changed.is_err() { std::future::pending::<()>().await },
            changed = generation.changed() => if changed.is_err() { std::future::pending::<()>().await },
            () = watch_barred(node) => {}
        }
    }
}

/// One step towards the role that is wanted; without orders, towards the one that is kept.
async fn follow(node: &Arc<Node>) -> anyhow::Result<()> {
    let _turn = node.quorum.lock().await;
    give_way(node).await?;
    // Read only now: who had the turn may have made the orders void.
    let role = node.orders.borrow().role;
    let (kept, lost) = {
        let kept = node.kept.borrow();
        (kept.raft_id, kept.lost)
    };
    let open_as = node.holding.borrow().open;
    match role {
        Some(proto::Role {
            manager: true,
            raft_id,
        }) => {
            if node.identity.borrow().role() == Role::Worker {
                renewal::renew(node, &Links(node.clone()))
                    .await
                    .context("a manager's certificate")?;
            }
            if open_as == Some(raft_id) {
                return Ok(());
            }
            close(node).await;
            if lost == Some(raft_id) {
                anyhow::bail!(SET_ASIDE);
            }
            if kept == Some(raft_id) {
                return reopen(node, raft_id).await;
            }
            wipe(node)?;
            node.keep(|kept| {
                kept.raft_id = Some(raft_id);
                kept.lost = None;
            })?;
            let store = open(node, raft_id, node.address()).await?;
            start(node, store, raft_id);
            Ok(())
        }
        Some(proto::Role { manager: false, .. }) => {
            if open_as.is_some() || kept.is_some() || lost.is_some() {
                tracing::info!("no manager any more");
                close(node).await;
                wipe(node)?;
                node.keep(|kept| {
                    kept.raft_id = None;
                    kept.lost = None;
                })?;
                tell(node, None);
                lock::off(node)?;
            }
            if node.identity.borrow().role() == Role::Manager {
                renewal::renew(node, &Links(node.clone()))
                    .await
                    .context("a worker's certificate")?;
            }
            Ok(())
        }
        None => match (kept, open_as) {
            (Some(raft_id), None) => reopen(node, raft_id).await,
            (None, _) if lost.is_some() => anyhow::bail!(SET_ASIDE),
            _ => Ok(()),
        },
    }
}

/// Opens the store that this board has. One that is damaged, or not there any more, is set aside, and the managers are told:
/// a board that doesn't know what it voted must have a new number, or it could vote twice.
async fn reopen(node: &Arc<Node>, raft_id: u64) -> anyhow::Result<()> {
    let opened = if store::exists(&dir(node)) {
        open(node, raft_id, node.address()).await
    } else {
        Err(store::OpenError::Corrupt("its file is not there".to_owned()).into())
    };
    if let Err(error) = &opened
        && let Some(store::OpenError::Corrupt(_)) = error.downcast_ref()
    {
        tracing::error!(error = format!("{error:#}"), raft_id, "setting the store aside");
        set_aside(node, "raft.damaged")?;
        node.keep(|kept| {
            kept.raft_id = None;
            kept.lost = Some(raft_id);
        })?;
        tell(node, None);
    }
    let store = opened?;
    start(node, store, raft_id);
    Ok(())
}

/// If a manager has gone on alone, the quorum that this board's store is of is over: the store is set aside, and the board
/// asks in the new one what it is to be.
async fn give_way(node: &Arc<Node>) -> anyhow::Result<()> {
    let told = *node.generation.borrow();
    let Some(store) = node.store() else {
        return Ok(());
    };
    let known = node
        .kept
        .borrow()
        .generation
        .max(manager::generation(&store.view()));
    if told <= known {
        return Ok(());
    }
    tracing::warn!("another manager went on without this one, whose store is set aside (raft.superseded)");
    close(node).await;
    set_aside(node, "raft.superseded")?;
    node.keep(|kept| {
        kept.raft_id = None;
        kept.generation = told;
    })?;
    node.orders.send_modify(|orders| orders.role = None);
    Ok(())
}

/// Goes on as a cluster of this manager alone, with what it has of the store; the other managers are let go.
///
/// # Errors
/// [`Trouble`]: this node has no store, or the disk can't be used. Then all is as it was.
pub async fn go_on_alone(node: &Arc<Node>, address: SocketAddr) -> Result<String, Trouble> {
    let _turn = node.quorum.lock().await;
    let Some(old) = node.kept.borrow().raft_id else {
        return Err(Trouble::Standing(
            "This node is not a swarm manager: only a manager has what a cluster can go on with.".to_owned(),
        ));
    };
    close(node).await;
    match start_alone(node, address).await {
        Ok(()) => Ok(node.identity.borrow().node_id().to_owned()),
        Err(error) => {
            let text = format!("{error:#}");
            if let Err(error) = reopen(node, node.kept.borrow().raft_id.unwrap_or(old)).await {
                tracing::warn!(error = format!("{error:#}"), "the store did not open again");
            }
            Err(Trouble::Failed(text))
        }
    }
}

async fn start_alone(node: &Arc<Node>, address: SocketAddr) -> anyhow::Result<()> {
    let me = NodeId::from(node.identity.borrow().node_id());
    let (dir, seal) = (dir(node), seal(node)?);
    let changing = async {
        loop {
            let (dir, seal, me) = (dir.clone(), seal.clone(), me.clone());
            let change = move || store::go_on_alone(&dir, seal, |view| manager::alone(view, &me, address));
            match tokio::task::spawn_blocking(change).await? {
                // What was closed a moment ago may have work under way.
                Err(store::OpenError::Busy) => tokio::time::sleep(MOMENT).await,
                outcome => return anyhow::Ok(outcome?),
            }
        }
    };
    let member = tokio::time::timeout(CLOSING, changing)
        .await
        .context("the store does not close")??;
    let me = (member.node.to_string(), address);
    node.keep(|kept| {
        kept.raft_id = Some(member.id);
        kept.lost = None;
        kept.managers = vec![me.clone()];
    })?;
    // Those of a leader that is no more.
    node.orders.send_modify(|orders| {
        orders.role = None;
        orders.managers.retain(|manager| manager.node == me.0);
    });
    let store = open(node, member.id, address).await?;
    let mut standing = store.standing();
    let leading = standing.wait_for(|standing| standing.i_lead);
    tokio::time::timeout(CLOSING, leading)
        .await
        .context("a quorum of one did not come about")??;
    tracing::warn!(
        raft_id = member.id,
        "going on alone; the other managers are let go"
    );
    start(node, store, member.id);
    Ok(())
}

/// Lets this board be a manager over an open store.
pub fn start(node: &Arc<Node>, store: Store, raft_id: u64) {
    let me = NodeId::from(node.identity.borrow().node_id());
    node.manager
        .send_replace(Some(Manager::start(store, me, node.clock.clone())));
    tell(node, Some(raft_id));
    tracing::info!(raft_id, "holding the store");
}

/// Closes the store, if it is open.
pub async fn close(node: &Node) {
    tell(node, None);
    if let Some(manager) = node.manager.send_replace(None) {
        manager.close().await;
    }
}

/// Tells the managers what this board has.
fn tell(node: &Node, open: Option<u64>) {
    let lost = node.kept.borrow().lost;
    node.holding.send_replace(Holding { open, lost });
}

fn dir(node: &Node) -> PathBuf {
    node.board.state.join("raft")
}

/// Keeps a store where nothing reads it, for whoever wants to know what happened; the last one of a name only.
fn set_aside(node: &Node, name: &str) -> anyhow::Result<()> {
    let aside = node.board.state.join(name);
    remove(&aside)?;
    match std::fs::rename(dir(node), &aside) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("setting the store aside")
        }
        _ => Ok(()),
    }
}

fn wipe(node: &Node) -> anyhow::Result<()> {
    remove(&dir(node))
}

fn remove(dir: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("removing the old store")
        }
        _ => Ok(()),
    }
}

/// Keeps the list of removed nodes that every handshake looks at; ends only with the store.
async fn watch_barred(node: &Arc<Node>) {
    let Some(store) = node.store() else {
        return std::future::pending().await;
    };
    let mut views = store.watch();
    loop {
        let barred: BTreeSet<String> = {
            let view = views.borrow_and_update();
            let keys = view.cluster().and_then(|cluster| cluster.keys.as_ref());
            keys.map(|keys| keys.barred.keys().map(ToString::to_string).collect())
                .unwrap_or_default()
        };
        *node
            .barred
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = barred;
        if views.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Asks the leader, who may be here, to let this node out of the quorum, and waits until it is.
pub async fn ask_out(node: &Node) {
    let me = NodeId::from(node.identity.borrow().node_id());
    let Some(manager) = node.manager.borrow().clone() else {
        return;
    };
    let mut standing = manager.store().standing();
    if manager.leads()
        && let Err(error) = manager.step_out(&me).await
    {
        tracing::warn!(%error, "the quorum does not let this node out");
        return;
    }
    let _ = standing
        .wait_for(|standing| standing.members.iter().all(|member| member.node != me))
        .await;
}
