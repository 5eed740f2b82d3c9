//! What tasks of one spec need, worked out once for all of them.

use crate::enforce;
use model::{Constraint, DiscreteResource, Platform, PortProtocol, PublishMode, Task, Wishes};

/// What tasks of one spec need.
pub(crate) struct Request {
    pub(crate) service: model::ServiceId,
    /// None if one can't be read: then no board will do.
    pub(crate) constraints: Option<Vec<Constraint>>,
    /// What boards are liked better for.
    pub(crate) soft: Vec<Constraint>,
    pub(crate) platforms: Vec<Wanted>,
    pub(crate) wishes: Wishes,
    pub(crate) nano_cpus: i64,
    pub(crate) memory: i64,
    pub(crate) things: Vec<DiscreteResource>,
    pub(crate) host_ports: Vec<(PortProtocol, u16)>,
    /// One of its networks is encrypted.
    pub(crate) encrypted: bool,
    /// On one board; 0: any number.
    pub(crate) max_replicas: u64,
}

/// A platform that the image has, in Go's words; what is empty fits all.
pub(crate) struct Wanted {
    pub(crate) os: String,
    pub(crate) architecture: String,
    pub(crate) variant: Option<u32>,
}

impl Request {
    pub(crate) fn of(task: &Task) -> Self {
        let placement = task.spec.placement.as_ref();
        let platforms = placement
            .and_then(|placement| placement.platforms.as_deref())
            .unwrap_or_default();
        let reserved = task
            .spec
            .resources
            .as_ref()
            .and_then(|resources| resources.reservations.as_ref());
        let things = reserved
            .and_then(|reserved| reserved.generic_resources.as_deref())
            .unwrap_or_default();
        let constraints = enforce::constraints(placement);
        let (soft, hard) = constraints
            .clone()
            .unwrap_or_default()
            .into_iter()
            .partition(Constraint::is_soft);
        Self {
            service: task.service_id.clone(),
            constraints: constraints.map(|_| hard),
            soft,
            wishes: Wishes::checked(&task.origin.service_labels),
            platforms: platforms.iter().map(Wanted::of).collect(),
            nano_cpus: reserved.and_then(|reserved| reserved.nano_cpus).unwrap_or(0),
            memory: reserved.and_then(|reserved| reserved.memory_bytes).unwrap_or(0),
            things: things
                .iter()
                .filter_map(|thing| thing.discrete_resource_spec.clone())
                .collect(),
            host_ports: host_ports(task),
            encrypted: enforce::is_encrypted(task),
            max_replicas: placement
                .and_then(|placement| placement.max_replicas)
                .unwrap_or(0),
        }
    }
}

/// Ports that a task takes on its board.
pub(crate) fn host_ports(task: &Task) -> Vec<(PortProtocol, u16)> {
    let ports = task.origin.ports.iter();
    ports
        .filter(|port| port.publish_mode == Some(PublishMode::Host))
        .filter_map(|port| {
            Some((
                port.protocol.unwrap_or_default(),
                port.published_port.filter(|number| *number != 0)?,
            ))
        })
        .collect()
}

impl Wanted {
    fn of(platform: &Platform) -> Self {
        let (os, architecture) = platform.normal();
        Self {
            os,
            architecture,
            variant: variant(platform),
        }
    }

    /// True if the image runs on the board.
    pub(crate) fn fits(&self, board: &Platform) -> bool {
        let (os, architecture) = board.normal();
        let same = |wanted: &str, had: &str| wanted.is_empty() || wanted == had;
        // A newer ARM runs what was built for an older one; not the other way round (a Pi Zero is v6).
        let new_enough = match (self.variant, variant(board)) {
            (Some(wanted), Some(had)) => wanted <= had,
            _ => true,
        };
        // A 64-bit ARM board of this family also runs what was built for its 32-bit elders.
        let elder = self.architecture == "arm" && architecture == "arm64";
        same(&self.os, &os) && (elder || same(&self.architecture, &architecture) && new_enough)
    }
}

/// The ARM variant as a number: said outright (`v7`), or by the kernel's name of the machine (`armv7l`).
fn variant(platform: &Platform) -> Option<u32> {
    let told = platform.variant.as_deref().filter(|told| !told.is_empty());
    let text = told.or_else(|| platform.architecture.as_deref()?.strip_prefix("arm"))?;
    let text = text.strip_prefix('v')?;
    text.chars()
        .take_while(char::is_ascii_digit)
        .collect::<String>()
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(architecture: &str, variant: Option<&str>) -> Platform {
        Platform {
            architecture: Some(architecture.to_owned()),
            os: Some("linux".to_owned()),
            variant: variant.map(str::to_owned),
        }
    }

    #[test]
    fn an_arm_image_needs_a_board_of_its_variant_or_newer() {
        for (image, board, fits) in [
            (platform("arm", Some("v7")), platform("armv6l", None), false),
            (platform("arm", Some("v7")), platform("armv7l", None), true),
            (platform("arm", Some("v6")), platform("armv7l", None), true),
            (platform("arm", None), platform("armv6l", None), true),
            (platform("arm64", Some("v8")), platform("aarch64", None), true),
            (platform("arm", Some("v6")), platform("armv6l", None), true),
            (platform("arm", Some("v7")), platform("aarch64", None), true),
            (platform("armv7", None), platform("armv6l", None), false),
            (platform("armv7", None), platform("armv7l", None), true),
            (platform("arm64", Some("v8")), platform("armv7l", None), false),
            (platform("arm", Some("v7")), platform("x86_64", None), false),
            (platform("amd64", None), platform("aarch64", None), false),
            (platform("amd64", None), platform("x86_64", None), true),
            (Platform::default(), platform("armv6l", None), true),
        ] {
            assert_eq!(Wanted::of(&image).fits(&board), fits, "{image:?} on {board:?}");
        }
    }
}
