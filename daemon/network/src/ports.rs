//! Whether a port of the board is free of other programs.
//!
//! Translated packets never reach a program that listens on the same port of the board, so a published port could silently
//! cut off the board's ssh or the daemon itself. A short bind tells.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, TcpListener, UdpSocket},
};

use exec::HostPort;
use model::PortProtocol;

use crate::Error;

/// Who has a port that no task has.
pub const OTHER_PROGRAM: &str = "another program";

/// Succeeds if no program on the board is bound to the port. SCTP is not looked at: the kernel may lack it.
///
/// # Errors
/// [`Error::PortTaken`] by [`OTHER_PROGRAM`].
pub fn unused_by_programs(port: &HostPort) -> Result<(), Error> {
    let place = (Ipv4Addr::UNSPECIFIED, port.published);
    let bound = match port.protocol {
        PortProtocol::Tcp => TcpListener::bind(place).map(drop),
        PortProtocol::Udp => UdpSocket::bind(place).map(drop),
        PortProtocol::Sctp => Ok(()),
    };
    match bound {
        Err(error) if error.kind() == ErrorKind::AddrInUse => Err(Error::PortTaken {
            port: port.published,
            by: OTHER_PROGRAM.to_owned(),
        }),
        // Any other refusal says nothing about the port.
        _ => Ok(()),
    }
}
