//! Which node has a session: at most one each, the newest.

use model::NodeId;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::{mpsc, watch};
use tonic::Status;
use wire::proto::{FromLeader, from_leader};

type Out = mpsc::Sender<Result<FromLeader, Status>>;

/// Which node has a session. Bounded by the number of members: only those are let in.
#[derive(Default)]
pub struct Sessions {
    seats: Mutex<HashMap<NodeId, Entry>>,
    count: AtomicU64,
}

struct Entry {
    number: u64,
    out: Out,
    /// Dropped when another takes the seat.
    _replaced: watch::Sender<()>,
}

/// A session's claim to its node's seat.
pub struct Seated {
    number: u64,
    replaced: watch::Receiver<()>,
}

impl Seated {
    /// Ends when another session of the node takes its place.
    pub async fn replaced(&self) {
        while self.replaced.clone().changed().await.is_ok() {}
    }
}

impl Sessions {
    /// Takes the node's seat from whoever has it.
    pub fn seat(&self, node: &NodeId, out: Out) -> Seated {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let (sender, replaced) = watch::channel(());
        self.lock().insert(
            node.clone(),
            Entry {
                number,
                out,
                _replaced: sender,
            },
        );
        Seated { number, replaced }
    }

    /// Leaves the seat; false if another has it by now.
    pub fn unseat(&self, node: &NodeId, seated: &Seated) -> bool {
        let mut seats = self.lock();
        let mine = seats.get(node).is_some_and(|entry| entry.number == seated.number);
        if mine {
            seats.remove(node);
        }
        mine
    }

    /// Sends a message to a node; false if it has no session or does not keep up.
    pub fn send(&self, node: &NodeId, message: from_leader::Message) -> bool {
        let out = self.lock().get(node).map(|entry| entry.out.clone());
        out.is_some_and(|out| {
            out.try_send(Ok(FromLeader {
                message: Some(message),
            }))
            .is_ok()
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<NodeId, Entry>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
