//! What a container is called, and whom it asks for names: `hostname`, `hosts` and `resolv.conf`.

use super::Parts;
use exec::Error;
use model::{ContainerSpec, Task};
use std::net::{IpAddr, Ipv4Addr};

/// The name server in every task's own network namespace (see `network`).
const SERVER: &str = "127.0.0.11";

/// The name that a container has inside: the user's, or the beginning of its id; the board's on the board's network.
pub(crate) fn hostname(parts: &Parts<'_>, container: &ContainerSpec) -> String {
    let own = container.hostname.as_deref().is_some_and(|name| !name.is_empty());
    if parts.network.is_none() && !own {
        return parts.board.hostname.clone();
    }
    name_of(container, parts.id)
}

/// The name of a container that has a network of its own; its templates are filled in.
pub(crate) fn name_of(container: &ContainerSpec, id: &str) -> String {
    match container.hostname.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => id.chars().take(12).collect(),
    }
}

/// Lines of the container's `/etc/hosts`.
pub(crate) fn hosts(parts: &Parts<'_>, container: &ContainerSpec) -> String {
    let mut text = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned();
    // A service writes `address name`; `docker run` would write `name:address`.
    for line in container.hosts.iter().flatten() {
        let mut words = line.split_whitespace();
        if let (Some(address), names) = (words.next(), words.collect::<Vec<_>>().join(" ")) {
            text.push_str(&format!("{address}\t{names}\n"));
        }
    }
    if let Some(attached) = parts.network {
        let address = first_place(parts.task).unwrap_or(attached.address);
        text.push_str(&format!("{address}\t{}\n", hostname(parts, container)));
    }
    text
}

/// The address that others know a task by: that in its first network, but for the routing mesh's.
fn first_place(task: &Task) -> Option<Ipv4Addr> {
    let attachments = task.networks_attachments.iter().flatten();
    let mut known = attachments.filter(|attachment| attachment.network.spec.ingress != Some(true));
    let address = known.next()?.addresses.as_ref()?.first()?;
    address.split('/').next()?.parse().ok()
}

/// The servers that a service wants asked for names of the world.
///
/// # Errors
/// [`Error::Fatal`] for one that is no address.
pub(crate) fn resolvers(container: &ContainerSpec) -> Result<Vec<IpAddr>, Error> {
    let dns = container.dns_config.iter();
    let servers = dns.flat_map(|dns| dns.nameservers.iter().flatten());
    servers
        .map(|server| {
            server
                .parse()
                .map_err(|_| Error::Fatal(format!("DNSConfig: {server:?} is not an IP address")))
        })
        .collect()
}

/// Lines of the container's `/etc/resolv.conf`. With a network of its own it asks the cluster's name server, which passes on what
/// it does not know; on the board's network it asks whom the board asks. What the service says goes before what the board says.
pub(crate) fn resolv_conf(container: &ContainerSpec, boards: &str, own_network: bool) -> String {
    let default = model::DnsConfig::default();
    let dns = container.dns_config.as_ref().unwrap_or(&default);
    let said = |list: &Option<Vec<String>>| list.clone().filter(|list| !list.is_empty());
    let boards_words = |keys: &[&str]| {
        let line = boards.lines().rfind(|line| {
            line.split_whitespace()
                .next()
                .is_some_and(|key| keys.contains(&key))
        });
        let words = line.map(|line| line.split_whitespace().skip(1).map(str::to_owned).collect());
        words.filter(|words: &Vec<String>| !words.is_empty())
    };

    let mut lines = Vec::new();
    if own_network {
        lines.push(format!("nameserver {SERVER}"));
    } else if let Some(servers) = said(&dns.nameservers) {
        lines.extend(servers.iter().map(|server| format!("nameserver {server}")));
    } else {
        let servers = boards
            .lines()
            .filter(|line| line.trim_start().starts_with("nameserver"));
        lines.extend(servers.map(|line| line.trim().to_owned()));
    }
    if let Some(search) = said(&dns.search).or_else(|| boards_words(&["search", "domain"])) {
        // Docker's word for "none at all".
        if search != ["."] {
            lines.push(format!("search {}", search.join(" ")));
        }
    }
    let options = match said(&dns.options) {
        Some(mut options) => {
            if own_network && !options.iter().any(|option| option.starts_with("ndots:")) {
                options.push("ndots:0".to_owned());
            }
            options
        }
        None => {
            let mut options = boards_words(&["options"]).unwrap_or_default();
            if own_network {
                // A service's name has no dots and is to be asked for as it is first.
                options.retain(|option| !option.starts_with("ndots:"));
                options.push("ndots:0".to_owned());
            }
            options
        }
    };
    if !options.is_empty() {
        lines.push(format!("options {}", options.join(" ")));
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &[&str]) -> Option<Vec<String>> {
        Some(list.iter().map(|text| (*text).to_owned()).collect())
    }

    fn with(nameservers: &[&str], search: &[&str], options: &[&str]) -> ContainerSpec {
        ContainerSpec {
            dns_config: Some(model::DnsConfig {
                nameservers: strings(nameservers),
                search: strings(search),
                options: strings(options),
            }),
            ..ContainerSpec::default()
        }
    }

    const BOARDS: &str =
        "# by DHCP\nnameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch home\noptions edns0 ndots:2\n";

    #[test]
    fn a_container_with_a_network_of_its_own_asks_the_clusters_server() {
        assert_eq!(
            resolv_conf(&ContainerSpec::default(), BOARDS, true),
            "nameserver 127.0.0.11\nsearch home\noptions edns0 ndots:0\n"
        );
        assert_eq!(
            resolv_conf(&with(&["1.1.1.1"], &[], &[]), "", true),
            "nameserver 127.0.0.11\noptions ndots:0\n"
        );
        assert_eq!(
            resolv_conf(
                &with(&[], &["a.example", "b.example"], &["ndots:3", "rotate"]),
                BOARDS,
                true
            ),
            "nameserver 127.0.0.11\nsearch a.example b.example\noptions ndots:3 rotate\n"
        );
        assert_eq!(
            resolv_conf(&with(&[], &["."], &["rotate"]), BOARDS, true),
            "nameserver 127.0.0.11\noptions rotate ndots:0\n"
        );
    }

    #[test]
    fn a_container_on_the_boards_network_asks_whom_the_board_asks() {
        assert_eq!(
            resolv_conf(&ContainerSpec::default(), BOARDS, false),
            "nameserver 127.0.0.53\nnameserver 10.0.0.1\nsearch home\noptions edns0 ndots:2\n"
        );
        assert_eq!(
            resolv_conf(&with(&["1.1.1.1"], &[], &[]), BOARDS, false),
            "nameserver 1.1.1.1\nsearch home\noptions edns0 ndots:2\n"
        );
    }

    #[test]
    fn what_is_no_address_is_no_server() {
        assert_eq!(
            resolvers(&with(&["1.1.1.1", "fd00::1"], &[], &[])),
            Ok(vec!["1.1.1.1".parse().unwrap(), "fd00::1".parse().unwrap()])
        );
        assert!(resolvers(&with(&["dns.example"], &[], &[])).is_err());
        assert_eq!(resolvers(&ContainerSpec::default()), Ok(Vec::new()));
    }

    #[test]
    fn a_task_is_known_by_its_first_network_but_the_meshs() {
        let place = |ingress, address: &str| model::NetworkAttachment {
            network: model::Network {
                spec: model::NetworkSpec {
                    ingress,
                    ..model::NetworkSpec::default()
                },
                ..model::Network::default()
            },
            addresses: strings(&[address]),
        };
        let task = |places| Task {
            networks_attachments: Some(places),
            ..Task::default()
        };
        let both = task(vec![place(Some(true), "10.0.0.7/24"), place(None, "10.0.1.7/24")]);
        assert_eq!(first_place(&both), Some(Ipv4Addr::new(10, 0, 1, 7)));
        assert_eq!(first_place(&task(vec![place(Some(true), "10.0.0.7/24")])), None);
    }
}
