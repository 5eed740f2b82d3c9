//! Wanted state: who is attached, with which address and which host ports. Pure: it decides and does nothing.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt,
    net::Ipv4Addr,
    path::Path,
};

use exec::{Attached, Fabric, HostPort, Wish};
use model::{PortProtocol, TaskId};

use crate::{Error, Subnet};

mod seats;

pub use seats::{Seat, link_name};

/// A hardware address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// A locally administered address made from an IPv4 address, so that it is the same after every restart.
    pub fn of(address: Ipv4Addr) -> Self {
        let [a, b, c, d] = address.octets();
        Mac([0x02, 0x42, a, b, c, d])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// One attached task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The address of its `eth0`.
    pub address: Ipv4Addr,
    /// The board's ports that lead to it.
    pub host_ports: Vec<HostPort>,
    /// Being detached: no port leads to it any more, but its address is not yet free.
    pub leaving: bool,
    /// Its places in overlay networks, in the order of its links.
    pub seats: Vec<Seat>,
    /// It has no way out: all its networks are internal.
    pub closed: bool,
}

/// The name of the board's end of a member's veth pair. It follows from the address, so no two members share it.
pub fn port_name(address: Ipv4Addr) -> String {
    format!("bt{:08x}", u32::from(address))
}

/// The address that a name made by [`port_name`] stands for.
pub fn port_address(name: &str) -> Option<Ipv4Addr> {
    let hex = name.strip_prefix("bt").filter(|hex| hex.len() == 8)?;
    u32::from_str_radix(hex, 16).ok().map(Ipv4Addr::from)
}

/// Everything that this board's network must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The bridge's name.
    pub bridge: String,
    /// The subnet behind it.
    pub subnet: Subnet,
    members: BTreeMap<TaskId, Member>,
    /// The number of the address to try first, one past the last given out: a freed address rests as long as it can, because
    /// neighbours and connection tracking still remember its former owner.
    cursor: u32,
    fabric: Fabric,
    /// The networks of the fabric that managers no longer tell of.
    lingering: BTreeSet<u32>,
    /// Ports of the mesh that programs of the board listened at when that was last looked at.
    own_ports: BTreeSet<(PortProtocol, u16)>,
}

impl Wanted {
    /// An empty board.
    pub fn new(bridge: impl Into<String>, subnet: Subnet) -> Self {
        Wanted {
            bridge: bridge.into(),
            subnet,
            members: BTreeMap::new(),
            cursor: 0,
            fabric: Fabric::default(),
            lingering: BTreeSet::new(),
            own_ports: BTreeSet::new(),
        }
    }

    /// All members by id, those being detached too.
    pub fn members(&self) -> &BTreeMap<TaskId, Member> {
        &self.members
    }

    /// Ports of the mesh that belong to programs of the board here.
    pub fn own_ports(&self) -> &BTreeSet<(PortProtocol, u16)> {
        &self.own_ports
    }

    /// Leaves these ports to programs of the board. Returns those that are new among them.
    pub fn leave_ports(&mut self, own: BTreeSet<(PortProtocol, u16)>) -> Vec<(PortProtocol, u16)> {
        let before = std::mem::replace(&mut self.own_ports, own);
        self.own_ports.difference(&before).copied().collect()
    }

    /// Takes a task in, or changes the host ports of one that is in. Returns what it was before.
    ///
    /// # Errors
    /// [`Error::Wish`], [`Error::PortTaken`], [`Error::SeatTaken`], [`Error::Unwoven`] or [`Error::Full`]; then nothing has
    /// changed.
    pub fn admit(&mut self, wish: &Wish) -> Result<Option<Member>, Error> {
        check(wish)?;
        for port in &wish.host_ports {
            if let Some(by) = self.owner(port).filter(|by| **by != wish.task) {
                return Err(Error::PortTaken {
                    port: port.published,
                    by: by.to_string(),
                });
            }
        }
        let before = self.members.get(&wish.task).cloned();
        let (seats, closed) = self.sit(wish, before.as_ref())?;
        let address = match &before {
            Some(member) => member.address,
            None => self.free_address()?,
        };
        let mut host_ports = wish.host_ports.clone();
        host_ports.sort_unstable();
        host_ports.dedup();
        self.members.insert(
            wish.task.clone(),
            Member {
                address,
                host_ports,
                leaving: false,
                seats,
                closed,
            },
        );
        Ok(before)
    }

    /// Puts a member back as it was: its admission could not be carried out.
    pub fn restore(&mut self, id: &TaskId, before: Option<Member>) {
        match before {
            Some(member) => self.members.insert(id.clone(), member),
            None => self.members.remove(id),
        };
    }

    /// Takes the ports of a member away and says what it has; its address is free only when it is [forgotten](Self::forget).
    pub fn depart(&mut self, id: &TaskId) -> Option<&Member> {
        let member = self.members.get_mut(id)?;
        member.leaving = true;
        Some(member)
    }

    /// Frees the address of a member of which nothing is left.
    pub fn forget(&mut self, id: &TaskId) -> Option<Member> {
        self.members.remove(id)
    }

    /// Takes in a member found on the board. False if its address cannot be one of this subnet or is another's.
    pub fn adopt(&mut self, id: &TaskId, member: Member) -> bool {
        let Some(number) = self.subnet.number(member.address) else {
            return false;
        };
        let address_taken = self.members.values().any(|other| other.address == member.address);
        let port_taken = member.host_ports.iter().any(|port| self.owner(port).is_some());
        let seat_taken = member.seat_ports().any(|name| {
            let mut others = self.members.values().flat_map(Member::seat_ports);
            others.any(|other| other == name)
        });
        if address_taken || port_taken || seat_taken || self.members.contains_key(id) {
            return false;
        }
        self.cursor = self.cursor.max(number + 1);
        self.members.insert(id.clone(), member);
        true
    }

    /// What a member was given. None for those being detached and those unknown.
    pub fn attached(&self, id: &TaskId, netns_dir: &Path) -> Option<Attached> {
        let member = self.members.get(id).filter(|member| !member.leaving)?;
        Some(Attached {
            namespace: netns_dir.join(id.as_str()),
            address: member.address,
            prefix: self.subnet.prefix(),
            gateway: self.subnet.gateway(),
        })
    }

    /// All members but those being detached.
    pub fn staying(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| !member.leaving)
    }

    /// Every host port in force and the address that it leads to, in the order of the ports.
    pub fn host_ports(&self) -> BTreeMap<HostPort, Ipv4Addr> {
        self.staying()
            .flat_map(|member| member.host_ports.iter().map(|port| (*port, member.address)))
            .collect()
    }

    fn owner(&self, port: &HostPort) -> Option<&TaskId> {
        let has = |member: &Member| !member.leaving && member.host_ports.iter().any(|p| same_place(p, port));
        self.members
            .iter()
            .find(|(_, member)| has(member))
            .map(|(id, _)| id)
    }

    fn free_address(&mut self) -> Result<Ipv4Addr, Error> {
        let used: HashSet<Ipv4Addr> = self.members.values().map(|member| member.address).collect();
        let capacity = self.subnet.capacity();
        for step in 0..capacity {
            let number = (self.cursor % capacity + step) % capacity;
            if !used.contains(&self.subnet.nth(number)) {
                self.cursor = number + 1;
                return Ok(self.subnet.nth(number));
            }
        }
        Err(Error::Full(self.subnet))
    }
}

/// Whether `id` can be the name of a namespace's file.
pub fn is_id(id: &str) -> bool {
    let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=200).contains(&id.len()) && !id.starts_with('.') && id.chars().all(named)
}

fn same_place(one: &HostPort, other: &HostPort) -> bool {
    (one.protocol, one.published) == (other.protocol, other.published)
}

fn check(wish: &Wish) -> Result<(), Error> {
    let refuse = |reason: &str| {
        Err(Error::Wish {
            task: wish.task.clone(),
            reason: reason.to_owned(),
        })
    };
    if !is_id(wish.task.as_str()) {
        return refuse("the id cannot be a file's name");
    }
    for (n, port) in wish.host_ports.iter().enumerate() {
        if port.published == 0 || port.target == 0 {
            return refuse("port 0 is no port");
        }
        if wish.host_ports[..n]
            .iter()
            .any(|other| same_place(other, port) && other.target != port.target)
        {
            return refuse("one host port cannot lead to two ports");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
