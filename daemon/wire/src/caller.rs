//! Who is at the other end of a connection.

use pki::{Peer, Role};
use std::net::SocketAddr;
use tonic::{Request, Status};

/// Who calls; in every request's extensions.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The member that its certificate names; none for a stranger.
    pub peer: Option<Peer>,
    /// The member whose certificate has lapsed: it may have it renewed, and nothing else.
    pub lapsed: Option<Peer>,
    /// The channel's exporter, for proofs bound to it.
    pub exporter: [u8; 32],
    /// Where it calls from.
    pub address: SocketAddr,
}

impl Caller {
    /// Who makes this request.
    ///
    /// # Errors
    /// An internal status if the request did not come through [`crate::serve`].
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        request
            .extensions()
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Status::internal("a request without a connection"))
    }

    /// The member that calls, also one whose certificate has lapsed.
    pub fn member_or_lapsed(self) -> Option<Peer> {
        self.peer.or(self.lapsed)
    }

    /// The member that calls.
    ///
    /// # Errors
    /// Unauthenticated, for a stranger.
    pub fn member<T>(request: &Request<T>) -> Result<Peer, Status> {
        Self::of(request)?
            .peer
            .ok_or_else(|| Status::unauthenticated("this needs a certificate of the cluster: join it first"))
    }

    /// The manager that calls.
    ///
    /// # Errors
    /// Unauthenticated for a stranger, permission denied for a worker.
    pub fn manager<T>(request: &Request<T>) -> Result<Peer, Status> {
        let peer = Self::member(request)?;
        match peer.role {
            Role::Manager => Ok(peer),
            Role::Worker => Err(Status::permission_denied("only managers may ask this")),
        }
    }
}
