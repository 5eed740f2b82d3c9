//! IPv4 subnets, as networks are given them.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// What every board has behind its own bridge: never seen outside of it, so no overlay may lie in there.
pub const BOARD_SUBNET: Subnet = Subnet {
    base: 0xac1e_0000,
    prefix: 16,
};

/// An IPv4 subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subnet {
    base: u32,
    prefix: u8,
}

/// Why a text is no subnet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid subnet {0}: an IPv4 network such as 10.0.1.0/24 is needed")]
pub struct SubnetError(String);

impl Subnet {
    /// The subnet of `prefix` bits (at most 32) that an address is in.
    pub fn around(address: Ipv4Addr, prefix: u8) -> Self {
        let prefix = prefix.min(32);
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        Self {
            base: u32::from(address) & mask,
            prefix,
        }
    }

    /// Its first address, which names it.
    pub fn first(self) -> Ipv4Addr {
        self.base.into()
    }

    /// Its last address, which reaches all in it.
    pub fn last(self) -> Ipv4Addr {
        let host = u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
        (self.base | host).into()
    }

    /// Leading bits that all its addresses share.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// True if the address is in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (self.first()..=self.last()).contains(&address)
    }

    /// True if all of `other` is in it.
    pub fn holds(self, other: Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.first())
    }

    /// True if there is an address in both.
    pub fn overlaps(self, other: Self) -> bool {
        self.holds(other) || other.holds(self)
    }

    /// `10.0.1.7/24`: an address in it, as Docker writes it.
    pub fn with_prefix(self, address: Ipv4Addr) -> String {
        format!("{address}/{}", self.prefix)
    }
}

impl FromStr for Subnet {
    type Err = SubnetError;

    /// Reads `10.0.1.0/24`; bits behind the prefix are cleared, as Docker does.
    fn from_str(text: &str) -> Result<Self, SubnetError> {
        let parse = || {
            let (address, prefix) = text.split_once('/')?;
            let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
            Some(Self::around(address.parse().ok()?, prefix))
        };
        parse().ok_or_else(|| SubnetError(text.to_owned()))
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.first(), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_read_and_compared() {
        let subnet = |text: &str| text.parse::<Subnet>().unwrap();
        let one = subnet("10.0.1.77/24");
        assert_eq!(one.to_string(), "10.0.1.0/24");
        assert_eq!(one.last(), Ipv4Addr::new(10, 0, 1, 255));
        assert!(one.contains(Ipv4Addr::new(10, 0, 1, 255)) && !one.contains(Ipv4Addr::new(10, 0, 2, 0)));
        assert!(one.overlaps(subnet("10.0.0.0/8")) && subnet("10.0.0.0/8").overlaps(one));
        assert!(!one.overlaps(subnet("10.0.2.0/24")));
        assert!(subnet("0.0.0.0/0").holds(one) && !one.holds(subnet("0.0.0.0/0")));
        assert_eq!(subnet("1.2.3.4/32").last(), Ipv4Addr::new(1, 2, 3, 4));
        assert_eq!(BOARD_SUBNET.to_string(), "172.30.0.0/16");
        for bad in [
            "",
            "10.0.0.0",
            "10.0.0.0/33",
            "10.0.0/24",
            "fd00::/64",
            "10.0.0.0/-1",
        ] {
            assert!(bad.parse::<Subnet>().is_err(), "{bad}");
        }
    }
}
