//! Addresses in overlay networks: a virtual one for each service, one for each task, one for each board with tasks.
//!
//! An address belongs to whoever has it written down: a service in its endpoint, a task in its attachments until
//! nothing of it runs any more, a board in its places. What nobody has is free; nothing is counted anywhere, so nothing
//! can leak.

use super::pool::Pool;
use crate::Reason;
use crate::draft::Draft;
use crate::slots;
use model::{
    EndpointMode, Network, NetworkAttachment, NetworkAttachmentConfig, NetworkId, Node, NodeId, PortConfig,
    Service, ServiceId, Task, TaskState, VirtualIp,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

pub(crate) fn apply(draft: &mut Draft<'_>) {
    let boards = boards_to_change(draft);
    let services: Vec<_> = draft
        .services()
        .into_iter()
        .filter(|service| !has_addresses(draft, service))
        .collect();
    let mut tasks: Vec<_> = draft
        .tasks()
        .filter(|task| task.is_wanted() && task.status.state < TaskState::Assigned)
        .filter(|task| !is_ready(draft, task))
        .cloned()
        .collect();
    if boards.is_empty() && services.is_empty() && tasks.is_empty() {
        return;
    }
    tasks.sort_by(|a, b| (a.meta.created_at, a.slot, &a.id).cmp(&(b.meta.created_at, b.slot, &b.id)));
    let mut ledger = Ledger::of(draft, &boards);
    for (id, networks) in boards {
        for_board(draft, &mut ledger, &id, &networks);
    }
    for service in services {
        for_service(draft, &mut ledger, &service);
    }
    for task in tasks {
        for_task(draft, &mut ledger, &task);
    }
    ledger.close(draft);
}

/// True if a task has an address in each of its networks.
pub(crate) fn is_ready(draft: &Draft<'_>, task: &Task) -> bool {
    let given = task.networks_attachments.as_deref().unwrap_or_default();
    let wanted = wanted(
        draft,
        task.spec.networks.as_deref().unwrap_or_default(),
        &task.origin.ports,
    );
    wanted.len() == given.len()
        && wanted
            .iter()
            .zip(given)
            .all(|(wanted, given)| *wanted == given.network.id)
}

/// The overlays of who is in `networks` and publishes `ports`: the routing mesh's first.
fn wanted(draft: &Draft<'_>, networks: &[NetworkAttachmentConfig], ports: &[PortConfig]) -> Vec<NetworkId> {
    if networks.iter().any(|network| network.target() == "host") {
        return Vec::new();
    }
    let mesh = ports.iter().any(PortConfig::is_of_mesh);
    let ingress = mesh.then(|| draft.networks().find(|network| network.is_ingress()));
    // A mesh that is not there yet is a network without addresses.
    let ingress = ingress.map(|found| found.map(|network| network.id.clone()).unwrap_or_default());
    let named = networks.iter().filter(|network| !network.is_local());
    ingress
        .into_iter()
        .chain(named.map(|network| network.target().into()))
        .collect()
}

/// The networks in which a service is to have a virtual address.
fn virtual_in(draft: &Draft<'_>, service: &Service) -> Vec<NetworkId> {
    if service.spec.endpoint_mode() == EndpointMode::Dnsrr {
        return Vec::new();
    }
    let ports = service.endpoint.ports.as_deref().unwrap_or_default();
    wanted(draft, service.spec.networks(), ports)
}

fn has_addresses(draft: &Draft<'_>, service: &Service) -> bool {
    let given = service.endpoint.virtual_ips.as_deref().unwrap_or_default();
    let given = given.iter().filter_map(|given| given.network_id.as_ref());
    virtual_in(draft, service).iter().eq(given)
}

/// Boards that have an address too many or too few, with the networks that they are to be in.
fn boards_to_change(draft: &Draft<'_>) -> BTreeMap<NodeId, BTreeSet<NetworkId>> {
    let ingress = draft
        .networks()
        .find(|network| network.is_ingress() && network.subnet().is_some());
    let everywhere: BTreeSet<NetworkId> = ingress.into_iter().map(|network| network.id.clone()).collect();
    let mut boards: BTreeMap<&NodeId, BTreeSet<NetworkId>> =
        draft.nodes().map(|node| (&node.id, everywhere.clone())).collect();
    for task in draft
        .tasks()
        .filter(|task| task.status.state >= TaskState::Assigned)
    {
        if let Some(networks) = task.node_id.as_ref().and_then(|node| boards.get_mut(node)) {
            networks.extend(task.held().iter().map(|held| held.network.id.clone()));
        }
    }
    let differs = |node: &&Arc<Node>| {
        let networks = boards.get(&node.id).into_iter().flatten();
        !networks.eq(node.places.keys())
    };
    let changed: Vec<NodeId> = draft
        .nodes()
        .filter(differs)
        .map(|node| node.id.clone())
        .collect();
    changed
        .into_iter()
        .filter_map(|id| boards.remove(&id).map(|networks| (id, networks)))
        .collect()
}

/// Who has which address, network by network.
struct Ledger {
    networks: BTreeMap<NetworkId, Entry>,
}

struct Entry {
    network: Arc<Network>,
    pool: Pool,
    /// Boards without an address of their own …
    boards_without: usize,
    /// … and tasks that may yet bring one of them here: for each, an address is kept back.
    coming: usize,
}

impl Ledger {
    fn of(draft: &Draft<'_>, boards: &BTreeMap<NodeId, BTreeSet<NetworkId>>) -> Self {
        let mut ledger = Self {
            networks: BTreeMap::new(),
        };
        for network in draft.networks() {
            if let Some(pool) = Pool::of(network) {
                let entry = Entry {
                    network: network.clone(),
                    pool,
                    boards_without: draft.nodes().count(),
                    coming: 0,
                };
                ledger.networks.insert(network.id.clone(), entry);
            }
        }
        for service in draft.services() {
            let stays = virtual_in(draft, &service);
            for given in service.endpoint.virtual_ips.iter().flatten() {
                if let Some(network) = given.network_id.as_ref().filter(|id| stays.contains(id)) {
                    ledger.claim(network, address(given));
                }
            }
        }
        for task in draft.tasks() {
            for held in task.held() {
                ledger.claim(&held.network.id, held.address());
                if let Some(entry) = ledger
                    .networks
                    .get_mut(&held.network.id)
                    .filter(|_| task.status.state < TaskState::Assigned)
                {
                    entry.coming += 1;
                }
            }
        }
        for node in draft.nodes() {
            let stays = |network: &NetworkId| boards.get(&node.id).is_none_or(|stay| stay.contains(network));
            for (network, address) in node.places.iter().filter(|(network, _)| stays(network)) {
                ledger.claim(network, Some(*address));
                if let Some(entry) = ledger.networks.get_mut(network) {
                    entry.boards_without = entry.boards_without.saturating_sub(1);
                }
            }
        }
        ledger
    }

    fn claim(&mut self, network: &NetworkId, address: Option<Ipv4Addr>) {
        if let (Some(entry), Some(address)) = (self.networks.get_mut(network), address) {
            entry.pool.claim(address);
        }
    }

    /// True if there is an address to [`take`](Self::take).
    fn has(&self, network: &NetworkId, brings: usize) -> bool {
        self.networks.get(network).is_some_and(|entry| {
            let kept = entry.boards_without.min(entry.coming + brings);
            entry.pool.free() > kept
        })
    }

    /// An address for a service (`brings` 0) or a task, which may bring one more board into the network.
    fn take(&mut self, network: &NetworkId, brings: usize) -> Option<(Ipv4Addr, &Entry)> {
        if !self.has(network, brings) {
            return None;
        }
        let entry = self.networks.get_mut(network)?;
        let address = entry.pool.take()?;
        entry.coming += brings;
        Some((address, entry))
    }

    /// Notes where each network goes on.
    fn close(self, draft: &mut Draft<'_>) {
        for (id, entry) in self.networks {
            let next = entry.pool.next();
            if entry.network.next.unwrap_or(Ipv4Addr::UNSPECIFIED) != next {
                draft.edit_network(&id, |network| network.next = Some(next));
            }
        }
    }
}

fn address(given: &VirtualIp) -> Option<Ipv4Addr> {
    given.addr.as_ref()?.split_once('/')?.0.parse().ok()
}

fn for_board(draft: &mut Draft<'_>, ledger: &mut Ledger, id: &NodeId, networks: &BTreeSet<NetworkId>) {
    let Some(node) = draft.node(id) else { return };
    let mut places = node.places.clone();
    places.retain(|network, _| networks.contains(network));
    for network in networks {
        if places.contains_key(network) {
            continue;
        }
        let Some(entry) = ledger.networks.get_mut(network) else {
            continue;
        };
        if let Some(address) = entry.pool.take() {
            entry.boards_without = entry.boards_without.saturating_sub(1);
            places.insert(network.clone(), address);
        }
    }
    draft.set_places(id, places);
}

fn for_service(draft: &mut Draft<'_>, ledger: &mut Ledger, service: &Service) {
    let had: BTreeMap<_, _> = service
        .endpoint
        .virtual_ips
        .iter()
        .flatten()
        .filter_map(|given| Some((given.network_id.clone()?, given.clone())))
        .collect();
    let mut given = Vec::new();
    for network in virtual_in(draft, service) {
        let kept = had.get(&network).cloned();
        let taken = || {
            let (address, entry) = ledger.take(&network, 0)?;
            Some(VirtualIp {
                network_id: Some(network.clone()),
                addr: Some(entry.pool.subnet().with_prefix(address)),
            })
        };
        given.extend(kept.or_else(taken));
    }
    draft.edit_service(&service.id, |service| {
        service.endpoint.virtual_ips = Some(given).filter(|given| !given.is_empty());
    });
}

/// Gives a task all its addresses or none; without, it waits and says for what.
fn for_task(draft: &mut Draft<'_>, ledger: &mut Ledger, task: &Task) {
    let networks = wanted(
        draft,
        task.spec.networks.as_deref().unwrap_or_default(),
        &task.origin.ports,
    );
    if let Some(lacking) = lacks(draft, ledger, &task.service_id, &networks) {
        return wait(draft, task, &lacking);
    }
    let mut given = Vec::new();
    for network in &networks {
        let Some((address, entry)) = ledger.take(network, 1) else {
            return;
        };
        given.push(NetworkAttachment {
            network: Network {
                next: None,
                ..(*entry.network).clone()
            },
            addresses: Some(vec![entry.pool.subnet().with_prefix(address)]),
        });
    }
    draft.edit_task(&task.id, |task| {
        task.networks_attachments = Some(given).filter(|given| !given.is_empty());
        task.status.err = None;
    });
}

/// A network that a task can't be in yet: it has no subnet or no address left, or the task's service has no virtual
/// address in it.
fn lacks(
    draft: &Draft<'_>,
    ledger: &Ledger,
    service: &ServiceId,
    networks: &[NetworkId],
) -> Option<NetworkId> {
    let without = networks.iter().find(|network| !ledger.has(network, 1));
    let of_service = draft.service(service).and_then(|service| {
        let given = service.endpoint.virtual_ips.as_deref().unwrap_or_default();
        let has = |network: &NetworkId| {
            given
                .iter()
                .any(|given| given.network_id.as_ref() == Some(network))
        };
        virtual_in(draft, service)
            .into_iter()
            .find(|network| !has(network))
    });
    without.cloned().or(of_service)
}

fn wait(draft: &mut Draft<'_>, task: &Task, lacking: &NetworkId) {
    let err = match draft.network(lacking) {
        None => format!("no network {lacking}"),
        Some(network) if network.subnet().is_none() => {
            format!(
                "no subnet for network {}: the cluster's address pools are used up, or another network has it",
                network.spec.name
            )
        }
        Some(network) => format!(
            "no available IPv4 addresses on this network's address pools: {} ({})",
            network.spec.name, network.id
        ),
    };
    if task.status.err.as_deref() == Some(err.as_str()) {
        return;
    }
    let now = draft.now;
    draft.edit_task(&task.id, |task| {
        task.status.err = Some(err.clone());
        task.status.timestamp = now;
    });
    let task = slots::name(draft, task);
    draft.say(Reason::Unplaced { task, err });
}
