//! From what the managers tell to bridges, tunnels, tables of who is where, and rules: only what differs is touched.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    net::Ipv4Addr,
};

use exec::{Fabric, HostPort, MeshPort, Overlay};
use futures::future::join_all;
use model::TaskId;

use super::board::Board;
use crate::{
    Error,
    kernel::{
        Link, Within,
        member::{self, Ties},
        neighbours,
        overlay::{self, Plan},
        sessions,
    },
    overlay::{
        Entries, Fixture, OVERHEAD, USUAL_MTU, bridge_name, difference, entries, network_of, seat_name,
        seat_of, tunnel_name,
    },
    ports,
    wanted::Member,
    wireguard,
};

/// What encrypted networks go through.
#[derive(Clone)]
struct Device {
    within: Within,
    /// Its largest packet, in bytes.
    mtu: u32,
}

/// What a network's links are to be.
fn plan(one: &Overlay, underlay: Option<u32>, device: Option<&Device>, links: &[Link]) -> Plan {
    let (most, unknown) = match device {
        None => (underlay.map(|mtu| mtu.saturating_sub(OVERHEAD)), USUAL_MTU),
        Some(device) => {
            let inner = wireguard::tunnel_mtu(device.mtu);
            (underlay.map(|_| inner), inner)
        }
    };
    let before = || {
        let bridge = links.iter().find(|link| link.name == bridge_name(one.vni));
        bridge.map(|link| link.mtu)
    };
    let mtu = one.mtu.map(u32::from).or(most).or_else(before).unwrap_or(unknown);
    Plan {
        vni: one.vni,
        address: one.board,
        prefix: one.prefix,
        // The kernel refuses a tunnel that its device can't carry.
        mtu: device.map_or(mtu, |device| mtu.min(wireguard::tunnel_mtu(device.mtu))),
        from_loopback: one.ingress,
        within: device.map(|device| device.within),
    }
}

impl Board {
    /// Makes the board's part of the cluster's networks so, and goes on after errors.
    pub(super) async fn weave(&mut self, fabric: &Fabric) -> Result<(), Error> {
        let before = self.wanted.addresses();
        self.wanted.weave(fabric);
        self.leave_ports(fabric);
        self.note().await;
        self.note_fabric().await;
        let mut errors = Vec::new();
        let links = self.links.all().await?;
        self.fix(&links, &mut errors).await;
        self.mend_seats(&links, &mut errors).await;
        errors.extend(self.place().await.err());
        errors.extend(self.furnish_all().await);
        errors.extend(self.filter().await.err());
        let gone: BTreeSet<Ipv4Addr> = before.difference(&self.wanted.addresses()).copied().collect();
        self.cut(&gone).await;
        errors.extend(self.unravel(&links).await.err());
        Error::all(errors)
    }

    /// Ports that programs of the board have are left to them, and it is said which.
    fn leave_ports(&mut self, fabric: &Fabric) {
        let taken = |port: &&MeshPort| {
            ports::unused_by_programs(&HostPort {
                protocol: port.protocol,
                published: port.published,
                target: port.target,
            })
            .is_err()
        };
        let own = fabric.ports.iter().filter(taken);
        let own = own.map(|port| (port.protocol, port.published)).collect();
        for (protocol, port) in self.wanted.leave_ports(own) {
            tracing::warn!(%protocol, port, "a program of this board has this port: the mesh does not answer there");
        }
    }

    /// What ties a member to the board.
    pub(super) fn ties<'a>(&'a self, member: &'a Member, netns: &'a std::path::Path) -> Ties<'a> {
        Ties {
            netns,
            member,
            bridge: self.bridge,
            subnet: self.wanted.subnet,
            fixtures: &self.fixtures,
        }
    }

    /// Connections to who is gone. They end by themselves in time, so there is nobody to tell of an error but the log.
    async fn cut(&self, gone: &BTreeSet<Ipv4Addr>) {
        if gone.is_empty() {
            return;
        }
        let seated = self.wanted.members().iter();
        // Only who is in a network with one of them can have called it.
        let concerned = |member: &Member| {
            member
                .seats
                .iter()
                .any(|seat| gone.iter().any(|gone| seat.shares_with(*gone)))
        };
        let seated = seated.filter(|(_, member)| !member.leaving && concerned(member));
        let inside = join_all(seated.map(|(id, _)| async {
            let netns = self.netns(id);
            sessions::cut_inside(&netns, gone).await
        }));
        let (board, inside) = futures::join!(sessions::cut(gone), inside);
        for error in std::iter::once(board).chain(inside).filter_map(Result::err) {
            tracing::warn!(%error, "cannot cut connections to tasks that are gone");
        }
    }

    /// Bridges and tunnels.
    async fn fix(&mut self, links: &[Link], errors: &mut Vec<Error>) {
        let underlay = self.underlay(links).await;
        let device = self.encrypt(underlay).await;
        let mut fixtures = BTreeMap::new();
        for one in &self.wanted.fabric().networks {
            let plan = match (one.encrypted, &device) {
                (false, _) => plan(one, underlay, None, links),
                (true, Ok(Some(device))) => plan(one, underlay, Some(device), links),
                (true, failed) => {
                    errors.extend(self.close_clear(one, links).await.err());
                    let none = || Error::NoWireguard(one.name.clone());
                    errors.push(failed.clone().err().unwrap_or_else(none));
                    continue;
                }
            };
            match overlay::ensure(&self.links, &plan, links).await {
                Ok((fixture, changed)) => {
                    if changed {
                        // Whoever is in it has lost something by it.
                        self.furnished.retain(|id, _| {
                            !self
                                .wanted
                                .members()
                                .get(id)
                                .is_some_and(|member| member.seats.iter().any(|seat| seat.vni == one.vni))
                        });
                    }
                    fixtures.insert(one.vni, fixture);
                }
                Err(error) => errors.push(error),
            }
        }
        self.fixtures = fixtures;
    }

    /// Removes the tunnel of a network that must not go in the clear, if it does. One that is bound to WireGuard may stay.
    async fn close_clear(&self, network: &Overlay, links: &[Link]) -> Result<(), Error> {
        let name = tunnel_name(network.vni);
        let before = links.iter().find(|link| link.name == name);
        let bound = before
            .and_then(|link| link.tunnel)
            .is_some_and(|tunnel| tunnel.within.is_some());
        if bound {
            Ok(())
        } else {
            self.links.remove(&name).await
        }
    }

    /// The device that encrypted networks go through; none if there are none, or the kernel has no WireGuard.
    async fn encrypt(&self, underlay: Option<u32>) -> Result<Option<Device>, Error> {
        let wanted = wireguard::peers(self.wanted.fabric());
        let (Some(peers), Some(kernel)) = (wanted, &self.wireguard) else {
            return Ok(None);
        };
        let pair = self.keys.pair().await?;
        let mtu = wireguard::mtu(underlay);
        let index = kernel.ensure(&self.links, &pair, mtu, &peers).await?;
        let within = Within {
            device: index,
            address: wireguard::address(&pair.public),
        };
        Ok(Some(Device { within, mtu }))
    }

    /// The largest packet that all ways to other boards take; none if there are no ways.
    async fn underlay(&self, links: &[Link]) -> Option<u32> {
        let peers = self.wanted.fabric().networks.iter().flat_map(|one| &one.peers);
        let boards: BTreeSet<Ipv4Addr> = peers.map(|peer| peer.underlay).collect();
        let mut smallest = None;
        for board in boards {
            let Ok(Some(index)) = self.links.way_to(board).await else {
                continue;
            };
            let found = links.iter().find(|link| link.index == index).map(|link| link.mtu);
            smallest = smallest.into_iter().chain(found).min();
        }
        smallest
    }

    /// Seats whose ports are not as they should be, and those of tasks that were not looked at since the start.
    async fn mend_seats(&mut self, links: &[Link], errors: &mut Vec<Error>) {
        let ports: BTreeMap<&str, &Link> = links.iter().map(|link| (link.name.as_str(), link)).collect();
        let seated = |vni: u32, address: Ipv4Addr| {
            let port = ports.get(seat_name(vni, address).as_str());
            port.is_some_and(|port| {
                port.up
                    && port.group == 0
                    && port.bridge == self.fixtures.get(&vni).map(|fixture| fixture.bridge)
            })
        };
        let members = self.wanted.members().iter();
        let loose: Vec<(&TaskId, &Member)> = members
            .filter(|(_, member)| !member.leaving && !member.seats.is_empty())
            .filter(|(id, member)| {
                let whole = member.seats.iter().all(|seat| seated(seat.vni, seat.address));
                !whole || !self.furnished.contains_key(*id)
            })
            .collect();
        let board = &*self;
        let mended = join_all(loose.into_iter().map(|(id, member)| async move {
            let netns = board.netns(id);
            let result = member::ensure(&board.links, &board.ties(member, &netns)).await;
            (id.clone(), result)
        }))
        .await;
        for (id, result) in mended {
            self.furnished.remove(&id);
            errors.extend(result.err());
        }
    }

    /// The tables of who is where.
    pub(super) async fn place(&self) -> Result<(), Error> {
        let overlays = &self.wanted.fabric().networks;
        let fixed: Vec<(&Overlay, &Fixture)> = overlays
            .iter()
            .filter_map(|one| Some((one, self.fixtures.get(&one.vni)?)))
            .collect();
        if fixed.is_empty() {
            return Ok(());
        }
        let links = self.links.all().await?;
        let mut seats: BTreeMap<u32, BTreeMap<Ipv4Addr, u32>> = BTreeMap::new();
        for link in &links {
            if let Some((vni, address)) = seat_of(&link.name) {
                seats.entry(vni).or_default().insert(address, link.index);
            }
        }
        let none = BTreeMap::new();
        let wanted: Entries = fixed
            .iter()
            .flat_map(|(one, fixture)| entries(one, fixture, seats.get(&one.vni).unwrap_or(&none)))
            .collect();
        let fixtures: Vec<Fixture> = fixed.iter().map(|(_, fixture)| (*fixture).clone()).collect();
        let found = neighbours::found(&self.links, &fixtures).await?;
        let (removed, set) = difference(&found, &wanted);
        Error::all(neighbours::change(&self.links, removed, set).await)
    }

    /// Removes the links of networks that are no more, and of seats that are nobody's.
    pub(super) async fn unravel(&self, links: &[Link]) -> Result<(), Error> {
        let seats: HashSet<String> = self
            .wanted
            .members()
            .values()
            .flat_map(Member::seat_ports)
            .collect();
        let mut networks = self.wanted.seated();
        networks.extend(self.wanted.fabric().networks.iter().map(|one| one.vni));
        let encrypts = self.wanted.fabric().networks.iter().any(|one| one.encrypted);
        let stray = |name: &&String| {
            name.as_str() == wireguard::DEVICE && !encrypts
                || network_of(name).is_some_and(|vni| !networks.contains(&vni))
                || seat_of(name).is_some() && !seats.contains(*name)
        };
        let names = links.iter().map(|link| &link.name).filter(stray);
        self.links.remove_all(&names.cloned().collect()).await
    }

    /// Removes what is of no more use since somebody left these addresses: connections, entries of tables, networks that
    /// managers no longer tell of.
    pub(super) async fn tidy(&mut self, left: &BTreeSet<Ipv4Addr>) -> Result<(), Error> {
        let gone = left.difference(&self.wanted.addresses()).copied().collect();
        self.cut(&gone).await;
        self.prune().await?;
        self.place().await
    }

    async fn prune(&mut self) -> Result<(), Error> {
        if !self.wanted.prune() {
            return Ok(());
        }
        let kept: BTreeSet<u32> = self.wanted.fabric().networks.iter().map(|one| one.vni).collect();
        self.fixtures.retain(|vni, _| kept.contains(vni));
        let links = self.links.all().await?;
        self.unravel(&links).await
    }

    /// Removes all networks of the cluster.
    pub(super) async fn unweave(&mut self) -> Result<(), Error> {
        self.wanted.weave(&Fabric::default());
        self.prune().await?;
        let links = self.links.all().await?;
        self.unravel(&links).await
    }
}
