//! Names: a DNS server for each task, at 127.0.0.11:53 of its own namespace, by UDP and TCP.
//!
//! ```text
//!   task's namespace                                    the daemon
//!   program ── 127.0.0.11:53 ── nft ── 127.0.0.11:N ──  [serve] ── [zone]: web, tasks.web, web.1.id, 10.0.1.7
//!                                                              └── [forward]: the rest, to --dns or the board's servers
//! ```
//! - `zone`, `message`, `resolvers` and `rules` are pure: what a name stands for, bytes in and out, whom to ask, which rules.
//! - `open` makes sockets and rules in a namespace, `serve` answers, `forward` asks others, `notes` remembers.
//! - [`Names`] is the handle: one server for each attached task, all over one fabric. Nothing of the cluster is ever cached:
//!   the next question after [`Names::weave`] is answered from the new fabric.
//!
//! While the daemon is down nobody answers. A new one serves all tasks again before it does anything else, at the same
//! ports, so that a program which keeps its socket for ever goes on.

mod forward;
mod message;
mod notes;
mod open;
mod resolvers;
mod rules;
mod serve;
mod zone;

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use exec::{Attached, Fabric, Wish};
use futures::future::join_all;
use model::TaskId;
use tokio::{
    sync::{Mutex as Turns, oneshot, watch},
    task::JoinHandle,
    time::sleep,
};

use crate::Error;
use notes::Notes;
use serve::Desk;
pub use zone::Own;

/// Attempts to serve a task that an earlier daemon left, one second after another.
const ATTEMPTS: u32 = 5;

/// All tasks' name servers. Copies are handles to the same ones; they end with the last.
#[derive(Clone)]
pub struct Names(Arc<Shared>);

struct Shared {
    fabric: watch::Sender<Option<Arc<Fabric>>>,
    servers: Mutex<HashMap<TaskId, Arc<Turns<Option<Server>>>>>,
    resolv_conf: PathBuf,
    /// What is noted, and where.
    noted: Turns<(Notes, BTreeMap<TaskId, Own>)>,
}

/// A server that runs.
struct Server {
    own: watch::Sender<Arc<Own>>,
    /// Dropped: it stops.
    stop: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

impl Names {
    /// Servers for all tasks that an earlier daemon left. One that cannot be served is tried again for a few seconds.
    pub async fn open(notes: PathBuf, resolv_conf: PathBuf, attached: &[(TaskId, Attached)]) -> Self {
        let notes = Notes::at(notes);
        let mut noted = notes.read().await;
        noted.retain(|id, _| attached.iter().any(|(task, _)| task == id));
        let left = noted.clone();
        let names = Names(Arc::new(Shared {
            fabric: watch::Sender::new(None),
            servers: Mutex::default(),
            resolv_conf,
            noted: Turns::new((notes, noted)),
        }));
        join_all(attached.iter().map(|(task, attached)| {
            let own = left
                .get(task)
                .cloned()
                .unwrap_or_else(|| Own::of_stranger(attached));
            names.take_over(task.clone(), attached.namespace.clone(), own)
        }))
        .await;
        names
    }

    async fn take_over(&self, task: TaskId, netns: PathBuf, own: Own) {
        let Err(error) = self.serve(&task, netns.clone(), own.clone()).await else {
            return;
        };
        tracing::warn!(%task, %error, "cannot serve names to a task yet");
        let names = self.clone();
        tokio::spawn(async move {
            for _ in 1..ATTEMPTS {
                sleep(Duration::from_secs(1)).await;
                let wanted = names.slots().contains_key(&task);
                if !wanted || names.serve(&task, netns.clone(), own.clone()).await.is_ok() {
                    return;
                }
            }
            tracing::error!(%task, "a task has no names");
        });
    }

    /// Serves a task's namespace. Told again, it only takes what has changed.
    ///
    /// # Errors
    /// What the kernel refused; then the task has no names.
    pub async fn attach(&self, wish: &Wish, attached: &Attached) -> Result<(), Error> {
        let own = Own {
            hostname: wish.hostname.clone(),
            address: attached.address,
            places: wish.places.clone(),
            resolvers: wish.resolvers.clone(),
        };
        self.serve(&wish.task, attached.namespace.clone(), own.clone())
            .await?;
        self.note(|all| all.insert(wish.task.clone(), own)).await;
        Ok(())
    }

    /// Ends a task's server; afterwards none of its sockets holds the namespace. A task without one is fine.
    pub async fn detach(&self, task: &TaskId) {
        self.end(vec![task.clone()]).await;
    }

    /// Ends the servers of all tasks but those.
    pub async fn retain(&self, keep: impl Fn(&TaskId) -> bool) {
        let going = self.slots().keys().filter(|task| !keep(task)).cloned().collect();
        self.end(going).await;
    }

    /// From now on all names are those of this fabric.
    pub fn weave(&self, fabric: Arc<Fabric>) {
        self.0.fabric.send_replace(Some(fabric));
    }

    fn slots(&self) -> std::sync::MutexGuard<'_, HashMap<TaskId, Arc<Turns<Option<Server>>>>> {
        self.0.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finished even if the caller goes away: what is opened here is never left half done, nor done twice at once.
    async fn serve(&self, task: &TaskId, netns: PathBuf, own: Own) -> Result<(), Error> {
        let slot = self.slots().entry(task.clone()).or_default().clone();
        let (names, task) = (self.clone(), task.clone());
        let work = tokio::spawn(async move {
            let mut server = slot.lock().await;
            if let Some(server) = server.as_ref().filter(|server| !server.running.is_finished()) {
                server.own.send_replace(Arc::new(own));
                return Ok(());
            }
            let sockets = open::open(&task, &netns).await?;
            let own = watch::Sender::new(Arc::new(own));
            let (stop, stopped) = oneshot::channel();
            let desk = Desk::new(
                names.0.fabric.subscribe(),
                own.subscribe(),
                netns,
                names.0.resolv_conf.clone(),
            );
            let running = tokio::spawn(serve::serve(sockets, Arc::new(desk), stopped));
            *server = Some(Server { own, stop, running });
            Ok(())
        });
        work.await
            .map_err(Error::kernel("waiting for", "a name server"))?
    }

    async fn end(&self, tasks: Vec<TaskId>) {
        let names = self.clone();
        let work = tokio::spawn(async move {
            join_all(tasks.iter().map(|task| {
                let slot = names.slots().remove(task);
                async move {
                    let Some(slot) = slot else { return };
                    let Some(server) = slot.lock().await.take() else {
                        return;
                    };
                    drop(server.stop);
                    let _ = server.running.await;
                }
            }))
            .await;
            names
                .note(|all| tasks.iter().for_each(|task| drop(all.remove(task))))
                .await;
        });
        let _ = work.await;
    }

    async fn note<T>(&self, change: impl FnOnce(&mut BTreeMap<TaskId, Own>) -> T) {
        let mut noted = self.0.noted.lock().await;
        let (notes, all) = &mut *noted;
        let before = all.clone();
        change(all);
        if *all != before {
            notes.write(all).await;
        }
    }
}

impl Own {
    /// For a task of which nothing is noted: names of the world, and nothing more, are better than none at all.
    fn of_stranger(attached: &Attached) -> Self {
        Own {
            hostname: String::new(),
            address: attached.address,
            places: Vec::new(),
            resolvers: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests;
