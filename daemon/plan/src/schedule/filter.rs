//! Which boards won't do, and why, in Swarm's words: a user sees them in `docker service ps`.

use super::board::Board;
use super::request::Request;
use crate::enforce;
use model::Ailment;
use std::collections::BTreeMap;

/// Why a board won't do; the first of these that holds is the one that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    /// Down, paused or drained.
    NotReady,
    /// Not well.
    Unfit(Ailment),
    /// Too little is left unreserved.
    Resources,
    /// It does not meet the constraints.
    Constraints,
    /// It has not all devices that the service asks for.
    Devices,
    /// Its kernel has no WireGuard, and the task is in an encrypted network.
    Encryption,
    /// The image does not run on it.
    Platform,
    /// A port is taken on it.
    HostPort,
    /// The service has as many tasks on it as it may.
    MaxReplicas,
}

/// A refusal that no placement in this plan changes.
pub(crate) fn standing(board: &Board, request: &Request) -> Option<Refusal> {
    let constraints = request.constraints.as_ref();
    let meets = constraints.is_some_and(|all| all.iter().all(|constraint| constraint.holds(&board.node)));
    let platform = &board.node.description.platform;
    let runs = request.platforms.is_empty() || request.platforms.iter().any(|wanted| wanted.fits(platform));
    if !board.takes_tasks {
        Some(Refusal::NotReady)
    } else if let Some(ailment) = board.ailment {
        Some(Refusal::Unfit(ailment))
    } else if !meets {
        Some(Refusal::Constraints)
    } else if !request.wishes.met_by(&board.node.description) {
        Some(Refusal::Devices)
    } else if !enforce::encrypts(request.encrypted, &board.node) {
        Some(Refusal::Encryption)
    } else {
        (!runs).then_some(Refusal::Platform)
    }
}

/// Why the board won't do now; none if it will.
pub(crate) fn refusal(board: &Board, request: &Request, standing: Option<Refusal>) -> Option<Refusal> {
    let moment = if !has_resources(board, request) {
        Some(Refusal::Resources)
    } else if request
        .host_ports
        .iter()
        .any(|port| board.host_ports.contains(port))
    {
        Some(Refusal::HostPort)
    } else if request.max_replicas > 0 && board.present_of(&request.service) >= request.max_replicas {
        Some(Refusal::MaxReplicas)
    } else {
        None
    };
    // Whichever comes first in the order of filters.
    [standing, moment].into_iter().flatten().min()
}

fn has_resources(board: &Board, request: &Request) -> bool {
    let enough = |left: i64, wanted: i64| wanted <= 0 || left >= wanted;
    enough(board.nano_cpus, request.nano_cpus)
        && enough(board.memory, request.memory)
        && board.stock.has(&request.things)
}

/// `no suitable node (insufficient resources on 2 nodes; unsupported platform on 1 node)`, most boards first.
pub(crate) fn explain(refusals: &[Refusal]) -> String {
    let mut counts: BTreeMap<Refusal, usize> = BTreeMap::new();
    for refusal in refusals {
        *counts.entry(*refusal).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(refusal, count)| (std::cmp::Reverse(*count), *refusal));
    let parts: Vec<_> = counts
        .into_iter()
        .map(|(refusal, count)| words(refusal, count))
        .collect();
    if parts.is_empty() {
        "no suitable node".to_owned()
    } else {
        format!("no suitable node ({})", parts.join("; "))
    }
}

fn words(refusal: Refusal, count: usize) -> String {
    let nodes = if count == 1 {
        "1 node".to_owned()
    } else {
        format!("{count} nodes")
    };
    match refusal {
        Refusal::NotReady => format!("{nodes} not available for new tasks"),
        Refusal::Unfit(ailment) => format!("{} on {nodes}", condition(ailment)),
        Refusal::Resources => format!("insufficient resources on {nodes}"),
        Refusal::Constraints => format!("scheduling constraints not satisfied on {nodes}"),
        Refusal::Devices => format!("device not found on {nodes}"),
        Refusal::Encryption => format!("no WireGuard for encrypted networks on {nodes}"),
        Refusal::Platform => format!("unsupported platform on {nodes}"),
        Refusal::HostPort => format!("host-mode port already in use on {nodes}"),
        Refusal::MaxReplicas => "max replicas per node limit exceed".to_owned(),
    }
}

/// In words that go before `on 2 nodes`.
fn condition(ailment: Ailment) -> &'static str {
    match ailment {
        Ailment::ReadOnly => "data partition is read-only",
        Ailment::Full => "data partition is full",
        Ailment::UnderVoltage => "power supply is too weak",
        Ailment::Hot => "board is hot",
        Ailment::Other => "board is not well",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_that_is_not_well_says_what_it_has() {
        let refusals = [
            Refusal::Unfit(Ailment::Hot),
            Refusal::Unfit(Ailment::UnderVoltage),
        ];
        let text = "no suitable node (power supply is too weak on 1 node; board is hot on 1 node)";
        assert_eq!(explain(&refusals), text);
    }

    #[test]
    fn refusals_are_told_in_swarms_words_the_most_frequent_first() {
        let refusals = [Refusal::Resources, Refusal::Constraints, Refusal::Constraints];
        let text = "no suitable node (scheduling constraints not satisfied on 2 nodes; insufficient resources on 1 node)";
        assert_eq!(explain(&refusals), text);
        assert_eq!(
            explain(&[Refusal::NotReady]),
            "no suitable node (1 node not available for new tasks)"
        );
        assert_eq!(
            explain(&[Refusal::MaxReplicas]),
            "no suitable node (max replicas per node limit exceed)"
        );
        assert_eq!(explain(&[]), "no suitable node");
    }
}
