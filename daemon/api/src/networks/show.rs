//! Networks in Docker's form.

use crate::Error;
use crate::backend::Backend;
use model::{Network, Node, Service, Task, TaskState};
use serde_json::{Map, Value, json};
use std::net::Ipv4Addr;

/// The driver of a network that every board has.
pub(super) fn driver_of(name: &str) -> &str {
    if name == "none" { "null" } else { name }
}

/// A network that every board has; its name is its id.
pub(super) fn predefined(name: &str) -> Value {
    json!({
        "Name": name,
        "Id": name,
        "Created": "0001-01-01T00:00:00Z",
        "Scope": "local",
        "Driver": driver_of(name),
        "EnableIPv4": true,
        "EnableIPv6": false,
        "IPAM": { "Driver": "default", "Options": null, "Config": [] },
        "Internal": false,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": {},
        "Options": {},
        "Labels": {},
    })
}

/// An overlay.
pub(super) fn overlay(network: &Network) -> Value {
    let spec = &network.spec;
    let configs: Vec<Value> = network
        .ipam_options
        .iter()
        .flat_map(|ipam| ipam.configs.iter().flatten())
        .map(|config| {
            let mut shown = Map::new();
            for (key, value) in [
                ("Subnet", &config.subnet),
                ("IPRange", &config.range),
                ("Gateway", &config.gateway),
            ] {
                if let Some(value) = value {
                    shown.insert(key.to_owned(), json!(value));
                }
            }
            Value::Object(shown)
        })
        .collect();
    let options = network
        .driver_state
        .as_ref()
        .and_then(|state| state.options.as_ref());
    let labels = Some(&spec.labels).filter(|labels| !labels.is_empty());
    json!({
        "Name": spec.name,
        "Id": network.id,
        "Created": network.meta.created_at,
        "Scope": "swarm",
        "Driver": "overlay",
        "EnableIPv4": true,
        "EnableIPv6": false,
        "IPAM": { "Driver": "default", "Options": null, "Config": configs },
        "Internal": spec.internal == Some(true),
        "Attachable": spec.attachable == Some(true),
        "Ingress": network.is_ingress(),
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": null,
        "Options": options,
        "Labels": labels,
    })
}

/// Who is in a network.
pub(super) struct World {
    nodes: Vec<Node>,
    services: Vec<Service>,
    tasks: Vec<Task>,
}

impl World {
    pub(super) async fn of(backend: &dyn Backend, network: &Network) -> Result<Self, Error> {
        let (mut nodes, mut services) = (backend.nodes().await?, backend.services().await?);
        nodes.retain(|node| node.places.contains_key(&network.id));
        services.retain(|service| {
            let mut given = service.endpoint.virtual_ips.iter().flatten();
            let mut named = service.spec.networks().iter();
            given.any(|given| given.network_id.as_ref() == Some(&network.id))
                || named.any(|wish| wish.target() == network.id.as_str())
        });
        let mut tasks = backend.tasks(None).await?;
        tasks.retain(|task| task.status.state >= TaskState::Assigned && address_of(task, network).is_some());
        Ok(Self {
            nodes,
            services,
            tasks,
        })
    }
}

/// A task's address in the network, with prefix length.
fn address_of<'a>(task: &'a Task, network: &Network) -> Option<&'a str> {
    let held = task.held().iter().find(|held| held.network.id == network.id)?;
    held.addresses.as_ref()?.first().map(String::as_str)
}

/// Adds who is in the network: containers (of all boards, where Docker shows those of the board that is asked) and
/// boards; services and their tasks if it is to be verbose.
pub(super) fn people(shown: &mut Value, network: &Network, world: &World, verbose: bool) {
    let containers: Map<String, Value> = world
        .tasks
        .iter()
        .filter_map(|task| {
            let container = task.status.container_status.as_ref()?.container_id.clone()?;
            let address = address_of(task, network)?;
            Some((
                container,
                json!({
                    "Name": task.name(),
                    "EndpointID": task.id,
                    "MacAddress": mac(address),
                    "IPv4Address": address,
                    "IPv6Address": "",
                }),
            ))
        })
        .collect();
    if !containers.is_empty() {
        shown["Containers"] = Value::Object(containers);
    }
    let peers: Vec<Value> = world
        .nodes
        .iter()
        .map(|node| {
            let name: String = node.id.as_str().chars().take(12).collect();
            json!({ "Name": name, "IP": node.status.addr.as_deref().unwrap_or_default() })
        })
        .collect();
    if !peers.is_empty() {
        shown["Peers"] = Value::Array(peers);
    }
    if verbose {
        let services = world.services.iter();
        let services: Map<String, Value> = services
            .map(|service| (service.spec.name.clone(), of_service(service, network, world)))
            .collect();
        shown["Services"] = Value::Object(services);
    }
}

fn of_service(service: &Service, network: &Network, world: &World) -> Value {
    let mut given = service.endpoint.virtual_ips.iter().flatten();
    let vip = given
        .find(|given| given.network_id.as_ref() == Some(&network.id))
        .and_then(|given| plain(given.addr.as_deref()?));
    let ports: Vec<String> = service
        .endpoint
        .ports
        .iter()
        .flatten()
        .filter(|_| network.is_ingress())
        .map(|port| {
            let published = port.published().unwrap_or_default();
            format!("Target: {}, Publish: {published}", port.target_port)
        })
        .collect();
    let tasks: Vec<Value> = world
        .tasks
        .iter()
        .filter(|task| task.service_id == service.id)
        .map(|task| {
            let mut node = world.nodes.iter();
            let host = node
                .find(|node| Some(&node.id) == task.node_id.as_ref())
                .and_then(|node| node.status.addr.as_deref());
            json!({
                "Name": task.name(),
                "EndpointID": task.id,
                "EndpointIP": address_of(task, network).and_then(plain).unwrap_or_default(),
                "Info": { "Host IP": host.unwrap_or_default() },
            })
        })
        .collect();
    json!({
        "VIP": vip.unwrap_or_default(),
        "Ports": ports,
        "LocalLBIndex": 0,
        "Tasks": tasks,
    })
}

fn plain(address: &str) -> Option<&str> {
    address.split_once('/').map(|(address, _)| address)
}

/// The hardware address that follows from an address: 02:42 and its four octets.
fn mac(address: &str) -> String {
    let address: Option<Ipv4Addr> = plain(address).and_then(|address| address.parse().ok());
    let [a, b, c, d] = address.unwrap_or(Ipv4Addr::UNSPECIFIED).octets();
    format!("02:42:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}
