//! Networks: made and removed as users ask. What they are given (subnets, VXLAN numbers, addresses) the plan decides.

use super::{Refusal, validate};
use model::{
    Driver, ENCRYPTED_OPTION, IpamConfig, IpamOptions, MTU_OPTION, Meta, Network, NetworkAttachmentConfig,
    NetworkId, NetworkSpec, PREDEFINED, PortConfig, PortProtocol, PublishMode, ServiceId, ServiceSpec,
    Subnet, TaskState, Timestamp,
};
use plan::Taken;
use rand::Rng;
use state::{Transaction, View};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// Prefix lengths of subnets that can hold tasks and that boards can route.
const PREFIXES: std::ops::RangeInclusive<u8> = 8..=29;
/// Largest packets: below the first IPv4 does not work, above the second Ethernet's jumbo frames end.
const MTUS: std::ops::RangeInclusive<u16> = 576..=9_000;
/// So many boards are named in a refusal.
const BOARDS_NAMED: usize = 10;
/// What a DNS name holds.
const ALIAS_LENGTH: usize = 253;

/// A new network.
///
/// # Errors
/// [`Refusal`] if the spec can't be right, its name or its subnet is taken, or the cluster's pools are used up.
pub fn create(
    view: &View,
    spec: NetworkSpec,
    now: Timestamp,
    rng: &mut impl Rng,
) -> Result<(Transaction, NetworkId), Refusal> {
    validate::name(&spec.name)?;
    if view.networks().any(|other| other.spec.name == spec.name) || PREDEFINED.contains(&spec.name.as_str()) {
        return Err(Refusal::Exists(format!("network {} already exists", spec.name)));
    }
    if spec.ingress == Some(true) {
        let ingress = view.networks().find(|network| network.is_ingress());
        let id = ingress.map(|network| network.id.to_string()).unwrap_or_default();
        return Err(Refusal::Exists(format!(
            "ingress network ({id}) is already present"
        )));
    }
    driver(spec.driver_configuration.as_ref())?;
    let network = Network {
        id: NetworkId::generate(rng),
        meta: Meta::new(now),
        spec,
        ..Network::default()
    };
    if network.is_encrypted() {
        encryption(view, &network.spec.name)?;
    }
    let spec = &network.spec;
    if spec.ipv6_enabled == Some(true) {
        return Err(Refusal::Unimplemented(
            "overlay networks carry IPv4 only here: leave --ipv6 out".to_owned(),
        ));
    }
    let taken = taken(view);
    match addresses(spec.ipam_options.as_ref())? {
        Some(subnet) if taken.overlaps(subnet) => {
            return Err(Refusal::invalid(format!(
                "invalid pool request: Pool overlaps with other one on this address space: {subnet}"
            )));
        }
        None if taken
            .free_subnet(view.cluster().map(|cluster| &**cluster))
            .is_none() =>
        {
            return Err(Refusal::precondition(
                "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the \
                 network: give one with --subnet, or remove networks",
            ));
        }
        _ => {}
    }
    let id = network.id.clone();
    let mut transaction = Transaction::new();
    transaction.create(network);
    Ok((transaction, id))
}

/// A network goes, if no service is in it.
///
/// # Errors
/// [`Refusal`]
pub fn remove(view: &View, id: &NetworkId) -> Result<Transaction, Refusal> {
    let network = view
        .network(id)
        .ok_or_else(|| Refusal::NotFound(format!("network {id}")))?;
    if network.is_ingress() {
        return Err(Refusal::precondition(
            "the ingress network can't be removed: boards publish ports by it",
        ));
    }
    if let Some(user) = user(view, id) {
        return Err(Refusal::precondition(format!("network {id} is in use by {user}")));
    }
    let mut transaction = Transaction::new();
    transaction.remove((**network).clone());
    Ok(transaction)
}

/// What is in a network, in Swarm's words. Tasks that end anyway keep nothing.
fn user(view: &View, id: &NetworkId) -> Option<String> {
    let names =
        |networks: &[NetworkAttachmentConfig]| networks.iter().any(|network| network.target() == id.as_str());
    let service = view.services().find(|service| names(service.spec.networks()));
    let task = || {
        view.tasks()
            .filter(|task| task.desired_state <= TaskState::Running)
            // Of a service that is gone all tasks end: `docker stack rm` takes the network in the same moment.
            .filter(|task| view.service(&task.service_id).is_some())
            .find(|task| task.held().iter().any(|held| held.network.id == *id))
    };
    service
        .map(|service| format!("service {}", service.id))
        .or_else(|| task().map(|task| format!("task {}", task.id)))
}

/// Pools that networks are to get their subnets from, at a cluster's founding.
///
/// # Errors
/// [`Refusal::Invalid`]
pub fn pools(pools: &[String], size: u32) -> Result<(), Refusal> {
    let mut all: Vec<Subnet> = Vec::new();
    for text in pools {
        let pool = subnet(text)?;
        if all.iter().any(|other| other.overlaps(pool)) {
            return Err(Refusal::invalid(format!(
                "default address pool {text} overlaps another one"
            )));
        }
        if size != 0 && size < pool.prefix().into() {
            return Err(Refusal::invalid(format!(
                "invalid subnet size {size}: the default address pool {text} is smaller"
            )));
        }
        all.push(pool);
    }
    if size != 0 && !u8::try_from(size).is_ok_and(|size| PREFIXES.contains(&size)) {
        return Err(Refusal::invalid(format!(
            "invalid subnet size {size}: 8 to 29 bits are possible"
        )));
    }
    Ok(())
}

fn driver(driver: Option<&Driver>) -> Result<(), Refusal> {
    let name = driver
        .and_then(|driver| driver.name.as_deref())
        .unwrap_or_default();
    if !matches!(name, "overlay" | "") {
        return Err(Refusal::Unimplemented(format!(
            "networks of the driver {name} can't be made here: use --driver overlay"
        )));
    }
    let options = driver.and_then(|driver| driver.options.as_ref());
    for (key, value) in options.into_iter().flatten() {
        match key.as_str() {
            MTU_OPTION if value.parse().is_ok_and(|mtu: u16| MTUS.contains(&mtu)) => {}
            MTU_OPTION => {
                return Err(Refusal::invalid(format!(
                    "invalid {MTU_OPTION} {value}: 576 to 9000 bytes are possible"
                )));
            }
            ENCRYPTED_OPTION if matches!(value.as_str(), "" | "true" | "1" | "false" | "0") => {}
            ENCRYPTED_OPTION => {
                return Err(Refusal::invalid(format!(
                    "invalid {ENCRYPTED_OPTION} {value}: true or false"
                )));
            }
            _ => {
                return Err(Refusal::Unimplemented(format!(
                    "the overlay driver has no option {key} here"
                )));
            }
        }
    }
    Ok(())
}

/// An encrypted network needs a board that can be in it; those that can't will get no task that is.
fn encryption(view: &View, name: &str) -> Result<(), Refusal> {
    if view.nodes().any(|node| node.description.wireguard.is_some()) {
        return Ok(());
    }
    let mut boards: Vec<&str> = view
        .nodes()
        .map(|node| node.description.hostname.as_str())
        .collect();
    boards.sort_unstable();
    let more = boards.len().saturating_sub(BOARDS_NAMED);
    boards.truncate(BOARDS_NAMED);
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    Err(Refusal::precondition(format!(
        "network {name} can't be encrypted: the kernels of all boards ({}{more}) are without WireGuard. Nothing is carried \
         in the clear instead: load the kernel module wireguard on boards, or leave --opt encrypted out",
        boards.join(", ")
    )))
}

/// The subnet that is asked for, if one is.
fn addresses(ipam: Option<&IpamOptions>) -> Result<Option<Subnet>, Refusal> {
    let Some(ipam) = ipam else { return Ok(None) };
    let name = ipam.driver.as_ref().and_then(|driver| driver.name.as_deref());
    if let Some(name) = name.filter(|name| !matches!(*name, "default" | "")) {
        return Err(Refusal::Unimplemented(format!(
            "there is no IPAM driver {name} here: only the default one"
        )));
    }
    let config = match ipam.configs.as_deref().unwrap_or_default() {
        [] => return Ok(None),
        [config] => config,
        _ => {
            return Err(Refusal::Unimplemented(
                "an overlay network has one subnet here: give a larger one".to_owned(),
            ));
        }
    };
    let IpamConfig {
        subnet: whole,
        range,
        gateway,
    } = config;
    let Some(whole) = whole.as_ref().filter(|text| !text.is_empty()) else {
        let given = range.as_deref().or(gateway.as_deref()).unwrap_or_default();
        if given.is_empty() {
            return Ok(None);
        }
        return Err(Refusal::invalid(format!(
            "{given} is in no subnet: give it with --subnet"
        )));
    };
    let whole = subnet(whole)?;
    if let Some(range) = range.as_ref().filter(|range| !range.is_empty())
        && !whole.holds(range.parse().map_err(invalid)?)
    {
        return Err(Refusal::invalid(format!(
            "IP range {range} is not in subnet {whole}"
        )));
    }
    if let Some(gateway) = gateway.as_ref().filter(|gateway| !gateway.is_empty()) {
        let address: Option<Ipv4Addr> = gateway.parse().ok();
        let inner = |address: &Ipv4Addr| {
            whole.contains(*address) && *address != whole.first() && *address != whole.last()
        };
        if !address.as_ref().is_some_and(inner) {
            return Err(Refusal::invalid(format!(
                "gateway {gateway} is no address in subnet {whole}"
            )));
        }
    }
    Ok(Some(whole))
}

fn subnet(text: &str) -> Result<Subnet, Refusal> {
    let subnet: Subnet = text.parse().map_err(invalid)?;
    if !PREFIXES.contains(&subnet.prefix()) {
        return Err(Refusal::invalid(format!(
            "invalid subnet {text}: prefixes of 8 to 29 bits are possible"
        )));
    }
    let first = subnet.first();
    if first.is_loopback() || first.is_multicast() || first.is_link_local() || first.octets()[0] == 0 {
        return Err(Refusal::invalid(format!(
            "invalid subnet {text}: not for networks of one's own"
        )));
    }
    Ok(subnet)
}

fn invalid(error: model::SubnetError) -> Refusal {
    Refusal::invalid(error.to_string())
}

/// What networks have or have asked for, and what boards have themselves.
fn taken(view: &View) -> Taken {
    let mut taken = Taken::by_boards(view.nodes().map(|node| &**node));
    let held = view.tasks().flat_map(|task| task.held());
    let networks = view
        .networks()
        .map(|network| &**network)
        .chain(held.map(|held| &held.network));
    for network in networks {
        let asked = || network.asked()?.subnet.as_ref()?.parse().ok();
        if let Some(subnet) = network.subnet().or_else(asked) {
            taken.add(subnet);
        }
    }
    taken
}

/// Puts ids in the place of the networks' names in a service's spec, as Docker's engine does, and checks that its
/// tasks can be in them.
///
/// # Errors
/// [`Refusal`], in Docker's words where it has some.
pub fn resolve(view: &View, spec: &mut ServiceSpec) -> Result<(), Refusal> {
    let publishes = spec
        .endpoint_spec
        .iter()
        .flat_map(|endpoint| endpoint.ports.iter().flatten())
        .any(PortConfig::is_of_mesh);
    for networks in [&mut spec.task_template.networks, &mut spec.networks] {
        let networks = networks.as_deref_mut().unwrap_or_default();
        let mut seen = BTreeSet::new();
        for network in networks.iter_mut() {
            attachment(view, network)?;
            if !seen.insert(network.target().to_owned()) {
                return Err(Refusal::invalid(format!(
                    "network {} is named twice",
                    network.target()
                )));
            }
        }
        if seen.contains("host") && seen.len() > 1 {
            return Err(Refusal::invalid(
                "a task on the network host can't be in other networks",
            ));
        }
        if seen.contains("host") && publishes {
            return Err(Refusal::invalid(
                "EndpointSpec: a service on the network host can't publish ports with ingress mode: use mode=host",
            ));
        }
    }
    Ok(())
}

fn attachment(view: &View, wish: &mut NetworkAttachmentConfig) -> Result<(), Refusal> {
    if wish
        .driver_opts
        .as_ref()
        .is_some_and(|options| !options.is_empty())
    {
        return Err(Refusal::Unimplemented(format!(
            "network {}: driver options of a service's attachment can't be used here",
            wish.target()
        )));
    }
    for alias in wish.aliases.iter().flatten() {
        let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if alias.is_empty() || alias.len() > ALIAS_LENGTH || !alias.chars().all(fits) {
            return Err(Refusal::invalid(format!(
                "network alias {alias:?} must be valid as a DNS name"
            )));
        }
    }
    match wish.target() {
        "" => return Err(Refusal::invalid("TaskSpec: a network without a name")),
        "bridge" | "host" => return Ok(()),
        "none" => {
            return Err(Refusal::invalid(
                "network none cannot be used with services. Only networks scoped to the swarm can be used, such as \
                 those created with the overlay driver.",
            ));
        }
        _ => {}
    }
    let network =
        find(view, wish.target()).ok_or_else(|| Refusal::NotFound(format!("network {}", wish.target())))?;
    if network.is_ingress() {
        return Err(Refusal::invalid(format!(
            "Service cannot be explicitly attached to the ingress network {:?}",
            network.spec.name
        )));
    }
    wish.target = Some(network.id.to_string());
    Ok(())
}

/// By id, by name, or by what only one id begins with.
fn find<'a>(view: &'a View, wanted: &str) -> Option<&'a Network> {
    let by_id = view.network(&wanted.into());
    let by_name = || view.networks().find(|network| network.spec.name == wanted);
    let by_beginning = || {
        let mut fitting = view
            .networks()
            .filter(|network| network.id.as_str().starts_with(wanted));
        fitting.next().filter(|_| fitting.next().is_none())
    };
    by_id
        .or_else(by_name)
        .or_else(by_beginning)
        .map(|network| &**network)
}

/// Ports that boards talk to each other by.
fn of_cluster(view: &View) -> impl Iterator<Item = ((PortProtocol, u16), &'static str)> {
    let listening = view.nodes().filter_map(|node| node.membership.address);
    let members = listening.map(|address| (PortProtocol::Tcp, address.port()));
    let members = members.map(|port| (port, "its members talk to each other there"));
    let networks = [exec::TUNNEL_PORT, exec::WIREGUARD_PORT].map(|port| (PortProtocol::Udp, port));
    members.chain(networks.map(|port| (port, "its overlay networks use it")))
}

/// No two services may publish one port: Swarm's rules and words.
///
/// # Errors
/// [`Refusal::Invalid`]
pub fn ports(view: &View, own: Option<&ServiceId>, spec: &ServiceSpec) -> Result<(), Refusal> {
    let key = |port: &PortConfig| Some((port.protocol.unwrap_or_default(), port.published()?));
    let asked = spec
        .endpoint_spec
        .iter()
        .flat_map(|endpoint| endpoint.ports.iter().flatten());
    let (mut mesh, mut host) = (BTreeSet::new(), BTreeSet::new());
    for port in asked {
        let kind = if port.is_of_mesh() { &mut mesh } else { &mut host };
        kind.extend(key(port));
    }
    if mesh.is_empty() && host.is_empty() {
        return Ok(());
    }
    if let Some((number, what)) =
        of_cluster(view).find(|(number, _)| mesh.contains(number) || host.contains(number))
    {
        return Err(Refusal::invalid(format!(
            "port '{}' is already in use by the swarm itself: {what}",
            number.1
        )));
    }
    for service in view.services().filter(|service| Some(&service.id) != own) {
        let in_spec = service
            .spec
            .endpoint_spec
            .iter()
            .flat_map(|endpoint| endpoint.ports.iter().flatten());
        for port in in_spec.chain(service.endpoint.ports.iter().flatten()) {
            let Some(number) = key(port) else { continue };
            let (clashes, what) = match port.publish_mode.unwrap_or_default() {
                // Several services may publish one port on their own boards.
                PublishMode::Host => (mesh.contains(&number), "a host-published port"),
                PublishMode::Ingress => (
                    mesh.contains(&number) || host.contains(&number),
                    "an ingress port",
                ),
            };
            if clashes {
                return Err(Refusal::invalid(format!(
                    "port '{}' is already in use by service '{}' ({}) as {what}",
                    number.1, service.spec.name, service.id
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "networks_tests.rs"]
mod tests;
