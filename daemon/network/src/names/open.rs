//! The sockets and the rules of one task's server, made inside its namespace.

use std::{
    io::{self, ErrorKind},
    net::{TcpListener, UdpSocket},
    path::Path,
};

use model::TaskId;
use tokio::runtime::Handle;

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
    let runtime = Handle::current();
    namespace::inside(netns, move || {
        let (udp, tcp) = bind(port)
            .or_else(|error| match error.kind() {
                // A program of the container's has that very port: any other will do.
                ErrorKind::AddrInUse => bind(0),
                _ => Err(error),
            })
            .map_err(Error::kernel("listening at", HERE))?;
        let ports = (udp.local_addr(), tcp.local_addr());
        let (Ok(at_udp), Ok(at_tcp)) = ports else {
            return Err(Error::kernel("listening at", HERE)("the port is not known"));
        };
        // Run by this thread, so that nft is born in this namespace.
        runtime.block_on(filter::apply(&rules::ruleset(at_udp.port(), at_tcp.port())))?;
        let sockets = || -> io::Result<Sockets> {
            Ok(Sockets {
                udp: udp.try_into()?,
                tcp: tcp.try_into()?,
            })
        };
        sockets().map_err(Error::kernel("listening at", HERE))
    })
    .await
}

fn bind(port: u16) -> io::Result<(UdpSocket, TcpListener)> {
    let (udp, tcp) = (UdpSocket::bind((HERE, port))?, TcpListener::bind((HERE, port))?);
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok((udp, tcp))
}
