//! The shell: requests in, batches out.
//!
//! One task owns the board's network. It takes all requests that wait, so thirty tasks that start at once cost one run of `nft`;
//! and a caller that goes away in the middle leaves nothing half done, for the work is not its own.

mod batch;
mod board;
mod inside;
mod keep;
mod start;
mod weave;

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use exec::{Attached, Fabric, Wish};
use model::{TaskId, WireguardKey};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{Config, Error, Names, keys::Keys};
use batch::Request;

/// Requests that may wait for a batch; further callers wait for their turn to ask.
const WAITING: usize = 64;

/// A board's network. Copies are handles to the same one; after the last is dropped everything stays as it is for the
/// next [`open`](Self::open).
#[derive(Clone)]
pub struct Network {
    requests: mpsc::Sender<Request>,
    attached: watch::Receiver<Arc<BTreeMap<TaskId, Attached>>>,
    pub(crate) names: Names,
    /// None if the kernel has no WireGuard.
    keys: Option<Keys>,
}

impl Network {
    /// Makes the bridge, the packet filter and the forwarding, and takes over the tasks that are attached already,
    /// whatever a crash left of them. Needs root, and a tokio runtime all of whose threads are in the board's network
    /// namespace. Must not be called while another one for the same board is open.
    ///
    /// # Errors
    /// [`Error`] if the board itself cannot be made ready. A task that cannot be taken over is logged and removed.
    pub async fn open(config: Config) -> Result<Self, Error> {
        let (notes, resolv_conf) = (
            config.state_file.with_file_name("names.json"),
            config.resolv_conf.clone(),
        );
        let board = start::open(config).await?;
        let left: Vec<_> = board.attached().into_iter().collect();
        let names = Names::open(notes, resolv_conf, &left).await;
        let keys = board.wireguard.is_some().then(|| board.keys.clone());
        let (requests, waiting) = mpsc::channel(WAITING);
        let (tell, attached) = watch::channel(Arc::new(board.attached()));
        tokio::spawn(board.run(waiting, tell));
        Ok(Network {
            requests,
            attached,
            names,
            keys,
        })
    }

    /// Gives a task its namespace, address, host ports and names. Told again, it mends what is missing, changes the host ports if the
    /// wish has others, and answers the same. If it fails, all is as it was before.
    ///
    /// # Errors
    /// [`Error::PortTaken`], [`Error::Full`], [`Error::Wish`], or what the kernel refused.
    pub async fn attach(&self, wish: &Wish) -> Result<Attached, Error> {
        let (asked, is_new) = (wish.clone(), !self.attached.borrow().contains_key(&wish.task));
        let attached = self.ask(|reply| Request::Attach { wish: asked, reply }).await??;
        if let Err(error) = self.names.attach(wish, &attached).await {
            if is_new {
                self.detach(&wish.task).await?;
            }
            return Err(error);
        }
        Ok(attached)
    }

    /// Removes a task's namespace, address and host ports. Goes on after an error; told again, it tries what is left.
    /// A task that is not attached is success.
    ///
    /// # Errors
    /// All that the kernel refused.
    pub async fn detach(&self, task: &TaskId) -> Result<(), Error> {
        // Its sockets would hold the namespace.
        self.names.detach(task).await;
        let task = task.clone();
        self.ask(|reply| Request::Detach { task, reply }).await?
    }

    /// Makes the board's part of the cluster's networks so: only what differs is touched, in one transaction on the board and
    /// one in each task that it concerns. Networks that are no longer told of stay while tasks are in them.
    ///
    /// # Errors
    /// All that the kernel refused; the rest is done.
    pub async fn weave(&self, fabric: Arc<Fabric>) -> Result<(), Error> {
        self.ask(|reply| Request::Weave { fabric, reply }).await?
    }

    /// The board's public key for encrypted networks, as of now; none if its kernel has no WireGuard.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the board's private key can't be read or made.
    pub async fn wireguard(&self) -> Result<Option<WireguardKey>, Error> {
        match &self.keys {
            Some(keys) => Ok(Some(keys.pair().await?.public)),
            None => Ok(None),
        }
    }

    /// Who is attached, and with what, in the order of ids.
    pub fn attached(&self) -> Vec<(TaskId, Attached)> {
        self.attached
            .borrow()
            .iter()
            .map(|(id, attached)| (id.clone(), attached.clone()))
            .collect()
    }

    /// Detaches all tasks but these: leftovers of tasks that nobody wants any more.
    ///
    /// # Errors
    /// All that the kernel refused.
    pub async fn retain(&self, keep: &HashSet<TaskId>) -> Result<(), Error> {
        self.names.retain(|task| keep.contains(task)).await;
        let keep = keep.clone();
        self.ask(|reply| Request::Retain { keep, reply }).await?
    }

    /// Removes everything: all tasks' networks, the packet filter, the bridge, the notes; and switches forwarding off if
    /// [`open`](Self::open) switched it on. Afterwards all requests fail with [`Error::Closed`].
    ///
    /// # Errors
    /// All that the kernel refused; the rest is removed.
    pub async fn close(&self) -> Result<(), Error> {
        self.names.retain(|_| false).await;
        self.ask(|reply| Request::Close { reply }).await?
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.requests
            .send(request(reply))
            .await
            .map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)
    }
}
