//! By which way a task's answers leave, where the main routes would send them by another.
//!
//! A call that came in by a board's mesh has that board's mark, and goes back by that board: see the chains of
//! [`inside`](super::inside()). A datagram that answers one must have the address that was called before it can be known
//! for an answer, so what leaves a published port has it by a route of its own. TCP has it by itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use exec::Overlay;
use model::PortProtocol;

use crate::wanted::{Member, Wanted, link_name};

/// The main table, by its number.
pub const MAIN: Ipv4Addr = Ipv4Addr::new(0, 0, 0, 254);

/// Which packets a way is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// Those with a board's mark, which is the number of its address.
    Board(Ipv4Addr),
    /// Those to somebody in a network of the task's own, which need no other way than the main one.
    Near,
    /// Those from a port.
    Port(PortProtocol, u16),
}

/// A default route beside the main one. The table that it is in has the number of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// By whom.
    pub gateway: Ipv4Addr,
    /// By the link of this name.
    pub link: String,
    /// With this address; none for the link's own.
    pub source: Option<Ipv4Addr>,
}

/// All ways of a task beside the main routes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ways {
    /// Routes by their tables.
    pub routes: BTreeMap<Ipv4Addr, Route>,
    /// Who takes which table.
    pub rules: BTreeSet<(Whose, Ipv4Addr)>,
}

impl Ways {
    /// The ways of a member.
    pub fn of(wanted: &Wanted, member: &Member) -> Self {
        let mut ways = Ways::default();
        for (n, seat) in member.seats.iter().enumerate() {
            let Some(mesh) = wanted.overlay(seat.vni).filter(|overlay| overlay.ingress) else {
                continue;
            };
            let others = mesh.peers.iter().map(|peer| peer.address);
            for board in others.chain([mesh.board]) {
                ways.door(board, link_name(n));
            }
            ways.answers(wanted, member, mesh, (seat.address, link_name(n)));
        }
        if member.closed && !member.host_ports.is_empty() {
            ways.door(wanted.subnet.gateway(), "eth0".to_owned());
        }
        ways
    }

    /// The boards that calls may come in by.
    pub fn doors(&self) -> impl Iterator<Item = Ipv4Addr> {
        self.rules.iter().filter_map(|(whose, _)| match whose {
            Whose::Board(board) => Some(*board),
            Whose::Near | Whose::Port(..) => None,
        })
    }

    /// Whether something may leave by `eth0` with another link's address.
    pub fn borrows(&self) -> bool {
        self.routes
            .values()
            .any(|route| route.source.is_some() && route.link == "eth0")
    }

    fn door(&mut self, board: Ipv4Addr, link: String) {
        let route = Route {
            gateway: board,
            link,
            source: None,
        };
        self.routes.insert(board, route);
        self.rules.insert((Whose::Board(board), board));
    }

    /// What leaves the ports that the mesh leads to has the seat's address.
    fn answers(&mut self, wanted: &Wanted, member: &Member, mesh: &Overlay, seat: (Ipv4Addr, String)) {
        let (address, link) = seat;
        let Some(own) = mesh.endpoints.iter().find(|one| one.address == address) else {
            return;
        };
        let ports = wanted.fabric().ports.iter();
        let ports = ports.filter(|port| port.service == own.service && port.protocol != PortProtocol::Tcp);
        for port in ports {
            self.rules.insert((Whose::Near, MAIN));
            self.rules
                .insert((Whose::Port(port.protocol, port.target), address));
            let (gateway, link, source) = if member.closed {
                (mesh.board, link.clone(), None)
            } else {
                (wanted.subnet.gateway(), "eth0".to_owned(), Some(address))
            };
            let route = Route {
                gateway,
                link,
                source,
            };
            self.routes.insert(address, route);
        }
    }
}
