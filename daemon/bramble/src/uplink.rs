//! The way to the managers: whoever of them answers first says where the leader is.

use crate::node::Node;
use async_trait::async_trait;
use pki::Expected;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tonic::transport::Channel;

/// For a connection and a handshake.
const DIAL: Duration = Duration::from_secs(2);

/// The way to the managers.
#[derive(Clone)]
pub struct Links(pub Arc<Node>);

#[async_trait]
impl agent::Uplink for Links {
    async fn connect(&self, hint: Option<SocketAddr>) -> Result<Channel, String> {
        let mut last = "no manager's address is known".to_owned();
        let mut candidates = self.candidates();
        // Who answered the last time may be no manager any more: without word of the leader, another is asked first.
        let attempt = self.0.attempts.fetch_add(1, Ordering::Relaxed);
        let first = attempt.checked_rem(candidates.len()).unwrap_or_default();
        candidates.rotate_left(first);
        for address in hint.into_iter().chain(candidates) {
            match self.dial(address).await {
                Ok(channel) => return Ok(channel),
                Err(error) => last = format!("{error:#}"),
            }
        }
        Err(last)
    }

    async fn led_anew(&self) {
        let managed = self.0.store().is_some();
        let mut manager = self.0.manager.subscribe();
        let store = manager.wait_for(Option::is_some).await;
        let Some(store) = store.ok().and_then(|here| Some(here.as_ref()?.store().clone())) else {
            // The board closes.
            return std::future::pending().await;
        };
        let mut standing = store.standing();
        if !managed {
            // A board that became a manager since: who led then is who it talks to.
            let _ = standing.wait_for(|standing| standing.leader.is_some()).await;
        }
        let before = standing.borrow().leader.clone();
        let another = |leader: &Option<_>| leader.is_some() && *leader != before;
        if standing
            .wait_for(|standing| another(&standing.leader))
            .await
            .is_err()
        {
            // The store closes, and the session finds its own end.
            std::future::pending::<()>().await;
        }
    }
}

impl Links {
    /// Addresses of managers, the likeliest leader first: from our own store, from the last session, from the disk, and
    /// from the LAN (a cluster may have woken up on new leases).
    fn candidates(&self) -> Vec<SocketAddr> {
        let node = &self.0;
        let mut found = Vec::new();
        if let Some(store) = node.store() {
            let standing = store.standing().borrow().clone();
            let leader = standing
                .members
                .iter()
                .find(|member| Some(&member.node) == standing.leader.as_ref());
            found.extend(leader.and_then(|leader| leader.address.parse::<SocketAddr>().ok()));
        }
        found.extend(
            node.orders
                .borrow()
                .managers
                .iter()
                .filter_map(|manager| manager.address.parse::<SocketAddr>().ok()),
        );
        found.extend(node.kept.borrow().managers.iter().map(|(_, address)| *address));
        found.extend(crate::neighbours::managers(
            &node.sightings.borrow(),
            &node.kept.borrow().cluster,
        ));
        let mut seen = std::collections::BTreeSet::new();
        found.retain(|address| seen.insert(*address));
        if node.store().is_none() {
            // This board was a manager, and may be taken for one still; it can't help itself.
            let me = node.address();
            found.retain(|address| *address != me);
        }
        found
    }

    async fn dial(&self, address: SocketAddr) -> anyhow::Result<Channel> {
        let identity = self.0.identity.borrow().clone();
        let config =
            pki::tls::client_config(&identity, Expected::AnyManager, &self.0.trust(), &[wire::ALPN])?;
        Ok(wire::dial(address, config, &self.0.clock, DIAL).await?.channel)
    }
}
