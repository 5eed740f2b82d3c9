//! Autolock: a manager's keys are sealed on its disk, and after a restart a person gives the unlock key.
//!
//! ```text
//! state/lock ──opened by── the unlock key (in the replicated store, and with the person)
//!    └─ opens state/seal.key (the store's seal) and state/tls/node.key (who this node is)
//! ```
//! A locked board keeps its tasks running; it has no session, and its API says that it is locked.

use crate::node::{Command, Node, Trouble};
use anyhow::Context as _;
use pki::lock::{Lock, UnlockKey, is_locked};
use pki::{Identity, Sealer};
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// After the disk could not be written.
const AGAIN: Duration = Duration::from_secs(5);

/// What clients are told, in Docker's words.
pub const LOCKED: &str = "Swarm is encrypted and needs to be unlocked before it can be used. Please use \"docker swarm unlock\" to \
                          unlock it.";

fn file(state: &Path) -> PathBuf {
    state.join("lock")
}

/// The file with the key that seals the store.
pub fn seal_file(state: &Path) -> PathBuf {
    state.join("seal.key")
}

/// Whether the keys in the state folder are sealed.
///
/// # Errors
/// If they can't be read.
pub fn locked(state: &Path) -> Result<bool, pki::Error> {
    Ok(is_locked(&seal_file(state))? || is_locked(&pki::identity::key_file(state))?)
}

/// How waiting for the key ended.
pub enum Waited {
    /// The board is unlocked.
    Unlocked,
    /// A user made the board leave.
    Left,
    /// The daemon stops.
    Over,
}

/// Waits until a user gives the key.
pub async fn wait(node: &Node, commands: &mut mpsc::Receiver<Command>) -> Waited {
    tracing::info!("locked: docker swarm unlock opens this manager; its tasks run");
    while let Some(command) = commands.recv().await {
        match command {
            Command::Unlock(key, done) => match open(node, &key).await {
                Ok(()) => {
                    let _ = done.send(Ok(()));
                    return Waited::Unlocked;
                }
                Err(trouble) => drop(done.send(Err(trouble))),
            },
            Command::GoOnAlone { done, .. } => drop(done.send(Err(Trouble::Standing(
                "Swarm is encrypted and locked. Please unlock it first (docker swarm unlock).".to_owned(),
            )))),
            Command::Leave { force: true, done } => {
                let _ = done.send(Ok(()));
                return Waited::Left;
            }
            Command::Leave { done, .. } => drop(done.send(Err(Trouble::Standing(
                "Swarm is encrypted and locked. Please unlock it first or use `--force` to ignore this message.".to_owned(),
            )))),
            Command::Init(_, done) => drop(done.send(Err(Trouble::already_in()))),
            Command::Join(_, done) => drop(done.send(Err(Trouble::already_in()))),
        }
    }
    Waited::Over
}

async fn open(node: &Node, key: &UnlockKey) -> Result<(), Trouble> {
    let failed = |error: &dyn std::fmt::Display| Trouble::Failed(error.to_string());
    let state = &node.board.state;
    let lock = match Lock::open(&file(state), key) {
        Ok(Some(lock)) => lock,
        Err(pki::Error::Sealed) => {
            return Err(Trouble::Invalid(
                "swarm could not be unlocked: invalid key provided".to_owned(),
            ));
        }
        Ok(None) => return Err(failed(&"the file that the key opens is gone")),
        Err(error) => return Err(failed(&error)),
    };
    let identity = Identity::load(state, Some(&lock)).map_err(|error| failed(&error))?;
    let identity = identity.ok_or_else(|| failed(&"the node's key is gone"))?;
    node.lock.send_replace(Some(lock));
    node.become_known_as(identity, true)
        .await
        .map_err(|error| failed(&format!("{error:#}")))?;
    node.standing.send_replace(crate::standing::Standing::In);
    tracing::info!("unlocked");
    Ok(())
}

/// Keeps this board's keys sealed as the cluster's settings say, while it is a manager.
pub async fn keep(node: &Arc<Node>) -> Infallible {
    let mut managers = node.manager.subscribe();
    let mut done: Option<Option<UnlockKey>> = None;
    loop {
        let store = managers
            .borrow_and_update()
            .as_ref()
            .map(|manager| manager.store().clone());
        let Some(store) = store else {
            if managers.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            continue;
        };
        let mut views = store.watch();
        loop {
            let wanted = wanted(&views.borrow_and_update());
            let failed = match wanted {
                Some(wanted) if done.as_ref() != Some(&wanted) => match apply(node, wanted.as_ref()) {
                    Ok(()) => {
                        done = Some(wanted);
                        false
                    }
                    Err(error) => {
                        tracing::warn!(error = format!("{error:#}"), "keys not sealed as they should be");
                        true
                    }
                },
                _ => false,
            };
            tokio::select! {
                changed = views.changed() => if changed.is_err() { break },
                changed = managers.changed() => if changed.is_ok() { break },
                () = tokio::time::sleep(AGAIN), if failed => {}
            }
        }
        // A store that is closing: the next manager, if any, comes a little later.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The unlock key of the cluster; none while the store does not know its cluster yet.
fn wanted(view: &state::View) -> Option<Option<UnlockKey>> {
    let keys = view.cluster()?.keys.as_ref()?;
    let text = keys.unlock_key.as_ref();
    Some(text.and_then(|text| text.reveal().parse().ok()))
}

/// Brings the files into the wanted state. A power cut at any point leaves keys that open with the unlock key, or open ones.
fn apply(node: &Node, wanted: Option<&UnlockKey>) -> anyhow::Result<()> {
    let state = &node.board.state;
    let Some(key) = wanted else {
        return off(node);
    };
    let lock = match node.lock.borrow().clone() {
        Some(lock) => lock,
        // One that a power cut kept from sealing anything, perhaps.
        None => match Lock::open(&file(state), key) {
            Ok(Some(lock)) => lock,
            _ => Lock::generate()?,
        },
    };
    lock.save(&file(state), key)?;
    node.lock.send_replace(Some(lock.clone()));
    Sealer::rewrite(&seal_file(state), Some(&lock), Some(&lock)).context("the store's key")?;
    node.identity.borrow().save(state, Some(&lock))?;
    tracing::info!("this manager's keys are sealed with the unlock key");
    Ok(())
}

/// Opens this board's keys for good: managers are not locked any more, or it is none.
///
/// # Errors
/// If the disk can't be written.
pub fn off(node: &Node) -> anyhow::Result<()> {
    let state = &node.board.state;
    let lock = node.lock.borrow().clone();
    if let Some(lock) = &lock {
        Sealer::rewrite(&seal_file(state), Some(lock), None).context("the store's key")?;
        node.lock.send_replace(None);
        node.identity.borrow().save(state, None)?;
        tracing::info!("this board's keys are no longer sealed with the unlock key");
    }
    match std::fs::remove_file(file(state)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error).context("removing the lock"),
        _ => Ok(()),
    }
}
