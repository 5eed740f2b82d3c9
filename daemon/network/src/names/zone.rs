//! What a task's names stand for: a pure function of the board's fabric and of the task's own places in it.
//!
//! A task knows the names of the networks that it is in, in the order of its places, and no others: the first network that has a
//! name decides, as in Docker. In a network answer, in this order, services by name and alias, `tasks.` before such a name, and
//! single tasks by theirs. `web.front` is `web` in the network `front` alone. The routing mesh's network has no names:
//! two services that publish ports are not thereby in each other's reach.

use std::net::{IpAddr, Ipv4Addr};

use exec::{Endpoint, Fabric, Overlay, Place, Virtual};
use serde::{Deserialize, Serialize};

/// What stands before the name of a service whose tasks are asked for one by one.
const TASKS: &str = "tasks.";

/// What is a task's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// What it is called inside.
    pub hostname: String,
    /// Its address on the board's bridge.
    pub address: Ipv4Addr,
    /// Its places in overlay networks, in the order of its interfaces.
    pub places: Vec<Place>,
    /// Who is asked for names of the world, in this order; the board's own resolvers if there are none.
    pub resolvers: Vec<IpAddr>,
}

/// All names that a task knows.
#[derive(Clone, Copy)]
pub struct Zone<'a> {
    /// The board's networks.
    pub fabric: &'a Fabric,
    /// The task.
    pub own: &'a Own,
}

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// These addresses; none if the name is known and nobody is there.
    Addresses(Vec<Ipv4Addr>),
    /// This name, for an address.
    Name(String),
    /// Nothing, and nobody else need be asked.
    Nothing,
    /// Something of the world, perhaps: somebody else is to be asked.
    Foreign,
}

impl<'a> Zone<'a> {
    /// Whether the fabric has all of the task's networks. It may come a moment later than the task.
    pub fn is_whole(&self) -> bool {
        let there = |place: &Place| self.fabric.networks.iter().any(|one| one.id == place.network);
        self.own.places.iter().all(there)
    }

    /// The task's networks that have names, with its own address in each.
    fn networks(&self) -> impl Iterator<Item = (&'a Overlay, Ipv4Addr)> {
        let (fabric, own) = (self.fabric, self.own);
        own.places.iter().filter_map(|place| {
            let known = |network: &&Overlay| network.id == place.network && !network.ingress;
            Some((fabric.networks.iter().find(known)?, place.address))
        })
    }

    /// What a name stands for, without the dot at its end; capitals are small letters.
    pub fn forward(&self, name: &str) -> Found {
        let found = self
            .networks()
            .find_map(|(network, _)| in_network(network, name))
            .or_else(|| self.with_network(name))
            .or_else(|| same(name, &self.own.hostname).then(|| vec![self.own_address()]));
        found.map_or(Found::Foreign, Found::Addresses)
    }

    fn with_network(&self, name: &str) -> Option<Vec<Ipv4Addr>> {
        self.networks().find_map(|(network, _)| {
            // By length, for a network's name may have dots too.
            let at = name.len().checked_sub(network.name.len() + 1)?;
            let (bare, suffix) = name.split_at_checked(at)?;
            let whole = same(suffix.strip_prefix('.')?, &network.name);
            whole.then(|| in_network(network, bare)).flatten()
        })
    }

    /// The address that a task calls its own: that in its first network, else that on the board's bridge.
    fn own_address(&self) -> Ipv4Addr {
        self.networks()
            .next()
            .map_or(self.own.address, |(_, address)| address)
    }

    /// Who has an address. Addresses of the task's networks are nobody else's business.
    pub fn reverse(&self, address: Ipv4Addr) -> Found {
        for (network, _) in self.networks() {
            let task = network.endpoints.iter().find(|one| one.address == address);
            let service = || network.services.iter().find(|one| one.address == Some(address));
            if let Some(name) = task
                .map(|one| &one.name)
                .or_else(|| service().map(|one| &one.name))
            {
                return Found::Name(format!("{name}.{}", network.name));
            }
        }
        if address == self.own.address {
            return Found::Name(self.own.hostname.clone());
        }
        if self.networks().any(|(network, _)| contains(network, address)) {
            return Found::Nothing;
        }
        Found::Foreign
    }
}

/// What a name stands for in one network; none if it has no such name.
fn in_network(network: &Overlay, name: &str) -> Option<Vec<Ipv4Addr>> {
    let services = named(network, name);
    if !services.is_empty() {
        return Some(unique(services.iter().flat_map(
            |service| match service.address {
                Some(address) => vec![address],
                None => tasks_of(network, service),
            },
        )));
    }
    let bare = name
        .split_at_checked(TASKS.len())
        .filter(|(start, _)| same(start, TASKS))
        .map_or("", |(_, bare)| bare);
    let services = named(network, bare);
    if !services.is_empty() {
        return Some(unique(
            services.iter().flat_map(|service| tasks_of(network, service)),
        ));
    }
    // A task asked for by name is the caller's own choice, whether or not new connections are sent to it.
    let task = |one: &&Endpoint| same(&one.name, name);
    network
        .endpoints
        .iter()
        .find(task)
        .map(|endpoint| vec![endpoint.address])
}

/// The services that answer to a name. Several may share an alias.
fn named<'a>(network: &'a Overlay, name: &str) -> Vec<&'a Virtual> {
    let answers = |service: &&Virtual| {
        same(&service.name, name) || service.aliases.iter().any(|alias| same(alias, name))
    };
    network.services.iter().filter(answers).collect()
}

/// The addresses of a service's tasks that take connections.
fn tasks_of(network: &Overlay, service: &Virtual) -> Vec<Ipv4Addr> {
    let takes = |one: &&Endpoint| one.service == service.service && one.takes;
    network
        .endpoints
        .iter()
        .filter(takes)
        .map(|endpoint| endpoint.address)
        .collect()
}

fn unique(addresses: impl Iterator<Item = Ipv4Addr>) -> Vec<Ipv4Addr> {
    let mut all: Vec<Ipv4Addr> = addresses.collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

fn contains(network: &Overlay, address: Ipv4Addr) -> bool {
    let mask = u32::MAX
        .checked_shl(32 - u32::from(network.prefix.min(32)))
        .unwrap_or(0);
    u32::from(network.subnet) & mask == u32::from(address) & mask
}
