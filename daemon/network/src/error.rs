//! What can go wrong. Errors are values that can be copied, for a failed batch is told to all who waited for it.

use std::{fmt::Display, net::Ipv4Addr};

use model::TaskId;

use crate::Subnet;

/// Why the network could not be made as wished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The configuration cannot work.
    #[error("network configuration: {0}")]
    Config(String),
    /// The wish makes no sense, whatever the board's state.
    #[error("cannot attach {task}: {reason}")]
    Wish {
        /// Who wished.
        task: TaskId,
        /// What is wrong with it.
        reason: String,
    },
    /// The host port is in use on this board.
    #[error("host port {port} is already taken by {by}")]
    PortTaken {
        /// The published port.
        port: u16,
        /// The task that has it, or the words "another program".
        by: String,
    },
    /// Every address of the subnet is given out.
    #[error("no address is left in {0}")]
    Full(Subnet),
    /// The place in an overlay network is still another task's on this board.
    #[error("address {address} still belongs to {by}")]
    SeatTaken {
        /// The address.
        address: Ipv4Addr,
        /// The task that has it.
        by: String,
    },
    /// The network is not among those that the managers told this board of, yet.
    #[error("this board has not been told of network {0} yet")]
    Unwoven(String),
    /// The network is encrypted, and the kernel can't do that.
    #[error(
        "network {0} is encrypted, and this board's kernel has no WireGuard: nothing of it is sent in the clear"
    )]
    NoWireguard(String),
    /// The kernel refused a step.
    #[error("{doing} {what}: {reason}")]
    Kernel {
        /// The step, like "creating namespace".
        doing: &'static str,
        /// What it was done to.
        what: String,
        /// The kernel's words.
        reason: String,
    },
    /// The packet filter was refused; nothing of it is in force.
    #[error("nft refused the rules: {0}")]
    Rules(String),
    /// Several steps failed, and the others were done all the same.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Several(Vec<Error>),
    /// [`Network::close`](crate::Network::close) was called before.
    #[error("the board's network is closed")]
    Closed,
}

impl Error {
    /// A maker of [`Error::Kernel`], for `map_err`.
    pub(crate) fn kernel<E: Display>(doing: &'static str, what: impl Display) -> impl FnOnce(E) -> Error {
        move |error| Error::Kernel {
            doing,
            what: what.to_string(),
            reason: error.to_string(),
        }
    }

    /// One result out of many: the single error as it is, several as [`Error::Several`].
    pub(crate) fn all(mut errors: Vec<Error>) -> Result<(), Error> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Error::Several(errors)),
        }
    }
}
