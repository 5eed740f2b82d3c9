//! The contract with the runtime, fulfilled by [`Network`].

use async_trait::async_trait;
use std::sync::Arc;

use exec::{Attached, Fabric, Networking, Wish};
use model::{TaskId, WireguardKey};

use crate::{Error, Network, ports};

#[async_trait]
impl Networking for Network {
    async fn attach(&self, wish: &Wish) -> Result<Attached, exec::Error> {
        Ok(Network::attach(self, wish).await?)
    }

    async fn detach(&self, task: &TaskId) -> Result<(), exec::Error> {
        Ok(Network::detach(self, task).await?)
    }

    async fn weave(&self, fabric: Arc<Fabric>) -> Result<(), exec::Error> {
        self.names.weave(fabric.clone());
        Ok(Network::weave(self, fabric).await?)
    }

    async fn wireguard(&self) -> Result<Option<WireguardKey>, exec::Error> {
        Ok(Network::wireguard(self).await?)
    }

    async fn attached(&self) -> Vec<TaskId> {
        Network::attached(self)
            .into_iter()
            .map(|(task, _)| task)
            .collect()
    }
}

impl From<Error> for exec::Error {
    /// What other tasks or the kernel's mood cause may pass; what the wish or the board's owner causes will not.
    fn from(error: Error) -> Self {
        let text = error.to_string();
        match error {
            Error::PortTaken { by, .. } if by == ports::OTHER_PROGRAM => exec::Error::Fatal(text),
            Error::Config(_) | Error::Wish { .. } | Error::Closed => exec::Error::Fatal(text),
            Error::PortTaken { .. }
            | Error::SeatTaken { .. }
            | Error::Unwoven(_)
            | Error::NoWireguard(_)
            | Error::Full(_)
            | Error::Kernel { .. }
            | Error::Rules(_)
            | Error::Several(_) => exec::Error::Temporary(text),
        }
    }
}
