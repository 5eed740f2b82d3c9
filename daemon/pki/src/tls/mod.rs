//! TLS settings: version 1.3 only, certificates matched by who a node is, never by host names.
//!
//! - A member's server ([`server_config`]) asks for a certificate but does not insist: a peer without one is a
//!   stranger, who may use the join service and nothing else. One that is shown must be of this cluster.
//! - A member's client ([`client_config`]) shows its certificate and says whom it expects.
//! - A joiner's client ([`bootstrap_client_config`]) shows none, and knows the cluster by its token's digest, or
//!   not at all: then only a proof of the join key on the very channel ([`crate::proof()`]) makes trust.
//!
//! Sessions are never resumed: what a certificate says is read anew each time.
//!
//! A server lets in a node that was removed, so that the node learns of it, and answers nothing else it asks: whoever
//! serves asks [`Trust::barred`] at each request. A client never speaks to one.
//!
//! A member whose certificate lapsed while it lay on a shelf can still prove who it is, with its key. The server
//! lets it in as [`lapsed_peer_of`], which is good for one thing: asking for a new certificate. For everything
//! else it is a stranger.

mod verify;

use std::fmt;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, ServerName};

use crate::clock::Clock;
use crate::names::{Names, Role};
use crate::{Digest, Error, Identity};
pub(crate) use verify::verify_chain;

/// Says whether the node with this id is barred: removed from the cluster, but still in hold of a certificate.
pub type Barred = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What certificates are judged by, besides the root.
#[derive(Clone)]
pub struct Trust {
    /// Asked at each handshake by clients, and at each request by servers.
    pub barred: Barred,
    /// Tells the time at each handshake.
    pub clock: Clock,
}

impl Default for Trust {
    fn default() -> Self {
        Self {
            barred: Arc::new(|_| false),
            clock: Clock::system(),
        }
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

/// Whom a client expects to reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Any manager of the cluster.
    AnyManager,
    /// The node with this id and no other, whatever its role: addresses may change owners.
    Node(String),
}

/// A member at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its node id.
    pub node_id: String,
    /// What its certificate lets it act as.
    pub role: Role,
    /// Its cluster, which is ours.
    pub cluster_id: String,
}

/// Who presented this chain; none for a stranger or a lapsed member. Call it with the chain of a connection made
/// with this module's settings only: it reads certificates, which TLS has verified already.
#[must_use]
pub fn peer_of(chain: &[CertificateDer<'_>], clock: &Clock) -> Option<Peer> {
    read(chain, clock).and_then(|(peer, lapsed)| (!lapsed).then_some(peer))
}

/// The member whose certificate of this chain has lapsed. It may have its certificate renewed, if the cluster
/// still knows the node, and nothing else.
#[must_use]
pub fn lapsed_peer_of(chain: &[CertificateDer<'_>], clock: &Clock) -> Option<Peer> {
    read(chain, clock).and_then(|(peer, lapsed)| lapsed.then_some(peer))
}

fn read(chain: &[CertificateDer<'_>], clock: &Clock) -> Option<(Peer, bool)> {
    let names = Names::of(chain.first()?)?;
    let lapsed = clock.now() > names.not_after;
    Some((
        Peer {
            node_id: names.node_id,
            role: names.role,
            cluster_id: names.cluster_id,
        },
        lapsed,
    ))
}

/// What to give to TLS connectors that want a server's name. It says nothing: see [`Expected`].
#[must_use]
pub fn server_name() -> ServerName<'static> {
    // A constant that is a valid DNS name.
    #[allow(clippy::unwrap_used)]
    ServerName::try_from("swarm-manager").unwrap()
}

/// Settings for a member's listener.
///
/// # Errors
/// [`Error::Tls`] or [`Error::Unusable`] if the identity cannot be used.
pub fn server_config(identity: &Identity, trust: &Trust, alpn: &[&[u8]]) -> Result<Arc<ServerConfig>, Error> {
    let provider = provider();
    let verifier = verify::Clients::new(identity, Arc::clone(&provider))?;
    let mut config = ServerConfig::builder_with_details(provider, Arc::new(trust.clock.clone()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(identity.chain(), identity.key()?)?;
    config.alpn_protocols = protocols(alpn);
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Settings for a member's connections to other members.
///
/// # Errors
/// [`Error::Tls`] or [`Error::Unusable`] if the identity cannot be used.
pub fn client_config(
    identity: &Identity,
    expected: Expected,
    trust: &Trust,
    alpn: &[&[u8]],
) -> Result<Arc<ClientConfig>, Error> {
    let provider = provider();
    let verifier = verify::Servers::member(identity, expected, trust, &provider)?;
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(trust.clock.clone()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous() // rustls' word for any verifier but that of the web
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(identity.chain(), identity.key()?)?;
    finish(&mut config, alpn);
    Ok(Arc::new(config))
}

/// Settings for a joiner, who shows no certificate. With a pin (a token's digest) only a manager of the cluster
/// with that root is accepted. Without, anyone is, and nothing may be trusted or told before the proof.
///
/// # Errors
/// [`Error::Tls`].
pub fn bootstrap_client_config(
    pin: Option<Digest>,
    clock: &Clock,
    alpn: &[&[u8]],
) -> Result<Arc<ClientConfig>, Error> {
    let provider = provider();
    let verifier = verify::Servers::unknown(pin, &provider);
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(clock.clone()))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous() // rustls' word for any verifier but that of the web
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    finish(&mut config, alpn);
    Ok(Arc::new(config))
}

fn finish(config: &mut ClientConfig, alpn: &[&[u8]]) {
    config.alpn_protocols = protocols(alpn);
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn protocols(alpn: &[&[u8]]) -> Vec<Vec<u8>> {
    alpn.iter().map(|name| name.to_vec()).collect()
}

pub(crate) fn roots(root: &CertificateDer<'_>) -> Result<RootCertStore, rustls::Error> {
    let mut store = RootCertStore::empty();
    store.add(root.clone().into_owned())?;
    Ok(store)
}
