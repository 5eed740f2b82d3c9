//! What can go wrong, by what the caller can do.

use model::NodeId;

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk.
    #[error("the store on disk: {0}")]
    Io(String),
    /// What is on it can't be read: another key sealed it, or it is damaged. This manager must join anew.
    #[error("the store on disk is damaged or sealed with another key: {0}")]
    Corrupt(String),
    /// It is open already; one that was closed a moment ago may be so still.
    #[error("the store on disk is open already")]
    Busy,
    /// A setting that can't be.
    #[error("the store's settings: {0}")]
    Settings(String),
}

/// Why a transaction was not committed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The store has moved on: decide again on the newest view.
    #[error(transparent)]
    Conflict(#[from] state::Conflict),
    /// Another manager leads.
    #[error("this manager does not lead")]
    NotLeader {
        /// Who does, if it is known.
        leader: Option<NodeId>,
    },
    /// No majority answered in time. The transaction may or may not take effect later.
    #[error("no majority of managers answered: the quorum is lost")]
    NoQuorum,
    /// More than an entry may hold.
    #[error("a transaction of {0} bytes is too large")]
    TooLarge(usize),
    /// The store is closed.
    #[error("the store is closed")]
    Stopped,
}

/// Why there is no linearizable view.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// Another manager leads: ask it.
    #[error("this manager does not lead")]
    NotLeader {
        /// Who does, if it is known.
        leader: Option<NodeId>,
    },
    /// No majority answered in time.
    #[error("no majority of managers answered: the quorum is lost")]
    NoQuorum,
    /// The store is closed.
    #[error("the store is closed")]
    Stopped,
}

/// Why the quorum was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MembershipError {
    /// It would leave the cluster without a quorum.
    #[error("this would lose the quorum: {0}")]
    WouldLoseQuorum(String),
    /// Another manager leads.
    #[error("this manager does not lead")]
    NotLeader,
    /// No majority answered in time; tried again, it may work.
    #[error("membership not changed: {0}")]
    Failed(String),
}

/// Why a message from another manager was not handled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandleError {
    /// It can't be read.
    #[error("a message that can't be read: {0}")]
    Malformed(String),
    /// The store is closed or broken.
    #[error("the store is closed")]
    Stopped,
}

/// Why a message did not reach another manager, or its answer did not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// It can't be reached, or said no.
    #[error("{0}")]
    Unreachable(String),
    /// It took too long.
    #[error("no answer in time")]
    Timeout,
}
