//! The tasks of this node and how far they came: the one place that sessions and drivers share.

use crate::drive;
use crate::fabrics::{Keeper, Newest};
use crate::keep::{Keep, KeepError, Note};
use crate::reach::{self, Leader};
use crate::weave::{self, Loom};
use exec::{Executor, Fabric};
use model::{Task, TaskId, TaskState, TaskStatus, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What a board's tasks need to know of it.
#[derive(Clone)]
pub struct Config {
    /// Where assignments are kept.
    pub dir: PathBuf,
    /// A place that costs no wear and that a power cut empties.
    pub run: PathBuf,
    /// Names this boot: another after every power cut, the same after a restart of the daemon.
    pub boot: String,
    /// Tells the time.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// The tasks of this node. Cheap to clone.
#[derive(Clone)]
pub struct Board {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub executor: Arc<dyn Executor>,
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// The cluster's networks.
    pub loom: Loom,
    keep: Keep,
    newest: Newest,
    entries: Mutex<BTreeMap<TaskId, Entry>>,
    /// Counts changes of statuses.
    changed: watch::Sender<u64>,
    pub stopping: CancellationToken,
    drivers: TaskTracker,
}

struct Entry {
    status: TaskStatus,
    /// What is wanted; `None` once the task is no longer ours.
    wish: watch::Sender<Option<Task>>,
}

impl Board {
    /// Reads the assignments on disk and takes them up, without any manager.
    ///
    /// # Errors
    /// [`KeepError`] if the disk can't be used.
    pub async fn open(config: Config, executor: Arc<dyn Executor>) -> Result<Self, KeepError> {
        let (dir, boot, newest) = (config.dir.clone(), config.boot.clone(), Newest::new(&config.run));
        let (keep, tasks, kept, fabric, new_boot) = blocking(move || {
            let keep = Keep::open(&dir)?;
            let new_boot = keep.new_boot(&boot)?;
            let kept = keep.fabric()?.map(Arc::new);
            let noted = newest.read().filter(|_| !new_boot).map(Arc::new);
            Ok((
                keep.clone(),
                keep.tasks()?,
                kept.clone(),
                noted.or(kept),
                new_boot,
            ))
        })
        .await?;
        let board = Self {
            inner: Arc::new(Inner {
                executor,
                now: config.now,
                loom: Loom::new(fabric),
                keep,
                newest: Newest::new(&config.run),
                entries: Mutex::default(),
                changed: watch::channel(0).0,
                stopping: CancellationToken::new(),
                drivers: TaskTracker::new(),
            }),
        };
        if !tasks.is_empty() {
            tracing::info!(tasks = tasks.len(), new_boot, "assignments found on disk");
        }
        for task in tasks {
            board.begin(task, new_boot);
        }
        let inner = board.inner.clone();
        board.inner.drivers.spawn(async move {
            let stopping = inner.stopping.clone();
            stopping.run_until_cancelled(weave::run(inner)).await;
        });
        board
            .inner
            .drivers
            .spawn(Keeper::new(board.inner.clone(), kept).run());
        board.inner.drivers.spawn(sweep(board.clone()));
        Ok(board)
    }

    /// Takes what the leader wants: on disk first, then in effect. `whole` means that these are all tasks.
    ///
    /// # Errors
    /// [`KeepError`]: nothing has taken effect.
    pub async fn assign(&self, tasks: Vec<Task>, gone: Vec<TaskId>, whole: bool) -> Result<(), KeepError> {
        let gone: BTreeSet<TaskId> = if whole {
            let named: BTreeSet<_> = tasks.iter().map(|task| &task.id).collect();
            self.inner
                .lock()
                .keys()
                .filter(|id| !named.contains(id))
                .cloned()
                .collect()
        } else {
            gone.into_iter().collect()
        };
        let tasks: Vec<Task> = tasks
            .into_iter()
            .filter_map(|task| self.inner.merged(task))
            .collect();
        if tasks.is_empty() && gone.is_empty() {
            return Ok(());
        }
        let puts = tasks.iter().map(|task| Note::Put(Box::new(task.clone())));
        let notes: Vec<Note> = puts.chain(gone.iter().cloned().map(Note::Gone)).collect();
        self.inner.write(notes).await?;
        for task in tasks {
            self.begin(task, false);
        }
        for id in gone {
            // Its driver removes what is left of it, then the entry.
            if let Some(entry) = self.inner.lock().get(&id) {
                entry.wish.send_replace(None);
            }
        }
        Ok(())
    }

    /// Takes the cluster's networks as the leader tells them: noted first, then in effect, in a moment.
    pub(crate) async fn weave(&self, fabric: Arc<Fabric>) {
        self.inner.newest.write(fabric.clone()).await;
        self.inner.loom.want(fabric);
    }

    /// The leader's board is gone.
    pub(crate) fn lose(&self, leader: Leader) {
        let inner = self.inner.clone();
        self.inner.drivers.spawn(async move {
            let stopping = inner.stopping.clone();
            stopping.run_until_cancelled(reach::lose(inner, leader)).await;
        });
    }

    /// The newest status of every task.
    pub fn statuses(&self) -> Vec<(TaskId, TaskStatus)> {
        self.inner
            .lock()
            .iter()
            .map(|(id, entry)| (id.clone(), entry.status.clone()))
            .collect()
    }

    /// The tasks that this node has now, wanted or about to go.
    pub fn tasks(&self) -> Vec<Task> {
        let entries = self.inner.lock();
        let task = |entry: &Entry| {
            let task = entry.wish.borrow().clone()?;
            Some(Task {
                status: entry.status.clone(),
                ..task
            })
        };
        entries.values().filter_map(task).collect()
    }

    /// Tells whenever a status changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changed.subscribe()
    }

    /// Stops driving; containers stay as they are.
    pub async fn close(&self) {
        self.inner.stopping.cancel();
        self.inner.drivers.close();
        self.inner.drivers.wait().await;
        // There is one writer at a time: this waits for a driver's last note to be on disk.
        if let Err(error) = self.inner.write(Vec::new()).await {
            tracing::warn!(%error, "closing");
        }
    }

    /// Ends all tasks and removes what is left of them: this node leaves the cluster.
    ///
    /// # Errors
    /// [`KeepError`] if the disk can't be written; tasks end all the same.
    pub async fn leave(&self) -> Result<(), KeepError> {
        let done = self.assign(Vec::new(), Vec::new(), true).await;
        let mut changes = self.changes();
        while !self.inner.lock().is_empty() && changes.changed().await.is_ok() {}
        let none = Arc::new(Fabric::default());
        self.weave(none.clone()).await;
        self.close().await;
        self.inner.newest.remove().await;
        if let Err(error) = self.inner.executor.weave(none).await {
            tracing::warn!(%error, "what is left of the cluster's networks was not removed");
        }
        done
    }

    fn begin(&self, task: Task, revive: bool) {
        let mut entries = self.inner.lock();
        if let Some(entry) = entries.get(&task.id) {
            entry.wish.send_replace(Some(task));
            return;
        }
        let (id, status) = (task.id.clone(), task.status.clone());
        let (wish, wishes) = watch::channel(Some(task.clone()));
        entries.insert(id, Entry { status, wish });
        drop(entries);
        let inner = self.inner.clone();
        let stopping = inner.stopping.clone();
        let span = tracing::info_span!("task", id = %task.id, service = %task.origin.service_name);
        // Boxed: it holds a task and a step's future.
        let driver = Box::pin(drive::drive(inner.clone(), task, wishes, revive));
        let driver = async move { stopping.run_until_cancelled(driver).await };
        self.inner
            .drivers
            .spawn(tracing::Instrument::instrument(driver, span));
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TaskId, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A task with the later of two statuses: ours, or the one that the managers know. None if it is neither new nor
    /// changed.
    fn merged(&self, mut task: Task) -> Option<Task> {
        let entries = self.lock();
        let Some(entry) = entries.get(&task.id) else {
            return Some(task);
        };
        if entry.status.state >= task.status.state {
            task.status = entry.status.clone();
        }
        let same = entry.wish.borrow().as_ref().is_some_and(|known| {
            // Only what a manager may change of a task that was given.
            known.desired_state == task.desired_state
                && known.networks_attachments == task.networks_attachments
        });
        (!same).then_some(task)
    }

    /// A driver's task has come to another status.
    pub async fn report(&self, task: &Task) {
        let worth_keeping = {
            let mut entries = self.lock();
            let Some(entry) = entries.get_mut(&task.id) else {
                return;
            };
            let moved = entry.status.state != task.status.state;
            entry.status = task.status.clone();
            moved && task.status.state >= TaskState::Running
        };
        self.touch();
        if worth_keeping && let Err(error) = self.write(vec![Note::Put(Box::new(task.clone()))]).await {
            tracing::error!(%error, "status not kept");
        }
    }

    /// A driver is done with a task that is no longer ours; true if it really is not.
    pub fn forget(&self, id: &TaskId) -> bool {
        let mut entries = self.lock();
        let gone = entries.get(id).is_none_or(|entry| entry.wish.borrow().is_none());
        if gone {
            entries.remove(id);
        }
        drop(entries);
        self.touch();
        gone
    }

    fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Keeps the networks on the card.
    pub async fn keep_fabric(&self, fabric: Arc<Fabric>) -> Result<(), KeepError> {
        let keep = self.keep.clone();
        blocking(move || keep.keep_fabric(&fabric)).await
    }

    async fn write(&self, notes: Vec<Note>) -> Result<(), KeepError> {
        let keep = self.keep.clone();
        blocking(move || keep.write(&notes)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeepError> + Send + 'static,
) -> Result<T, KeepError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| KeepError::Database(error.to_string()))?
}

/// Once after the start: containers of tasks that nobody knows any more are removed.
async fn sweep(board: Board) {
    let Board { inner } = board;
    let work = async {
        let leftovers = match inner.executor.leftovers().await {
            Ok(leftovers) => leftovers,
            Err(error) => return tracing::warn!(%error, "leftovers not looked for"),
        };
        for id in leftovers {
            // Looked up each time: a task may have been given meanwhile.
            if inner.lock().contains_key(&id) {
                continue;
            }
            tracing::info!(task = %id, "removing what nobody wants");
            if let Err(error) = inner.executor.remove_leftover(&id).await {
                tracing::warn!(task = %id, %error, "leftover not removed");
            }
        }
    };
    inner.stopping.run_until_cancelled(work).await;
}
