//! The kernel's tables of who is where: neighbours of bridges, hardware addresses behind them and across tunnels.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use futures::{StreamExt, TryStreamExt};
use nix::libc;
use rtnetlink::packet_route::{
    AddressFamily,
    neighbour::{
        NeighbourAddress, NeighbourAttribute, NeighbourFlags, NeighbourHeader, NeighbourMessage,
        NeighbourState,
    },
};

use super::{Links, links::allow};
use crate::{
    Error,
    overlay::{Entries, Fixture, Key, Value},
    wanted::Mac,
};

/// Requests to the kernel that are on their way at once.
const AT_ONCE: usize = 32;

/// The entries of these networks that were set on purpose, of which there may be thousands.
///
/// # Errors
/// [`Error::Kernel`] if the kernel does not say.
pub async fn found(board: &Links, fixtures: &[Fixture]) -> Result<Entries, Error> {
    let bridges: BTreeSet<u32> = fixtures.iter().map(|one| one.bridge).collect();
    let tunnels: BTreeSet<u32> = fixtures.iter().map(|one| one.tunnel).collect();
    let mut entries = Entries::new();
    for message in board.neighbours(AddressFamily::Inet).await? {
        if message.header.state == NeighbourState::Permanent && bridges.contains(&message.header.ifindex) {
            entries.extend(neighbour(&message));
        }
    }
    for message in board.neighbours(AddressFamily::Bridge).await? {
        let bridge = message.attributes.iter().find_map(|one| match one {
            NeighbourAttribute::Controller(bridge) => Some(*bridge),
            _ => None,
        });
        match bridge {
            Some(bridge) if bridges.contains(&bridge) && message.header.state == NeighbourState::Noarp => {
                let port = Value::By(message.header.ifindex);
                entries.extend(mac(&message).map(|mac| (Key::Behind(bridge, mac), port)));
            }
            None if tunnels.contains(&message.header.ifindex) => entries.extend(across(&message)),
            _ => {}
        }
    }
    Ok(entries)
}

/// Removes and sets entries, and goes on after errors.
pub async fn change(board: &Links, removed: Entries, set: Entries) -> Vec<Error> {
    let removing = removed.into_iter().map(|(key, value)| board.unset(key, value));
    let mut errors = run(removing.collect()).await;
    errors.extend(
        run(set
            .into_iter()
            .map(|(key, value)| board.set(key, value))
            .collect())
        .await,
    );
    errors
}

async fn run<F: Future<Output = Result<(), Error>>>(requests: Vec<F>) -> Vec<Error> {
    futures::stream::iter(requests)
        .buffer_unordered(AT_ONCE)
        .filter_map(|result| async { result.err() })
        .collect()
        .await
}

impl Links {
    async fn neighbours(&self, family: AddressFamily) -> Result<Vec<NeighbourMessage>, Error> {
        let request = self.0.neighbours().get().set_address_family(family);
        request
            .execute()
            .try_collect()
            .await
            .map_err(Error::kernel("listing", "neighbours"))
    }

    async fn set(&self, key: Key, value: Value) -> Result<(), Error> {
        let message = message(key, value);
        let mut request = self
            .0
            .neighbours()
            .add(message.header.ifindex, Ipv4Addr::UNSPECIFIED.into());
        *request.message_mut() = message;
        request
            .replace()
            .execute()
            .await
            .map_err(Error::kernel("telling the kernel of", format!("{key:?}")))
    }

    async fn unset(&self, key: Key, value: Value) -> Result<(), Error> {
        allow(
            self.0.neighbours().del(message(key, value)).execute().await,
            libc::ENOENT,
        )
        .map_err(Error::kernel("removing", format!("{key:?}")))
    }
}

fn message(key: Key, value: Value) -> NeighbourMessage {
    let address = |address: IpAddr| NeighbourAttribute::Destination(address.into());
    let lladdr = |mac: Mac| NeighbourAttribute::LinkLayerAddress(mac.0.to_vec());
    let (family, index, state, flags, attributes) = match (key, value) {
        (Key::Neighbour(bridge, who), value) => {
            let mac = match value {
                Value::At(mac) => mac,
                _ => Mac::of(who),
            };
            (
                AddressFamily::Inet,
                bridge,
                NeighbourState::Permanent,
                NeighbourFlags::empty(),
                vec![address(who.into()), lladdr(mac)],
            )
        }
        (Key::Behind(bridge, mac), value) => {
            let port = match value {
                Value::By(port) => port,
                _ => bridge,
            };
            (
                AddressFamily::Bridge,
                port,
                NeighbourState::Noarp,
                NeighbourFlags::Controller,
                vec![lladdr(mac)],
            )
        }
        (Key::Across(tunnel, mac), value) => {
            let to = match value {
                Value::On(board) => Some(address(board)),
                _ => None,
            };
            (
                AddressFamily::Bridge,
                tunnel,
                NeighbourState::Permanent,
                NeighbourFlags::Own,
                std::iter::once(lladdr(mac)).chain(to).collect(),
            )
        }
    };
    let mut message = NeighbourMessage::default();
    message.header = NeighbourHeader {
        family,
        ifindex: index,
        state,
        flags,
        ..NeighbourHeader::default()
    };
    message.attributes = attributes;
    message
}

fn mac(message: &NeighbourMessage) -> Option<Mac> {
    message.attributes.iter().find_map(|one| match one {
        NeighbourAttribute::LinkLayerAddress(bytes) => bytes.as_slice().try_into().ok().map(Mac),
        _ => None,
    })
}

fn neighbour(message: &NeighbourMessage) -> Option<(Key, Value)> {
    let address = message.attributes.iter().find_map(|one| match one {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(*address),
        _ => None,
    })?;
    Some((
        Key::Neighbour(message.header.ifindex, address),
        Value::At(mac(message)?),
    ))
}

fn across(message: &NeighbourMessage) -> Option<(Key, Value)> {
    let board = message.attributes.iter().find_map(|one| match one {
        // The family is the bridge's, so the kernel's message does not say of which kind the address is.
        NeighbourAttribute::Destination(NeighbourAddress::Other(bytes)) => {
            let four = <[u8; 4]>::try_from(bytes.as_slice()).map(IpAddr::from);
            let sixteen = <[u8; 16]>::try_from(bytes.as_slice()).map(IpAddr::from);
            four.or(sixteen).ok()
        }
        _ => None,
    })?;
    Some((
        Key::Across(message.header.ifindex, mac(message)?),
        Value::On(board),
    ))
}
