//! Ways out: the default route, and those of a task's answers.

use std::{collections::BTreeSet, net::Ipv4Addr};

use futures::TryStreamExt;
use model::PortProtocol;
use nix::libc;
use rtnetlink::{
    IpVersion, RouteMessageBuilder,
    packet_route::{
        AddressFamily, IpProtocol,
        route::{RouteAttribute, RouteHeader, RouteMessage, RouteScope},
        rule::{RuleAction, RuleAttribute, RuleMessage, RulePortRange},
    },
};

use super::{
    Links,
    links::{allow, is, refused},
};
use crate::{
    Error,
    rules::{MAIN, Route, Ways, Whose},
};

/// Where the rules stand among others: before the main table, and nobody else's. A board's mark comes first.
const BOARD: u32 = 0x6272;
const NEAR: u32 = BOARD + 1;
const PORT: u32 = BOARD + 2;

impl Links {
    /// The link by which an address is reached; none if there is no way to it.
    pub async fn way_to(&self, address: Ipv4Addr) -> Result<Option<u32>, Error> {
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .destination_prefix(address, 32)
            .build();
        let mut found = Box::pin(self.0.route().get(route).execute());
        match found.try_next().await {
            Ok(route) => Ok(route.and_then(|route| {
                route.attributes.iter().find_map(|one| match one {
                    RouteAttribute::Oif(index) => Some(*index),
                    _ => None,
                })
            })),
            Err(error) if is(&error, libc::ENETUNREACH) => Ok(None),
            Err(error) => Err(Error::kernel("looking up the way to", address)(error)),
        }
    }

    /// Whether there is a default route.
    pub async fn has_default_route(&self) -> Result<bool, Error> {
        let route = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let mut found = Box::pin(self.0.route().get(route).execute());
        while let Some(route) = found
            .try_next()
            .await
            .map_err(Error::kernel("listing", "routes"))?
        {
            if is_default(&route) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Removes the default route. None there is fine.
    pub async fn remove_default_route(&self) -> Result<(), Error> {
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .scope(RouteScope::NoWhere)
            .build();
        allow(self.0.route().del(route).execute().await, libc::ESRCH)
            .map_err(Error::kernel("removing", "the default route"))
    }

    /// Makes the default route lead to `gateway`.
    pub async fn set_default_route(&self, index: u32, gateway: Ipv4Addr) -> Result<(), Error> {
        let route = RouteMessageBuilder::<Ipv4Addr>::new()
            .gateway(gateway)
            .output_interface(index)
            .build();
        self.0
            .route()
            .add(route)
            .replace()
            .execute()
            .await
            .map_err(Error::kernel("setting the default route to", gateway))
    }

    /// Makes these ways, and removes others that were made like this.
    ///
    /// # Errors
    /// [`Error::Kernel`] with the step that failed, or if a link is not there.
    pub async fn set_ways(&self, ways: &Ways) -> Result<(), Error> {
        let mut there = BTreeSet::new();
        for message in self.rules().await? {
            let Some(rule) = rule_of(&message) else {
                continue;
            };
            if ways.rules.contains(&rule) && there.insert(rule) {
                continue;
            }
            let (_, table) = rule;
            allow(self.0.rule().del(message).execute().await, libc::ENOENT)
                .map_err(Error::kernel("removing the rule for", table))?;
            if table != MAIN && !ways.routes.contains_key(&table) {
                let route = RouteMessageBuilder::<Ipv4Addr>::new().table_id(table.into());
                // The link may be gone, and the route with it.
                allow(
                    self.0
                        .route()
                        .del(route.scope(RouteScope::NoWhere).build())
                        .execute()
                        .await,
                    libc::ESRCH,
                )
                .map_err(Error::kernel("removing the route of", table))?;
            }
        }
        for (table, route) in &ways.routes {
            self.set_way(*table, route).await?;
        }
        for rule in ways.rules.difference(&there) {
            let mut request = self.0.rule().add();
            *request.message_mut() = message_of(*rule);
            allow(request.execute().await, libc::EEXIST)
                .map_err(Error::kernel("adding the rule for", rule.1))?;
        }
        Ok(())
    }

    async fn set_way(&self, table: Ipv4Addr, route: &Route) -> Result<(), Error> {
        let link = self.find(&route.link).await?;
        let link = link.ok_or_else(|| refused("making a way by", &route.link, "there is no such link"))?;
        let mut message = RouteMessageBuilder::<Ipv4Addr>::new()
            .table_id(table.into())
            .gateway(route.gateway)
            .output_interface(link.index);
        if let Some(source) = route.source {
            message = message.pref_source(source);
        }
        self.0
            .route()
            .add(message.build())
            .replace()
            .execute()
            .await
            .map_err(Error::kernel("setting the route of", table))
    }

    async fn rules(&self) -> Result<Vec<RuleMessage>, Error> {
        let found = self.0.rule().get(IpVersion::V4).execute();
        found
            .try_collect()
            .await
            .map_err(Error::kernel("listing", "rules"))
    }
}

fn is_default(route: &RouteMessage) -> bool {
    route.header.destination_prefix_length == 0 && route.header.table == RouteHeader::RT_TABLE_MAIN
}

/// The message that adds a rule.
fn message_of((whose, table): (Whose, Ipv4Addr)) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.action = RuleAction::ToTable;
    message.attributes.push(RuleAttribute::Table(table.into()));
    message.attributes.extend(match whose {
        Whose::Board(board) => vec![
            RuleAttribute::Priority(BOARD),
            RuleAttribute::FwMark(board.into()),
        ],
        // All of the main table's routes but the default one.
        Whose::Near => vec![RuleAttribute::Priority(NEAR), RuleAttribute::SuppressPrefixLen(0)],
        Whose::Port(protocol, port) => vec![
            RuleAttribute::Priority(PORT),
            RuleAttribute::IpProtocol(number(protocol)),
            RuleAttribute::SourcePortRange(RulePortRange {
                start: port,
                end: port,
            }),
        ],
    });
    message
}

/// What a rule of ours says; none for others.
fn rule_of(message: &RuleMessage) -> Option<(Whose, Ipv4Addr)> {
    let (mut priority, mut mark, mut protocol, mut port, mut table) = (0, None, None, None, None);
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Priority(number) => priority = *number,
            RuleAttribute::FwMark(number) => mark = Some(Ipv4Addr::from(*number)),
            RuleAttribute::IpProtocol(number) => protocol = Some(*number),
            RuleAttribute::SourcePortRange(range) => port = Some(range.start),
            RuleAttribute::Table(number) => table = Some(Ipv4Addr::from(*number)),
            _ => {}
        }
    }
    let whose = match priority {
        BOARD => Whose::Board(mark?),
        NEAR => Whose::Near,
        PORT => {
            let all = [PortProtocol::Tcp, PortProtocol::Udp, PortProtocol::Sctp];
            let protocol = protocol?;
            Whose::Port(all.into_iter().find(|one| number(*one) == protocol)?, port?)
        }
        _ => return None,
    };
    Some((whose, table?))
}

fn number(protocol: PortProtocol) -> IpProtocol {
    match protocol {
        PortProtocol::Tcp => IpProtocol::Tcp,
        PortProtocol::Udp => IpProtocol::Udp,
        PortProtocol::Sctp => IpProtocol::Sctp,
    }
}
