//! What tasks wrote, gathered from their nodes over the sessions.
//!
//! One request becomes one wish a node; a follower's request also finds tasks that come later. A reader that does not
//! keep up loses the wish, not the node's session.

use crate::{Inner, Manager};
use bytes::Bytes;
use model::{NodeId, ServiceId, TaskId, TaskState, Timestamp};
use state::View;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use wire::proto::{Lines, LinesEnd, LinesUnwanted, LinesWanted, from_leader};

/// Batches that may wait for a reader.
const QUEUE: usize = 256;
/// How long a node's session waits for a reader before the wish is given up.
const PATIENCE: Duration = Duration::from_secs(2);

/// Which lines are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRequest {
    /// Of all tasks of these services.
    pub services: Vec<ServiceId>,
    /// And of these tasks.
    pub tasks: Vec<TaskId>,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// New ones as well, until the reader goes.
    pub follow: bool,
    /// Only the last so many of each task.
    pub tail: Option<u64>,
    /// Only from this time on.
    pub since: Option<Timestamp>,
    /// Only up to this time.
    pub until: Option<Timestamp>,
}

/// A line and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeLine {
    /// The node.
    pub node: NodeId,
    /// The task.
    pub task: TaskId,
    /// True for standard error.
    pub stderr: bool,
    /// When the node read it.
    pub at: Timestamp,
    /// The line, its end included.
    pub data: Bytes,
}

/// Wishes that nodes are answering.
#[derive(Default)]
pub struct Logs {
    next: AtomicU64,
    wishes: Mutex<HashMap<u64, Wish>>,
}

struct Wish {
    node: NodeId,
    reader: mpsc::Sender<Event>,
}

enum Event {
    Lines(Vec<NodeLine>),
    End { wish: u64, error: String },
}

impl Logs {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Wish>> {
        self.wishes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reader(&self, node: &NodeId, wish: u64) -> Option<mpsc::Sender<Event>> {
        self.lock()
            .get(&wish)
            .filter(|known| known.node == *node)
            .map(|known| known.reader.clone())
    }

    /// Takes lines from a node; those that nobody asked it for are dropped.
    pub(crate) async fn take(&self, node: &NodeId, lines: Lines) {
        let wish = lines.wish;
        let Some(reader) = self.reader(node, wish) else {
            return;
        };
        let parse = |line: wire::proto::Line| {
            let at = line.at.parse().ok()?;
            Some(NodeLine {
                node: node.clone(),
                task: line.task.into(),
                stderr: line.stderr,
                at,
                data: line.data,
            })
        };
        let lines: Vec<_> = lines.lines.into_iter().filter_map(parse).collect();
        if reader.send_timeout(Event::Lines(lines), PATIENCE).await.is_err() {
            self.lock().remove(&wish);
        }
    }

    /// A node has told all, or can't.
    pub(crate) fn end(&self, node: &NodeId, end: LinesEnd) {
        if let Some(reader) = self.reader(node, end.wish) {
            let _ = reader.try_send(Event::End {
                wish: end.wish,
                error: end.error,
            });
            self.lock().remove(&end.wish);
        }
    }
}

impl Manager {
    /// Lines of tasks, as they come. The channel closes when all is told; an error's text comes last.
    pub fn logs(&self, request: LogRequest) -> mpsc::Receiver<Result<Vec<NodeLine>, String>> {
        let (out, lines) = mpsc::channel(QUEUE);
        let inner = self.inner.clone();
        tokio::spawn(async move {
            let epoch_over = inner.epoch_over();
            let mut gathering = Gathering {
                inner: inner.clone(),
                request,
                open: BTreeMap::new(),
                asked: BTreeSet::new(),
            };
            tokio::select! {
                () = gathering.run(&out) => {}
                () = out.closed() => {}
                () = epoch_over => drop(out.try_send(Err("the leader changed: ask again".to_owned()))),
            }
            gathering.stop();
        });
        lines
    }
}

/// One request being answered.
struct Gathering {
    inner: Arc<Inner>,
    request: LogRequest,
    /// Wishes that have not ended.
    open: BTreeMap<u64, NodeId>,
    asked: BTreeSet<TaskId>,
}

impl Gathering {
    async fn run(&mut self, out: &mpsc::Sender<Result<Vec<NodeLine>, String>>) {
        let (reader, mut events) = mpsc::channel(QUEUE);
        let mut views = self.inner.store.watch();
        loop {
            let view = views.borrow_and_update().clone();
            for (node, tasks) in self.wanted(&view) {
                if let Err(error) = self.ask(&node, &tasks, &reader)
                    && out.send(Err(error)).await.is_err()
                {
                    return;
                }
            }
            if self.open.is_empty() && !self.request.follow {
                return;
            }
            tokio::select! {
                event = events.recv() => match event {
                    Some(Event::Lines(lines)) => if out.send(Ok(lines)).await.is_err() { return },
                    Some(Event::End { wish, error }) => {
                        self.open.remove(&wish);
                        if !error.is_empty() && out.send(Err(error)).await.is_err() { return }
                    }
                    None => return,
                },
                changed = views.changed(), if self.request.follow => if changed.is_err() { return },
            }
        }
    }

    /// Tasks that have something to tell and were not asked for yet, by node.
    fn wanted(&self, view: &View) -> BTreeMap<NodeId, Vec<TaskId>> {
        let of_services = self
            .request
            .services
            .iter()
            .flat_map(|id| view.tasks_of_service(id));
        let by_id = self.request.tasks.iter().filter_map(|id| view.task(id));
        let mut wanted: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for task in of_services
            .chain(by_id)
            .filter(|task| !self.asked.contains(&task.id))
        {
            if let Some(node) = task
                .node_id
                .as_ref()
                .filter(|_| task.status.state >= TaskState::Assigned)
            {
                wanted.entry(node.clone()).or_default().push(task.id.clone());
            }
        }
        wanted
    }

    fn ask(&mut self, node: &NodeId, tasks: &[TaskId], reader: &mpsc::Sender<Event>) -> Result<(), String> {
        self.asked.extend(tasks.iter().cloned());
        let wish = self.inner.logs.next.fetch_add(1, Ordering::Relaxed) + 1;
        self.inner.logs.lock().insert(
            wish,
            Wish {
                node: node.clone(),
                reader: reader.clone(),
            },
        );
        let text = |time: &Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
        let wanted = LinesWanted {
            wish,
            tasks: tasks.iter().map(ToString::to_string).collect(),
            stdout: self.request.stdout,
            stderr: self.request.stderr,
            follow: self.request.follow,
            tail: self
                .request
                .tail
                .and_then(|tail| i64::try_from(tail).ok())
                .unwrap_or(-1),
            since: text(&self.request.since),
            until: text(&self.request.until),
        };
        if self
            .inner
            .sessions
            .send(node, from_leader::Message::LinesWanted(wanted))
        {
            self.open.insert(wish, node.clone());
            return Ok(());
        }
        self.inner.logs.lock().remove(&wish);
        // Not an error while following: the node may come back with the next task.
        if self.request.follow {
            Ok(())
        } else {
            Err(format!("node {node} has no session: its logs are incomplete"))
        }
    }

    fn stop(&mut self) {
        for (wish, node) in std::mem::take(&mut self.open) {
            self.inner.logs.lock().remove(&wish);
            self.inner
                .sessions
                .send(&node, from_leader::Message::LinesUnwanted(LinesUnwanted { wish }));
        }
    }
}
