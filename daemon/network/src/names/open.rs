//! The sockets and the rules of one task's server, made inside its namespace.

use std::{
    io::{self, ErrorKind},
    net::{TcpListener, UdpSocket},
    path::Path,
};

use model::TaskId;

use super::{resolvers::HERE, rules, serve::Sockets};
use crate::{
    Error,
    kernel::{filter, namespace},
};

/// Opens them anew. The rules of an earlier server are replaced.
///
/// # Errors
/// [`Error::Kernel`] or [`Error::Rules`]; then nobody answers in that namespace.
pub async fn open(task: &TaskId, netns: &Path) -> Result<Sockets, Error> {
    let port = rules::usual_port(task);
    let (udp, tcp) = namespace::inside(netns, move || {
        bind(port)
            .or_else(|error| match error.kind() {
                // A program of the container's has that very port: any other will do.
                ErrorKind::AddrInUse => bind(0),
                _ => Err(error),
            })
            .map_err(Error::kernel("listening at", HERE))
    })
    .await?;
    let sockets = || -> io::Result<(u16, u16, Sockets)> {
        let (at_udp, at_tcp) = (udp.local_addr()?.port(), tcp.local_addr()?.port());
        let (udp, tcp) = (udp.try_into()?, tcp.try_into()?);
        Ok((at_udp, at_tcp, Sockets { udp, tcp }))
    };
    let (at_udp, at_tcp, sockets) = sockets().map_err(Error::kernel("listening at", HERE))?;
    filter::apply_within(netns, None, &rules::ruleset(at_udp, at_tcp)).await?;
    Ok(sockets)
}

fn bind(port: u16) -> io::Result<(UdpSocket, TcpListener)> {
    let (udp, tcp) = (UdpSocket::bind((HERE, port))?, TcpListener::bind((HERE, port))?);
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok((udp, tcp))
}
