//! Who is at the other end of a connection.

use pki::{Barred, Peer, Role};
use std::net::SocketAddr;
use tonic::{Request, Status};

/// Who calls; in every request's extensions.
#[derive(Clone)]
pub struct Caller {
    /// The member that its certificate names; none for a stranger.
    pub peer: Option<Peer>,
    /// The member whose certificate has lapsed: it may have it renewed, and nothing else.
    pub lapsed: Option<Peer>,
    /// The channel's exporter, for proofs bound to it.
    pub exporter: [u8; 32],
    /// Where it calls from.
    pub address: SocketAddr,
    /// Who was removed, also since the handshake.
    pub(crate) barred: Barred,
}

impl std::fmt::Debug for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Caller")
            .field("peer", &self.peer)
            .field("lapsed", &self.lapsed)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Caller {
    /// Who makes this request.
    ///
    /// # Errors
    /// Not found for a node that was removed, so that it learns of it; an internal status if the request did not come through [`crate::serve`].
    pub fn of<T>(request: &Request<T>) -> Result<Self, Status> {
        let caller = request
            .extensions()
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Status::internal("a request without a connection"))?;
        if caller.is_barred() {
            return Err(Status::not_found(
                "this node was removed from the cluster: leave it (docker swarm leave) to join again",
            ));
        }
        Ok(caller)
    }

    /// True once the member was removed: nothing that it says counts any more.
    fn is_barred(&self) -> bool {
        let peer = self.peer.as_ref().or(self.lapsed.as_ref());
        peer.is_some_and(|peer| (self.barred)(&peer.node_id))
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
