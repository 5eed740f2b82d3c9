//! Published ports: `endpoint.ports` is what the spec asks for, with a free number where it leaves the choice.
//!
//! Two services that ask for the same port are refused when they are written (manager's control); here only free
//! numbers are chosen, and a number once given stays.

use crate::Reason;
use crate::draft::Draft;
use model::{EndpointSpec, PortConfig, PortProtocol, PublishMode, Service};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Where numbers are chosen from (swarm.md 1.7).
const DYNAMIC: RangeInclusive<u16> = 30_000..=32_767;

type Taken = BTreeSet<(PortProtocol, u16)>;

pub(crate) fn apply(draft: &mut Draft<'_>) {
    let services = draft.services();
    let unsettled: Vec<_> = services.iter().filter(|service| !is_settled(service)).collect();
    if unsettled.is_empty() {
        return;
    }
    let mut taken: Taken = services.iter().flat_map(|service| of_mesh(service)).collect();
    for service in unsettled {
        let (ports, reasons) = choose(service, &mut taken);
        draft.edit_service(&service.id, |service| {
            service.endpoint.spec = service.spec.endpoint_spec.clone().unwrap_or_default();
            service.endpoint.ports = Some(ports).filter(|ports| !ports.is_empty());
        });
        if draft
            .service(&service.id)
            .is_some_and(|now| now.endpoint != service.endpoint)
        {
            reasons.into_iter().for_each(|reason| draft.say(reason));
        }
    }
}

/// True if the endpoint was made from this very spec and nothing in it is open.
fn is_settled(service: &Service) -> bool {
    let asked = service.spec.endpoint_spec.clone().unwrap_or_default();
    let given = service.endpoint.ports.as_deref().unwrap_or_default();
    asked == service.endpoint.spec
        && asked.ports.as_deref().unwrap_or_default().len() == given.len()
        && !given.iter().any(is_open)
}

/// True if a number is to be chosen. Ports of a task's own board are chosen there.
fn is_open(port: &PortConfig) -> bool {
    port.publish_mode.unwrap_or_default() == PublishMode::Ingress && number(port).is_none()
}

fn number(port: &PortConfig) -> Option<u16> {
    port.published_port.filter(|number| *number != 0)
}

/// Numbers of the mesh that a service has or asks for.
fn of_mesh(service: &Service) -> Vec<(PortProtocol, u16)> {
    let asked = service
        .spec
        .endpoint_spec
        .as_ref()
        .and_then(|spec: &EndpointSpec| spec.ports.as_deref());
    asked
        .unwrap_or_default()
        .iter()
        .chain(service.endpoint.ports.as_deref().unwrap_or_default())
        .filter(|port| port.publish_mode.unwrap_or_default() == PublishMode::Ingress)
        .filter_map(|port| Some((port.protocol.unwrap_or_default(), number(port)?)))
        .collect()
}

fn choose(service: &Service, taken: &mut Taken) -> (Vec<PortConfig>, Vec<Reason>) {
    let asked = service
        .spec
        .endpoint_spec
        .as_ref()
        .and_then(|spec| spec.ports.clone())
        .unwrap_or_default();
    let mut had: Vec<PortConfig> = service.endpoint.ports.clone().unwrap_or_default();
    // A number that the spec names itself is not handed on to another of its ports.
    had.retain(|old| {
        !asked
            .iter()
            .any(|port| number(port).is_some() && number(port) == number(old))
    });
    let (mut ports, mut reasons) = (Vec::new(), Vec::new());
    for mut port in asked {
        if is_open(&port) {
            let protocol = port.protocol.unwrap_or_default();
            let same = |old: &PortConfig| {
                old.target_port == port.target_port
                    && old.protocol.unwrap_or_default() == protocol
                    && old.publish_mode.unwrap_or_default() == PublishMode::Ingress
                    && number(old).is_some_and(|number| DYNAMIC.contains(&number))
            };
            let kept = had
                .iter()
                .position(same)
                .map(|at| had.swap_remove(at))
                .and_then(|old| number(&old));
            let (name, target) = (service.spec.name.clone(), port.target_port);
            match kept.or_else(|| {
                DYNAMIC
                    .clone()
                    .find(|number| !taken.contains(&(protocol, *number)))
            }) {
                Some(chosen) => {
                    taken.insert((protocol, chosen));
                    port.published_port = Some(chosen);
                    if kept.is_none() {
                        reasons.push(Reason::Port {
                            service: name,
                            target,
                            published: chosen,
                        });
                    }
                }
                None => reasons.push(Reason::NoPort {
                    service: name,
                    target,
                }),
            }
        }
        ports.push(port);
    }
    (ports, reasons)
}
