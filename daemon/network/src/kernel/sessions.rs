//! Connections to who is gone: cut at once, not when somebody tires of waiting.
//!
//! The packet filter answers "no" to whatever is sent to an address that is nobody's any more. That is not enough:
//!
//! - Datagrams from one port go where they went before, for as long as they keep coming. The kernel is made to forget that, so
//!   the next one goes to somebody who is there.
//! - Who waits for an answer sends nothing that could be refused. It is prompted by an empty segment from far outside of what it
//!   expects (RFC 9293, 3.10.7.4): it says where it stands, and that is refused.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, SocketAddrV4},
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
};

use futures::StreamExt;
use netlink_packet_netfilter::{
    NetfilterHeader, NetfilterMessage, NetfilterMessageInner, NetfilterProtoFamily,
    conntrack::{ConntrackAttribute, ConntrackMessage, IPTuple, ProtoTuple, Protocol, Tuple},
};
use nix::{
    libc,
    sys::socket::{
        AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, sendto, setsockopt, socket,
        sockopt::Mark,
    },
};
use rtnetlink::{
    packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload},
    proto::{self, ConnectionHandle},
    sys::{SocketAddr, protocols::NETLINK_NETFILTER},
};

use super::namespace;
use crate::{Error, rules::PROMPT};

/// The connections of a namespace.
struct Sessions {
    netfilter: ConnectionHandle<NetfilterMessage>,
    prompter: OwnedFd,
}

/// Cuts the board's connections to these addresses.
///
/// # Errors
/// [`Error::Kernel`] if the kernel does not tell of its connections, or keeps one.
pub async fn cut(gone: &BTreeSet<Ipv4Addr>) -> Result<(), Error> {
    Sessions::open()?.cut(gone).await
}

/// Cuts connections to these addresses of the namespace mounted at `path`.
///
/// # Errors
/// Those of [`cut`], or if the namespace cannot be entered.
pub async fn cut_inside(path: &Path, gone: &BTreeSet<Ipv4Addr>) -> Result<(), Error> {
    namespace::inside(path, Sessions::open).await?.cut(gone).await
}

impl Sessions {
    /// In the calling thread's namespace.
    fn open() -> Result<Self, Error> {
        let (connection, netfilter, _) = proto::new_connection(NETLINK_NETFILTER)
            .map_err(Error::kernel("opening", "a netfilter socket"))?;
        // Ends when the last handle is dropped.
        tokio::spawn(connection);
        let prompter = prompter().map_err(Error::kernel("opening", "a raw socket"))?;
        Ok(Sessions { netfilter, prompter })
    }

    async fn cut(&self, gone: &BTreeSet<Ipv4Addr>) -> Result<(), Error> {
        let mut errors = Vec::new();
        for session in self.all().await?.iter().filter(|one| gone.contains(&one.server)) {
            match session.protocol {
                Protocol::Tcp => self.prompt(session),
                _ => errors.extend(self.forget(session).await.err()),
            }
        }
        Error::all(errors)
    }

    async fn all(&self) -> Result<Vec<Session>, Error> {
        let mut sessions = Vec::new();
        let mut answers = self.ask(ConntrackMessage::Get(Vec::new()), NLM_F_DUMP)?;
        while let Some(answer) = answers.next().await {
            match answer.payload {
                NetlinkPayload::InnerMessage(message) => sessions.extend(Session::of(message)),
                NetlinkPayload::Error(error) => {
                    return Err(Error::kernel("listing", "connections")(error));
                }
                _ => {}
            }
        }
        Ok(sessions)
    }

    async fn forget(&self, session: &Session) -> Result<(), Error> {
        let message = ConntrackMessage::Delete(vec![ConntrackAttribute::CtaTupleOrig(session.tuple.clone())]);
        let mut answers = self.ask(message, NLM_F_ACK)?;
        while let Some(answer) = answers.next().await {
            match answer.payload {
                NetlinkPayload::Error(error) if ![0, -libc::ENOENT].contains(&error.raw_code()) => {
                    return Err(Error::kernel("forgetting a connection to", session.server)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn ask(
        &self,
        message: ConntrackMessage,
        flags: u16,
    ) -> Result<impl futures::Stream<Item = NetlinkMessage<NetfilterMessage>> + use<>, Error> {
        let header = NetfilterHeader::new(NetfilterProtoFamily::IPv4, 0, 0);
        let mut request = NetlinkMessage::from(NetfilterMessage::new(header, message));
        request.header.flags = NLM_F_REQUEST | flags;
        self.netfilter
            .request(request, SocketAddr::new(0, 0))
            .map_err(Error::kernel("asking", "netfilter"))
    }

    /// One that cannot be prompted waits until it sends something by itself.
    fn prompt(&self, session: &Session) {
        let packet = segment(session.called, session.caller);
        let to = SockaddrIn::from(session.caller);
        if let Err(error) = sendto(self.prompter.as_raw_fd(), &packet, &to, MsgFlags::empty()) {
            tracing::debug!(caller = %session.caller, %error, "cannot prompt a caller of somebody who is gone");
        }
    }
}

/// A connection as it was made, and who serves it.
struct Session {
    tuple: Vec<Tuple>,
    protocol: Protocol,
    caller: SocketAddrV4,
    called: SocketAddrV4,
    /// After all translations.
    server: Ipv4Addr,
}

impl Session {
    fn of(message: NetfilterMessage) -> Option<Self> {
        let NetfilterMessageInner::Conntrack(ConntrackMessage::New(attributes)) = message.inner else {
            return None;
        };
        let (mut made, mut reply) = (None, None);
        for attribute in attributes {
            match attribute {
                ConntrackAttribute::CtaTupleOrig(tuple) => made = Some(tuple),
                ConntrackAttribute::CtaTupleReply(tuple) => reply = Some(tuple),
                _ => {}
            }
        }
        let tuple = made?;
        let (protocol, caller, called) = ends(&tuple)?;
        let (_, server, _) = ends(&reply?)?;
        Some(Session {
            tuple,
            protocol,
            caller,
            called,
            server: *server.ip(),
        })
    }
}

/// Source and destination. Protocols without ports have zeros.
fn ends(tuple: &[Tuple]) -> Option<(Protocol, SocketAddrV4, SocketAddrV4)> {
    let (mut source, mut destination, mut protocol) = (None, None, None);
    let (mut from, mut to) = (0, 0);
    for part in tuple {
        match part {
            Tuple::Ip(parts) => {
                for part in parts {
                    match part {
                        IPTuple::SourceAddress(IpAddr::V4(address)) => source = Some(*address),
                        IPTuple::DestinationAddress(IpAddr::V4(address)) => destination = Some(*address),
                        _ => {}
                    }
                }
            }
            Tuple::Proto(parts) => {
                for part in parts {
                    match part {
                        ProtoTuple::Protocol(found) => protocol = Some(*found),
                        ProtoTuple::SourcePort(port) => from = *port,
                        ProtoTuple::DestinationPort(port) => to = *port,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some((
        protocol?,
        SocketAddrV4::new(source?, from),
        SocketAddrV4::new(destination?, to),
    ))
}

fn prompter() -> nix::Result<OwnedFd> {
    let kind = SockType::Raw;
    let socket = socket(
        AddressFamily::Inet,
        kind,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::Raw,
    )?;
    setsockopt(&socket, Mark, &PROMPT)?;
    Ok(socket)
}

/// A TCP segment over IPv4 with nothing in it but ACK, numbered zero.
fn segment(from: SocketAddrV4, to: SocketAddrV4) -> [u8; 40] {
    let mut packet = [0; 40];
    // The kernel fills in the header's length, identifier and checksum.
    packet[0] = 0x45;
    packet[8] = 64;
    packet[9] = 6;
    packet[12..16].copy_from_slice(&from.ip().octets());
    packet[16..20].copy_from_slice(&to.ip().octets());
    packet[20..22].copy_from_slice(&from.port().to_be_bytes());
    packet[22..24].copy_from_slice(&to.port().to_be_bytes());
    packet[32] = 5 << 4;
    packet[33] = 0x10;
    let sum = checksum(&packet);
    packet[36..38].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// TCP's, over addresses, protocol, length and segment.
fn checksum(packet: &[u8; 40]) -> u16 {
    let words = packet[12..].chunks_exact(2);
    let mut sum = words.fold(6 + 20, |sum: u32, word| {
        sum + u32::from(u16::from_be_bytes([word[0], word[1]]))
    });
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_one_that_a_kernel_takes() {
        let from = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 8080);
        let to = SocketAddrV4::new(Ipv4Addr::new(192, 168, 7, 9), 51000);
        let packet = segment(from, to);
        // The sum over all with its checksum in place is nothing.
        assert_eq!(checksum(&packet), 0);
        assert_eq!(packet[20..24], [0x1f, 0x90, 0xc7, 0x38]);
    }
}
