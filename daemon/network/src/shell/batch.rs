//! What is done together: the longest run of waiting requests in which no task is named twice.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use exec::{Attached, Fabric, Wish};
use model::TaskId;
use tokio::sync::oneshot;

use crate::Error;

/// Where an answer without content goes.
pub type Done = oneshot::Sender<Result<(), Error>>;

/// One call of the handle.
pub enum Request {
    /// Attach a task.
    Attach {
        /// What it wants.
        wish: Wish,
        /// What it got.
        reply: oneshot::Sender<Result<Attached, Error>>,
    },
    /// Detach a task.
    Detach {
        /// Which.
        task: TaskId,
        /// How it went.
        reply: Done,
    },
    /// Make the board's part of the cluster's networks so.
    Weave {
        /// What managers tell.
        fabric: Arc<Fabric>,
        /// How it went.
        reply: Done,
    },
    /// Detach all but some.
    Retain {
        /// Who may stay.
        keep: HashSet<TaskId>,
        /// How it went.
        reply: Done,
    },
    /// Remove everything.
    Close {
        /// How it went.
        reply: Done,
    },
}

impl Request {
    /// The task that it is about; none if it is about all.
    fn task(&self) -> Option<&TaskId> {
        match self {
            Request::Attach { wish, .. } => Some(&wish.task),
            Request::Detach { task, .. } => Some(task),
            Request::Weave { .. } | Request::Retain { .. } | Request::Close { .. } => None,
        }
    }
}

/// Takes the next batch from the front. What is about all tasks is a batch of its own. Order is kept.
pub fn next(waiting: &mut VecDeque<Request>) -> Vec<Request> {
    let mut batch: Vec<Request> = Vec::new();
    let mut named = HashSet::new();
    while let Some(request) = waiting.front() {
        let fits = match request.task() {
            Some(task) => named.insert(task.clone()),
            None => batch.is_empty(),
        };
        if !fits {
            break;
        }
        let alone = request.task().is_none();
        batch.extend(waiting.pop_front());
        if alone {
            break;
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: &str) -> Request {
        match text.split_at(1) {
            ("+", task) => Request::Attach {
                wish: Wish {
                    task: task.into(),
                    host_ports: Vec::new(),
                    ..Wish::default()
                },
                reply: oneshot::channel().0,
            },
            ("-", task) => Request::Detach {
                task: task.into(),
                reply: oneshot::channel().0,
            },
            _ => Request::Close {
                reply: oneshot::channel().0,
            },
        }
    }

    #[test]
    fn no_task_is_twice_in_a_batch_and_order_is_kept() {
        let mut waiting: VecDeque<Request> = ["+a", "+b", "-c", "-a", "+a", "*", "+d"]
            .into_iter()
            .map(request)
            .collect();
        let mut sizes = Vec::new();
        while !waiting.is_empty() {
            sizes.push(next(&mut waiting).len());
        }
        assert_eq!(sizes, [3, 1, 1, 1, 1]);
    }
}
