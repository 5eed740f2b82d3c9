//! The cluster's networks as one node has to know them: a pure function of the store and of what nodes said since.

use exec::{Endpoint, Fabric, MeshPort, Overlay, Peer, Virtual};
use model::{
    EndpointMode, MTU_OPTION, Network, NetworkId, Node, NodeId, PortConfig, Service, Task, TaskState,
};
use plan::Reports;
use state::View;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

/// The fabric of a node: the networks that the plan gave it a place in, with all that is in them, and the mesh's ports.
/// Its number is 0.
pub(super) fn fabric(view: &View, reports: &Reports, me: &NodeId) -> Fabric {
    let own = view.node(me);
    let places = own.map(|node| node.places.clone()).unwrap_or_default();
    let mut networks: BTreeMap<NetworkId, Overlay> = places
        .iter()
        .filter_map(|(id, board)| Some((id.clone(), overlay(definition(view, me, id)?, *board)?)))
        .collect();
    for node in view.nodes().filter(|node| node.id != *me) {
        let Some(underlay) = underlay(node, reports) else {
            continue;
        };
        for (id, address) in &node.places {
            // Without a key there is no way to it but in the clear.
            let reaches = |network: &Overlay| !network.encrypted || node.description.wireguard.is_some();
            if let Some(network) = networks.get_mut(id).filter(|network| reaches(network)) {
                network.peers.push(Peer {
                    node: node.id.clone(),
                    address: *address,
                    underlay,
                    key: node.description.wireguard,
                });
            }
        }
    }
    for task in view
        .tasks()
        .filter(|task| task.status.state >= TaskState::Assigned)
    {
        endpoints(task, reports, me, &mut networks);
    }
    let mut ports = Vec::new();
    let ingress = networks.values().find(|network| network.ingress);
    let ingress = ingress.map(|network| network.id.clone());
    for service in view.services() {
        ports.extend(mesh_ports(service));
        let wishes = service.spec.networks().iter();
        let wished: BTreeSet<NetworkId> = wishes.map(|wish| wish.target().into()).collect();
        for id in ingress
            .iter()
            .chain(wished.iter().filter(|id| Some(*id) != ingress.as_ref()))
        {
            if let Some(network) = networks.get_mut(id) {
                network.services.extend(in_network(service, network));
            }
        }
    }
    Fabric {
        number: 0,
        key: own.and_then(|node| node.description.wireguard),
        networks: networks.into_values().collect(),
        ports,
    }
}

/// The network itself; one that was removed while tasks still end in it is remembered by them.
fn definition<'a>(view: &'a View, me: &NodeId, id: &NetworkId) -> Option<&'a Network> {
    let kept = || {
        view.tasks_of_node(me)
            .flat_map(|task| task.held())
            .map(|held| &held.network)
            .find(|network| network.id == *id)
    };
    view.network(id).map(|network| &**network).or_else(kept)
}

fn overlay(network: &Network, board: Ipv4Addr) -> Option<Overlay> {
    let subnet = network.subnet()?;
    Some(Overlay {
        id: network.id.clone(),
        name: network.spec.name.clone(),
        vni: network.vni()?,
        subnet: subnet.first(),
        prefix: subnet.prefix(),
        board,
        internal: network.spec.internal == Some(true),
        ingress: network.is_ingress(),
        encrypted: network.is_encrypted(),
        mtu: network.option(MTU_OPTION).and_then(|mtu| mtu.parse().ok()),
        peers: Vec::new(),
        endpoints: Vec::new(),
        services: Vec::new(),
    })
}

/// Where a node is reached on the LAN.
fn underlay(node: &Node, reports: &Reports) -> Option<Ipv4Addr> {
    let seen = reports
        .nodes
        .get(&node.id)
        .and_then(|report| report.addr.as_deref());
    let known = seen.or(node.status.addr.as_deref());
    match known.and_then(|addr| addr.parse().ok()) {
        Some(IpAddr::V4(address)) => Some(address),
        _ => None,
    }
}

/// A task in its networks, until nothing of it runs any more or its board can't be reached: then connections to it are
/// reset, not left to hang.
fn endpoints(task: &Task, reports: &Reports, me: &NodeId, networks: &mut BTreeMap<NetworkId, Overlay>) {
    let told = reports.tasks.get(&task.id).map(|status| status.state);
    let state = told.unwrap_or_default().max(task.status.state);
    let Some(node) = task.node_id.as_ref().filter(|_| !state.is_final()) else {
        return;
    };
    let lost = reports.nodes.get(node).is_some_and(|report| report.unreachable);
    if lost && node != me {
        return;
    }
    for held in task.held() {
        let (Some(network), Some(address)) = (networks.get_mut(&held.network.id), held.address()) else {
            continue;
        };
        network.endpoints.push(Endpoint {
            task: task.id.clone(),
            name: task.name(),
            service: task.service_id.clone(),
            node: node.clone(),
            address,
            takes: state == TaskState::Running && task.desired_state <= TaskState::Complete,
        });
    }
}

fn mesh_ports(service: &Service) -> impl Iterator<Item = MeshPort> {
    let ports = service.endpoint.ports.iter().flatten();
    ports
        .filter(|port| port.is_of_mesh())
        .filter_map(|port: &PortConfig| {
            Some(MeshPort {
                protocol: port.protocol.unwrap_or_default(),
                published: port.published()?,
                target: port.target_port,
                service: service.id.clone(),
            })
        })
}

/// The service in a network, if it is in it.
fn in_network(service: &Service, network: &Overlay) -> Option<Virtual> {
    let networks = service.spec.networks();
    let wish = networks.iter().find(|wish| wish.target() == network.id.as_str());
    let publishes = network.ingress && mesh_ports(service).next().is_some();
    if wish.is_none() && !publishes {
        return None;
    }
    let mut given = service.endpoint.virtual_ips.iter().flatten();
    let given = given.find(|given| given.network_id.as_ref() == Some(&network.id));
    let address = given
        .and_then(|given| given.addr.as_ref()?.split_once('/')?.0.parse().ok())
        .filter(|_| service.spec.endpoint_mode() == EndpointMode::Vip);
    Some(Virtual {
        service: service.id.clone(),
        name: service.spec.name.clone(),
        aliases: wish.and_then(|wish| wish.aliases.clone()).unwrap_or_default(),
        address,
    })
}

#[cfg(test)]
#[path = "weave_tests.rs"]
mod tests;
