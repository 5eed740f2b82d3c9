//! The board's voice on the LAN: announces where it stands, whenever that changes.

use crate::addresses;
use crate::node::Node;
use crate::standing::Standing;
use discovery::{Card, Discovery, Role, Sighting};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often this board looks whether its own addresses changed.
const LOOK: Duration = Duration::from_secs(10);

/// Announces this board until shutdown.
pub async fn announce(node: Arc<Node>, mut discovery: Discovery, shutdown: CancellationToken) {
    let (mut standing, mut kept, mut managers, mut problems) = (
        node.standing.subscribe(),
        node.kept.subscribe(),
        node.manager.subscribe(),
        node.problems.subscribe(),
    );
    loop {
        let addresses = addresses::own(node.config.advertise.as_ref());
        if !addresses.is_empty()
            && let Err(error) = discovery.announce(card(&node), addresses)
        {
            tracing::warn!(%error, "not announced");
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = standing.changed() => {}
            _ = kept.changed() => {}
            _ = managers.changed() => {}
            _ = problems.changed() => {}
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    discovery.close().await;
}

fn card(node: &Node) -> Card {
    let (standing, kept) = (node.standing.borrow().clone(), node.kept.borrow().clone());
    let role = match &standing {
        Standing::In if node.manager.borrow().is_some() => Role::Manager,
        // A locked one is seen as a member, so that no new board takes the cluster for not being there.
        Standing::In | Standing::Locked => Role::Worker,
        Standing::Pending => Role::New,
        Standing::Out => Role::Left,
    };
    let member = role.is_member();
    Card {
        board: node.board.key.clone(),
        hostname: node.config.hostname.clone(),
        cluster: if member {
            kept.cluster
        } else {
            node.config.cluster.clone().unwrap_or_default()
        },
        role,
        node: if standing == Standing::In {
            node.identity.borrow().node_id().to_owned()
        } else {
            String::new()
        },
        port: node.listen.port(),
        trouble: node.problems.borrow().first().cloned().unwrap_or_default(),
    }
}

/// Where a sighting can be reached.
pub fn reach(sighting: &Sighting) -> impl Iterator<Item = SocketAddr> + '_ {
    let usable = sighting.addresses.iter().filter(|address| match address {
        std::net::IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        std::net::IpAddr::V4(_) => true,
    });
    usable.map(|address| SocketAddr::new(*address, sighting.card.port))
}

/// Where a node was last seen.
pub fn address_of(sightings: &[Sighting], node: &str) -> Option<SocketAddr> {
    sightings
        .iter()
        .filter(|sighting| sighting.card.node == node)
        .find_map(|sighting| reach(sighting).next())
}

/// Where managers of a cluster were last seen.
pub fn managers(sightings: &[Sighting], cluster: &str) -> Vec<SocketAddr> {
    let ours = |sighting: &&Sighting| {
        !cluster.is_empty() && sighting.card.cluster == cluster && sighting.card.role == Role::Manager
    };
    sightings.iter().filter(ours).flat_map(reach).collect()
}
