//! Connections to members, one each, made when first needed.

use crate::{DialError, Dialed, dial};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tonic::transport::Channel;

/// How to expect a node: its TLS configuration, made from our identity of the moment.
type Expect = dyn Fn(&str) -> Result<Arc<rustls::ClientConfig>, String> + Send + Sync;

/// Connections to members, one each. Bounded by the number of members that are asked for: a node's entry goes with
/// [`Pool::forget`].
#[derive(Clone)]
pub struct Pool {
    expect: Arc<Expect>,
    links: Arc<Mutex<HashMap<String, Place>>>,
    clock: pki::Clock,
    timeout: Duration,
}

/// One node's link, if there is one; whoever makes it holds the lock.
type Place = Arc<Mutex<Option<Link>>>;

struct Link {
    address: SocketAddr,
    dialed: Dialed,
}

/// Why there is no connection to a member.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    /// It does not answer there, or another answers.
    #[error(transparent)]
    Dial(#[from] DialError),
    /// We are not able to expect anyone (no identity).
    #[error("{0}")]
    Identity(String),
}

impl Pool {
    /// An empty pool. `expect` gives the TLS configuration that accepts just the node named.
    pub fn new(
        clock: pki::Clock,
        timeout: Duration,
        expect: impl Fn(&str) -> Result<Arc<rustls::ClientConfig>, String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            expect: Arc::new(expect),
            links: Arc::default(),
            clock,
            timeout,
        }
    }

    /// A connection to `node` at `address`: the one that stands, or a new one.
    ///
    /// # Errors
    /// [`PoolError`]; may pass.
    pub async fn get(&self, node: &str, address: SocketAddr) -> Result<Channel, PoolError> {
        // One lock a node: a node that does not answer holds up nobody else.
        let link = self
            .links
            .lock()
            .await
            .entry(node.to_owned())
            .or_default()
            .clone();
        let mut link = link.lock().await;
        if let Some(Link { dialed, .. }) = link
            .as_ref()
            .filter(|l| l.address == address && l.dialed.is_alive())
        {
            return Ok(dialed.channel.clone());
        }
        *link = None;
        let config = (self.expect)(node).map_err(PoolError::Identity)?;
        let dialed = dial(address, config, &self.clock, self.timeout).await?;
        let channel = dialed.channel.clone();
        *link = Some(Link { address, dialed });
        Ok(channel)
    }

    /// Lets go of the connection to `node`.
    pub async fn forget(&self, node: &str) {
        self.links.lock().await.remove(node);
    }

    /// Lets go of all: our identity has changed, or our name in the cluster.
    pub async fn clear(&self) {
        self.links.lock().await.clear();
    }
}
