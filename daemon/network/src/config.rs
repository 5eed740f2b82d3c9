//! What the shell is told once, and the subnet's arithmetic.

use std::{fmt, net::Ipv4Addr, path::PathBuf};

use crate::Error;

/// What a board's network needs to know at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The bridge's name, at most 15 letters, digits, `-` and `_`.
    pub bridge: String,
    /// The subnet behind the bridge. It is only seen on its own board, so all boards may use the same.
    pub subnet: Subnet,
    /// Where the tasks' namespaces are mounted. Must not survive a reboot (a place on tmpfs).
    pub netns_dir: PathBuf,
    /// Where addresses and host ports are noted for a restarted daemon.
    pub state_file: PathBuf,
    /// Where the board's private key for encrypted networks is.
    pub wireguard_key: PathBuf,
    /// The board's own `resolv.conf`, read anew for every question that is passed on.
    pub resolv_conf: PathBuf,
}

impl Config {
    /// The usual names and addresses, with all files below `run_dir`.
    pub fn in_run_dir(run_dir: impl Into<PathBuf>) -> Self {
        let run_dir = run_dir.into();
        Config {
            bridge: "bramble0".to_owned(),
            subnet: Subnet::LOCAL,
            netns_dir: run_dir.join("netns"),
            state_file: run_dir.join("network.json"),
            wireguard_key: run_dir.join("wireguard.key"),
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
        }
    }

    /// Refuses a bridge's name that the kernel or the packet filter's language could misread.
    ///
    /// # Errors
    /// [`Error::Config`] with the reason.
    pub fn check(&self) -> Result<(), Error> {
        let named = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if self.bridge.is_empty() || self.bridge.len() > 15 || !self.bridge.chars().all(named) {
            return Err(Error::Config(format!(
                "{:?} cannot be a bridge's name",
                self.bridge
            )));
        }
        Ok(())
    }
}

/// An IPv4 subnet: the first address belongs to the bridge, the others to tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet {
    base: u32,
    prefix: u8,
}

impl Subnet {
    /// 172.30.0.0/16.
    pub const LOCAL: Subnet = Subnet {
        base: 0xac1e_0000,
        prefix: 16,
    };

    /// The subnet that `address` is in.
    ///
    /// # Errors
    /// [`Error::Config`] if the prefix leaves no room for tasks or is wider than any private range (8 to 29 are fine).
    pub fn new(address: Ipv4Addr, prefix: u8) -> Result<Self, Error> {
        if !(8..=29).contains(&prefix) {
            return Err(Error::Config(format!(
                "{address}/{prefix}: the prefix must be from 8 to 29"
            )));
        }
        Ok(Subnet {
            base: u32::from(address) & (u32::MAX << (32 - prefix)),
            prefix,
        })
    }

    /// The number of leading bits that all addresses share.
    pub fn prefix(self) -> u8 {
        self.prefix
    }

    /// The bridge's address, which is the tasks' way out.
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 1)
    }

    /// How many addresses tasks can have.
    pub fn capacity(self) -> u32 {
        // Network, gateway and broadcast belong to nobody.
        (1 << (32 - self.prefix)) - 3
    }

    /// The task's address number `n`, counted from zero and going round at [`capacity`](Self::capacity).
    pub fn nth(self, n: u32) -> Ipv4Addr {
        Ipv4Addr::from(self.base + 2 + n % self.capacity())
    }

    /// The number of a task's address, the inverse of [`nth`](Self::nth); none for any other address.
    pub fn number(self, address: Ipv4Addr) -> Option<u32> {
        u32::from(address)
            .checked_sub(self.base + 2)
            .filter(|n| *n < self.capacity())
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from(self.base), self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_address_is_the_gateways_and_the_last_is_nobodys() {
        let subnet = Subnet::new(Ipv4Addr::new(10, 1, 2, 77), 29).unwrap();
        assert_eq!(subnet.to_string(), "10.1.2.72/29");
        assert_eq!(subnet.gateway(), Ipv4Addr::new(10, 1, 2, 73));
        assert_eq!(subnet.capacity(), 5);
        assert_eq!(subnet.nth(0), Ipv4Addr::new(10, 1, 2, 74));
        assert_eq!(subnet.nth(4), Ipv4Addr::new(10, 1, 2, 78));
        assert_eq!(subnet.nth(5), subnet.nth(0));
        assert_eq!(subnet.number(Ipv4Addr::new(10, 1, 2, 78)), Some(4));
        for outside in [72, 73, 79, 80, 1] {
            assert_eq!(subnet.number(Ipv4Addr::new(10, 1, 2, outside)), None);
        }
        assert_eq!(Subnet::LOCAL.to_string(), "172.30.0.0/16");
    }

    #[test]
    fn names_that_rules_could_misread_are_refused() {
        let mut config = Config::in_run_dir("/run/bramble");
        assert_eq!(config.check(), Ok(()));
        for name in ["", "a b", "x\"; flush ruleset", "sixteen-letters-"] {
            config.bridge = name.to_owned();
            assert!(config.check().is_err(), "{name:?}");
        }
        assert!(Subnet::new(Ipv4Addr::LOCALHOST, 30).is_err());
    }
}
