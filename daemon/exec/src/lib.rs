//! The contract between deciding and doing.
//!
//! The agent decides what a task needs next, an [`Executor`] does it. All effects are behind the small
//! [`Controller`] trait; [`step`] advances a task by exactly one step and returns the new status. This room knows
//! neither containerd nor nftables, and starts nothing by itself.
#![deny(missing_docs)]

mod change;
mod error;
mod executor;
mod fabric;
mod files;
mod logs;
mod networking;
mod step;

pub use change::Change;
pub use error::Error;
pub use executor::{Controller, Executor, Observation};
pub use fabric::{Endpoint, Fabric, MeshPort, Overlay, Peer, Place, TUNNEL_PORT, Virtual, WIREGUARD_PORT};
pub use files::File;
pub use logs::{LogLine, LogStream, LogWish, Source};
pub use networking::{Attached, HostPort, Networking, Wish};
pub use step::{Step, next, step};

#[cfg(test)]
mod tests;
