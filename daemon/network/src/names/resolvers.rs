//! Who is asked for names of the world.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6},
    path::Path,
};

/// Where a task asks: this server itself, so nobody to pass a question on to.
pub const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
/// Where DNS is served.
pub const PORT: u16 = 53;
/// More are never asked (as in glibc).
const MOST: usize = 3;

/// The servers that a service names, as far as they can be asked.
pub fn chosen(resolvers: &[IpAddr]) -> Vec<SocketAddr> {
    let others = resolvers.iter().filter(|ip| **ip != IpAddr::V4(HERE));
    others.take(MOST).map(|ip| SocketAddr::new(*ip, PORT)).collect()
}

/// The board's own servers, read anew each time: a board gets others with every lease.
pub async fn of_board(path: &Path) -> Vec<SocketAddr> {
    match tokio::fs::read_to_string(path).await {
        Ok(text) => parse(&text, interface),
        Err(error) => {
            tracing::debug!(path = %path.display(), %error, "cannot read the board's resolvers");
            Vec::new()
        }
    }
}

/// The servers of a `resolv.conf`; `interface` tells the number of a link by its name.
fn parse(text: &str, interface: impl Fn(&str) -> Option<u32>) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let server = words
            .next()
            .filter(|word| *word == "nameserver")
            .and(words.next())?;
        match server.split_once('%') {
            // A router that gives out its own address of the link: `fe80::1%eth0`.
            Some((ip, link)) => {
                let number = link.parse().ok().or_else(|| interface(link))?;
                Some(SocketAddrV6::new(ip.parse().ok()?, PORT, 0, number).into())
            }
            None => Some(SocketAddr::new(server.parse().ok()?, PORT)),
        }
    };
    text.lines().filter_map(address).take(MOST).collect()
}

fn interface(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_of_a_resolv_conf() {
        let text = "# nameserver 1.1.1.1\nsearch home\nnameserver  10.0.0.1 \n\tnameserver fe80::1%eth0\nnameserver\n\
                    nameserver nonsense\nnameserver fe80::2%7\nnameserver fe80::3%gone\nnameserver 9.9.9.9\nnameserver 8.8.8.8\n";
        let found = parse(text, |name| (name == "eth0").then_some(3));
        let expected: Vec<SocketAddr> = ["10.0.0.1:53", "[fe80::1%3]:53", "[fe80::2%7]:53"]
            .iter()
            .map(|text| text.parse().unwrap())
            .collect();
        assert_eq!(found, expected);
        assert!(parse("", |_| None).is_empty());
    }

    #[test]
    fn a_question_is_not_passed_on_to_where_it_came_from() {
        let found = chosen(&[IpAddr::V4(HERE), "10.0.0.1".parse().unwrap()]);
        assert_eq!(found, ["10.0.0.1:53".parse().unwrap()]);
    }
}
