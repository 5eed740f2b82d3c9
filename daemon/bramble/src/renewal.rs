//! A member's certificate: renewed in good time, for another role, and when it has lapsed.
//!
//! Sessions and connections that stand go on with the certificate that they began with; new ones show the new.

use crate::joining;
use crate::node::Node;
use crate::uplink::Links;
use anyhow::Context as _;
use pki::{Identity, Role};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use wire::proto;

/// Between two tries to renew a certificate (swarm.md 1.9).
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// How often the time is looked at: the clock may have been set meanwhile.
const LOOK: Duration = Duration::from_secs(600);

/// Renews the certificate at some point between 50 and 80 % of its life (swarm.md 1.9), over and over.
pub async fn in_time(node: &Arc<Node>, uplink: &Links) -> Infallible {
    let mut identities = node.identity.subscribe();
    loop {
        let identity = identities.borrow_and_update().clone();
        // Drawn once a certificate, so that a cluster does not renew all at once.
        let fraction = rand::random();
        let mut pause = FIRST_PAUSE;
        loop {
            let now = node.clock.now();
            let wait = if identity.is_due(now, fraction) {
                match renew(node, uplink).await {
                    Ok(_) => break,
                    Err(error) => {
                        tracing::warn!(error = format!("{error:#}"), "certificate not renewed yet");
                    }
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
                pause / 2
            } else {
                let left = identity.renew_at(now, fraction).duration_since(now);
                Duration::try_from(left).unwrap_or_default().min(LOOK)
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = identities.changed() => break,
            }
        }
    }
}

/// Trusts whom the managers say: when a new root takes over, the certificate is renewed, and later the old root dropped.
pub async fn follow_trust(node: &Arc<Node>, uplink: &Links) -> Infallible {
    let mut orders = node.orders.subscribe();
    let mut pause = FIRST_PAUSE;
    loop {
        let wanted = orders.borrow_and_update().trust.clone();
        let done = match wanted {
            Some(wanted) => obey(node, uplink, &wanted).await,
            None => Ok(()),
        };
        let again = match done {
            Ok(()) => {
                pause = FIRST_PAUSE;
                None
            }
            Err(error) => {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the new certificate authority is not followed yet"
                );
                pause = (pause * 2).min(LONGEST_PAUSE);
                Some(pause / 2)
            }
        };
        tokio::select! {
            changed = orders.changed() => if changed.is_err() { std::future::pending::<()>().await },
            () = tokio::time::sleep(again.unwrap_or_default()), if again.is_some() => {}
        }
    }
}

async fn obey(node: &Arc<Node>, uplink: &Links, wanted: &proto::Trust) -> anyhow::Result<()> {
    if node.tls_info.borrow().cert_issuer_public_key != wanted.issuer {
        renew(node, uplink).await?;
    }
    let identity = node.identity.borrow().clone();
    if identity.ca_pem() != wanted.root {
        node.become_known_as(identity.under(&wanted.root)?, true).await?;
        tracing::info!("the certificate authority is another now");
    }
    Ok(())
}

/// Asks the leader for a new certificate and takes it on.
///
/// # Errors
/// If the leader can't be reached or says no, or the disk can't be written.
pub async fn renew(node: &Arc<Node>, uplink: &Links) -> anyhow::Result<Role> {
    let identity = node.identity.borrow().clone();
    let renewed = match by_myself(node, &identity)? {
        Some(renewed) => renewed,
        None => joining::renew(uplink).await?,
    };
    let role = renewed.role();
    let until = renewed.not_after();
    node.become_known_as(renewed, true).await?;
    tracing::info!(role = role.as_str(), %until, "certificate renewed");
    Ok(role)
}

/// A manager whose certificate has lapsed signs its own with the root's key, which it holds: after a long time on the shelf
/// no other manager could, as none would let another in.
fn by_myself(node: &Node, identity: &Identity) -> anyhow::Result<Option<Identity>> {
    let Some(manager) = node.manager.borrow().clone() else {
        return Ok(None);
    };
    if !identity.lapsed(node.clock.now()) {
        return Ok(None);
    }
    manager
        .sign_own()
        .context("signing this manager's own certificate")
}
