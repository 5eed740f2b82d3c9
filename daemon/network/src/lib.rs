//! The kernel's only home: what a board's network must look like, and the hands that make it so.
//!
//! Each task has a network namespace of its own, tied by a veth pair to the board's bridge:
//!
//! ```text
//!   task's namespace            board's namespace
//!   eth0 172.30.0.5/16 ──veth── btac1e0005 ┐
//!   eth0 172.30.0.6/16 ──veth── btac1e0006 ┴─ bramble0 172.30.0.1/16 ── nat ── eth0, the LAN
//! ```
//!
//! Besides, it has a link into each of the cluster's networks that it is in: see [`overlay`], and [`wireguard`] for those that
//! are encrypted.
//!
//! Three layers, from pure to not:
//!
//! - [`wanted`], [`overlay`], [`wireguard`], [`recover`] and [`rules`] decide: who has which address and port, who is where, what survives
//!   a restart, which packet filter follows. They know neither async nor a socket.
//! - `kernel` does: one small verb each for bridge, tunnel, namespace, member, tables and packet filter. Every verb may be
//!   repeated and finishes what a crash left half done.
//! - [`Network`] is the shell: one task takes all requests that wait, decides on them together, applies them as one
//!   batch (namespaces side by side, then one `nft` transaction), and answers.
//!
//! - [`names`](Names) answers: a DNS server in each task's namespace.
//!
//! A task on the host's network has nothing here: it runs in the board's own namespace and needs no [`exec::Wish`].
//!
//! Namespaces are bind mounts below [`Config::netns_dir`], so they and the containers in them outlive the daemon, provided that
//! a restarted daemon sees the same mounts (no private mount namespace of its own).

mod config;
mod error;
mod kernel;
mod keys;
mod names;
mod networking;
pub mod overlay;
mod ports;
pub mod recover;
pub mod rules;
mod shell;
pub mod wanted;
pub mod wireguard;

pub use config::{Config, Subnet};
pub use error::Error;
pub use names::Names;
pub use shell::Network;
