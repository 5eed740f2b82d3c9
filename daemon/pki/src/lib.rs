//! Who is who: the cluster's certificate authority, join tokens, a node's identity, TLS settings, proof of the
//! join key, and sealed data.
//!
//! Everything here is synchronous and opens no socket: it makes values that the rooms with sockets use. It knows
//! nothing of Raft, of services or of what a node may do; it only says who is on the other side of a connection.
//!
//! | key | used for | lives in | made by | renewed |
//! |---|---|---|---|---|
//! | root key ([`Ca`]) | signing nodes' certificates | the replicated state | the founder | never |
//! | node key ([`Identity`]) | TLS of one node | `tls/node.key` of that node | the node | with each certificate |
//! | join token ([`Token`]) | joining by hand | the replicated state | the founder, `--rotate` | by hand |
//! | join key ([`JoinKey`]) | boards finding each other | the card, until the board is in | the card's writer | never |
//! | seal ([`Sealer`]) | the Raft log and snapshots on disk | a file of that node | the node | never |

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
