//! What machines of a cluster say to each other, and how they reach each other.
//!
//! - [`proto`]: the messages (proto/bramble.proto says what they mean)
//! - [`serve`]: the one listener: TLS, then HTTP/2; a handler learns who calls from [`Caller`]
//! - [`dial`], [`Pool`]: the other end
//! - [`knock`]: whether a board is there at all
//! - [`door`]: an HTTP request as pieces, for followers that pass theirs to the leader
//!
//! This room carries and does not decide: it knows no store and no plan. Who may call what is checked with
//! [`Caller::manager`] and [`Caller::member`] by those who serve.

mod caller;
mod dial;
pub mod door;
mod knock;
mod pool;
mod server;

pub use caller::Caller;
pub use dial::{DialError, Dialed, dial};
pub use knock::knock;
pub use pool::{Pool, PoolError};
pub use server::{Limits, serve};

/// Generated from proto/bramble.proto.
#[allow(missing_docs, clippy::all, clippy::pedantic)]
pub mod proto {
    tonic::include_proto!("bramble.v1");
}

/// Largest message, in bytes, either way: a transaction (1.5 MiB) or a piece of a snapshot with room to spare.
pub const MAX_MESSAGE: usize = 4 << 20;

/// How often both sides of a session say that they are there.
pub const PULSE: std::time::Duration = std::time::Duration::from_millis(400);
/// Two pulses and more that did not come: whoever waits for them knocks.
pub const SILENCE: std::time::Duration = std::time::Duration::from_millis(900);

/// ALPN of the one protocol spoken.
pub const ALPN: &[u8] = b"h2";

/// Metadata of a refusal: where the leader is, `address:port`.
pub const LEADER_HEADER: &str = "bramble-leader";
