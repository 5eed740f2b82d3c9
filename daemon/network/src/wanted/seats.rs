//! Tasks' seats in overlay networks, and the networks that they are in.

use std::{collections::BTreeSet, net::Ipv4Addr};

use exec::{Fabric, Overlay, Wish};
use model::TaskId;
use serde::{Deserialize, Serialize};

use super::{Member, Wanted};
use crate::{Error, overlay::seat_name};

/// A task's place in an overlay network, as the kernel knows it: the network by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    /// The network.
    pub vni: u32,
    /// The task's address in it.
    pub address: Ipv4Addr,
    /// Length of the subnet's prefix, in bits.
    pub prefix: u8,
}

impl Seat {
    /// True if an address is in its network.
    pub fn shares_with(&self, address: Ipv4Addr) -> bool {
        let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
        (u32::from(self.address) ^ u32::from(address)) & mask == 0
    }
}

/// The name of a seat's link in the task's namespace: `eth0` is the way out, the seats follow in order.
pub fn link_name(seat: usize) -> String {
    format!("eth{}", seat + 1)
}

impl Member {
    /// The names of the board's ends of its seats.
    pub fn seat_ports(&self) -> impl Iterator<Item = String> {
        self.seats.iter().map(|seat| seat_name(seat.vni, seat.address))
    }
}

impl Wanted {
    /// What managers tell of the cluster's networks, and networks that they no longer tell of but tasks here are still in.
    pub fn fabric(&self) -> &Fabric {
        &self.fabric
    }

    /// The addresses of all tasks in the fabric, and of those that are seated here.
    pub fn addresses(&self) -> BTreeSet<Ipv4Addr> {
        let endpoints = self.fabric.networks.iter().flat_map(|one| &one.endpoints);
        let seats = self.staying().flat_map(|member| &member.seats);
        let seated = seats.map(|seat| seat.address);
        endpoints.map(|one| one.address).chain(seated).collect()
    }

    /// The network of a number.
    pub fn overlay(&self, vni: u32) -> Option<&Overlay> {
        self.fabric.networks.iter().find(|overlay| overlay.vni == vni)
    }

    /// Takes in what the managers tell.
    pub fn weave(&mut self, told: &Fabric) {
        let seated = self.seated();
        let before = std::mem::replace(&mut self.fabric, told.clone());
        let told = |old: &Overlay| {
            let same = |new: &Overlay| new.id == old.id || new.vni == old.vni;
            told.networks.iter().any(same)
        };
        let lingering = before
            .networks
            .into_iter()
            .filter(|old| seated.contains(&old.vni) && !told(old));
        self.lingering.clear();
        for overlay in lingering {
            self.lingering.insert(overlay.vni);
            self.fabric.networks.push(overlay);
        }
        for member in self.members.values_mut() {
            member.closed = closed(&self.fabric, &member.seats).unwrap_or(member.closed);
        }
    }

    /// Forgets the networks that managers no longer tell of and nobody is in any more. True if there were any.
    pub fn prune(&mut self) -> bool {
        let seated = self.seated();
        let over: BTreeSet<u32> = self.lingering.difference(&seated).copied().collect();
        self.lingering.retain(|vni| !over.contains(vni));
        self.fabric
            .networks
            .retain(|overlay| !over.contains(&overlay.vni));
        !over.is_empty()
    }

    /// The numbers of the networks that members are in, those being detached too.
    pub fn seated(&self) -> BTreeSet<u32> {
        let seats = self.members.values().flat_map(|member| &member.seats);
        seats.map(|seat| seat.vni).collect()
    }

    /// The seats that a wish comes to, and whether the task has no way out.
    pub(super) fn sit(&self, wish: &Wish, before: Option<&Member>) -> Result<(Vec<Seat>, bool), Error> {
        let mut seats = Vec::with_capacity(wish.places.len());
        for place in &wish.places {
            let known = self.fabric.networks.iter().find(|one| one.id == place.network);
            let had = || {
                before?
                    .seats
                    .iter()
                    .find(|seat| seat.address == place.address)
                    .map(|seat| seat.vni)
            };
            // A daemon that was told of no networks yet may know the task already.
            let vni = known.map(|overlay| overlay.vni).or_else(had);
            let seat = Seat {
                vni: vni.ok_or_else(|| Error::Unwoven(place.network.to_string()))?,
                address: place.address,
                prefix: place.prefix,
            };
            self.seat_is_free(&wish.task, &seat, &seats)?;
            seats.push(seat);
        }
        let closed = closed(&self.fabric, &seats).unwrap_or_else(|| before.is_some_and(|b| b.closed));
        Ok((seats, closed))
    }

    fn seat_is_free(&self, task: &TaskId, seat: &Seat, own: &[Seat]) -> Result<(), Error> {
        let refuse = |reason: String| {
            Err(Error::Wish {
                task: task.clone(),
                reason,
            })
        };
        if !(1..=30).contains(&seat.prefix) {
            return refuse(format!(
                "{}/{} is no place in a network",
                seat.address, seat.prefix
            ));
        }
        if own.iter().any(|other| other.vni == seat.vni) {
            return refuse("two places in one network".to_owned());
        }
        let has = |other: &Member| {
            let same = |one: &Seat| (one.vni, one.address) == (seat.vni, seat.address);
            other.seats.iter().any(same)
        };
        if let Some((other, _)) = self
            .members
            .iter()
            .find(|(id, member)| *id != task && has(member))
        {
            return Err(Error::SeatTaken {
                address: seat.address,
                by: other.to_string(),
            });
        }
        Ok(())
    }
}

/// Whether a task with these seats has no way out: all its networks are internal. The routing mesh's does not count, for its
/// answers find their way by themselves. None if a network is unknown.
fn closed(fabric: &Fabric, seats: &[Seat]) -> Option<bool> {
    let of = |seat: &Seat| fabric.networks.iter().find(|one| one.vni == seat.vni);
    let overlays: Vec<&Overlay> = seats.iter().map(of).collect::<Option<_>>()?;
    let mut own = overlays.iter().filter(|overlay| !overlay.ingress).peekable();
    Some(own.peek().is_some() && own.all(|overlay| overlay.internal))
}
