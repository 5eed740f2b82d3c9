//! The two traits that a container runtime implements.

use crate::{Error, Fabric, File, LogStream, LogWish};
use async_trait::async_trait;
use model::{ContainerStatus, FileKey, NodeDescription, PortStatus, Task, TaskId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Runs tasks on this board. Implemented by `runtime`; by fakes in tests.
#[async_trait]
pub trait Executor: Send + Sync + 'static {
    /// What this board is and has.
    async fn describe(&self) -> Result<NodeDescription, Error>;

    /// The controller of one task; the same task may be given again after a restart, and its container is
    /// then found, not made again. Cheap: does nothing yet.
    fn controller(&self, task: &Task) -> Arc<dyn Controller>;

    /// Tasks that have a container here, wanted or not (asked once when the agent starts).
    async fn leftovers(&self) -> Result<Vec<TaskId>, Error>;

    /// Removes whatever is left of a task that nobody wants: idempotent, "not found" is success.
    async fn remove_leftover(&self, task: &TaskId) -> Result<(), Error>;

    /// Takes what tasks may read; `None`: the managers have no such thing. Comes before the tasks that read it.
    fn give(&self, key: FileKey, file: Option<File>);

    /// Forgets all that was given but these: no task of this board reads it any more.
    fn keep_files(&self, keys: &BTreeSet<FileKey>);

    /// Makes the board's part of the cluster's networks so: see [`crate::Networking::weave`].
    async fn weave(&self, fabric: Arc<Fabric>) -> Result<(), Error>;

    /// Lines that tasks of this board wrote.
    async fn logs(&self, wish: LogWish) -> Result<LogStream, Error>;
}

/// The effects of one task. Every method is idempotent: told again after a crash it makes it so. A method may be
/// dropped in the middle (the wish changed); the next one must cope with what is there.
#[async_trait]
pub trait Controller: Send + Sync + 'static {
    /// Takes a changed wish of the same task (only what may change: desired state, networks).
    async fn update(&self, task: &Task) -> Result<(), Error>;

    /// Makes all ready: image, network, volumes, container.
    async fn prepare(&self) -> Result<(), Error>;

    /// How far [`Controller::prepare`] is, in words, while it takes long.
    fn progress(&self) -> Option<String> {
        None
    }

    /// Starts the container and returns once it runs (and, with a health check, is healthy).
    async fn start(&self) -> Result<(), Error>;

    /// Waits until it ends. `Ok` for code 0, [`Error::Exit`] otherwise.
    async fn wait(&self) -> Result<(), Error>;

    /// Asks it to end, waits for the grace period, kills it. `Ok` if it does not run any more.
    async fn shutdown(&self) -> Result<(), Error>;

    /// Kills it at once.
    async fn terminate(&self) -> Result<(), Error>;

    /// Removes all that [`Controller::prepare`] made. "Not found" is success.
    async fn remove(&self) -> Result<(), Error>;

    /// What the container is now.
    async fn observe(&self) -> Result<Observation, Error>;
}

/// What a container is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observation {
    /// Its id, first process and exit code; none if there is no container.
    pub container: Option<ContainerStatus>,
    /// True while its first process lives.
    pub running: bool,
    /// True if it was started at some time: an ended container is not started again.
    pub started: bool,
    /// Ports published by this board for it.
    pub ports: Option<PortStatus>,
}
