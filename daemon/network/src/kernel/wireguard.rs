//! The board's WireGuard device: made over rtnetlink, told its keys and peers over generic netlink.

use std::collections::BTreeMap;

use futures::StreamExt;
use model::WireguardKey;
use netlink_packet_generic::{
    GenlMessage,
    ctrl::{GenlCtrl, GenlCtrlCmd, nlas::GenlCtrlAttrs},
};
use netlink_packet_wireguard::{
    WireguardAddressFamily, WireguardAllowedIp, WireguardAllowedIpAttr, WireguardAttribute, WireguardCmd,
    WireguardMessage, WireguardPeer, WireguardPeerAttribute, WireguardPeerFlags,
};
use nix::libc;
use rtnetlink::{
    LinkWireguard,
    packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload},
    proto::{self, ConnectionHandle},
    sys::{SocketAddr, protocols::NETLINK_GENERIC},
};

use super::{
    Link, Links,
    links::{allow, refused},
};
use crate::{
    Error,
    keys::Pair,
    wireguard::{Change, DEVICE, Found, PREFIX, Peers, address, difference},
};

/// Peers that are told of at once: the kernel takes 64 KiB of them in one message.
const AT_ONCE: usize = 100;
const IPV6: &str = "/proc/sys/net/ipv6/conf";

/// What speaks to the kernel's WireGuard.
pub struct Wireguard {
    kernel: ConnectionHandle<GenlMessage<WireguardMessage>>,
    family: u16,
}

/// What the kernel has.
#[derive(Default)]
struct Observed {
    private: Option<[u8; 32]>,
    port: u16,
    peers: BTreeMap<WireguardKey, Found>,
}

impl Wireguard {
    /// In the calling thread's namespace; none if the kernel has no WireGuard (its module is loaded if there is one), or no
    /// IPv6, which is spoken inside.
    ///
    /// # Errors
    /// [`Error::Kernel`] if there are no more sockets to be had, or the kernel does not answer.
    pub async fn open() -> Result<Option<Self>, Error> {
        let Some(family) = family().await? else {
            return Ok(None);
        };
        if !tokio::fs::try_exists(IPV6).await.unwrap_or(false) {
            return Ok(None);
        }
        let (connection, kernel, _) = proto::new_connection(NETLINK_GENERIC)
            .map_err(Error::kernel("opening", "a generic netlink socket"))?;
        // Ends when the last handle is dropped.
        tokio::spawn(connection);
        Ok(Some(Wireguard { kernel, family }))
    }

    /// Makes the device, or what is missing of it: its keys, address, largest packet and peers. Returns its number.
    ///
    /// # Errors
    /// [`Error::Kernel`] with the step that failed.
    pub async fn ensure(&self, board: &Links, pair: &Pair, mtu: u32, peers: &Peers) -> Result<u32, Error> {
        let link = ensure_link(board).await?;
        self.tell(link.index, pair, peers).await?;
        if link.mtu != mtu {
            board.set_mtu(link.index, mtu).await?;
        }
        // Boards may have switched IPv6 off for new links; this one is nobody's way to the Internet.
        let switch = format!("{IPV6}/{DEVICE}/disable_ipv6");
        tokio::fs::write(&switch, "0")
            .await
            .map_err(Error::kernel("writing", &switch))?;
        if !link.up || link.group != 0 {
            board.up(link.index).await?;
        }
        board
            .set_address6(link.index, address(&pair.public), PREFIX)
            .await?;
        Ok(link.index)
    }

    /// Keys and peers. The private key is told before the peers, so that no session begins with the old one.
    async fn tell(&self, index: u32, pair: &Pair, peers: &Peers) -> Result<(), Error> {
        let found = self.observe(index).await?;
        let mut own = Vec::new();
        if found.private.as_ref() != Some(pair.private.reveal()) {
            own.push(WireguardAttribute::PrivateKey(*pair.private.reveal()));
        }
        if found.port != exec::WIREGUARD_PORT {
            own.push(WireguardAttribute::ListenPort(exec::WIREGUARD_PORT));
        }
        if !own.is_empty() {
            self.set(index, own).await?;
        }
        for changes in difference(&found.peers, peers).chunks(AT_ONCE) {
            let peers = changes.iter().map(peer).collect();
            self.set(index, vec![WireguardAttribute::Peers(peers)]).await?;
        }
        Ok(())
    }

    async fn observe(&self, index: u32) -> Result<Observed, Error> {
        let about = vec![WireguardAttribute::IfIndex(index)];
        let mut answers = self.ask(WireguardCmd::GetDevice, about, NLM_F_DUMP)?;
        let mut observed = Observed::default();
        while let Some(answer) = answers.next().await {
            match answer.payload {
                NetlinkPayload::InnerMessage(message) => observed.add(message.payload.attributes),
                NetlinkPayload::Error(error) => return Err(Error::kernel("looking at", DEVICE)(error)),
                _ => {}
            }
        }
        Ok(observed)
    }

    async fn set(&self, index: u32, attributes: Vec<WireguardAttribute>) -> Result<(), Error> {
        let about = std::iter::once(WireguardAttribute::IfIndex(index));
        let mut answers = self.ask(
            WireguardCmd::SetDevice,
            about.chain(attributes).collect(),
            NLM_F_ACK,
        )?;
        while let Some(answer) = answers.next().await {
            match answer.payload {
                NetlinkPayload::Error(error) if error.code.is_some() => {
                    return Err(Error::kernel("telling keys and peers to", DEVICE)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn ask(
        &self,
        cmd: WireguardCmd,
        attributes: Vec<WireguardAttribute>,
        flags: u16,
    ) -> Result<impl futures::Stream<Item = NetlinkMessage<GenlMessage<WireguardMessage>>> + use<>, Error>
    {
        let mut message = GenlMessage::from_payload(WireguardMessage { cmd, attributes });
        message.set_resolved_family_id(self.family);
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        self.kernel
            .request(request, SocketAddr::new(0, 0))
            .map_err(Error::kernel("asking", "the kernel's WireGuard"))
    }
}

/// The number that the kernel gave to WireGuard's messages, if it has it.
async fn family() -> Result<Option<u16>, Error> {
    let (connection, handle, _) = proto::new_connection::<GenlMessage<GenlCtrl>>(NETLINK_GENERIC)
        .map_err(Error::kernel("opening", "a generic netlink socket"))?;
    tokio::spawn(connection);
    let mut request = NetlinkMessage::from(GenlMessage::from_payload(GenlCtrl {
        cmd: GenlCtrlCmd::GetFamily,
        nlas: vec![GenlCtrlAttrs::FamilyName("wireguard".to_owned())],
    }));
    request.header.flags = NLM_F_REQUEST;
    let mut answers = handle
        .request(request, SocketAddr::new(0, 0))
        .map_err(Error::kernel("asking", "the kernel for WireGuard"))?;
    while let Some(answer) = answers.next().await {
        match answer.payload {
            NetlinkPayload::InnerMessage(message) => {
                let id = message.payload.nlas.iter().find_map(|one| match one {
                    GenlCtrlAttrs::FamilyId(id) => Some(*id),
                    _ => None,
                });
                return Ok(id);
            }
            NetlinkPayload::Error(error) if error.raw_code() == -libc::ENOENT => return Ok(None),
            NetlinkPayload::Error(error) => {
                return Err(Error::kernel("asking", "the kernel for WireGuard")(error));
            }
            _ => {}
        }
    }
    Err(refused(
        "asking",
        "the kernel for WireGuard",
        "it does not answer",
    ))
}

async fn ensure_link(board: &Links) -> Result<Link, Error> {
    let before = board.find(DEVICE).await?;
    if let Some(link) = before.filter(|link| link.is_wireguard) {
        return Ok(link);
    }
    board.remove(DEVICE).await?;
    let message = LinkWireguard::new(DEVICE).build();
    allow(board.0.link().add(message).execute().await, libc::EEXIST)
        .map_err(Error::kernel("making", DEVICE))?;
    let found = board.find(DEVICE).await?;
    found.ok_or_else(|| refused("making", DEVICE, "it is gone again"))
}

impl Observed {
    /// Takes in one of the messages that make up an answer: long lists of peers come in several.
    fn add(&mut self, attributes: Vec<WireguardAttribute>) {
        for attribute in attributes {
            match attribute {
                WireguardAttribute::PrivateKey(key) => self.private = Some(key),
                WireguardAttribute::ListenPort(port) => self.port = port,
                WireguardAttribute::Peers(peers) => peers.iter().for_each(|peer| self.add_peer(peer)),
                _ => {}
            }
        }
    }

    fn add_peer(&mut self, peer: &WireguardPeer) {
        let key = peer.0.iter().find_map(|one| match one {
            WireguardPeerAttribute::PublicKey(key) => Some(WireguardKey(*key)),
            _ => None,
        });
        let Some(key) = key else { return };
        // One that goes on from the message before has only what was left of its addresses.
        let found = self.peers.entry(key).or_default();
        for attribute in &peer.0 {
            match attribute {
                WireguardPeerAttribute::Endpoint(end) => found.endpoint = Some(*end),
                WireguardPeerAttribute::AllowedIps(ips) => {
                    found.allowed.extend(ips.iter().filter_map(allowed))
                }
                _ => {}
            }
        }
    }
}

fn allowed(one: &WireguardAllowedIp) -> Option<(std::net::IpAddr, u8)> {
    let (mut address, mut prefix) = (None, None);
    for attribute in &one.0 {
        match attribute {
            WireguardAllowedIpAttr::IpAddr(found) => address = Some(*found),
            WireguardAllowedIpAttr::Cidr(found) => prefix = Some(*found),
            _ => {}
        }
    }
    address.zip(prefix)
}

/// A change as the kernel is told it.
fn peer(change: &Change) -> WireguardPeer {
    WireguardPeer(match change {
        Change::Remove(key) => vec![
            WireguardPeerAttribute::PublicKey(key.0),
            WireguardPeerAttribute::Flags(WireguardPeerFlags::RemoveMe),
        ],
        Change::Set(key, end) => {
            let own = WireguardAllowedIp(vec![
                WireguardAllowedIpAttr::Family(WireguardAddressFamily::Ipv6),
                WireguardAllowedIpAttr::IpAddr(address(key).into()),
                WireguardAllowedIpAttr::Cidr(128),
            ]);
            vec![
                WireguardPeerAttribute::PublicKey(key.0),
                WireguardPeerAttribute::Flags(WireguardPeerFlags::ReplaceAllowedIps),
                WireguardPeerAttribute::Endpoint(*end),
                WireguardPeerAttribute::AllowedIps(vec![own]),
            ]
        }
    })
}
