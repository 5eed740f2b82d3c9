//! What differs between two fabrics: of fifty networks with twenty services each, a task that comes up changes one endpoint, and
//! that is all that a board has to be told.
//!
//! The law: a change from one fabric to another, applied to the one, gives the other.

use crate::{Endpoint, Fabric, MeshPort, Overlay, Peer, Virtual};
use model::{NetworkId, NodeId, ServiceId, TaskId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// From one fabric to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The new one, but for its networks and ports.
    fabric: Fabric,
    /// Its ports, if they differ.
    ports: Option<Vec<MeshPort>>,
    /// Networks that are no more in it.
    gone: Vec<NetworkId>,
    /// Networks that differ.
    networks: Vec<Differing>,
}

/// A network that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Differing {
    /// The network, and of its lists what is new or another than before.
    overlay: Overlay,
    peers_gone: Vec<NodeId>,
    endpoints_gone: Vec<TaskId>,
    services_gone: Vec<ServiceId>,
}

/// One entry of a list, known by a key.
trait Entry: Clone + PartialEq {
    type Key: Clone + Ord;
    fn key(&self) -> &Self::Key;
}

impl Entry for Peer {
    type Key = NodeId;
    fn key(&self) -> &NodeId {
        &self.node
    }
}

impl Entry for Endpoint {
    type Key = TaskId;
    fn key(&self) -> &TaskId {
        &self.task
    }
}

impl Entry for Virtual {
    type Key = ServiceId;
    fn key(&self) -> &ServiceId {
        &self.service
    }
}

impl Change {
    /// The change from `before` to `after`.
    pub fn between(before: &Fabric, after: &Fabric) -> Self {
        let old: BTreeMap<&NetworkId, &Overlay> = by_id(before).collect();
        let new: BTreeMap<&NetworkId, &Overlay> = by_id(after).collect();
        let differs = |(id, overlay): (&&NetworkId, &&Overlay)| match old.get(*id) {
            Some(known) if known == overlay => None,
            known => Some(differing(known.copied(), overlay)),
        };
        Self {
            fabric: Fabric {
                networks: Vec::new(),
                ports: Vec::new(),
                ..after.clone()
            },
            ports: (before.ports != after.ports).then(|| after.ports.clone()),
            gone: old
                .keys()
                .filter(|id| !new.contains_key(*id))
                .map(|id| (*id).clone())
                .collect(),
            networks: new.iter().filter_map(differs).collect(),
        }
    }

    /// What `before` becomes by it.
    pub fn apply(self, before: &Fabric) -> Fabric {
        let mut networks: BTreeMap<NetworkId, Overlay> = by_id(before)
            .filter(|(id, _)| !self.gone.contains(id))
            .map(|(id, overlay)| (id.clone(), overlay.clone()))
            .collect();
        for one in self.networks {
            let mut overlay = one.overlay;
            let known = networks.remove(&overlay.id);
            let (peers, endpoints, services) = match known {
                Some(known) => (known.peers, known.endpoints, known.services),
                None => Default::default(),
            };
            overlay.peers = merged(peers, overlay.peers, one.peers_gone);
            overlay.endpoints = merged(endpoints, overlay.endpoints, one.endpoints_gone);
            overlay.services = merged(services, overlay.services, one.services_gone);
            networks.insert(overlay.id.clone(), overlay);
        }
        Fabric {
            networks: networks.into_values().collect(),
            ports: self.ports.unwrap_or_else(|| before.ports.clone()),
            ..self.fabric
        }
    }
}

fn by_id(fabric: &Fabric) -> impl Iterator<Item = (&NetworkId, &Overlay)> {
    fabric.networks.iter().map(|overlay| (&overlay.id, overlay))
}

fn differing(before: Option<&Overlay>, after: &Overlay) -> Differing {
    let (peers, peers_gone) = difference(before.map(|one| &*one.peers), &after.peers);
    let (endpoints, endpoints_gone) = difference(before.map(|one| &*one.endpoints), &after.endpoints);
    let (services, services_gone) = difference(before.map(|one| &*one.services), &after.services);
    Differing {
        overlay: Overlay {
            peers,
            endpoints,
            services,
            ..after.clone()
        },
        peers_gone,
        endpoints_gone,
        services_gone,
    }
}

/// Entries that are new or another than before, and keys of those that are gone.
fn difference<E: Entry>(before: Option<&[E]>, after: &[E]) -> (Vec<E>, Vec<E::Key>) {
    let old: BTreeMap<&E::Key, &E> = before.into_iter().flatten().map(|one| (one.key(), one)).collect();
    let new: BTreeSet<&E::Key> = after.iter().map(Entry::key).collect();
    let put = after.iter().filter(|one| old.get(one.key()) != Some(one));
    let gone = old.keys().filter(|key| !new.contains(*key));
    (put.cloned().collect(), gone.map(|key| (*key).clone()).collect())
}

/// A list by its keys, with what is new and without what is gone.
fn merged<E: Entry>(before: Vec<E>, put: Vec<E>, gone: Vec<E::Key>) -> Vec<E> {
    let mut all: BTreeMap<E::Key, E> = before.into_iter().map(|one| (one.key().clone(), one)).collect();
    all.retain(|key, _| !gone.contains(key));
    all.extend(put.into_iter().map(|one| (one.key().clone(), one)));
    all.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    /// A network with such peers, endpoints and services; the numbers are ids, and what is told of them.
    fn overlay(id: u8, name: u8, lists: [BTreeMap<u8, u8>; 3]) -> Overlay {
        let address = |one: u8, two: u8| Ipv4Addr::new(10, id, one, two);
        let [peers, endpoints, services] = lists;
        let peers = peers.into_iter().map(|(key, told)| Peer {
            node: format!("n{key}").as_str().into(),
            address: address(1, key),
            underlay: address(2, told),
            key: None,
        });
        let endpoints = endpoints.into_iter().map(|(key, told)| Endpoint {
            task: format!("t{key}").as_str().into(),
            name: String::new(),
            service: "s".into(),
            node: "n".into(),
            address: address(3, key),
            takes: told % 2 == 0,
        });
        let services = services.into_iter().map(|(key, told)| Virtual {
            service: format!("s{key}").as_str().into(),
            name: format!("name{told}"),
            aliases: Vec::new(),
            address: None,
        });
        Overlay {
            id: format!("o{id}").as_str().into(),
            name: format!("net{name}"),
            vni: 4097 + u32::from(id),
            subnet: address(0, 0),
            prefix: 16,
            board: address(0, 1),
            internal: false,
            ingress: false,
            encrypted: false,
            mtu: None,
            peers: peers.collect(),
            endpoints: endpoints.collect(),
            services: services.collect(),
        }
    }

    fn fabrics() -> impl Strategy<Value = Fabric> {
        let list = || proptest::collection::btree_map(0..5_u8, 0..3_u8, 0..5);
        let network = (0..2_u8, [list(), list(), list()]);
        let networks = proptest::collection::btree_map(0..4_u8, network, 0..4);
        (
            0..9_u64,
            networks,
            proptest::collection::btree_set(1..4_u16, 0..3),
        )
            .prop_map(|(number, networks, ports)| Fabric {
                number,
                key: None,
                networks: networks
                    .into_iter()
                    .map(|(id, (name, lists))| overlay(id, name, lists))
                    .collect(),
                ports: ports
                    .into_iter()
                    .map(|published| MeshPort {
                        protocol: model::PortProtocol::Tcp,
                        published,
                        target: 80,
                        service: "s".into(),
                    })
                    .collect(),
            })
    }

    proptest! {
        #[test]
        fn a_change_applied_to_the_one_gives_the_other(before in fabrics(), after in fabrics()) {
            let change = Change::between(&before, &after);
            let told = serde_json::to_vec(&change).unwrap();
            let heard: Change = serde_json::from_slice(&told).unwrap();
            prop_assert_eq!(heard.apply(&before), after);
        }
    }

    #[test]
    fn one_endpoint_of_many_is_told_alone() {
        let all = |told| {
            (0..100)
                .map(|key| (key, if key == 7 { told } else { 0 }))
                .collect()
        };
        let fabric = |told| Fabric {
            networks: (0..50)
                .map(|id| {
                    overlay(
                        id,
                        0,
                        [
                            BTreeMap::new(),
                            if id == 3 { all(told) } else { all(0) },
                            BTreeMap::new(),
                        ],
                    )
                })
                .collect(),
            ..Fabric::default()
        };
        let change = Change::between(&fabric(0), &fabric(1));
        assert_eq!(change.networks.len(), 1);
        assert_eq!(change.networks[0].overlay.endpoints.len(), 1);
        assert!(serde_json::to_vec(&change).unwrap().len() < 1000);
    }
}
