//! Who is who: the cluster's certificate authority, join tokens, a node's identity, TLS settings, proof of the
//! join key, and sealed data.
//!
//! Everything here is synchronous and opens no socket: it makes values that the rooms with sockets use. It knows
//! nothing of Raft, of services or of what a node may do; it only says who is on the other side of a connection.
//!
//! Which key is for what, where it lies, and how it is changed: `KEYS.md` in this room.

pub mod access;
pub mod ca;
pub mod clock;
pub mod error;
pub mod files;
pub mod identity;
pub mod lock;
mod names;
pub mod proof;
pub mod seal;
pub mod secret;
pub mod tls;
pub mod token;

pub use ca::{Ca, DEFAULT_VALIDITY, MIN_VALIDITY, Subject};
pub use clock::{Clock, build_time};
pub use error::Error;
pub use identity::{Identity, new_key};
pub use names::Role;
pub use proof::{JoinKey, Side, exporter, proof, verify};
pub use seal::Sealer;
pub use secret::Secret;
pub use tls::{Barred, Expected, Peer, Trust, peer_of};
pub use token::{Digest, Token};
