//! What every node runs: its session with the leader, its tasks, and what of both survives a reboot.
//!
//! ```text
//!  leader ── session ── board ── drive (one a task) ── exec::Controller
//!                         │
//!                        keep (disk)
//! ```
//! The [`Board`] is the one place where tasks and their newest statuses are; sessions come and go beside it, and tasks go
//! on without one. After a power cut the tasks on disk are started again before any manager answers.
//!
//! This room knows neither containerd nor nftables nor Raft: effects are behind [`exec::Executor`], managers
//! behind [`Uplink`].

mod board;
mod drive;
mod fabrics;
mod keep;
mod logs;
mod reach;
mod session;
mod weave;

pub use board::{Board, Config};
pub use keep::KeepError;
pub use session::{Ended, Holding, Orders, Self_, Turns, Uplink, run};

#[cfg(test)]
mod tests;
