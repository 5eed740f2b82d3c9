//! The cluster's tables: what every manager holds in memory.
//!
//! A [`View`] is one moment of the store: persistent maps, so that a snapshot costs nothing and readers never wait. It
//! changes only by [`View::apply`] of a [`Transaction`], which holds whole objects and the versions that they
//! were made from: facts, never commands. This room applies and never decides; it knows no clock and no Raft.
#![deny(missing_docs)]

mod apply;
mod transaction;
mod view;

pub use apply::Conflict;
pub use transaction::{Change, Key, Object, Transaction};
pub use view::View;

#[cfg(test)]
mod tests;
