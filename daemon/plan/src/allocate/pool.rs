//! The addresses of one network.

use model::{Network, Subnet};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

/// The addresses of one network: which of them belong to somebody, and where the next one is looked for.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    subnet: Subnet,
    /// What may be given; the gateway and the subnet's own two addresses are left out.
    first: u32,
    last: u32,
    used: BTreeSet<u32>,
    next: u32,
}

impl Pool {
    /// The pool of a network that has its subnet. Nobody has anything of it yet but the gateway.
    pub(crate) fn of(network: &Network) -> Option<Self> {
        let (subnet, given) = (network.subnet()?, network.given()?);
        let range = given
            .range
            .as_ref()
            .and_then(|range| range.parse::<Subnet>().ok());
        let range = range.filter(|range| subnet.holds(*range)).unwrap_or(subnet);
        let within = |address: Ipv4Addr| {
            u32::from(address).clamp(
                u32::from(subnet.first()).saturating_add(1),
                u32::from(subnet.last()).saturating_sub(1),
            )
        };
        let mut pool = Self {
            subnet,
            first: within(range.first()),
            last: within(range.last()),
            used: BTreeSet::new(),
            next: network.next.map_or(0, u32::from),
        };
        if let Some(gateway) = given.gateway.as_ref().and_then(|gateway| gateway.parse().ok()) {
            pool.claim(gateway);
        }
        Some(pool)
    }

    /// The subnet.
    pub(crate) fn subnet(&self) -> Subnet {
        self.subnet
    }

    /// Where the next one will be looked for.
    pub(crate) fn next(&self) -> Ipv4Addr {
        self.next.into()
    }

    /// The address belongs to somebody.
    pub(crate) fn claim(&mut self, address: Ipv4Addr) {
        let address = u32::from(address);
        if (self.first..=self.last).contains(&address) {
            self.used.insert(address);
        }
    }

    /// How many belong to nobody.
    pub(crate) fn free(&self) -> usize {
        (self.last - self.first + 1) as usize - self.used.len()
    }

    /// Gives an address: the first free one after the one that was given last, so that what came back rests for as
    /// long as can be. None if all belong to somebody.
    pub(crate) fn take(&mut self) -> Option<Ipv4Addr> {
        let from = if (self.first..=self.last).contains(&self.next) {
            self.next
        } else {
            self.first
        };
        let found = self
            .free_in(from, self.last)
            .or_else(|| self.free_in(self.first, from))?;
        self.used.insert(found);
        self.next = found + 1;
        Some(found.into())
    }

    fn free_in(&self, from: u32, to: u32) -> Option<u32> {
        let mut candidate = from;
        for used in self.used.range(from..=to) {
            if *used != candidate {
                break;
            }
            candidate += 1;
        }
        (candidate <= to).then_some(candidate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{IpamConfig, IpamOptions};

    fn network(subnet: &str, range: Option<&str>, gateway: &str) -> Network {
        let config = IpamConfig {
            subnet: Some(subnet.into()),
            range: range.map(Into::into),
            gateway: Some(gateway.into()),
        };
        Network {
            ipam_options: Some(IpamOptions {
                configs: Some(vec![config]),
                ..IpamOptions::default()
            }),
            ..Network::default()
        }
    }

    #[test]
    fn what_came_back_is_given_last() {
        let mut pool = Pool::of(&network("10.0.1.0/29", None, "10.0.1.1")).unwrap();
        let given: Vec<String> = std::iter::from_fn(|| pool.take())
            .map(|a| a.to_string())
            .collect();
        assert_eq!(
            given,
            ["10.0.1.2", "10.0.1.3", "10.0.1.4", "10.0.1.5", "10.0.1.6"]
        );
        assert_eq!((pool.free(), pool.take()), (0, None));

        let mut network = network("10.0.1.0/29", None, "10.0.1.1");
        network.next = Some(Ipv4Addr::new(10, 0, 1, 4));
        let mut pool = Pool::of(&network).unwrap();
        pool.claim(Ipv4Addr::new(10, 0, 1, 5));
        let given: Vec<u8> = std::iter::from_fn(|| pool.take())
            .map(|a| a.octets()[3])
            .collect();
        assert_eq!(given, [4, 6, 2, 3]);
    }

    #[test]
    fn a_range_is_kept_to() {
        let mut pool = Pool::of(&network("10.0.0.0/16", Some("10.0.7.0/30"), "10.0.0.1")).unwrap();
        let given: Vec<u8> = std::iter::from_fn(|| pool.take())
            .map(|a| a.octets()[3])
            .collect();
        assert_eq!(given, [0, 1, 2, 3]);
    }
}
