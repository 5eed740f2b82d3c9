//! The replicated store: the only room that says "Raft".
//!
//! Four verbs: [`Store::view`] (and [`Store::read`], which is linearizable), [`Store::commit`], [`Store::watch`], and
//! membership. No type of the Raft library leaves this room.
//!
//! ```text
//!  commit ──→ raft ──→ log (disk, sealed, fsync) ──→ majority ──→ apply (state) ──→ watch
//!               └── Transport (given): other managers
//! ```
//! What was acknowledged is on the disks of a majority. Everything on disk is sealed with the node's own key. Only entries,
//! votes and snapshots are written: an idle cluster writes nothing.

mod alone;
mod codec;
mod disk;
mod error;
mod log;
mod machine;
mod membership;
mod network;
mod snapshots;
mod standing;
mod store;
mod types;

pub use alone::go_on_alone;
pub use disk::{Seal, exists};
pub use error::{CommitError, HandleError, MembershipError, OpenError, TransportError, Unavailable};
pub use network::{Transport, Verb};
pub use standing::{MemberInfo, Standing};
pub use store::{Committed, Options, Store, Timing};
pub use types::{Member, Peer};

#[cfg(test)]
mod tests;
