//! Links, addresses and routes of one network namespace, over one netlink socket.

use std::{
    collections::HashSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use futures::TryStreamExt;
use nix::libc;
use rtnetlink::{
    Handle, LinkBridge, LinkBridgePort, LinkMessageBuilder, LinkUnspec, LinkVeth,
    packet_route::{
        address::AddressMessage,
        link::{InfoData, InfoVeth, LinkMessage},
    },
};

use super::link::{Link, ipv4, ipv6};
use crate::{Error, wanted::Mac};

/// The group of links that are to be removed together. The number only has to be one that nobody else uses.
const GOING: u32 = 0x6272_6d62;

/// A namespace's links. The socket belongs to the namespace of the thread that opened it, for good.
#[derive(Clone)]
pub struct Links(pub(super) Handle);

/// What is needed to make a veth pair.
pub struct Veth<'a> {
    /// The end that stays here.
    pub name: &'a str,
    /// The bridge that it becomes a port of.
    pub bridge: u32,
    /// The other end.
    pub peer: &'a str,
    /// The other end's hardware address.
    pub peer_mac: Mac,
    /// The other end's namespace.
    pub peer_namespace: i32,
    /// The largest packet of both ends, in bytes; none for the usual one.
    pub mtu: Option<u32>,
}

impl Links {
    /// Opens a socket in the calling thread's namespace. Must be called within a tokio runtime, which then reads from it.
    ///
    /// # Errors
    /// [`Error::Kernel`] if there are no more sockets to be had.
    pub fn open() -> Result<Self, Error> {
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(Error::kernel("opening", "a netlink socket"))?;
        // Ends when the last handle is dropped.
        tokio::spawn(connection);
        Ok(Links(handle))
    }

    /// One link by name, if it exists.
    pub async fn find(&self, name: &str) -> Result<Option<Link>, Error> {
        let mut found = self.0.link().get().match_name(name).execute();
        match found.try_next().await {
            Ok(link) => Ok(link.as_ref().map(Link::from)),
            Err(error) if is(&error, libc::ENODEV) => Ok(None),
            Err(error) => Err(Error::kernel("looking up", name)(error)),
        }
    }

    /// All links.
    pub async fn all(&self) -> Result<Vec<Link>, Error> {
        let messages: Vec<LinkMessage> = self
            .0
            .link()
            .get()
            .execute()
            .try_collect()
            .await
            .map_err(Error::kernel("listing", "links"))?;
        Ok(messages.iter().map(Link::from).collect())
    }

    /// Makes a bridge that is on. One that is there already is fine.
    pub async fn add_bridge(&self, name: &str, mac: Mac) -> Result<(), Error> {
        // Without an address of its own a bridge takes the lowest of its ports', a new one with every task.
        let message = LinkBridge::new(name).address(mac.0.to_vec()).build();
        allow(self.0.link().add(message).execute().await, libc::EEXIST)
            .map_err(Error::kernel("making bridge", name))
    }

    /// Makes a veth pair in one step: this end on and a port of the bridge, the other in its namespace and off, for an end
    /// cannot be switched on before the pair is complete.
    pub async fn add_veth(&self, veth: &Veth<'_>) -> Result<(), Error> {
        let mut peer = LinkMessageBuilder::<LinkUnspec>::new()
            .name(veth.peer)
            .address(veth.peer_mac.0.to_vec())
            .setns_by_fd(veth.peer_namespace);
        let mut port = LinkVeth::new(veth.name, veth.peer).controller(veth.bridge).up();
        if let Some(mtu) = veth.mtu {
            (peer, port) = (peer.mtu(mtu), port.mtu(mtu));
        }
        let message = port
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())))
            .build();
        self.0
            .link()
            .add(message)
            .execute()
            .await
            .map_err(Error::kernel("making veth", veth.name))
    }

    /// Switches a link on, and takes it out of the group of those that go.
    pub async fn up(&self, index: u32) -> Result<(), Error> {
        let message = LinkUnspec::new_with_index(index).link_group(0).up().build();
        self.0
            .link()
            .change(message)
            .execute()
            .await
            .map_err(Error::kernel("switching on link", index))
    }

    /// Makes a link a port of a bridge, switches it on, and takes it out of the group of those that go.
    pub async fn join(&self, index: u32, bridge: u32) -> Result<(), Error> {
        let message = LinkUnspec::new_with_index(index)
            .controller(bridge)
            .link_group(0)
            .up()
            .build();
        self.0
            .link()
            .change(message)
            .execute()
            .await
            .map_err(Error::kernel("adding port to bridge", index))
    }

    /// Makes a task's port of the board's own bridge. It may send back where a frame came from: a task that calls itself by a
    /// published port needs it. Isolated ports do not reach each other.
    pub async fn guard_port(&self, index: u32, isolated: bool) -> Result<(), Error> {
        let message = LinkBridgePort::new(index)
            .hairpin(true)
            .isolated(isolated)
            .build();
        self.set_port(message, index).await
    }

    pub(super) async fn set_port(&self, message: LinkMessage, index: u32) -> Result<(), Error> {
        self.0
            .link()
            .set_port(message)
            .execute()
            .await
            .map_err(Error::kernel("setting the ways of bridge's port", index))
    }

    /// Gives a link its hardware address.
    pub async fn set_mac(&self, index: u32, mac: Mac) -> Result<(), Error> {
        let message = LinkUnspec::new_with_index(index).address(mac.0.to_vec()).build();
        self.0
            .link()
            .change(message)
            .execute()
            .await
            .map_err(Error::kernel("setting address of link", index))
    }

    /// Removes a link. None there is fine.
    pub async fn remove(&self, name: &str) -> Result<(), Error> {
        let Some(link) = self.find(name).await? else {
            return Ok(());
        };
        allow(self.0.link().del(link.index).execute().await, libc::ENODEV)
            .map_err(Error::kernel("removing link", name))
    }

    /// Removes several links by one request: the kernel waits for all its cores once for each, which is 30 ms a time. Those
    /// that are not there are fine.
    pub async fn remove_all(&self, names: &HashSet<String>) -> Result<(), Error> {
        if let (true, Some(name)) = (names.len() < 2, names.iter().next()) {
            return self.remove(name).await;
        }
        let mut found = false;
        for link in self
            .all()
            .await?
            .into_iter()
            .filter(|link| names.contains(&link.name))
        {
            let message = LinkUnspec::new_with_index(link.index).link_group(GOING).build();
            allow(self.0.link().change(message).execute().await, libc::ENODEV)
                .map_err(Error::kernel("grouping link", link.name))?;
            found = true;
        }
        if found {
            let group = LinkMessageBuilder::<LinkUnspec>::new().link_group(GOING).build();
            allow(
                self.0.link().del_with_message(group).execute().await,
                libc::ENODEV,
            )
            .map_err(Error::kernel("removing", "links"))?;
        }
        Ok(())
    }

    /// The IPv4 addresses of a link, with the lengths of their prefixes in bits.
    pub async fn addresses(&self, index: u32) -> Result<Vec<(Ipv4Addr, u8)>, Error> {
        let messages = self.address_messages(index).await?;
        let found = messages.iter();
        Ok(found
            .filter_map(|message| Some((ipv4(message)?, message.header.prefix_len)))
            .collect())
    }

    /// Makes `address` the only IPv4 address of a link.
    pub async fn set_address(&self, index: u32, address: Ipv4Addr, prefix: u8) -> Result<(), Error> {
        let mut there = false;
        for message in self.address_messages(index).await? {
            match ipv4(&message) {
                Some(found) if found == address && message.header.prefix_len == prefix => there = true,
                Some(_) => allow(self.0.address().del(message).execute().await, libc::EADDRNOTAVAIL)
                    .map_err(Error::kernel("removing an address of link", index))?,
                None => {}
            }
        }
        if !there {
            allow(
                self.0
                    .address()
                    .add(index, IpAddr::V4(address), prefix)
                    .execute()
                    .await,
                libc::EEXIST,
            )
            .map_err(Error::kernel("adding address", address))?;
        }
        Ok(())
    }

    /// Makes `address` the only IPv6 address of a link, but for what the kernel gives it by itself.
    pub async fn set_address6(&self, index: u32, address: Ipv6Addr, prefix: u8) -> Result<(), Error> {
        let mut there = false;
        for message in self.address_messages(index).await? {
            match ipv6(&message) {
                Some(found) if found == address && message.header.prefix_len == prefix => there = true,
                Some(found) if !found.is_unicast_link_local() => {
                    allow(self.0.address().del(message).execute().await, libc::EADDRNOTAVAIL)
                        .map_err(Error::kernel("removing an address of link", index))?;
                }
                _ => {}
            }
        }
        if !there {
            let added = self.0.address().add(index, IpAddr::V6(address), prefix);
            allow(added.execute().await, libc::EEXIST).map_err(Error::kernel("adding address", address))?;
        }
        Ok(())
    }

    async fn address_messages(&self, index: u32) -> Result<Vec<AddressMessage>, Error> {
        let found = self.0.address().get().set_link_index_filter(index).execute();
        found
            .try_collect()
            .await
            .map_err(Error::kernel("listing addresses of link", index))
    }
}

/// An [`Error::Kernel`] of our own finding.
pub(super) fn refused(doing: &'static str, what: &str, reason: &str) -> Error {
    Error::kernel(doing, what)(reason)
}

pub(super) fn is(error: &rtnetlink::Error, errno: i32) -> bool {
    matches!(error, rtnetlink::Error::NetlinkError(message) if message.raw_code() == -errno)
}

pub(super) fn allow(result: Result<(), rtnetlink::Error>, errno: i32) -> Result<(), rtnetlink::Error> {
    result.or_else(|error| if is(&error, errno) { Ok(()) } else { Err(error) })
}
