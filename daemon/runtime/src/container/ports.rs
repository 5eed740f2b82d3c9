//! Where a container is on the network: the board's, its own, and its places in overlays.

use super::{Container, kept, spec};
use exec::{Error, HostPort, Place, Wish};
use model::PublishMode;

/// Ports that a board chooses by itself, for services that ask for none in particular.
const OWN_PORTS: std::ops::Range<u16> = 32768..60999;

impl Container {
    fn on_boards_network(&self) -> bool {
        self.task
            .spec
            .networks
            .iter()
            .flatten()
            .any(|network| network.target.as_deref() == Some("host"))
    }

    /// Its places in overlay networks, as the managers gave them.
    fn places(&self) -> Vec<Place> {
        let attachments = self.task.networks_attachments.iter().flatten();
        let place = |attachment: &model::NetworkAttachment| {
            let (address, prefix) = attachment.addresses.as_ref()?.first()?.split_once('/')?;
            Some(Place {
                network: attachment.network.id.clone(),
                address: address.parse().ok()?,
                prefix: prefix.parse().ok()?,
            })
        };
        attachments.filter_map(place).collect()
    }

    pub fn host_ports(&self) -> Vec<HostPort> {
        let host = self
            .task
            .origin
            .ports
            .iter()
            .filter(|port| port.publish_mode == Some(PublishMode::Host));
        host.map(|port| HostPort {
            protocol: port.protocol.unwrap_or_default(),
            published: port
                .published_port
                .filter(|port| *port != 0)
                .unwrap_or_else(|| self.own_port(port.target_port)),
            target: port.target_port,
        })
        .collect()
    }

    /// A port for a service that asks for none in particular: spread by task, the same each time.
    fn own_port(&self, target: u16) -> u16 {
        let seed = self.id.bytes().fold(u32::from(target), |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(byte.into())
        });
        let width = u32::from(OWN_PORTS.end - OWN_PORTS.start);
        OWN_PORTS.start + u16::try_from(seed % width).unwrap_or(0)
    }

    pub(super) async fn attach(&self) -> Result<Option<exec::Attached>, Error> {
        if self.on_boards_network() {
            return Ok(None);
        }
        let task = self.expanded()?;
        let default = model::ContainerSpec::default();
        let container = task.spec.container_spec.as_ref().unwrap_or(&default);
        let wish = Wish {
            task: self.task.id.clone(),
            host_ports: self.host_ports(),
            places: self.places(),
            hostname: spec::name_of(container, &self.id),
            resolvers: spec::resolvers(container)?,
        };
        let attached = self.shared.network.attach(&wish).await?;
        kept::network(&self.run_folder(), &attached);
        Ok(Some(attached))
    }
}
