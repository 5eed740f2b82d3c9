//! The nouns of a cluster and their laws.
//!
//! *The model is the API*: every type here serializes to exactly the JSON of the Docker Engine API
//! (PascalCase, the same optional fields), so there is one shape from the wire to the disk and no
//! conversion layer. What a user sent in a spec comes back unchanged from inspect: a field that was
//! absent stays absent, which is why most of them are an `Option`.
//!
//! Where Bramble keeps more about an object than Docker shows, it sits in one extra field of its own
//! (`Task::origin`, `Node::membership`, `Cluster::keys`), which the docker command ignores.
//!
//! Who writes what (one writer a field, DESIGN.md section 3):
//!
//! | field | writer |
//! |---|---|
//! | every `spec` | the user, through the manager's control |
//! | `Task::desired_state`, `Task::node_id`, existence of tasks | the leader's plan |
//! | `Task::status` | the agent of the task's node (up to `assigned`: the plan) |
//! | `Service::update_status`, `Service::endpoint` | the leader's plan |
//! | `Network::driver_state`, `Network::ipam_options`, `Task::networks_attachments`, `Node::places` | the leader's plan |
//! | `Node::status`, `Node::description` | the leader, from the node's session |
//! | `Node::membership`, `Cluster::keys` | the leader's membership shell |
//!
//! This room knows serde and nothing else: no clock, no socket, no log.
#![deny(missing_docs)]

pub mod access;
pub mod board;
pub mod cluster;
pub mod config;
pub mod constraint;
pub mod container;
pub mod file;
pub mod hidden;
pub mod id;
pub mod kernel;
pub mod local;
pub mod meta;
pub mod network;
pub mod node;
pub mod ratio;
pub mod schedule;
pub mod secret;
pub mod service;
pub mod subnet;
pub mod task;
pub mod template;
pub mod volume;
pub mod wireguard;
pub mod wishes;

pub use access::*;
pub use board::{Ailment, BoardReport, BoardSeen, BoardState, BoardSystem, BoardTasks, Unfit};
pub use cluster::*;
pub use config::*;
pub use constraint::{Constraint, ConstraintError};
pub use container::*;
pub use file::{FileKey, UnknownKind};
pub use hidden::Hidden;
pub use id::*;
pub use jiff::Timestamp;
pub use kernel::{CAPABILITIES, ULIMITS, capability, is_namespaced, signal};
pub use local::*;
pub use meta::*;
pub use network::*;
pub use node::*;
pub use ratio::Ratio;
pub use schedule::{Schedule, ScheduleError};
pub use secret::*;
pub use service::*;
pub use subnet::{BOARD_SUBNET, Subnet, SubnetError};
pub use task::*;
pub use volume::*;
pub use wireguard::{NoWireguardKey, WireguardKey};
pub use wishes::{Device, Strategy, WishError, Wishes};

/// Labels: what a user wrote beside an object, sorted by key.
pub type Labels = std::collections::BTreeMap<String, String>;
